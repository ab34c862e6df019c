import PostgresFixture
import SQLiteFixture
import StoreContract
import TallypostCore
import Testing

/// Everything that must hold the contract. Another store joins with a case and a line in each switch.
enum Engine: String, CaseIterable, CustomTestStringConvertible {
    case memory = "the simulator's memory"
    case sqlite
    case postgres
    case postgresPolling = "PostgreSQL, polling"
    case postgresPooled = "PostgreSQL, polling through PgBouncer"
    case postgresAsRelay = "PostgreSQL, as the role of the relay"

    var testDescription: String { rawValue }

    /// Those with a real database behind them: people, migrations and wake-ups come in.
    static let databases = Engine.allCases.filter { $0 != .memory }
    /// Those whose stores are woken; the others sleep their time out.
    static let waking: [Engine] = [.sqlite, .postgres, .postgresAsRelay]

    /// Runs `body` on a fresh, migrated database, which stays until it is done.
    func withFixture(_ body: (any StoreFixture) throws -> Void) throws {
        if self == .memory { try body(MemoryFixture()) } else { try withDatabase { try body($0) } }
    }

    /// Those that reconciliation works on.
    static let reconciled: [Engine] = [.sqlite, .postgres, .postgresPooled, .postgresAsRelay]

    /// A database, and reconciliation's connection to it.
    func withReconcile(_ body: (any ReconcileFixture, any ReconcileDatabase) throws -> Void) throws {
        try withDatabase { database in
            guard let fixture = database as? any ReconcileFixture else { throw FixtureError("\(self) cannot be reconciled") }
            try body(fixture, fixture.makeReconcileDatabase())
        }
    }

    /// The same with all that a real database has.
    func withDatabase(_ body: (any DatabaseFixture) throws -> Void) throws {
        switch self {
        case .memory: throw FixtureError("the simulator's memory is no real database")
        case .sqlite: try body(SQLiteFixture())
        case .postgres: try body(PostgresFixture(.session))
        case .postgresPolling: try body(PostgresFixture(.poll))
        case .postgresPooled: try body(PostgresFixture(.pooler))
        case .postgresAsRelay: try body(PostgresFixture(.relayRole))
        }
    }
}
