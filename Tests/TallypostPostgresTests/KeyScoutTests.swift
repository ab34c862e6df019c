import PostgresFixture
import StoreContract
import TallypostCore
import Testing

@testable import TallypostPostgres

/// How tasks with an ordering key are found among many that wait.
@Suite struct KeyScoutTests {
    private static let now = Timestamp(microseconds: 1_000_000_000)

    @Test func `a head that falls due soon becomes a hint when it does, not before`() {
        var scout = KeyScout()
        scout.expect("a", at: Self.now + .seconds(5), now: Self.now)
        scout.expect("b", at: Self.now + .seconds(2), now: Self.now)
        scout.expect("c", at: Self.now, now: Self.now)
        #expect(scout.hinted == ["c"])
        #expect(scout.nextDue(after: Self.now) == Self.now + .seconds(2))
        scout.takeDue(at: Self.now + .seconds(3))
        #expect(scout.hinted == ["b", "c"])
        #expect(scout.nextDue(after: Self.now) == Self.now + .seconds(5))
        scout.forget(["b", "c"])
        scout.takeDue(at: Self.now + .seconds(5))
        #expect(scout.hinted == ["a"] && scout.nextDue(after: Self.now) == nil)
    }

    @Test func `what is due tomorrow is left to the walk, and what is remembered is bounded`() {
        var scout = KeyScout()
        scout.expect("far", at: Self.now + .hours(24), now: Self.now)
        #expect(scout.nextDue(after: Self.now) == nil)
        for number in 0..<20_000 { scout.expect("k\(number)", at: Self.now + .seconds(9), now: Self.now) }
        scout.takeDue(at: Self.now + .seconds(9))
        #expect(scout.hinted.count == 10_000)
    }

    @Test func `among thousands of keys that wait, a new key, a freed one and a retry are found without walking`() throws {
        let database = try PostgresFixture()
        try database.execute(
            """
            INSERT INTO pending_tasks (type, ordering_key, run_at)
            SELECT 'mail', 'wait-' || n, clock_timestamp() + interval '1 day' FROM generate_series(1, 3000) n
            """)
        let store = PostgresStore(url: database.url)
        try store.open()
        while try store.claim("mail", thorough: true, again: true) {}
        let ids = try database.insert([
            ["type": "mail", "ordering_key": "new"], ["type": "mail", "ordering_key": "new"],
            ["type": "mail", "ordering_key": "zz"],
        ])
        // A step of the walk sees 512 keys of 3,000, so what is found here was not found by walking.
        let first = try store.claim("mail", limit: 10)
        try #require(Set(first.map(\.id)) == [ids[0], ids[2]])
        let retry = Outcome(id: ids[2], epoch: 1, change: .retry(after: .milliseconds(20), responseStatus: 500, error: "e"))
        _ = try store.settle(first[0].completed)
        #expect(try store.claim("mail", limit: 10).map(\.id) == [ids[1]])
        _ = try store.settle(retry)
        try eventually { try store.claim("mail", limit: 10).map(\.id) == [ids[2]] }
    }
}

extension TaskStore {
    /// Claims thoroughly; whether there may be more.
    fileprivate func claim(_ type: String, thorough: Bool, again: Bool) throws -> Bool {
        let demand = ClaimRequest.Demand(type: type, limit: 10, lease: .seconds(60))
        return try claim(ClaimRequest(relay: "r", demands: [demand], limit: 10, thorough: thorough)).mayHaveMore
    }
}
