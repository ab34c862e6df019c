import PostgresFixture
import StoreContract
import TallypostCore
import Testing

@testable import TallypostPostgres

/// What claims write and read: the reasons for the table's shape.
@Suite struct IndexTests {
    @Test(arguments: [2, 100, 300, 512, 700, 1_000, 1_500])
    func `claims update fresh rows in place, however long they are`(bytes: Int) throws {
        let database = try PostgresFixture()
        try database.execute(
            "INSERT INTO pending_tasks (type, payload) SELECT 'mail', repeat('x', \(bytes)) FROM generate_series(1, 2000)")
        let store = try database.makeStore()
        for _ in 0..<4 { #expect(try store.claim("mail", limit: 500).count == 500) }
        // The session's end tells its numbers.
        store.close()
        var counts: [String?] = []
        try eventually {
            counts = try database.query(
                "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'pending_tasks'")[0]
            return counts[0] == "2000"
        }
        let inPlace = Double(counts[1] ?? "") ?? 0
        print("payload of \(bytes) bytes: \(inPlace / 20) % of claims in place")
        #expect(inPlace >= 1_900)
    }

    @Test func `a claim from the mark does not read the dead rows behind it`() throws {
        let database = try PostgresFixture()
        try database.execute(
            """
            INSERT INTO pending_tasks (type, run_at)
            SELECT 'mail', timestamptz '2026-01-01' + n * interval '1 millisecond' FROM generate_series(1, 100000) n
            """)
        let pin = try database.connect()
        try pin.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM task_routes")
        let last = try database.query("SELECT max(id) FROM pending_tasks")[0][0] ?? ""
        try database.execute("UPDATE pending_tasks SET status = 'completed'")
        try database.execute("INSERT INTO pending_tasks (type) SELECT 'mail' FROM generate_series(1, 50)")
        let session = try database.connect()
        let sql = try #require(StatementLibrary.statements["claim_due"])
        try session.execute("PREPARE claim AS \(sql)")
        func buffers(_ mark: String, _ id: String) throws -> Int {
            let plan = try session.query(
                """
                BEGIN; EXPLAIN (ANALYZE, BUFFERS, TIMING off) EXECUTE claim
                    ('{mail}', '{0}', '{10}', '{60000}', '{"\(mark)"}', '{\(id)}', 10, 'r', 1000000)
                """
            ).compactMap { $0[0] }
            try session.execute("ROLLBACK")
            let line = try #require(plan.first { $0.contains("Buffers:") })
            return line.split(whereSeparator: { !$0.isNumber }).prefix(2).reduce(0) { $0 + (Int($1) ?? 0) }
        }
        let behind = try buffers("-infinity", "0")
        let beyond = try buffers("2026-01-01 00:01:40+00", last)
        print("claim: \(behind) buffers from the start, \(beyond) from the mark")
        #expect(beyond * 10 < behind)
        #expect(beyond < 300)

        // And the store, which knows its marks only from claims, goes on without the dead: every row is found.
        let store = try database.makeStore()
        #expect(try store.claim("mail", limit: 50).count == 50)
        try pin.execute("COMMIT")
    }

    @Test func `rows that commit out of order, or are due since long, are found while there are marks`() throws {
        let database = try PostgresFixture()
        let store = try database.makeStore()
        let slow = try database.connect()
        try slow.execute("BEGIN")
        let late = try #require(
            Int64(try slow.query("INSERT INTO pending_tasks (type) VALUES ('mail') RETURNING id")[0][0] ?? ""))
        let ids = try database.insert((0..<20).map { _ in ["type": "mail"] })
        #expect(try store.claim("mail", limit: 20).map(\.id) == ids)
        try slow.execute("COMMIT")
        #expect(try store.claim("mail").map(\.id) == [late])
        let old = try database.insert(["type": "mail", "run_at": .fromNow(.hours(-9))])
        #expect(try store.claim("mail").map(\.id) == [old])
    }
}

/// Asks again until it is true, for at most half a minute.
func eventually(_ condition: () throws -> Bool) throws {
    let deadline = Moment.now() + .seconds(30)
    while try !condition() {
        guard Moment.now() < deadline else { throw FixtureError("it did not come true within 30 s") }
    }
}
