import StoreContract
import TallypostCore
import Testing

/// Migrations and adoption, on real databases.
@Suite struct SchemaTests {
    @Test(arguments: Engine.databases)
    func `migrating again changes nothing`(engine: Engine) throws {
        try engine.withDatabase { database in
            let id = try database.insert(["type": "mail"])
            let version = try #require(Int(try database.query("SELECT max(version) FROM tallypost_schema")[0][0] ?? ""))
            let report = try database.makeKeeper().migrate()
            #expect(report == MigrationReport(from: version, to: version, adopted: [], notes: []))
            #expect(try database.makeStore().claim("mail").map(\.id) == [id])
        }
    }

    @Test(arguments: Engine.databases)
    func `an empty database gets the tables`(engine: Engine) throws {
        try engine.withDatabase { database in
            try database.clear()
            #expect(schemaError { try database.makeUnopenedStore().open() } != nil)
            let report = try database.makeKeeper().migrate()
            #expect(report.from == 0)
            #expect(report.to > 0)
            #expect(report.adopted.isEmpty)
            let id = try database.insert(["type": "mail"])
            #expect(try database.makeStore().claim("mail").map(\.id) == [id])
        }
    }

    @Test(arguments: Engine.databases)
    func `a newer schema is refused by everything, and left as it is`(engine: Engine) throws {
        try engine.withDatabase { database in
            try database.execute(
                "DELETE FROM tallypost_schema; INSERT INTO tallypost_schema (version, applied_at) VALUES (999, '2026-01-01')")
            for attempt: () throws -> Void in [
                { try database.makeUnopenedStore().open() }, { _ = try database.makeKeeper().migrate() },
                { _ = try database.makeDesk() },
            ] {
                #expect(try #require(schemaError(attempt)).message.contains("upgrade tallypost"))
            }
            #expect(try database.query("SELECT version FROM tallypost_schema") == [["999"]])
        }
    }

    @Test(arguments: Engine.databases)
    func `two that migrate at once both succeed`(engine: Engine) throws {
        try engine.withDatabase { database in
            try database.clear()
            let keepers = (0..<2).map { _ in InBackground { try database.makeKeeper().migrate().to } }
            let versions = try keepers.map { try $0.wait() }
            #expect(versions[0] == versions[1])
            try database.insert(["type": "mail"])
            #expect(try database.makeStore().claim("mail").count == 1)
        }
    }

    @Test(arguments: Engine.databases)
    func `a table that was there before is adopted, and no row of it is rewritten`(engine: Engine) throws {
        try engine.withDatabase { database in
            try database.clear()
            try database.execute(
                """
                CREATE TABLE pending_tasks (id INTEGER PRIMARY KEY, note TEXT, type TEXT, payload TEXT, status TEXT, priority INTEGER);
                INSERT INTO pending_tasks VALUES (3, 'keep me', 'mail', '{"n": 3}', 'pending', 0);
                INSERT INTO pending_tasks VALUES (5, NULL, 'mail', '{"n":5}', 'done', 0);
                INSERT INTO pending_tasks VALUES (8, 'Ünï', 'mail', '[1,  2]', 'completed', 4)
                """)
            let old = "SELECT id, note, type, payload, status, priority FROM pending_tasks ORDER BY id"
            let before = try database.query(old)
            let report = try database.makeKeeper().migrate()
            #expect(try database.query(old) == before)
            #expect(
                report.adopted.contains("run_at") && report.adopted.contains("lease_epoch") && !report.adopted.contains("payload")
            )
            #expect(report.notes.contains { $0.contains("'done'") })
            #expect(try database.makeKeeper().migrate().adopted.isEmpty)

            let store = try database.makeStore()
            let tasks = try store.claim("mail", thorough: true)
            #expect(tasks.map(\.id).sorted() == [3, 5])
            #expect(Set(tasks.map(\.statusBefore)) == ["pending", "done"])
            #expect(tasks.first { $0.id == 3 }?.payload == Array(#"{"n": 3}"#.utf8))
            #expect(Set(tasks.map(\.idempotencyKey)).count == 2)
            #expect(tasks.allSatisfy { !$0.idempotencyKey.isEmpty })
            _ = try store.settle(tasks.map(\.completed))

            // New rows get what the old ones lack.
            try database.execute(
                """
                INSERT INTO pending_tasks (id, type, payload, status, priority, wait_for_signal)
                VALUES (21, 'mail', '{}', 'pending', 0, '1')
                """)
            let new = try #require(try store.claim("mail", thorough: true).first)
            #expect(new.id == 21)
            #expect(new.idempotencyKey.utf8.count >= 32)
            #expect((new.signalToken ?? "").utf8.count >= 43)
            #expect(near(new.createdAt - (try store.survey().now), .zero))
            #expect(near(new.runAt - (try store.survey().now), .zero))
        }
    }

    @Test(arguments: Engine.databases)
    func `an adopted table keeps ordering keys like any other`(engine: Engine) throws {
        try engine.withDatabase { database in
            try database.clear()
            try database.execute("CREATE TABLE pending_tasks (id INTEGER PRIMARY KEY, type TEXT, ordering_key TEXT)")
            for id in 1...3 { try database.execute("INSERT INTO pending_tasks VALUES (\(id), 'mail', 'c-1')") }
            _ = try database.makeKeeper().migrate()
            let store = try database.makeStore()
            for id in 1...3 as ClosedRange<Int64> {
                let tasks = try store.claim("mail", thorough: true)
                #expect(tasks.map(\.id) == [id])
                _ = try store.settle(tasks.map(\.completed))
            }
        }
    }

    @Test(arguments: Engine.databases)
    func `what an adopted table had already ended or begun does not hold its key for ever`(engine: Engine) throws {
        try engine.withDatabase { database in
            try database.clear()
            try database.execute("CREATE TABLE pending_tasks (id INTEGER PRIMARY KEY, type TEXT, ordering_key TEXT, status TEXT)")
            for (id, status) in [(1, "completed"), (2, "failed"), (3, "processing"), (4, "processing"), (5, "pending")] {
                try database.execute("INSERT INTO pending_tasks VALUES (\(id), 'mail', 'c-1', '\(status)')")
            }
            _ = try database.makeKeeper().migrate()
            let store = try database.makeStore()
            let lost = try store.expiredLeases(limit: 10)
            _ = try store.settle(
                lost.map {
                    Outcome(id: $0.id, epoch: $0.epoch, change: .retry(after: .zero, responseStatus: nil, error: "lost"))
                })
            for id in 3...5 as ClosedRange<Int64> {
                let tasks = try store.claim("mail", thorough: true)
                #expect(tasks.map(\.id) == [id])
                _ = try store.settle(tasks.map(\.completed))
            }
        }
    }

    @Test(arguments: Engine.databases)
    func `a table without a usable id is refused, and left as it is`(engine: Engine) throws {
        try engine.withDatabase { database in
            try database.clear()
            try database.execute("CREATE TABLE pending_tasks (name TEXT PRIMARY KEY, payload TEXT)")
            let error = try #require(schemaError { _ = try database.makeKeeper().migrate() })
            #expect(error.message.contains("id"))
            try database.execute("INSERT INTO pending_tasks VALUES ('a', 'b')")
        }
    }

    @Test(arguments: Engine.databases)
    func `doctor finds nothing wrong with a fresh database, and says what is wrong with an empty one`(engine: Engine) throws {
        try engine.withDatabase { database in
            let keeper = try database.makeKeeper()
            let good = keeper.diagnose()
            #expect(good.contains { $0.check == "schema" && $0.level == .good })
            #expect(!good.contains { $0.level == .problem }, "\(good)")
            try database.clear()
            #expect(keeper.diagnose().contains { $0.check == "schema" && $0.level == .problem && $0.mend != nil })
        }
    }

    private func schemaError(_ body: () throws -> Void) -> StoreError? {
        do {
            try body()
            return nil
        } catch {
            guard let error = error as? StoreError, error.kind == .schema else { return nil }
            return error
        }
    }
}
