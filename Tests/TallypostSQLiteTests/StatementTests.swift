import FoundationEssentials
import SQLiteFixture
import StoreContract
import TallypostCore
import Testing

@testable import TallypostSQLite

/// The SQL files against the database they are for.
@Suite struct StatementTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "sql/sqlite").path

    private static func named(_ file: StatementFile) -> [(name: String, sql: String)] {
        file.statements.sorted { $0.key < $1.key }.map { (name: $0.key, sql: $0.value) }
    }

    @Test func `every named statement prepares on a migrated database`() throws {
        let database = try SQLiteFixture()
        let connection = try SQLiteConnection(path: database.path, mode: .existing)
        let all = [
            StoreStatements.tasks, StoreStatements.desk, StoreStatements.signals, Following.statements, StoreStatements.reconcile,
        ].flatMap(Self.named)
        #expect(all.count > 25)
        for (name, sql) in all {
            #expect(throws: Never.self, "\(name)") { _ = try connection.prepareAll(sql, operation: name) }
        }
    }

    @Test func `nothing that a relay asks reads the table from end to end`() throws {
        let database = try SQLiteFixture()
        for (name, sql) in Self.named(StoreStatements.tasks) {
            let code = sql.split(separator: "\n").filter { !$0.hasPrefix("--") }.joined(separator: "\n")
            for statement in code.split(separator: ";") where statement.contains("pending_tasks") {
                let plan = try database.query("EXPLAIN QUERY PLAN \(statement)").compactMap { $0[3] }
                for step in plan where step.hasPrefix("SCAN pending_tasks") {
                    // A partial index of a few rows may be read whole.
                    #expect(step.contains("USING"), "\(name): \(step)")
                }
                for step in plan where step.hasPrefix("SCAN task") || step.hasPrefix("SCAN other") {
                    Issue.record("\(name): \(step)")
                }
            }
        }
    }

    @Test func `a row that stopped being its key's head between the look and the lease is not leased`() throws {
        let database = try SQLiteFixture()
        let ids = try database.insert((0..<3).map { _ in ["type": "mail", "ordering_key": "c-1"] })
        let connection = try SQLiteConnection(path: database.path, mode: .existing)
        let read = try connection.prepare(StoreStatements.tasks["claim_heads"], operation: "claim_heads")
        func canBeLeased(_ id: Int64) throws -> Bool {
            try read.bind(1, id)
            try read.bind(2, Int64.max)
            return try read.firstRow { $0.integer(0) } == id
        }
        #expect(try ids.map { try canBeLeased($0) } == [true, false, false])
        try database.update([ids[0]], ["status": "failed"])
        #expect(try ids.map { try canBeLeased($0) } == [false, true, false])
        try database.update([ids[2]], ["status": "waiting"])
        #expect(try ids.map { try canBeLeased($0) } == [false, false, false])
        // And if all of this were wrong, the database itself would refuse.
        #expect(throws: FixtureError.self) { try database.update([ids[1]], ["status": "processing"]) }
    }

    @Test func `the list of migrations is the folder's`() throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder)
        let migrations = files.filter { $0.hasPrefix("v") && $0.hasSuffix(".sql") }.sorted().map { String($0.dropLast(4)) }
        #expect(SchemaVersion.migrations.map(\.name) == migrations)
        for (index, name) in migrations.enumerated() { #expect(Int(name.dropFirst().prefix(4)) == index + 1) }
    }

    @Test func `an adopted table has the columns of a new one`() throws {
        let (new, adopted) = (try SQLiteFixture(), try SQLiteFixture(migrated: false))
        try adopted.execute("CREATE TABLE pending_tasks (id INTEGER PRIMARY KEY)")
        let report = try SQLiteSchema(path: adopted.path).migrate()
        #expect(report.adopted == Adoption.columns)
        let columns = "SELECT name, type, hidden FROM pragma_table_xinfo('pending_tasks') ORDER BY cid"
        #expect(try new.query(columns) == adopted.query(columns))
        let indexes = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name"
        #expect(try new.query(indexes) == adopted.query(indexes))
        // What is derived, is derived alike.
        let insert = """
            INSERT INTO pending_tasks (id, type, status, run_at, deadline_at, priority, ordering_key, blocks_key) VALUES
            (1, 't', 'pending', '2026-01-01', NULL, 0, 'k', 0), (2, 't', 'failed', '2026-01-01', '2026-01-02 03:04:05', 1, 'k', 1),
            (3, NULL, NULL, 'x', 'y', 'z', x'00', 0), (4, 't', 'processing', '2026-01-01', NULL, 0, NULL, 0), (5, 't', 'odd', '', NULL, 0, '', 0)
            """
        let derived =
            "SELECT id, run_at_ms, deadline_at_ms, is_open, lane, holds_key FROM pending_tasks ORDER BY id"
        try new.execute(insert)
        try adopted.execute(insert)
        #expect(try new.query(derived) == adopted.query(derived))
    }

    @Test func `a list of ids is what json_each takes apart`() throws {
        let database = try SQLiteFixture()
        let connection = try SQLiteConnection(path: database.path, mode: .existing)
        let each = try connection.prepare("SELECT value FROM json_each(?1)", operation: "test")
        for ids: [Int64] in [[], [1], [-1, 0, 7], [.min, .max]] {
            try each.bind(1, text: ClaimReader.list(ids))
            #expect(try each.rows { $0.integer(0) } == ids)
        }
    }

    @Test func `times are written as SQLite writes them`() throws {
        let database = try SQLiteFixture()
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = RandomSource(seed: seed)
        var moments: [Int64] = [
            0, -1, 999, 951_782_400_000, 951_868_799_999, 4_107_542_400_000, 253_402_300_799_999, -62_167_219_200_000,
        ]
        for _ in 0..<300 { moments.append(Int64(random.next(upTo: 315_569_520_000_000)) - 62_167_219_200_000) }
        for moment in moments {
            // From whole seconds and milliseconds apart, where no fraction is rounded.
            let seconds = moment >= 0 ? moment / 1_000 : (moment - 999) / 1_000
            let text = try database.query("SELECT strftime('%Y-%m-%dT%H:%M:%S.', \(seconds), 'unixepoch')")[0][0]
            let milliseconds = String(1_000 + moment - seconds * 1_000).dropFirst()
            let ours = Timestamp(milliseconds: moment).iso8601
            #expect(ours == "\(text ?? "")\(milliseconds)Z", "seed \(seed)")
            let back = try database.query("SELECT CAST(round((julianday('\(ours)') - 2440587.5) * 86400000.0) AS INTEGER)")[0][0]
            #expect(back == String(moment), "seed \(seed)")
        }
    }
}
