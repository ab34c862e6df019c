import PostgresFixture
import StoreContract
import TallypostCore
import Testing

@testable import TallypostPostgres

/// sql/postgres/grants.sql: who may do what. The relay's whole contract suite runs as its role, too (StoreContractTests).
@Suite struct GrantTests {
    /// What each role must not do, whatever it holds against us.
    static let forbidden: [(role: TestDatabases.Role, sql: String)] = [
        (.app, "UPDATE pending_tasks SET status = 'completed'"),
        (.app, "UPDATE pending_tasks SET payload = '{}'"),
        (.app, "DELETE FROM pending_tasks"),
        (.app, "TRUNCATE pending_tasks"),
        (.app, "INSERT INTO pending_tasks (type, status) VALUES ('mail', 'completed')"),
        (.app, "INSERT INTO pending_tasks (type, attempts) VALUES ('mail', 7)"),
        (.app, "INSERT INTO pending_tasks (type, lease_epoch) VALUES ('mail', 7)"),
        (.app, "INSERT INTO pending_tasks (type, blocks_key) VALUES ('mail', true)"),
        (.app, "INSERT INTO pending_tasks (type, created_at) VALUES ('mail', now())"),
        (.app, "SELECT payload FROM pending_tasks"),
        (.app, "SELECT * FROM task_attempts"),
        (.app, "INSERT INTO task_events (event, by, why) VALUES ('retry', 'me', 'so')"),
        (.app, "INSERT INTO task_routes (type, paused_by, reason) VALUES ('mail', 'me', 'so')"),
        (.app, "INSERT INTO tallypost_relays (name, seen_at) VALUES ('me', now())"),
        (.app, "UPDATE tallypost_schema SET version = 9"),
        (.relay, "UPDATE pending_tasks SET payload = '{}'"),
        (.relay, "UPDATE pending_tasks SET idempotency_key = 'x'"),
        (.relay, "UPDATE pending_tasks SET target_url = 'http://evil.example'"),
        (.relay, "UPDATE pending_tasks SET amount_minor = 1"),
        (.relay, "UPDATE pending_tasks SET ordering_key = NULL"),
        (.relay, "UPDATE pending_tasks SET signal_token = 'x'"),
        (.relay, "INSERT INTO pending_tasks (type) VALUES ('mail')"),
        (.relay, "DELETE FROM pending_tasks"),
        (.app, "SELECT * FROM tallypost_purge(0, 10, 10, 1, 1, 'so')"),
        (.report, "SELECT * FROM tallypost_purge(0, 10, 10, 1, 1, 'so')"),
        (.relay, "UPDATE task_attempts SET error = ''"),
        (.relay, "DELETE FROM task_attempts"),
        (.relay, "UPDATE task_events SET why = ''"),
        (.relay, "DELETE FROM task_events"),
        (.relay, "UPDATE tallypost_schema SET version = 9"),
        (.relay, "ALTER TABLE pending_tasks DISABLE TRIGGER tallypost_wake"),
        (.report, "SELECT signal_token FROM pending_tasks"),
        (.report, "SELECT * FROM pending_tasks"),
        (.report, "SELECT pending_tasks FROM pending_tasks"),
        (.report, "UPDATE pending_tasks SET status = 'failed'"),
        (.report, "INSERT INTO pending_tasks (type) VALUES ('mail')"),
        (.report, "DELETE FROM task_events"),
        (.report, "DELETE FROM tallypost_relays"),
        (.report, "INSERT INTO task_events (event, by, why) VALUES ('retry', 'me', 'so')"),
    ]

    @Test func `each role is denied what is another's work`() throws {
        let database = try PostgresFixture(.relayRole)
        try database.insert(["type": "mail"])
        for (role, sql) in Self.forbidden {
            let session = try PostgresSession(url: database.url(of: role))
            let failure = #expect(throws: SQLFailure.self, "\(role.rawValue): \(sql)") { try session.execute(sql) }
            #expect(failure?.state == "42501", "\(role.rawValue): \(sql)")
        }
    }

    @Test func `the application inserts, gets its token, dedupes, chains and wakes the relay`() throws {
        let database = try PostgresFixture(.relayRole)
        let application = try PostgresSession(url: database.url(of: .app))
        let first = try application.query(
            "INSERT INTO pending_tasks (type, payload) VALUES ('mail', '{\"n\":1}') RETURNING id, signal_token")
        #expect((first[0][1] ?? "").utf8.count >= 43)
        let id = try #require(first[0][0])
        let insert =
            "INSERT INTO pending_tasks (type, idempotency_key) VALUES ('mail', 'k') ON CONFLICT (idempotency_key) DO NOTHING RETURNING id"
        #expect(try application.query(insert).count == 1)
        #expect(try application.query(insert).isEmpty)
        let next = try application.query("INSERT INTO pending_tasks (type, run_after) VALUES ('mail', \(id)) RETURNING status")
        #expect(next == [["blocked"]])

        // A relay that sleeps on the guard is notified by the trigger, with the application's rights.
        let store = try database.makeStore()
        _ = try store.claim("mail")
        while try store.waitForWork(timeout: .milliseconds(20), interrupt: -1) {}
        try application.execute("INSERT INTO pending_tasks (type) VALUES ('mail')")
        #expect(try store.waitForWork(timeout: .seconds(20), interrupt: -1))
        #expect(try store.claim("mail").count == 1)
        #expect(try application.query("SELECT status FROM pending_tasks WHERE id = \(id)") == [["processing"]])
    }

    @Test func `the relay removes what has ended, and nothing else, whatever it says`() throws {
        let database = try PostgresFixture(.relayRole)
        let statuses = ["failed", "pending", "processing", "waiting", "blocked"]
        try database.insert(statuses.map { ["type": "mail", "status": .text($0), "finished_at": .fromNow(.hours(-1))] })
        let session = try PostgresSession(url: database.url(of: .relay))
        // A table of its own in the way of ours changes nothing.
        try session.execute("CREATE TEMPORARY TABLE pending_tasks (id bigint)")
        #expect(try session.query("SELECT removed FROM tallypost_purge(-9, 100, 100, 0, 0, 'so')") == [["1"]])
        let left = try database.query("SELECT status FROM pending_tasks ORDER BY id").map { $0[0] }
        #expect(left == ["pending", "processing", "waiting", "blocked"])
    }

    @Test func `whoever reports reads everything but the tokens`() throws {
        let database = try PostgresFixture(.relayRole)
        try database.insert(["type": "mail", "payload": "[1]"])
        let session = try PostgresSession(url: database.url(of: .report))
        #expect(try session.query("SELECT type, payload, status FROM pending_tasks") == [["mail", "[1]", "pending"]])
        for table in ["task_attempts", "task_events", "task_routes", "tallypost_relays"] {
            #expect(try session.query("SELECT * FROM \(table)").isEmpty)
        }
    }

    @Test func `roles that do not exist are named, with the mend, and nothing is granted`() throws {
        let database = try PostgresFixture()
        let failure = #expect(throws: FixtureError.self) {
            try database.databases.psql(database.name, [("app", database.databases.name(of: .app)), ("relay", "no such \"role")])
        }
        #expect(failure?.description.contains(#"CREATE ROLE "no such ""role" LOGIN;"#) == true, "\(failure?.description ?? "")")
        let nobody = #expect(throws: FixtureError.self) { try database.databases.psql(database.name, []) }
        #expect(nobody?.description.contains("No role is named") == true)
        let application = try PostgresSession(url: database.url(of: .app))
        #expect(throws: SQLFailure.self) { try application.execute("INSERT INTO pending_tasks (type) VALUES ('mail')") }
        try database.databases.grant(on: database.name)
        try database.databases.grant(on: database.name)
        try application.execute("INSERT INTO pending_tasks (type) VALUES ('mail')")
    }
}
