import Simulator
import Testing

@testable import TallypostCore

@Suite struct RelayBreakerTests {
    /// Retries at once, so that time passes for the breaker alone.
    static func route(_ type: String, to origin: Origin = RelayBench.slow, maxAttempts: Int = 0) -> RoutePolicy {
        var route = RoutePolicy.plain(type, to: origin, concurrency: 4, maxAttempts: maxAttempts)
        route.retry = RetryPolicy(schedule: .delays([.milliseconds(100)]))
        return route
    }

    static func down(_ delivery: Delivery) -> Answer.Response? {
        Answer.Response(status: delivery.origin == RelayBench.slow ? 503 : 200)
    }

    private static func opened(_ bench: RelayBench) -> [TimeSpan] {
        bench.notices.compactMap { notice in
            switch notice {
            case .breakerOpened(RelayBench.slow, _, _, let wait), .breakerStaysOpen(RelayBench.slow, let wait): wait
            default: nil
            }
        }
    }

    @Test func `while it is open nothing is sent or held, and no attempt is used up`() {
        let bench = RelayBench([Self.route("mail"), Self.route("fast", to: RelayBench.fast)])
        let ids = bench.insert(200, type: "mail")
        bench.serve(.seconds(2), Self.down)
        #expect(Self.opened(bench).count == 1)
        let sent = bench.sent.count
        #expect((10...14).contains(sent))
        #expect(bench.relay.heldCount == 0)
        #expect(ids.compactMap { bench.database.row($0)?.image.attempts }.reduce(0, +) == sent)
        let others = bench.insert(50, type: "fast")
        bench.serve(.seconds(25), Self.down)
        #expect(bench.statuses(others).allSatisfy { $0 == "completed" })
        #expect(bench.sent.count == sent + 50)
        #expect(bench.statuses(ids).allSatisfy { $0 == "pending" })
    }

    @Test func `one probe at a time, ever more rarely, and when one is answered everything flows`() {
        let bench = RelayBench([Self.route("mail")])
        let ids = bench.insert(100, type: "mail")
        bench.serve(.seconds(1), Self.down)
        let sent = bench.sent.count
        var most = 0
        bench.serve(.minutes(10), step: .milliseconds(500)) { delivery in
            most = max(most, bench.open.count)
            return Self.down(delivery)
        }
        let openings = Self.opened(bench)
        #expect(most == 1)
        #expect(bench.sent.count - sent == openings.count - 1, "a probe for each further opening, and nothing else")
        #expect((4...5).contains(openings.count), "\(openings.map(\.seconds))")
        bench.serve(.minutes(16), step: .seconds(1))
        #expect(bench.statuses(ids).allSatisfy { $0 == "completed" })
        #expect(bench.notices.contains { if case .breakerClosed(RelayBench.slow) = $0 { true } else { false } })
        #expect(bench.relay.tally.failed == 0)
    }

    @Test func `tasks that rows send to a broken destination are put off, and their type goes on`() {
        let bench = RelayBench([Self.route("hook", to: RelayBench.fast)])
        let broken = bench.insert(60, type: "hook") { $0.targetURL = "http://slow" }
        bench.serve(.seconds(3), Self.down)
        #expect(Self.opened(bench).count == 1)
        let sent = bench.sent.count
        let good = bench.insert(100, type: "hook")
        bench.serve(.seconds(10), Self.down)
        #expect(bench.statuses(good).allSatisfy { $0 == "completed" } && bench.sent.count == sent + 100)
        #expect(broken.compactMap { bench.database.row($0)?.image.attempts }.reduce(0, +) == sent)
        #expect(bench.relay.heldCount == 0)
        bench.serve(.minutes(3), step: .milliseconds(200))
        #expect(bench.statuses(broken).allSatisfy { $0 == "completed" })
    }

    @Test func `rows that name another target do not wait for their route's own broken destination`() {
        let bench = RelayBench([Self.route("hook")])
        bench.insert(2, type: "hook") { $0.targetURL = "http://fast" }
        bench.serve(.seconds(1), Self.down)
        bench.insert(60, type: "hook")
        bench.serve(.seconds(3), Self.down)
        #expect(Self.opened(bench).count == 1)
        let good = bench.insert(100, type: "hook") { $0.targetURL = "http://fast" }
        bench.serve(.seconds(5), Self.down)
        #expect(bench.statuses(good).allSatisfy { $0 == "completed" })
    }

    @Test func `two routes to one destination share its breaker`() {
        let bench = RelayBench([Self.route("mail"), Self.route("post")])
        bench.insert(100, type: "mail")
        bench.serve(.seconds(1), Self.down)
        let sent = bench.sent.count
        let posts = bench.insert(10, type: "post")
        bench.serve(.seconds(20), Self.down)
        #expect(bench.sent.count == sent)
        bench.serve(.seconds(40))
        #expect(bench.statuses(posts).allSatisfy { $0 == "completed" })
    }

    @Test func `rows that are refused for their own fault do not break the destination`() {
        let bench = RelayBench([Self.route("mail")])
        bench.insert(100, type: "mail")
        bench.serve(.seconds(5)) { _ in Answer.Response(status: 422) }
        #expect(bench.sent.count == 100 && Self.opened(bench).isEmpty)
    }

    @Test func `kept connections that were closed do not break a destination`() {
        let bench = RelayBench([Self.route("mail")])
        let ids = bench.insert(20, type: "mail")
        for _ in 0..<20 {
            bench.loseConnections(of: bench.open.keys.sorted())
            bench.pass(.milliseconds(150))
        }
        #expect(bench.sent.count > 40 && Self.opened(bench).isEmpty)
        bench.serve(.seconds(2))
        #expect(bench.statuses(ids).allSatisfy { $0 == "completed" })
    }

    @Test func `a probe whose lease is lost still tells whether the destination is back`() {
        let bench = RelayBench([Self.route("mail")])
        let ids = bench.insert(30, type: "mail")
        bench.serve(.seconds(1), Self.down)
        bench.pass(.seconds(50))
        #expect(bench.open.count == 1)
        // The lease ends (ten seconds), and the relay's own chores find it: the answer comes for a lost lease, if at all.
        bench.freeze(.seconds(11))
        bench.serve(.minutes(2), step: .milliseconds(100))
        #expect(bench.statuses(ids).allSatisfy { $0 == "completed" })
    }

    @Test func `a drain leaves what a broken destination cannot take for later`() {
        let database = MemoryDatabase()
        database.commit(database.takeIDs(100).map { MemoryRow(id: $0, type: "mail", now: database.now) })
        let bench = RelayBench([Self.route("mail")], database: database, drains: true)
        bench.serve(.seconds(20), Self.down)
        #expect(bench.hasFinished)
        #expect(bench.sent.count <= 20)
        #expect(bench.database.rows.allSatisfy { $0.image.status == .known(.pending) })
        #expect(bench.database.rows.map(\.image.attempts).reduce(0, +) == bench.sent.count)
    }

    @Test func `ever new broken targets are forgotten in the end`() {
        var limits = RelayLimits()
        limits.remembered = 20
        let bench = RelayBench([Self.route("hook", to: RelayBench.fast, maxAttempts: 1)], limits: limits)
        for round in 0..<10 {
            for number in 0..<20 { bench.insert(1, type: "hook") { $0.targetURL = "http://t\(round)-\(number)" } }
            bench.serve(.seconds(3)) { _ in Answer.Response(status: 500) }
        }
        #expect(bench.relay.destinations.count <= 60)
        #expect(bench.relay.channels.count <= 60)
    }
}

@Suite struct RelayRetryAfterTests {
    private static func waits(_ bench: RelayBench) -> [TimeSpan] {
        bench.notices.compactMap { if case .slowedDown(RelayBench.slow, let span) = $0 { span } else { nil } }
    }

    @Test(arguments: [429, 503])
    func `it slows the whole destination, and the others wait without using up attempts`(status: Int) throws {
        let bench = RelayBench([
            RelayBreakerTests.route("mail"), RelayBreakerTests.route("post"),
            RelayBreakerTests.route("fast", to: RelayBench.fast),
        ])
        let ids = bench.insert(30, type: "mail") + bench.insert(30, type: "post")
        let first = try #require(bench.opened(to: RelayBench.slow).first)
        bench.answer([first], Answer.Response(status: status, retryAfter: .seconds(20)))
        let sent = bench.sent.count
        let fast = bench.insert(20, type: "fast")
        bench.serve(.seconds(19)) { $0.origin == RelayBench.fast ? .ok : nil }
        #expect(bench.statuses(fast).allSatisfy { $0 == "completed" })
        #expect(bench.sent.count == sent + 20)
        #expect(Self.waits(bench) == [.seconds(20)])
        bench.serve(.seconds(30))
        #expect(bench.statuses(ids).allSatisfy { $0 == "completed" })
        let attempts = ids.compactMap { bench.database.row($0)?.image.attempts }
        #expect(attempts.count { $0 == 2 } <= 8 && attempts.allSatisfy { $0 <= 2 })
    }

    @Test func `a short one is waited for in memory`() {
        let bench = RelayBench([RelayBreakerTests.route("mail")])
        bench.insert(8, type: "mail")
        bench.answer([1], Answer.Response(status: 429, retryAfter: .milliseconds(800)))
        bench.serve(.milliseconds(700))
        #expect(bench.sent.count == 4 && bench.relay.tally.released == 0)
        bench.serve(.milliseconds(400))
        #expect(bench.sent.count >= 8)
    }

    @Test func `no destination is held longer than a quarter of an hour, and others of its type are not held at all`() {
        let bench = RelayBench([RelayBreakerTests.route("hook", to: RelayBench.fast)])
        let held = bench.insert(10, type: "hook") { $0.targetURL = "http://slow" }
        bench.answer([held[0]], Answer.Response(status: 503, retryAfter: .hours(20)))
        #expect(Self.waits(bench) == [.minutes(15)])
        let good = bench.insert(40, type: "hook")
        bench.serve(.seconds(5)) { $0.origin == RelayBench.fast ? .ok : nil }
        #expect(bench.statuses(good).allSatisfy { $0 == "completed" })
        bench.serve(.minutes(17), step: .seconds(1))
        #expect(bench.statuses(Array(held[1...])).allSatisfy { $0 == "completed" })
    }

    @Test func `a receiver that asks for a second each second is told of once a minute`() {
        let bench = RelayBench([RelayBreakerTests.route("mail")])
        bench.insert(200, type: "mail")
        var count = 0
        bench.serve(.seconds(30)) { _ in
            count += 1
            return count % 3 == 0 ? Answer.Response(status: 429, retryAfter: .seconds(1)) : .ok
        }
        #expect(bench.relay.tally.retried > 10 && Self.waits(bench).count == 1)
    }

    @Test func `on other answers it is the task's alone`() {
        let bench = RelayBench([RelayBreakerTests.route("mail")])
        let ids = bench.insert(20, type: "mail")
        bench.answer([ids[0]], Answer.Response(status: 500, retryAfter: .seconds(60)))
        bench.serve(.seconds(5))
        #expect(bench.statuses(Array(ids[1...])).allSatisfy { $0 == "completed" } && bench.status(ids[0]) == "pending")
        #expect(Self.waits(bench).isEmpty)
    }
}
