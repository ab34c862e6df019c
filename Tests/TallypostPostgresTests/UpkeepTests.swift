import PostgresFixture
import StoreContract
import TallypostCore
import Testing

@testable import TallypostPostgres

/// What `doctor` says of a database that cannot clear away its dead rows.
@Suite struct UpkeepTests {
    private static func warnings(_ database: PostgresFixture, _ check: String) -> [Finding] {
        let keeper = PostgresSchema(url: database.url)
        keeper.limits.transaction = .zero
        keeper.limits.index = 100_000
        return keeper.diagnose().filter { $0.level != .good && $0.check == check }
    }

    @Test func `a session that pins a snapshot is named, with what ends it`() throws {
        let database = try PostgresFixture()
        #expect(Self.warnings(database, "snapshot").isEmpty)
        let session = try database.connect()
        let process = try #require(try session.query("SELECT pg_backend_pid()")[0][0])
        try session.execute("SET application_name = 'nightly report'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        let found = Self.warnings(database, "snapshot")
        #expect(found.count == 1)
        #expect(found.first?.message.contains("process \(process) ") == true)
        #expect(found.first?.message.contains("nightly report") == true)
        #expect(found.first?.mend?.contains("pg_terminate_backend(\(process))") == true)
        // A young one is nobody's business.
        #expect(!PostgresSchema(url: database.url).diagnose().contains { $0.check == "snapshot" && $0.level == .warning })
        try session.execute("COMMIT")
        #expect(Self.warnings(database, "snapshot").isEmpty)
    }

    @Test func `autovacuum turned off for a table is found`() throws {
        let database = try PostgresFixture()
        #expect(Self.warnings(database, "vacuum").isEmpty)
        try database.execute("ALTER TABLE task_attempts SET (autovacuum_enabled = off)")
        #expect(
            Self.warnings(database, "vacuum").map(\.mend) == ["ALTER TABLE task_attempts RESET (autovacuum_enabled)"])
    }

    @Test func `autovacuum turned off for all is found`() throws {
        let database = try PostgresFixture()
        // Of the session alone can be turned off: track_counts, without which autovacuum never learns of anything.
        try database.execute("ALTER DATABASE \(database.name) SET track_counts = off")
        #expect(Self.warnings(database, "vacuum").count == 1)
    }

    @Test func `an index that has swollen is found, and one that is merely large is not`() throws {
        let database = try PostgresFixture()
        try database.execute("INSERT INTO pending_tasks (type) SELECT 'mail' FROM generate_series(1, 5000)")
        try database.execute("VACUUM ANALYZE pending_tasks")
        #expect(Self.warnings(database, "index").isEmpty)
        try database.execute("DELETE FROM pending_tasks WHERE id > 10")
        try database.execute("INSERT INTO pending_tasks (type) VALUES ('mail')")
        try database.execute("VACUUM (ANALYZE, TRUNCATE off) pending_tasks")
        let found = Self.warnings(database, "index")
        #expect(found.contains { $0.mend?.contains("REINDEX INDEX CONCURRENTLY pending_tasks_idempotency_key") == true })
    }

    @Test func `a foreign key that would refuse retention is found`() throws {
        let database = try PostgresFixture()
        try database.execute("CREATE TABLE receipts (task bigint REFERENCES pending_tasks ON DELETE SET NULL)")
        #expect(Self.warnings(database, "retention").isEmpty)
        try database.execute("CREATE TABLE invoices (task bigint REFERENCES pending_tasks)")
        #expect(Self.warnings(database, "retention").count == 1)
    }
}
