import Foundation
import PostgresFixture
import StoreContract
import TallypostCore
import Testing

@testable import TallypostPostgres

@Suite struct StatementTests {
    private static func names(_ file: String) throws -> Set<String> {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let bytes = try Data(contentsOf: root.appending(path: "sql/\(file)"))
        return Set(StatementFile(Array(bytes)).statements.map { $0.0 })
    }

    @Test(arguments: ["tasks.sql", "desk.sql", "signals.sql", "guards.sql", "reconcile.sql"])
    func `both engines hold the same names`(file: String) throws {
        let names = try Self.names("postgres/" + file)
        #expect(!names.isEmpty)
        #expect(names == (try Self.names("sqlite/" + file)))
    }

    @Test func `every statement of reconciliation is in the file, and the file has no other`() throws {
        #expect(try Self.names("postgres/reconcile.sql") == Set(ReconcileStatement.allCases.map(\.rawValue)))
    }

    @Test func `every statement prepares on a migrated database`() throws {
        let database = try PostgresFixture()
        for (name, sql) in StatementLibrary.statements {
            let text = sql.replacing("/* filter */", with: "")
            // What is no query can only be run.
            try database.execute(name == "listen" ? text : "PREPARE \(name) AS \(text)")
        }
        #expect(
            try database.query("SELECT count(*) FROM pg_prepared_statements") == [["\(StatementLibrary.statements.count - 1)"]])
    }

    @Test func `the SQL is ASCII, so that a database in any encoding takes it`() {
        for (name, sql) in StatementLibrary.statements { #expect(sql.utf8.allSatisfy { $0 < 128 }, "\(name)") }
        for migration in SchemaVersion.migrations { #expect(migration.sql.allSatisfy { $0 < 128 }, "\(migration.name)") }
    }

    @Test func `a moment far away or long ago is still a literal that PostgreSQL reads`() throws {
        let database = try PostgresFixture()
        for microseconds in [0, -1, 1_767_225_600_123_456, -62_135_596_800_000_000, 4_102_444_800_000_001, .min, .max] as [Int64]
        {
            let literal = Timestamp(microseconds: microseconds).literal
            let sql =
                microseconds == .min || microseconds == .max
                ? "SELECT isfinite('\(literal)'::timestamptz)"
                : "SELECT (extract(epoch FROM '\(literal)'::timestamptz) * 1000000)::bigint = \(microseconds)"
            #expect(try database.query(sql) == [[microseconds == .min || microseconds == .max ? "f" : "t"]], "\(literal)")
        }
    }
}
