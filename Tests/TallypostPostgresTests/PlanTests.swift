import PostgresFixture
import StoreContract
import TallypostCore
import Testing

@testable import TallypostPostgres

/// Plans outlive the table that they were made for: an empty night's plan must do for the morning's burst.
@Suite struct PlanTests {
    /// Statements that look up rows one by one, whatever the table's statistics say.
    private static let lookups = [
        "claim_due", "claim_heads", "key_heads", "record_attempts", "settle_completed", "settle_other", "settled_before",
        "locked_rows", "end_overdue", "expired_leases",
    ]

    @Test(arguments: ["session_settings", "transaction_settings"])
    func `on a table that was vacuumed while empty, every plan still looks rows up`(settings: String) throws {
        let database = try PostgresFixture()
        try database.insert((0..<300).map { _ in ["type": "mail"] })
        try database.execute("DELETE FROM pending_tasks")
        try database.execute("VACUUM (ANALYZE) pending_tasks")
        let session = try database.connect()
        try session.execute("BEGIN; SET LOCAL plan_cache_mode = 'force_generic_plan'")
        try session.execute(try #require(StatementLibrary.statements[settings]))
        for name in Self.lookups {
            let sql = try #require(StatementLibrary.statements[name])
            try session.execute("PREPARE \(name) AS \(sql)")
            let count = (1...20).last { sql.contains("$\($0)::") } ?? 0
            let arguments = Array(repeating: "NULL", count: count).joined(separator: ", ")
            let plan = try session.query("EXPLAIN EXECUTE \(name) (\(arguments))").compactMap { $0[0] }
            #expect(!plan.contains { $0.contains("Seq Scan on pending_tasks") || $0.contains("Bitmap") }, "\(name)")
            let scans = plan.indices.filter { plan[$0].contains("using pending_tasks") }
            #expect(!scans.isEmpty, "\(name)")
            for line in scans where !Self.isWholeByDesign(plan[line]) {
                #expect(plan[line + 1].contains("Index Cond:"), "\(name): \(plan[line])")
            }
        }
    }

    /// The index of keys in flight holds nothing but what is in flight; the first key is the first entry of its index.
    private static func isWholeByDesign(_ line: String) -> Bool {
        line.contains("pending_tasks_key_in_flight")
    }

    @Test func `a burst after the table was emptied is claimed and settled with the plans of before`() throws {
        let database = try PostgresFixture()
        let store = try database.makeStore()
        for _ in 0..<12 {
            try database.insert((0..<3).map { _ in ["type": "mail"] })
            _ = try store.settle(try store.claim("mail", limit: 100).map(\.completed))
        }
        try database.execute("DELETE FROM pending_tasks")
        try database.execute("VACUUM (ANALYZE) pending_tasks")
        _ = try store.claim("mail", limit: 100)
        try database.execute("INSERT INTO pending_tasks (type) SELECT 'mail' FROM generate_series(1, 20000)")
        let read = "SELECT seq_scan, seq_tup_read FROM pg_stat_user_tables WHERE relname = 'pending_tasks'"
        // The application's own scans are told at most once a second; after this, with the end of the next transaction.
        try database.execute("SELECT pg_stat_force_next_flush()")
        let before = try database.query(read)
        let outcomes = try store.claim("mail", limit: 500).map(\.completed)
        #expect(outcomes.count == 500)
        #expect(try store.settle(outcomes).written == 500)
        // The session's end tells its numbers.
        store.close()
        try eventually {
            try database.query("SELECT n_tup_upd >= 1000 FROM pg_stat_user_tables WHERE relname = 'pending_tasks'") == [["t"]]
        }
        #expect(try database.query(read) == before, "no scan of the table")
    }

    @Test func `retention looks rows up one by one, with the plans of a table that was empty`() throws {
        let database = try PostgresFixture()
        let store = try database.makeStore()
        _ = try store.purge(RetentionPolicy())
        for table in ["pending_tasks", "task_attempts"] { try database.execute("VACUUM (ANALYZE) \(table)") }
        try database.execute(
            """
            INSERT INTO pending_tasks (type, status, finished_at, created_at)
                SELECT 'mail', 'failed', now() - interval '1 year', now() - interval '1 year' FROM generate_series(1, 5000);
            INSERT INTO pending_tasks (id, type, run_at) SELECT 9000 + g, 'mail', now() + interval '1 day' FROM generate_series(1, 5000) g;
            SELECT setval(pg_get_serial_sequence('pending_tasks', 'id'), 20000);
            INSERT INTO pending_tasks (type, run_after) SELECT 'mail', 9000 + g FROM generate_series(1, 5000) g;
            INSERT INTO task_attempts (task_id, attempt, lease_epoch, duration_ms, error)
                SELECT id, 1, 1, 5, '500' FROM pending_tasks WHERE status = 'failed'
            """)
        let read =
            "SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname IN ('pending_tasks', 'task_attempts') ORDER BY 1"
        // The application's own scan has been counted once it has been idle for a moment.
        try eventually {
            try database.query("SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'task_attempts'") == [["5000"]]
        }
        let before = try database.query(read)
        // A step that takes longer than 40 ms is broken off, and the next is half as long.
        var (removed, expected) = (try store.purge(RetentionPolicy()).removed, 100)
        for _ in 0..<20 where removed == 0 {
            expected = max(10, expected / 2)
            removed = try store.purge(RetentionPolicy()).removed
        }
        #expect(removed == expected)
        store.close()
        try eventually {
            try database.query(
                "SELECT n_tup_del >= \(removed) FROM pg_stat_user_tables WHERE relname = 'task_attempts'") == [["t"]]
        }
        #expect(try database.query(read) == before, "no scan of a table")
        let successors = "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'pending_tasks_successors'"
        #expect(try database.query(successors) == [["0"]], "nor of all successors")
        #expect(try database.query("SELECT count(*) FROM task_attempts") == [["\(5_000 - removed)"]])
    }
}
