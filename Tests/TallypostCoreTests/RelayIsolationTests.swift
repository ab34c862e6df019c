import Simulator
import TallypostCore
import Testing

@Suite struct RelayIsolationTests {
    @Test func `a slow destination never holds a fast one`() {
        let bench = RelayBench([.plain("slow", to: RelayBench.slow), .plain("fast")])
        let slow = bench.insert(40, type: "slow")
        let fast = bench.insert(40, type: "fast")
        while !bench.opened(to: RelayBench.fast).isEmpty {
            bench.answer(bench.opened(to: RelayBench.fast), status: 200)
            bench.settle()
        }
        #expect(bench.statuses(fast).allSatisfy { $0 == "completed" })
        #expect(bench.opened(to: RelayBench.slow).count == 2)
        #expect(bench.statuses(slow).allSatisfy { $0 != "completed" })
    }

    @Test func `a crowded destination of single rows lets the others of its type by`() {
        let bench = RelayBench([.plain("mixed")])
        let slow = bench.insert(60, type: "mixed") { $0.targetURL = "http://slow" }
        let fast = bench.insert(20, type: "mixed")
        for _ in 0..<100 where !bench.statuses(fast).allSatisfy({ $0 == "completed" }) {
            bench.answer(bench.opened(to: RelayBench.fast), status: 200)
            bench.settle()
        }
        #expect(bench.statuses(fast).allSatisfy { $0 == "completed" })
        #expect(bench.opened(to: RelayBench.slow).count == 2)
        // Nothing was sent for those given back, so no attempt was used up.
        let attempts = slow.compactMap { bench.database.row($0)?.image.attempts }
        #expect(attempts.allSatisfy { $0 <= 1 })
    }

    @Test func `a long backlog of one destination stays in the database`() {
        let bench = RelayBench([.plain("slow", to: RelayBench.slow)])
        bench.insert(3_000, type: "slow")
        bench.pass(.seconds(3))
        #expect(bench.relay.inFlightCount == 2)
        #expect(bench.relay.heldCount <= 2 + 2 * 2)
    }

    @Test func `no more is held in memory than the bound, and people hear of it`() {
        var limits = RelayLimits()
        limits.heldTasks = 10
        let bench = RelayBench([.plain("big", concurrency: 64)], limits: limits)
        bench.insert(50, type: "big")
        bench.settle()
        #expect(bench.relay.heldCount == 10)
        bench.answer(Array(bench.open.keys.sorted().prefix(3)), status: 200)
        bench.settle()
        #expect(bench.relay.heldCount == 10)
        #expect(bench.notices.contains { if case .memoryBound = $0 { true } else { false } })
    }

    @Test func `large payloads are claimed by few`() {
        var limits = RelayLimits()
        limits.heldBytes = 42_000
        let bench = RelayBench([.plain("big", concurrency: 64)], limits: limits)
        bench.insert(200, type: "big") { $0.payload = Array("\"\(String(repeating: "x", count: 10_000))\"".utf8) }
        // The first claim cannot know how large they are; those after it do.
        let first = bench.relay.heldCount
        for _ in 0..<400 where !bench.open.isEmpty {
            bench.answer(bench.open.keys.sorted(), status: 200)
            bench.settle()
            if bench.database.rows[first].image.status == .known(.processing) { #expect(bench.relay.heldCount <= 4) }
        }
        #expect(bench.database.rows.allSatisfy { $0.image.status == .known(.completed) })
    }

    @Test func `a reload that takes places away is obeyed at once`() {
        let bench = RelayBench([.plain("mail", concurrency: 8)])
        bench.insert(20, type: "mail")
        bench.settle()
        #expect(bench.relay.inFlightCount == 8)
        bench.reconfigure([.plain("mail", concurrency: 3)])
        bench.answer(bench.open.keys.sorted(), status: 200)
        bench.settle()
        #expect(bench.relay.inFlightCount == 3)
    }

    @Test func `the prefetch grows while receivers are fast and shrinks when tasks wait in memory`() {
        let bench = RelayBench([.plain("mail", concurrency: 2)])
        bench.insert(1_500, type: "mail")
        func demand() -> Int { bench.orders.compactMap { $0.claim?.demands.first?.limit }.max() ?? 0 }
        let first = demand()
        #expect(first == 4)
        for _ in 0..<5 {
            // Everything is delivered before the database has answered.
            bench.holdsStore = true
            while !bench.open.isEmpty { bench.answer(bench.open.keys.sorted(), status: 200) }
            bench.releaseStore()
            bench.settle()
        }
        let grown = demand()
        #expect(grown >= 16)
        let heldWhenFast = bench.relay.heldCount
        // Now each takes a second, and what was fetched ahead waits.
        for _ in 0..<40 {
            bench.pass(.seconds(1))
            bench.answer(bench.open.keys.sorted(), status: 200)
        }
        #expect(bench.relay.heldCount < heldWhenFast)
        #expect(bench.relay.heldCount <= 4)
    }
}
