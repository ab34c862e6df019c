import SQLiteFixture
import StoreContract
import TallypostCore
import Testing

/// Everything that must hold the contract. Another store joins with a case and a line in each switch.
enum Engine: String, CaseIterable, CustomTestStringConvertible {
    case sqlite

    var testDescription: String { rawValue }

    /// Those with a real database behind them: people, migrations and wake-ups come in.
    static let databases: [Engine] = [.sqlite]

    /// Runs `body` on a fresh, migrated database, which stays until it is done.
    func withFixture(_ body: (any StoreFixture) throws -> Void) throws {
        switch self {
        case .sqlite: try body(SQLiteFixture())
        }
    }

    /// The same with all that a real database has.
    func withDatabase(_ body: (any DatabaseFixture) throws -> Void) throws {
        switch self {
        case .sqlite: try body(SQLiteFixture())
        }
    }
}
