import SQLiteFixture
import StoreContract
import TallypostCore
import Testing

@testable import TallypostSQLite

/// What follows from a task's end in tables that hold what nobody expects.
@Suite struct FollowerFaultTests {
    @Test func `bytes where text belongs keep no end from being written and told`() throws {
        let database = try SQLiteFixture()
        try database.execute(
            """
            INSERT INTO task_groups (key, on_complete_url) VALUES ('g', 'http://192.0.2.9/group');
            INSERT INTO pending_tasks (type, payload, subject, currency, idempotency_key, group_key, on_complete_url)
            VALUES ('mail', x'ff', x'0102', x'00', x'ab', 'g', 'http://192.0.2.9/done');
            INSERT INTO pending_tasks (type, group_key, on_complete_url) VALUES (x'01', 'g', 'http://192.0.2.9/done');
            INSERT INTO pending_tasks (type, priority, on_failure_url) VALUES ('mail', x'01', 'http://192.0.2.9/bad');
            INSERT INTO pending_tasks (type, deadline_at) VALUES ('late', '2020-01-01')
            """)
        let store = try database.makeStore()
        _ = try store.sweep(limit: 10)
        let statuses = "SELECT status FROM pending_tasks WHERE type <> 'tallypost.notice' ORDER BY id"
        #expect(try database.query(statuses) == [["pending"], ["failed"], ["failed"], ["timeout"]])
        let task = try #require(try store.claim("mail").first)
        #expect(try store.settle(task.completed).written == 1)
        let told =
            "SELECT json_extract(payload, '$.event'), json_extract(payload, '$.task.subject') FROM pending_tasks WHERE type = 'tallypost.notice' ORDER BY id"
        #expect(
            try database.query(told) == [
                ["task.failed", nil], ["task.failed", nil], ["task.completed", "0102"], ["group.failed", nil],
            ])
    }

    @Test func `what waited in a database of v0001 goes on after the upgrade`() throws {
        let database = try SQLiteFixture(migrated: false)
        try database.execute(
            """
            CREATE TABLE tallypost_schema (version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL DEFAULT '');
            INSERT INTO tallypost_schema (version) VALUES (1)
            """)
        try database.execute(String(decoding: SchemaVersion.migrations[0].sql, as: UTF8.self))
        try database.execute(
            """
            INSERT INTO pending_tasks (id, type) VALUES (1, 'mail'), (3, 'mail');
            INSERT INTO pending_tasks (id, type, run_after) VALUES (2, 'open', 1), (4, 'done', 3), (5, 'gone', 99), (6, 'next', 5);
            UPDATE pending_tasks SET status = 'completed' WHERE id = 3
            """)
        _ = try database.makeKeeper().migrate()
        let store = try database.makeStore()
        _ = try store.sweep(limit: 10)
        let statuses = "SELECT id, status FROM pending_tasks WHERE id IN (2, 4, 5, 6) ORDER BY id"
        #expect(try database.query(statuses) == [["2", "blocked"], ["4", "pending"], ["5", "cancelled"], ["6", "cancelled"]])
        let task = try #require(try store.claim("mail").first)
        try store.settle(task.completed)
        #expect(try database.query("SELECT status FROM pending_tasks WHERE id = 2") == [["pending"]])
    }
}
