import Glibc
import PostgresFixture
import StoreContract
import Synchronization
import TallypostCore
import Testing

@testable import TallypostPostgres

/// The gated NOTIFY: see tallypost_wake in v0001.
@Suite struct WakeUpTests {
    /// Waits until the store holds the guard and nothing is left to be told.
    private func settleDown(_ store: any TaskStore) throws {
        try eventually { try !store.waitForWork(timeout: .milliseconds(5), interrupt: -1) }
    }

    private func holders(_ database: PostgresFixture) throws -> String? {
        try database.query(
            """
            SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """)[0][0]
    }

    @Test func `no wake-up is lost: each of many single rows is claimed within seconds of its commit`() throws {
        let seed = UInt64.random(in: 0 ... .max)
        print("seed \(seed)")
        let database = try PostgresFixture()
        let (writers, rows) = (8, 40)
        let inserts = (0..<writers).map { writer in
            InBackground {
                var random = SplitMix(state: seed &+ UInt64(writer))
                let session = try database.connect()
                for _ in 0..<rows {
                    // Pauses around the store's own rhythm, and transactions that stay open for a while.
                    usleep(UInt32(random.next() % 30_000))
                    try session.execute("BEGIN; INSERT INTO pending_tasks (type) VALUES ('mail')")
                    if random.next() % 4 == 0 { usleep(UInt32(random.next() % 10_000)) }
                    try session.execute("COMMIT")
                }
            }
        }
        let store = try database.makeStore()
        var claimed = 0
        var longest = TimeSpan.zero
        let deadline = Moment.now() + .seconds(50)
        while claimed < writers * rows, Moment.now() < deadline {
            let batch = try store.claim("mail", limit: 100)
            claimed += batch.count
            if !batch.isEmpty {
                let now = try store.survey().now
                for task in batch { longest = max(longest, now - task.createdAt) }
                _ = try store.settle(batch.map(\.completed))
                continue
            }
            _ = try store.waitForWork(timeout: .seconds(60), interrupt: -1)
        }
        #expect(claimed == writers * rows)
        #expect(longest < .seconds(5), "the slowest took \(longest.seconds) s")
        for insert in inserts { try insert.wait() }
    }

    @Test func `an application's open transaction holds nobody up`() throws {
        let database = try PostgresFixture()
        let store = try database.makeStore()
        let open = try database.connect()
        try open.execute("BEGIN; INSERT INTO pending_tasks (type) VALUES ('mail')")
        let before = Moment.now()
        var looks = 0
        while Moment.now() - before < .seconds(1) {
            _ = try store.waitForWork(timeout: .seconds(60), interrupt: -1)
            looks += 1
        }
        #expect(looks < 80, "it waits a little longer each time")
        #expect(Moment.now() - before < .seconds(10))
        let id = try database.insert(["type": "mail"])
        #expect(try store.claim("mail").map(\.id) == [id])
        try open.execute("COMMIT")
        #expect(try store.claim("mail").count == 1)
    }

    @Test func `a second relay takes the guard over when the first goes`() throws {
        let database = try PostgresFixture()
        let (first, second) = (try database.makeStore(), try database.makeStore())
        try settleDown(first)
        #expect(try holders(database) == "1")
        // Told by the first one's guard, once it has looked again.
        #expect(try second.waitForWork(timeout: .seconds(20), interrupt: -1))
        #expect(try second.waitForWork(timeout: .milliseconds(5), interrupt: -1) == false)
        try database.insert(["type": "mail"])
        #expect(try second.waitForWork(timeout: .seconds(20), interrupt: -1))
        #expect(try second.claim("mail").count == 1)
        first.close()
        try eventually {
            _ = try second.waitForWork(timeout: .milliseconds(5), interrupt: -1)
            return try holders(database) == "1"
        }
        try settleDown(second)
        try database.insert(["type": "mail"])
        #expect(try second.waitForWork(timeout: .seconds(20), interrupt: -1))
    }

    @Test func `while transactions overlap, work that was found makes the next look come soon`() throws {
        let database = try PostgresFixture()
        let store = PostgresStore(url: database.url)
        try store.open()
        let open = try database.connect()
        try open.execute("BEGIN; INSERT INTO pending_tasks (type) VALUES ('mail')")
        for _ in 0..<12 { #expect(try store.waitForWork(timeout: .seconds(60), interrupt: -1), "nobody tells: look") }
        #expect(store.guardWait == PostgresStore.longestGuardWait)
        try database.insert(["type": "mail"])
        #expect(try store.claim("mail").count == 1)
        #expect(store.guardWait == PostgresStore.shortestGuardWait)
        try open.execute("COMMIT")
    }

    @Test func `a store gives the guard back while a flood lasts, so that inserts notify nobody; not for a trickle`() throws {
        let database = try PostgresFixture()
        let store = try database.makeStore()
        try settleDown(store)
        try database.insert(["type": "mail"])
        _ = try store.settle(try store.claim("mail").map(\.completed))
        #expect(try holders(database) == "1")
        try database.insert((0..<20).map { _ in ["type": "mail"] })
        _ = try store.settle(try store.claim("mail", limit: 10).map(\.completed))
        #expect(try holders(database) == "0")
    }

    @Test func `news of a lane or a key that nobody knew is followed to it`() throws {
        let database = try PostgresFixture()
        let store = try database.makeStore()
        _ = try store.claim("mail")
        try settleDown(store)
        for row: [String: ColumnValue] in [
            ["type": "mail", "priority": 7], ["type": "mail", "ordering_key": "k"], ["type": "mail"],
        ] {
            let id = try database.insert(row)
            #expect(try store.waitForWork(timeout: .seconds(20), interrupt: -1))
            #expect(try store.claim("mail").map(\.id) == [id])
        }
        // Beside work of a lane that is known, what is not known yet is told of by the survey.
        _ = try database.insert([["type": "mail"], ["type": "mail", "priority": 9], ["type": "mail", "ordering_key": "l"]])
        #expect(try store.waitForWork(timeout: .seconds(20), interrupt: -1))
        #expect(try store.claim("mail").count == 1)
        #expect(try store.survey().mayHaveDue)
        #expect(try store.claim("mail").count == 2)
        #expect(try !store.survey().mayHaveDue)
    }

    @Test func `what is due tomorrow wakes nobody today`() throws {
        let database = try PostgresFixture()
        let store = try database.makeStore()
        try settleDown(store)
        try database.insert(["type": "mail", "run_at": .fromNow(.hours(24))])
        #expect(try store.waitForWork(timeout: .milliseconds(200), interrupt: -1) == false)
        try database.insert(["type": "mail", "run_at": .fromNow(.seconds(1))])
        #expect(try store.waitForWork(timeout: .seconds(20), interrupt: -1))
    }
}

/// Sebastiano Vigna's SplitMix64.
private struct SplitMix {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
