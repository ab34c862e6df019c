import PostgresFixture
import StoreContract
import TallypostCore
import Testing

@testable import TallypostPostgres

/// What follows from a task's end while somebody else is at it, and in tables that are not quite ours.
@Suite struct FollowerFaultTests {
    @Test(arguments: ["successor", "successor's successor", "parent", "group"])
    func `what somebody has locked of what follows holds up that task alone`(what: String) throws {
        let database = try PostgresFixture()
        try database.execute("INSERT INTO task_groups (key) VALUES ('g')")
        let first = try database.insert(["type": "mail", "group_key": what == "group" ? "g" : .null])
        var locked = "SELECT 1 FROM task_groups WHERE key = 'g'"
        if what.hasPrefix("successor") {
            var next = try database.insert(["type": "next", "run_after": .integer(first)])
            if what != "successor" { next = try database.insert(["type": "last", "run_after": .integer(next)]) }
            locked = "SELECT 1 FROM pending_tasks WHERE id = \(next)"
        } else if what == "parent" {
            let parent = try database.insert(["type": "paid"])
            try database.execute(
                "UPDATE pending_tasks SET delivery_of = \(parent) WHERE id = \(first); "
                    + "UPDATE pending_tasks SET status = 'waiting', has_dependents = true WHERE id = \(parent)")
            locked = "SELECT 1 FROM pending_tasks WHERE id = \(parent)"
        }
        try database.insert((0..<3).map { _ in ["type": "mail"] })
        let store = try database.makeStore()
        let outcomes = try store.claim("mail").map(\.failed)
        #expect(outcomes.count == 4)
        let person = try database.connect()
        // As an application has it that inserts a successor of the row, and takes its time to commit.
        try person.execute("BEGIN; \(locked) FOR NO KEY UPDATE")
        let settlement = try store.settle(outcomes)
        #expect(settlement.written == 3 && settlement.locked.map(\.id) == [first])
        #expect(try store.settle(settlement.locked).locked.map(\.id) == [first])
        try person.execute("COMMIT")
        #expect(try store.settle(settlement.locked).written == 1)
    }

    @Test func `an application's reference to a task keeps neither its attempt nor its successor from being written`() throws {
        let database = try PostgresFixture()
        try database.execute("CREATE TABLE mine (task bigint REFERENCES pending_tasks (id))")
        let first = try database.insert(["type": "mail"])
        let second = try database.insert(["type": "next", "run_after": .integer(first)])
        let store = try database.makeStore()
        let task = try #require(try store.claim("mail").first)
        let application = try database.connect()
        try application.execute("BEGIN; INSERT INTO mine VALUES (\(first)), (\(second))")
        let attempt = AttemptRecord(number: 1, duration: .zero, responseStatus: 400, error: "no")
        let outcome = task.outcome(.failed(responseStatus: 400, error: "no"), attempt: attempt)
        #expect(try store.settle(outcome).written == 1)
        #expect(try database.row(second)["status"] == "cancelled")
        try application.execute("ROLLBACK")
    }

    @Test func `a group does not end while somebody joins it, who has not committed yet`() throws {
        let database = try PostgresFixture()
        try database.execute("INSERT INTO task_groups (key, on_complete_url) VALUES ('g', 'http://192.0.2.9/group')")
        try database.insert(["type": "mail", "group_key": "g"])
        let store = try database.makeStore()
        let group = "SELECT status, (SELECT count(*) FROM pending_tasks WHERE type = 'tallypost.notice') FROM task_groups"
        let task = try #require(try store.claim("mail").first)
        let application = try database.connect()
        try application.execute("BEGIN; INSERT INTO pending_tasks (type, group_key) VALUES ('mail', 'g')")
        #expect(try store.settle(task.completed).written == 1)
        _ = try store.sweep(limit: 10)
        #expect(try database.query(group) == [["open", "0"]])
        try application.execute("COMMIT")
        _ = try store.sweep(limit: 10)
        let late = try #require(try store.claim("mail").first)
        #expect(try database.query(group) == [["open", "0"]])
        // He who saw the group open, long ago, is refused all the same.
        try application.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM task_groups")
        #expect(try store.settle(late.completed).written == 1)
        #expect(try database.query(group) == [["completed", "1"]])
        #expect(throws: (any Error).self) {
            try application.execute("INSERT INTO pending_tasks (type, group_key) VALUES ('mail', 'g')")
        }
    }

    @Test func `a join that is rolled back leaves the group to the sweep`() throws {
        let database = try PostgresFixture()
        try database.execute("INSERT INTO task_groups (key) VALUES ('g')")
        try database.insert(["type": "mail", "group_key": "g"])
        let store = try database.makeStore()
        let task = try #require(try store.claim("mail").first)
        let application = try database.connect()
        try application.execute("BEGIN; INSERT INTO pending_tasks (type, group_key) VALUES ('mail', 'g')")
        try store.settle(task.completed)
        try application.execute("ROLLBACK")
        _ = try store.sweep(limit: 10)
        #expect(try database.query("SELECT status FROM task_groups") == [["completed"]])
    }

    @Test(arguments: ["jsonb, uuid", "json, varchar(36)"])
    func `an adopted table gets notices, deliveries and ticks in the types of its columns`(types: String) throws {
        let database = try PostgresFixture()
        try database.clear()
        let kinds = types.split(separator: ", ")
        try database.execute(
            """
            CREATE TABLE pending_tasks (id serial PRIMARY KEY, type varchar(80) NOT NULL, payload \(kinds[0]) NOT NULL DEFAULT '{}',
                idempotency_key \(kinds[1]) UNIQUE DEFAULT gen_random_uuid(), run_at timestamptz DEFAULT now())
            """)
        _ = try database.makeKeeper().migrate()
        let store = try database.makeStore()
        try database.execute(
            """
            INSERT INTO task_groups (key, on_complete_url) VALUES ('g', 'http://192.0.2.9/group');
            INSERT INTO pending_tasks (type, group_key, on_complete_url) VALUES ('mail', 'g', 'http://192.0.2.9/done');
            INSERT INTO pending_tasks (type) VALUES ('paid')
            """)
        let task = try #require(try store.claim("mail").first)
        #expect(try store.settle(task.completed).written == 1)
        let events = "SELECT payload->>'event' FROM pending_tasks WHERE type = 'tallypost.notice' ORDER BY id"
        #expect(try database.query(events) == [["task.completed"], ["group.completed"]])
        let paid = try #require(try store.claim("paid", thorough: true).first)
        #expect(try store.settle(paid.outcome(.fannedOut(subscribers: ["stock"]))).written == 1)
        #expect(try store.claim("paid/stock").count == 1)
        let tick = TaskDraft(type: "mail", payload: #"{"n":1}"#, idempotencyKey: "schedule-nightly-2026-11-21T02:00:00Z-and-more")
        #expect(try store.insert([tick]) == 1)
        #expect(try store.insert([tick]) == 0)
    }

    @Test func `what waited in a database of v0001 goes on after the upgrade`() throws {
        let database = try PostgresFixture()
        try database.clear()
        try database.execute(
            """
            CREATE TABLE tallypost_schema (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());
            INSERT INTO tallypost_schema (version) VALUES (1)
            """)
        try database.execute(String(decoding: SchemaVersion.migrations[0].sql, as: UTF8.self))
        try database.execute(
            """
            INSERT INTO pending_tasks (id, type) VALUES (1, 'mail'), (3, 'mail');
            INSERT INTO pending_tasks (id, type, run_after) VALUES (2, 'open', 1), (4, 'done', 3), (5, 'gone', 99), (6, 'next', 5);
            UPDATE pending_tasks SET status = 'completed', finished_at = now() WHERE id = 3
            """)
        _ = try database.makeKeeper().migrate()
        let store = try database.makeStore()
        let statuses = "SELECT id, status FROM pending_tasks WHERE id IN (2, 4, 5, 6) ORDER BY id"
        #expect(try database.query(statuses) == [["2", "blocked"], ["4", "pending"], ["5", "cancelled"], ["6", "cancelled"]])
        let task = try #require(try store.claim("mail").first)
        try store.settle(task.completed)
        #expect(try database.query("SELECT status FROM pending_tasks WHERE id = 2") == [["pending"]])
    }
}
