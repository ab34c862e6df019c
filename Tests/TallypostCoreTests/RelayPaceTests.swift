import Simulator
import Testing

@testable import TallypostCore

@Suite struct RelayPaceTests {
    /// The next visits to the database take so long.
    private static func visit(_ bench: RelayBench, _ count: Int, taking span: TimeSpan) {
        bench.visitTakes = span
        for _ in 0..<count { bench.answer(bench.open.keys.sorted(), status: 200) }
    }

    @Test func `when the database is slow claims shrink to a floor, and grow back when it is quick`() {
        let bench = RelayBench([.plain("mail", concurrency: 100, timeout: .minutes(10))])
        bench.insert(4_000, type: "mail")
        var seen = 0
        func limits() -> [Int] {
            defer { seen = bench.orders.count }
            return bench.orders[seen...].compactMap { $0.claim?.limit }
        }
        Self.visit(bench, 1, taking: .milliseconds(10))
        #expect(limits().allSatisfy { $0 == 500 })
        Self.visit(bench, 12, taking: .milliseconds(400))
        let shrinking = limits()
        #expect(shrinking.first == 500 && shrinking.last == RelayLimits().leastClaimBatch)
        #expect(zip(shrinking, shrinking.dropFirst()).allSatisfy { $0 >= $1 })
        #expect(bench.notices.contains { if case .storeSlow(.milliseconds(400), 250) = $0 { true } else { false } })
        #expect(bench.relay.flowReport(at: bench.now)?.claimBatch == RelayLimits().leastClaimBatch)
        Self.visit(bench, 8, taking: .milliseconds(5))
        #expect(limits().last == 500)
        #expect(bench.notices.count { if case .storeQuick = $0 { true } else { false } } == 1)
        #expect(bench.relay.flowReport(at: bench.now)?.claimBatch == nil)
    }

    @Test func `one slow visit changes nothing, and a middling one neither shrinks nor grows`() {
        let limits = RelayLimits()
        var pace = StorePace(limits)
        for _ in 0..<10 {
            #expect(pace.visited(for: .seconds(2), limits) == nil)
            #expect(pace.visited(for: .milliseconds(3), limits) == nil)
        }
        #expect(pace.batch == 500)
        _ = pace.visited(for: .seconds(2), limits)
        #expect(pace.visited(for: .seconds(2), limits) == .slowed && pace.batch == 250)
        for _ in 0..<10 { #expect(pace.visited(for: .milliseconds(200), limits) == nil) }
        #expect(pace.batch == 250)
        #expect(pace.visited(for: .milliseconds(20), limits) == .recovered && pace.batch == 500)
    }

    @Test func `a small batch of its own is no floor to climb to`() {
        var limits = RelayLimits()
        limits.claimBatch = 3
        var pace = StorePace(limits)
        for _ in 0..<5 { _ = pace.visited(for: .seconds(2), limits) }
        #expect(pace.batch == 3)
    }
}

@Suite struct FlowReportTests {
    private static func restraints(_ bench: RelayBench) -> [FlowReport.Restraint] {
        bench.relay.flowReport(at: bench.now)?.restraints ?? []
    }

    @Test func `an open breaker is told with what it opened on and when it tries again, until it closes`() throws {
        let bench = RelayBench([RelayBreakerTests.route("mail")])
        bench.insert(40, type: "mail")
        bench.serve(.seconds(3), RelayBreakerTests.down)
        let restraint = try #require(Self.restraints(bench).first)
        #expect(restraint.reason == .breaker && restraint.destination == "http://slow:80")
        #expect(restraint.failures == 10 && restraint.attempts == 10 && restraint.until != nil)
        let state = try #require(bench.database.signs["relay-a"] ?? nil)
        #expect(state.contains(#""destination":"http://slow:80","reason":"breaker""#))
        bench.serve(.minutes(2), step: .milliseconds(100))
        #expect(bench.relay.flowReport(at: bench.now) == nil)
        // It took back what it told, and says no more.
        let signs = bench.orders.compactMap(\.sign)
        #expect(signs.last?.state == nil && signs.count > 2)
        let count = signs.count
        bench.serve(.seconds(20), step: .milliseconds(100))
        #expect(bench.orders.compactMap(\.sign).count == count)
    }

    @Test func `the memory bound is told`() {
        var limits = RelayLimits()
        limits.heldTasks = 10
        let bench = RelayBench([.plain("big", concurrency: 64)], limits: limits)
        bench.insert(50, type: "big")
        bench.pass(.seconds(2))
        #expect(bench.relay.flowReport(at: bench.now)?.heldTasks == 10)
        #expect((bench.database.signs["relay-a"] ?? nil)?.contains(#""heldTasks":10"#) == true)
    }

    @Test func `a rate, full places and a Retry-After are told`() {
        let bench = RelayBench([
            .plain("mail", concurrency: 64, rate: RateLimit(count: 6, per: .minutes(1))), .plain("slow", to: RelayBench.slow),
        ])
        bench.insert(5, type: "mail")
        bench.insert(20, type: "slow")
        bench.settle()
        let found = Self.restraints(bench)
        #expect(found.contains { $0.reason == .rate && $0.type == "mail" && $0.limit == "6/m" && $0.relays == 1 })
        #expect(found.contains { $0.reason == .concurrency && $0.type == "slow" && $0.limit == "2" })
        bench.answer(Array(bench.opened(to: RelayBench.slow).prefix(1)), Answer.Response(status: 429, retryAfter: .minutes(1)))
        #expect(Self.restraints(bench).contains { $0.reason == .retryAfter && $0.until != nil })
    }

    @Test func `a long report is cut, and counts the rest`() {
        var report = FlowReport()
        for number in 0..<60 { report.add(.init(destination: "http://\"\(number)\":80", reason: .breaker)) }
        report.heldTasks = 3
        #expect(report.restraints.count == 50 && report.unlisted == 10)
        #expect(JSONSyntax.isValid(Array(report.json.utf8)))
        #expect(report.json.hasSuffix(#""unlisted":10,"heldTasks":3}"#))
    }
}
