import PostgresFixture
import SQLiteFixture
import StoreContract
import TallypostCore
import Testing

/// The port that reconciliation reads and writes through.
@Suite struct ReconcileDatabaseTests {
    @Test(arguments: Engine.reconciled)
    func `a snapshot does not see what comes after it, by whichever way it looks`(engine: Engine) throws {
        try engine.withReconcile { database, reader in
            let ids = try database.insert((0..<3).map { ["type": "mail", "subject": .text("o_\($0)")] })
            let asOf = try reader.beginReading(statementTimeout: .seconds(30))
            #expect(near(asOf - (try database.makeStore().survey().now), .zero))
            try database.insert(["type": "mail"])
            try database.update([ids[0]], ["subject": "changed"])
            try database.execute("DELETE FROM pending_tasks WHERE id = \(ids[1])")
            var seen: [Int64] = []
            try reader.run(.scanTasks, [.integer(.min)]) { row in
                row.integer(0).map { seen.append($0) }
                return true
            }
            #expect(seen == ids)
            let cursor = try reader.cursor(.scanTasks, [.integer(ids[0] - 1)])
            var subjects: [String?] = []
            while let row = try cursor.next() { subjects.append(row.text(3)) }
            #expect(subjects == ["o_0", "o_1", "o_2"])
            #expect(try cursor.next() == nil)
            var count: Int64?
            try reader.run(sql: "SELECT count(*) FROM pending_tasks", operation: "rule", []) { row in
                count = row.integer(0)
                return true
            }
            #expect(count == 3)
            reader.endReading()
            _ = try reader.beginReading(statementTimeout: .seconds(30))
            #expect(try Self.ids(reader).count == 3)
            #expect(try Self.ids(reader) != ids)
            reader.endReading()
        }
    }

    @Test(arguments: Engine.reconciled)
    func `other statements run between two rows of a cursor, and rows come by id in parts`(engine: Engine) throws {
        try engine.withReconcile { database, reader in
            let ids = try database.insert((0..<12_000).map { _ in ["type": "mail"] })
            _ = try reader.beginReading(statementTimeout: .seconds(30))
            defer { reader.endReading() }
            let cursor = try reader.cursor(.scanTasks, [.integer(ids[9])])
            var seen: [Int64] = []
            while let row = try cursor.next() {
                seen.append(try #require(row.integer(0)))
                if seen.count % 4_000 == 1 {
                    #expect(throws: StoreError.self) {
                        try reader.run(sql: "SELECT nothing FROM nowhere", operation: "rule", []) { _ in true }
                    }
                    #expect(try Self.ids(reader, limit: 5) == Array(ids[..<5]))
                }
            }
            #expect(seen == Array(ids[10...]))
            let other = try reader.cursor(.scanTasks, [.integer(0)])
            _ = try other.next()
            other.close()
            #expect(try other.next() == nil)
        }
    }

    @Test(arguments: Engine.reconciled)
    func `an export gives the rows that a statement gives, leaves the snapshot as it was, and ends where its reader has enough`(
        engine: Engine
    ) throws {
        try engine.withReconcile { database, reader in
            let texts = ["plain", "a\tb\nc\\d", "\\N", "\\.", "", "Ünï 💶", "\"quoted\", 'too'"]
            try database.insert(
                texts.map { text in
                    [
                        "type": .text("it's $1, \\'"), "subject": .text(text), "idempotency_key": .text("k\(text)"),
                        "amount_minor": .integer(.min), "currency": "EUR",
                    ]
                } + [["type": "mail"], ["type": "other", "amount_minor": .integer(.max), "currency": "EUR"]])
            let types = SQLValue.text(#"["it's $1, \\'", "mail"]"#)
            let asOf = try reader.beginReading(statementTimeout: .seconds(30))
            try database.insert(["type": "mail"])
            func line(_ row: any SQLRow) -> [String?] {
                (0..<9).map { column in
                    if row.isNull(column) { return nil }
                    return column == 0 || column == 4 ? row.integer(column).map { "\($0)" } : row.text(column)
                }
            }
            var (told, exported): ([[String?]], [[String?]]) = ([], [])
            try reader.run(.ledgerTasks, [types]) { row in
                told.append(line(row))
                return true
            }
            try reader.export(.ledgerTasks, [types]) { row in
                exported.append(line(row))
                return true
            }
            #expect(exported.count == texts.count + 1 && Set(exported) == Set(told))
            #expect(Set(exported.map { $0[3] }) == Set(texts + [nil]))
            #expect(try Self.ids(reader).count == texts.count + 2, "the snapshot of \(asOf.iso8601) is still open")
            var count = 0
            try reader.export(.ledgerTasks, [types]) { _ in
                count += 1
                return count < 3
            }
            #expect(count == 3)
            // Of this snapshot nothing more is asked: what ends an export may end it too.
            reader.endReading()
            #expect(throws: StoreError.self, "an export needs a snapshot") {
                try reader.export(.ledgerTasks, [types]) { _ in true }
            }
        }
    }

    @Test(arguments: Engine.reconciled)
    func `a statement that takes too long is a timeout, and the snapshot goes on`(engine: Engine) throws {
        try engine.withReconcile { database, reader in
            try database.insert(["type": "mail"])
            // Long enough for the last query, on a machine that stands still for a moment.
            _ = try reader.beginReading(statementTimeout: .seconds(1))
            defer { reader.endReading() }
            let error = #expect(throws: StoreError.self) {
                try reader.run(sql: Self.endless, operation: "slow_rule", []) { _ in true }
            }
            #expect(error?.kind == .busy)
            #expect(error?.code == "timeout")
            #expect(error?.operation == "slow_rule")
            #expect(try Self.ids(reader).count == 1)
        }
    }

    @Test(arguments: Engine.reconciled)
    func `what runs is broken off from another thread`(engine: Engine) throws {
        try engine.withReconcile { database, reader in
            _ = try reader.beginReading(statementTimeout: .seconds(60))
            defer { reader.endReading() }
            let peer = Shared(reader)
            let started = Flag()
            let interrupter = InBackground {
                // Again and again: the first may come before the statement has begun.
                started.wait()
                while !started.isDone { peer.value.interrupt() }
            }
            started.start()
            let error = #expect(throws: StoreError.self) {
                try reader.run(sql: Self.endless, operation: "rule", []) { _ in true }
            }
            started.finish()
            try interrupter.wait()
            #expect(error?.kind == .busy)
            #expect(error?.code == "interrupted")
        }
    }

    @Test(arguments: Engine.reconciled)
    func `other people's statements may read and nothing else`(engine: Engine) throws {
        try engine.withReconcile { database, reader in
            try database.insert(["type": "mail"])
            _ = try reader.beginReading(statementTimeout: .seconds(30))
            defer { reader.endReading() }
            for sql in [
                "DELETE FROM pending_tasks", "INSERT INTO pending_tasks (type) VALUES ('x') RETURNING id",
                "DROP TABLE task_events",
                "SELECT 1; SELECT 2", "CREATE TABLE mine (id INTEGER)", "SELECT 1; DELETE FROM pending_tasks", "",
            ] where !(sql.isEmpty && engine != .sqlite) {
                #expect(throws: StoreError.self, "\(sql)") { try reader.run(sql: sql, operation: "rule", []) { _ in true } }
            }
            if engine == .sqlite {
                for sql in ["PRAGMA query_only = OFF", "ATTACH ':memory:' AS other", "COMMIT"] {
                    #expect(throws: StoreError.self, "\(sql)") { try reader.run(sql: sql, operation: "rule", []) { _ in true } }
                }
            }
            #expect(try Self.ids(reader).count == 1)
        }
    }

    @Test(arguments: Engine.reconciled)
    func `values of every kind go in and come out as they were`(engine: Engine) throws {
        try engine.withReconcile { _, database in
            let bytes = (0...255).map { UInt8($0) } + [0, 0]
            let time = Timestamp(microseconds: 1_772_357_400_123_000)
            let values: [SQLValue] = [
                .null, .integer(.min), .text("Ünï'\"\\ 💶\n"), .text(""), .blob(bytes), .blob([]), .time(time), .boolean(true),
                .integer(.max),
            ]
            let casts = ["text", "bigint", "text", "text", "bytea", "bytea", "timestamptz", "boolean", "bigint"]
            let sql =
                engine == .sqlite
                ? "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 AS flag, ?9"
                : "SELECT "
                    + casts.enumerated().map { "$\($0 + 1)::\($1)" + ($0 == 7 ? " AS flag" : "") }.joined(separator: ", ")
            var rows = 0
            try database.run(sql: sql, operation: "values", values) { row in
                rows += 1
                #expect(row.columnCount == 9)
                #expect(row.name(7) == "flag")
                #expect(row.isNull(0) && row.text(0) == nil && row.integer(0) == nil && row.time(0) == nil && row.bytes(0) == nil)
                let (none, same) = (unsafe row.withBytes(0) { $0.count }, unsafe row.withBytes(4) { unsafe Array($0) })
                #expect(none == 0 && same == bytes)
                #expect(row.integer(1) == .min && row.text(1) == String(Int64.min))
                #expect(row.text(2) == "Ünï'\"\\ 💶\n" && row.integer(2) == nil && row.time(2) == nil)
                #expect(row.text(3) == "" && !row.isNull(3) && row.integer(3) == nil)
                #expect(row.bytes(4) == bytes)
                #expect(row.bytes(5) == [])
                #expect(row.time(6) == time)
                #expect(row.integer(7) == 1)
                #expect(row.integer(8) == .max)
                return true
            }
            #expect(rows == 1)
        }
    }

    @Test(arguments: Engine.reconciled)
    func `a query ends where its reader has had enough`(engine: Engine) throws {
        try engine.withReconcile { database, reader in
            try database.insert((0..<20).map { _ in ["type": "mail"] })
            _ = try reader.beginReading(statementTimeout: .seconds(30))
            defer { reader.endReading() }
            #expect(try Self.ids(reader, limit: 3).count == 3)
            #expect(try Self.ids(reader).count == 20)
        }
    }

    @Test(arguments: Engine.reconciled)
    func `what is written stands or falls as one`(engine: Engine) throws {
        try engine.withReconcile { database, writer in
            let draft = TaskDraft(type: "alert", payload: #"{"n":1}"#, idempotencyKey: "alert-1", others: ["amount_minor": "5"])
            let failure = StoreError(kind: .data, code: "", operation: "test", message: "no")
            #expect(throws: StoreError.self) {
                try writer.write { () throws(StoreError) in
                    _ = try writer.insert(draft)
                    throw failure
                }
            }
            #expect(try database.query("SELECT count(*) FROM pending_tasks") == [["0"]])
            let made = try writer.write { () throws(StoreError) in try writer.insert(draft) }
            #expect(made.isNew)
            let again = try writer.write { () throws(StoreError) in try writer.insert(draft) }
            #expect(again == InsertedTask(id: made.id, isNew: false, signalToken: nil))
            #expect(try database.value("amount_minor", of: made.id) == .integer(5))
            let refused = #expect(throws: StoreError.self) {
                try writer.write { () throws(StoreError) in
                    try writer.insert(TaskDraft(type: "alert", others: ["amount_minor": "much"]))
                }
            }
            #expect(refused?.kind == .data)
            let affected = try writer.write { () throws(StoreError) in
                try writer.run(
                    sql: "UPDATE tallypost_reconciler SET last_run = last_run", operation: "touch", [], { _ in true })
            }
            #expect(affected == 1)
        }
    }

    @Test(arguments: [Engine.sqlite, .postgres])
    func `a table of older tables is read as it is, and what is no number or time comes as nothing`(engine: Engine) throws {
        try engine.withReconcile { database, _ in
            try database.clear()
            try database.execute(
                engine == .sqlite
                    ? """
                    CREATE TABLE pending_tasks (id INTEGER PRIMARY KEY, type TEXT, idempotency_key TEXT, amount_minor TEXT, created_at TEXT);
                    INSERT INTO pending_tasks VALUES (1, 'mail', 'k', '12', '2026-03-01 09:30:00'), (2, x'ff', NULL, 'much', 'soon'),
                        (3, 'mail', 'k3', 1.5, '2026-03-01T09:30:00.5+02:00'), (4, 'mail', 'k4', 7.0, 20260301)
                    """
                    : """
                    CREATE TABLE pending_tasks (id integer PRIMARY KEY, type varchar(20), idempotency_key uuid DEFAULT gen_random_uuid(), amount_minor numeric, created_at timestamp);
                    INSERT INTO pending_tasks VALUES (1, 'mail', '5f0c8d1e-0000-4000-8000-00000000002a', 12, '2026-03-01 09:30:00'),
                        (2, 'mail', NULL, NULL, NULL), (3, 'mail', NULL, 1.5, '2026-03-01 07:30:00.5'), (4, 'mail', NULL, 7.00, NULL)
                    """)
            _ = try database.makeKeeper().migrate()
            let reader = try database.makeReconcileDatabase()
            var rows: [(Int64?, String?, Int64?, Timestamp?)] = []
            _ = try reader.beginReading(statementTimeout: .seconds(30))
            let cursor = try reader.cursor(.scanTasks, [.integer(.min)])
            while let row = try cursor.next() { rows.append((row.integer(0), row.text(4), row.integer(5), row.time(7))) }
            reader.endReading()
            #expect(rows.map(\.0) == [1, 2, 3, 4])
            #expect(rows[0].1 == (engine == .sqlite ? "k" : "5f0c8d1e-0000-4000-8000-00000000002a"))
            #expect(rows.map(\.2) == [12, nil, nil, 7])
            #expect(
                rows.map { $0.3?.iso8601 } == ["2026-03-01T09:30:00.000Z", nil, "2026-03-01T07:30:00.500Z", nil])
        }
    }

    @Test(arguments: [Engine.sqlite, .postgres])
    func `a database without our tables, or with newer ones, is refused`(engine: Engine) throws {
        try engine.withReconcile { database, _ in
            try database.execute(
                "DELETE FROM tallypost_schema; INSERT INTO tallypost_schema (version, applied_at) VALUES (999, '2026-01-01')")
            #expect(throws: StoreError.self) { try database.makeReconcileDatabase() }
            try database.execute("DELETE FROM tallypost_schema")
            let error = #expect(throws: StoreError.self) { try database.makeReconcileDatabase() }
            #expect(error?.kind == .schema)
        }
    }

    // MARK: Helpers

    private static let endless = """
        WITH RECURSIVE count (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < 1000000000) SELECT max(n) FROM count
        """

    private static func ids(_ reader: any ReconcileDatabase, limit: Int = .max) throws -> [Int64] {
        var ids: [Int64] = []
        try reader.run(.scanTasks, [.integer(.min)]) { row in
            row.integer(0).map { ids.append($0) }
            return ids.count < limit
        }
        return ids
    }
}
