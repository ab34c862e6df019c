import Testing

@testable import TallypostCore

@Suite struct BreakerTests {
    struct StaysClosed: Error {}

    /// A breaker, its clock and what came of it.
    struct Bench {
        var breaker = Breaker()
        var now = Instant(nanoseconds: 0)
        var random = RandomSource(seed: 7)
        var limits = RelayLimits()

        mutating func hear(_ word: Breaker.Word, id: Int64 = 1, underWay: Int = 0) -> Breaker.Change? {
            breaker.record(word, of: Relay.LeaseKey(id: id, epoch: 1), underWay: underWay, at: now, limits, &random)
        }

        /// Fails until it opens; says after how many and for how long.
        mutating func breakIt() throws -> (failures: Int, wait: TimeSpan) {
            for _ in 0..<100 {
                if case .opened(let failures, _, let wait) = hear(.failing) { return (failures, wait) }
            }
            throw StaysClosed()
        }

        mutating func failProbe() throws -> TimeSpan {
            breaker.probe(with: Relay.LeaseKey(id: 1, epoch: 1))
            if case .staysOpen(let wait) = hear(.failing) { return wait }
            throw StaysClosed()
        }
    }

    @Test func `failures that come back first say little while more than they are under way`() {
        var hasty = Bench()
        for _ in 0..<20 { #expect(hasty.hear(.failing, underWay: 40) == nil) }
        // The answers that took work are good: a third failed, and it stays closed.
        for _ in 0..<40 { #expect(hasty.hear(.alive) == nil) }
        #expect(hasty.hear(.failing) == nil && hasty.breaker.state == .closed)

        var dead = Bench()
        for number in 1...39 { #expect(dead.hear(.failing, underWay: 40) == nil, "\(number)") }
        guard case .opened(40, 40, _) = dead.hear(.failing, underWay: 40) else {
            Issue.record("as many failed as were under way")
            return
        }
    }

    @Test func `it opens at seven of ten, and not at six`() {
        var bench = Bench()
        for _ in 0..<3 { #expect(bench.hear(.alive) == nil) }
        for _ in 0..<6 { #expect(bench.hear(.failing) == nil) }
        let change = bench.hear(.failing)
        guard case .opened(7, 10, _) = change else {
            Issue.record("\(String(describing: change))")
            return
        }
        bench = Bench()
        for _ in 0..<4 { #expect(bench.hear(.alive) == nil) }
        for _ in 0..<6 { #expect(bench.hear(.failing) == nil) }
        #expect(bench.breaker.state == .closed)
    }

    @Test func `nine failures are too few to judge, and what is longer ago than a minute is forgotten`() {
        var bench = Bench()
        for _ in 0..<9 { #expect(bench.hear(.failing) == nil) }
        bench.now = bench.now + .seconds(61)
        for _ in 0..<9 { #expect(bench.hear(.failing) == nil) }
        #expect(bench.hear(.failing) != nil)
    }

    @Test func `only the last answers count, however many were good before`() throws {
        var bench = Bench()
        for _ in 0..<100_000 { _ = bench.hear(.alive) }
        let failures = try bench.breakIt().failures
        #expect((45...64).contains(failures))
    }

    @Test func `its time doubles with jitter from half a minute to a quarter of an hour`() throws {
        var firsts: Set<Int64> = []
        for seed in 1...20 as ClosedRange<UInt64> {
            var bench = Bench(random: RandomSource(seed: seed))
            var wait = try bench.breakIt().wait
            firsts.insert(wait.nanoseconds)
            var nominal = TimeSpan.seconds(30)
            for _ in 0..<12 {
                #expect(wait >= nominal && wait.nanoseconds <= nominal.nanoseconds * 3 / 2)
                #expect(wait >= .seconds(30) && wait <= .minutes(15))
                bench.now = bench.now + wait
                wait = try bench.failProbe()
                nominal = min(nominal + nominal, .minutes(10))
            }
        }
        #expect(firsts.count > 15, "jitter")
    }

    @Test func `the probe's answer decides, and no other's`() throws {
        var bench = Bench()
        _ = try bench.breakIt()
        #expect(bench.hear(.alive) == nil, "sent before it opened")
        bench.breaker.probe(with: Relay.LeaseKey(id: 9, epoch: 1))
        #expect(bench.hear(.alive, id: 8) == nil)
        #expect(bench.hear(.alive, id: 9) == .closed)
        // What it opened on is forgotten.
        for _ in 0..<9 { #expect(bench.hear(.failing) == nil) }
    }

    @Test func `a destination that fails as soon as it is back is left alone for longer`() throws {
        var bench = Bench()
        let first = try bench.breakIt().wait
        bench.breaker.probe(with: Relay.LeaseKey(id: 1, epoch: 1))
        #expect(bench.hear(.alive) == .closed)
        let second = try bench.breakIt().wait
        #expect(first < .seconds(46) && second >= .seconds(60))
        bench.breaker.probe(with: Relay.LeaseKey(id: 1, epoch: 1))
        #expect(bench.hear(.alive) == .closed)
        for _ in 0..<10 { _ = bench.hear(.alive) }
        let third = try bench.breakIt().wait
        #expect(third < .seconds(46))
    }

    @Test func `a probe that was never sent proves nothing`() throws {
        var bench = Bench()
        _ = try bench.breakIt()
        bench.breaker.probe(with: Relay.LeaseKey(id: 1, epoch: 1))
        #expect(bench.hear(.nothing) == nil)
        #expect(bench.breaker.state == .open(until: bench.now))
    }

    static let words: [(result: Answer.Result, word: Breaker.Word)] =
        [200, 204, 301, 400, 401, 404, 409, 410, 422, 425].map { (.response(.init(status: $0)), .alive) }
        + [408, 429, 500, 502, 503, 504].map { (.response(.init(status: $0)), .failing) }
        + [429, 503].map { (.response(.init(status: $0, retryAfter: .seconds(3))), .nothing) }
        + [
            (.response(.init(status: 500, retryAfter: .seconds(3))), .failing),
            (.response(.init(status: 429, retryAfter: .zero)), .failing),
            (.response(.init(status: 503, forbidsRetry: true)), .alive),
            (.unanswered("timed out"), .failing), (.refused("forbidden"), .nothing),
        ]

    @Test func `no answer, 5xx, 408 and 429 count against a destination; a refusal of the row does not`() {
        for (result, word) in Self.words { #expect(result.aboutDestination == word, "\(result)") }
    }
}
