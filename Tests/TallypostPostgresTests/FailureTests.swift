import PostgresFixture
import StoreContract
import TallypostCore
import TallypostPostgres
import Testing

/// What the store makes of a database that refuses, breaks off or dies.
@Suite struct FailureTests {
    private func storeError(_ body: () throws -> Void) -> StoreError? {
        do { try body() } catch { return error as? StoreError }
        return nil
    }

    @Test func `a server that crashes is a lost connection; after its restart work goes on and nothing is lost`() throws {
        let server = try PostgresServer()
        let database = try PostgresFixture(in: TestDatabases(on: server))
        let store = try database.makeStore()
        let ids = try database.insert((0..<30).map { _ in ["type": "mail"] })
        let tasks = try store.claim("mail", limit: 10)
        #expect(try store.settle(tasks[..<5].map(\.completed)).written == 5)
        server.stop()
        #expect(storeError { _ = try store.settle(tasks[5...].map(\.completed)) }?.kind == .connection)
        #expect(storeError { _ = try store.claim("mail") }?.kind == .connection)
        #expect(storeError { _ = try store.waitForWork(timeout: .zero, interrupt: -1) }?.kind == .connection)
        #expect(storeError { try store.open() }?.kind == .connection)
        try server.start()
        try store.open()
        // The first five were written, though their answer could have been lost as well.
        #expect(try store.settle(tasks.map(\.completed)) == Settlement(written: 10, late: []))
        let rest = try store.claim("mail", limit: 50, thorough: true)
        #expect(rest.map(\.id) == Array(ids[10...]))
        _ = try store.settle(rest.map(\.completed))
        let look = try PostgresSession(url: database.url)
        #expect(
            try look.query("SELECT status, attempts, count(*) FROM pending_tasks GROUP BY 1, 2") == [["completed", "1", "30"]])
    }

    @Test func `a session that is ended by an operator is a lost connection, and open mends it`() throws {
        let database = try PostgresFixture()
        let store = try database.makeStore()
        try database.insert(["type": "mail"])
        let task = try #require(try store.claim("mail").first)
        try database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tallypost' AND datname = current_database()"
        )
        #expect(storeError { _ = try store.settle(task.completed) }?.kind == .connection)
        try store.open()
        #expect(try store.settle(task.completed).written == 1)
    }

    @Test(arguments: [false, true])
    func `a row that somebody has locked holds up no other outcome, and is written when it is free`(pollOnly: Bool) throws {
        let database = try PostgresFixture()
        let store = PostgresStore(url: database.url, pollOnly: pollOnly)
        try store.open()
        try database.insert((0..<6).map { _ in ["type": "mail"] })
        let outcomes = try store.claim("mail", limit: 4).map(\.completed)
        let person = try database.connect()
        try person.execute("BEGIN; SELECT 1 FROM pending_tasks WHERE id IN (\(outcomes[1].id), \(outcomes[2].id)) FOR UPDATE")
        let request = ClaimRequest(relay: "r", demands: [.init(type: "mail", limit: 9, lease: .seconds(60))], limit: 9)
        // The claim that rides along is not harmed.
        let (settlement, batch) = try store.exchange(outcomes, request)
        #expect(settlement == Settlement(written: 2, late: [], locked: [outcomes[1], outcomes[2]]))
        #expect(batch.tasks.count == 2)
        #expect(try store.settle(settlement.locked + batch.tasks.map(\.completed)).locked == settlement.locked)
        try person.execute("DELETE FROM pending_tasks WHERE id = \(outcomes[2].id); COMMIT")
        #expect(try store.settle(settlement.locked) == Settlement(written: 1, late: [outcomes[2].id]))
        #expect(
            try database.query("SELECT status, count(*) FROM pending_tasks GROUP BY 1") == [["completed", "5"]])
    }

    @Test func `a table that is locked makes the database busy, and nothing hangs`() throws {
        let database = try PostgresFixture()
        let store = try database.makeStore()
        try database.insert(["type": "mail"])
        let task = try #require(try store.claim("mail").first)
        let person = try database.connect()
        try person.execute("BEGIN; LOCK TABLE pending_tasks")
        #expect(storeError { _ = try store.settle(task.completed) }?.kind == .busy)
        #expect(storeError { _ = try store.claim("mail") }?.kind == .busy)
        try person.execute("COMMIT")
        #expect(try store.settle(task.completed).written == 1)
    }

    @Test func `a text that the database's encoding cannot hold costs only itself`() throws {
        let databases = try TestDatabases.shared()
        let name = "latin_\(databases.name(of: .app))"
        let root = try PostgresSession(url: databases.server.url)
        try root.execute("CREATE DATABASE \(name) ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        defer { _ = try? root.execute("DROP DATABASE \(name) WITH (FORCE)") }
        let url = try databases.server.url(database: name)
        _ = try PostgresSchema(url: url).migrate()
        let session = try PostgresSession(url: url)
        try session.execute("INSERT INTO pending_tasks (type) SELECT 'mail' FROM generate_series(1, 9)")
        let store = PostgresStore(url: url)
        try store.open()
        let tasks = try store.claim("mail")
        let outcomes = tasks.enumerated().map { index, task in
            task.outcome(.completed(responseStatus: 200, result: index == 4 ? "🐎" : "caf\u{e9}"))
        }
        #expect(try store.settle(outcomes) == Settlement(written: 9, late: []))
        #expect(
            try session.query("SELECT count(*), count(result) FROM pending_tasks WHERE status = 'completed'") == [["9", "8"]])
        store.close()
    }

    @Test func `what fails at the commit itself is told, and the connection goes on`() throws {
        let database = try PostgresFixture()
        try database.execute(
            """
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = 'check_violation'; END $$;
            CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON pending_tasks DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW WHEN (NEW.result = 'boom') EXECUTE FUNCTION refuse()
            """)
        let store = try database.makeStore()
        let ids = try database.insert((0..<5).map { _ in ["type": "mail"] })
        let tasks = try store.claim("mail")
        let outcomes = tasks.map { $0.outcome(.completed(responseStatus: 200, result: $0.id == ids[3] ? "boom" : "fine")) }
        #expect(try store.settle(outcomes) == Settlement(written: 5, late: []))
        #expect(try ids.map { try database.value("result", of: $0) } == ["fine", "fine", "fine", .null, "fine"])
        #expect(try store.claim("mail", thorough: true).isEmpty)
    }

    @Test func `a statement that cannot be prepared fails its own transaction, and works when the cause is mended`() throws {
        let database = try PostgresFixture()
        let store = try database.makeStore()
        try database.insert([["type": "mail"], ["type": "mail"]])
        let task = try #require(try store.claim("mail", limit: 1).first)
        try database.execute("ALTER TABLE task_attempts RENAME TO away")
        let attempt = AttemptRecord(number: 1, duration: .zero, responseStatus: 500, error: "500")
        let outcome = task.outcome(.failed(responseStatus: 500, error: "500"), attempt: attempt)
        let demand = ClaimRequest.Demand(type: "mail", limit: 5, lease: .seconds(60))
        let request = ClaimRequest(relay: "r", demands: [demand], limit: 5, thorough: true)
        #expect(storeError { _ = try store.exchange([outcome], request) }?.kind == .schema)
        #expect(
            try database.query("SELECT status, attempts FROM pending_tasks ORDER BY id") == [
                ["processing", "1"], ["pending", "0"],
            ],
            "what the failed exchange claimed was given back and cost no attempt")
        try database.execute("ALTER TABLE away RENAME TO task_attempts")
        let (settlement, batch) = try store.exchange([outcome], request)
        #expect(settlement.written == 1)
        #expect(batch.tasks.count == 1)
    }

    @Test func `the desk shows times in one form, whatever the database's settings`() throws {
        let database = try PostgresFixture()
        try database.execute(
            "ALTER DATABASE \(database.name) SET DateStyle = 'German'; ALTER DATABASE \(database.name) SET TimeZone = 'Asia/Kolkata'"
        )
        let id = try database.insert(["type": "mail", "run_at": .time(Timestamp(microseconds: 1_767_225_600_123_000))])
        #expect(try database.makeDesk().show(id: id)?.task["run_at"] == "2026-01-01T00:00:00.123Z")
        #expect(try database.makeStore().claim("mail").first?.runAt == Timestamp(microseconds: 1_767_225_600_123_000))
    }

    @Test func `the database's own refusal of a second task of a key is no failure`() throws {
        let database = try PostgresFixture()
        let store = try database.makeStore()
        let ids = try database.insert([["type": "mail", "ordering_key": "k"], ["type": "mail", "ordering_key": "k"]])
        // Another relay that has just taken the second, and has not committed.
        let other = try database.connect()
        try other.execute("BEGIN; UPDATE pending_tasks SET status = 'processing' WHERE id = \(ids[1])")
        let demand = ClaimRequest.Demand(type: "mail", limit: 5, lease: .seconds(60))
        let box = UncheckedStore(store: store)
        let claim = InBackground {
            let batch = try box.store.claim(ClaimRequest(relay: "r", demands: [demand], limit: 5, thorough: true))
            return (batch.tasks.count, batch.mayHaveMore)
        }
        try eventually {
            try database.query(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") == [
                    ["1"]
                ]
        }
        try other.execute("COMMIT")
        #expect(try claim.wait() == (0, true))
        #expect(try database.value("status", of: ids[0]) == "pending")
        try database.update([ids[1]], ["status": "completed"])
        #expect(try store.claim("mail").map(\.id) == [ids[0]])
    }

    @Test func `two stores race over 5000 rows, and each row is leased once`() throws {
        let database = try PostgresFixture()
        try database.execute("INSERT INTO pending_tasks (type, priority) SELECT 'mail', n % 3 FROM generate_series(1, 5000) n")
        let relays = (1...2).map { number in
            InBackground {
                let store = try database.makeStore()
                var leases: [String] = []
                while true {
                    let tasks = try store.claim("mail", limit: 200, relay: "relay-\(number)", thorough: true)
                    if tasks.isEmpty { return leases }
                    leases += tasks.map { "\($0.id) \($0.epoch)" }
                    // Every tenth comes back, to be leased anew.
                    _ = try store.settle(tasks.map { $0.epoch == 1 && $0.id % 10 == 0 ? $0.retried() : $0.completed })
                }
            }
        }
        let leases = try relays.flatMap { try $0.wait() }
        #expect(leases.count == 5_500)
        #expect(Set(leases).count == 5_500)
        #expect(try database.query("SELECT count(*) FROM pending_tasks WHERE status = 'completed'") == [["5000"]])
    }
}

/// Handed to one thread, and not touched here until that has ended.
struct UncheckedStore: @unchecked Sendable {
    let store: any TaskStore
}
