import StoreContract
import TallypostCore
import TallypostRelay
import Testing

/// The mark by which a restore is seen, as the store in front of the engine's raises it.
@Suite struct TideMarkTests {
    private final class Clock {
        var now = Instant(nanoseconds: 1_000_000_000_000)
    }

    @Test(arguments: Engine.databases)
    func `it is raised once more for what an exchange wrote after the look, and then never`(engine: Engine) throws {
        try engine.withDatabase { database in
            let clock = Clock()
            let store = GuardedStore(try database.makeStore(), memory: nil, rules: { [] }, now: { clock.now }, tell: { _ in })
            func visitLater() throws -> Int64 {
                clock.now = clock.now + .seconds(10)
                _ = try store.claim("mail")
                return try store.tide(raising: false).mark
            }
            try store.open()
            _ = try database.insert(["type": "mail"])
            let start = try store.tide(raising: false).mark
            let task = try #require(try store.claim("mail").first)

            clock.now = clock.now + .seconds(10)
            let demand = ClaimRequest.Demand(type: "mail", limit: 5, lease: .seconds(60))
            _ = try store.exchange([task.completed], ClaimRequest(relay: "relay-1", demands: [demand], limit: 5))
            #expect(try store.tide(raising: false).mark == start + 1, "for the claim")
            #expect(try visitLater() == start + 2, "for the outcome, which was written after the mark")
            #expect(try visitLater() == start + 2, "an idle relay writes nothing")
        }
    }
}
