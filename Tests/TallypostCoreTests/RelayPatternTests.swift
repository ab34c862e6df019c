import Simulator
import Testing

@testable import TallypostCore

@Suite struct RelayPatternTests {
    private static let fan = RoutePolicy(type: "order-paid", origin: nil, subscribers: ["inventory", "mail"])

    private static let subscriptions = [RoutePolicy.plain("order-paid/inventory"), .plain("order-paid/mail")]

    /// The outcomes that the relay has handed in, in order.
    private static func outcomes(_ bench: RelayBench) -> [Outcome] { bench.orders.flatMap(\.outcomes) }

    // MARK: Subscribers

    @Test func `a task of a route with subscribers is fanned out at once, and nothing is sent`() {
        let bench = RelayBench([Self.fan] + Self.subscriptions)
        let ids = bench.insert(2, type: "order-paid")
        bench.settle()
        #expect(bench.deliveries.allSatisfy { $0.task.type != "order-paid" })
        #expect(bench.statuses(ids) == ["waiting", "waiting"])
        #expect(
            Self.outcomes(bench).prefix(2).map(\.change) == [
                .fannedOut(subscribers: ["inventory", "mail"]), .fannedOut(subscribers: ["inventory", "mail"]),
            ])
    }

    @Test func `each subscriber gets a delivery at once, and the task ends with the last of them`() {
        let bench = RelayBench([Self.fan] + Self.subscriptions)
        let ids = bench.insert(2, type: "order-paid")
        bench.settle()
        #expect(
            bench.deliveries.map(\.task.type).sorted() == [
                "order-paid/inventory", "order-paid/inventory", "order-paid/mail", "order-paid/mail",
            ])
        bench.answer(bench.open.filter { $0.value.task.type == "order-paid/mail" }.keys.sorted(), status: 422)
        bench.settle()
        #expect(bench.statuses(ids) == ["waiting", "waiting"])
        bench.answer(bench.open.keys.sorted(), status: 200)
        bench.settle()
        #expect(bench.statuses(ids) == ["failed", "failed"])
    }

    @Test func `a misfit or overdue row is not fanned out, and one of a paused route goes back`() {
        let bench = RelayBench([Self.fan])
        let bad = bench.insert(type: "order-paid") { $0.payload = Array("{oops".utf8) }
        let late = bench.insert(type: "order-paid") { $0.deadlineAt = $0.image.runAt + .milliseconds(-1) }
        bench.settle()
        #expect(bench.status(bad[0]) == "failed" && bench.status(late[0]) == "timeout")
        bench.database.pause("order-paid", reason: "enough")
        let waiting = bench.insert(type: "order-paid")
        bench.pass(.seconds(2))
        #expect(bench.status(waiting[0]) == "pending")
    }

    @Test func `a reload that gives a route subscribers takes back what was to be sent`() {
        let bench = RelayBench([.plain("order-paid", concurrency: 1)])
        let ids = bench.insert(3, type: "order-paid")
        bench.settle()
        #expect(bench.deliveries.count == 1)
        bench.reconfigure([Self.fan] + Self.subscriptions)
        bench.settle()
        #expect(bench.deliveries.count { $0.task.type == "order-paid" } == 1)
        #expect(bench.statuses(ids) == ["processing", "waiting", "waiting"])
    }

    // MARK: Notices

    @Test func `a route without a URL sends where rows say, and sets aside those that do not`() {
        let bench = RelayBench([RoutePolicy(type: RoutePolicy.noticeType, origin: nil)])
        let there = bench.insert(type: RoutePolicy.noticeType) { $0.targetURL = "http://shop" }
        let nowhere = bench.insert(type: RoutePolicy.noticeType)
        bench.serve(.seconds(1))
        #expect(bench.deliveries.map(\.origin.host) == ["shop"])
        #expect(bench.status(there[0]) == "completed" && bench.status(nowhere[0]) == "failed")
        #expect(bench.database.row(nowhere[0])?.lastError?.contains("target_url is NULL") == true)
        #expect(!bench.notices.contains { if case .unknownType = $0 { true } else { false } })
    }

    // MARK: What hangs on an end

    /// A relay that is told what its database said, and asked what it decides.
    private struct Mind {
        var relay: Relay
        var now = Instant(nanoseconds: 1_000_000_000)
        let wall = Timestamp(microseconds: 1_760_000_000_000_000)

        init(_ routes: [RoutePolicy]) {
            relay = Relay(
                name: "relay-a", routes: Dictionary(uniqueKeysWithValues: routes.map { ($0.type, $0) }),
                parser: PlainTargetParser(),
                seed: 1)
            _ = tell(.tick)
            _ = tell(.storeOpened)
        }

        mutating func tell(_ event: RelayEvent) -> [RelayAction] {
            relay.handle(event, at: now)
            return relay.takeActions()
        }

        mutating func claimed(_ tasks: [ClaimedTask]) -> [RelayAction] {
            var report = StoreReport()
            report.batch = ClaimBatch(tasks: tasks, now: wall, mayHaveMore: false)
            return tell(.storeDone(report))
        }

        /// What it writes when it is stopped now.
        mutating func outcomes() -> [Outcome] {
            var found: [Outcome] = []
            for _ in 0..<4 {
                now = now + .seconds(1)
                for case .order(let order) in tell(.tick) { found += order.outcomes }
                for case .order(let order) in tell(.storeDone(StoreReport())) { found += order.outcomes }
            }
            return found
        }

        func task(_ id: Int64, payload: String = "{}", deadline: Timestamp? = nil, attempt: Int = 1) -> ClaimedTask {
            ClaimedTask(
                id: id, epoch: 1, type: "mail", attempt: attempt, payload: Array(payload.utf8), idempotencyKey: "k\(id)",
                runAt: wall,
                createdAt: wall, deadlineAt: deadline, hasFollowers: true)
        }
    }

    @Test(arguments: [200, 503, 422, 410])
    func `every answer's outcome says that something hangs on the task`(status: Int) {
        var mind = Mind([.plain("mail")])
        _ = mind.claimed([mind.task(1)])
        let answer = Answer(id: 1, epoch: 1, result: .response(.init(status: status)), duration: .milliseconds(1))
        var outcomes: [Outcome] = []
        for case .order(let order) in mind.tell(.answered([answer])) { outcomes += order.outcomes }
        outcomes += mind.outcomes()
        #expect(outcomes.map(\.id) == [1] && outcomes.allSatisfy { $0.hasFollowers })
    }

    @Test func `so does the outcome of a task that was not sent`() {
        var mind = Mind([.plain("mail", maxAttempts: 3), RoutePolicy(type: "fan", origin: nil, subscribers: ["a"])])
        _ = mind.claimed([
            mind.task(1, payload: "{oops"), mind.task(2, deadline: mind.wall + .seconds(-9)), mind.task(3, attempt: 4),
            mind.task(4), mind.task(5), mind.task(6),
        ])
        // Two places: what is behind them goes back when the relay stops.
        var outcomes: [Outcome] = []
        for case .order(let order) in mind.tell(.stopRequested(within: .seconds(9))) { outcomes += order.outcomes }
        outcomes += mind.outcomes()
        #expect(Set(outcomes.map(\.id)).isSuperset(of: [1, 2, 3, 6]))
        #expect(outcomes.allSatisfy { $0.hasFollowers })
        #expect(Set(outcomes.map(\.status)).isSuperset(of: [.failed, .timeout, .pending]))
    }

    @Test func `what became due by a settlement, or by a sweep, is claimed at once`() {
        for isSwept in [false, true] {
            var mind = Mind([.plain("mail")])
            _ = mind.claimed([])
            for _ in 0..<3 { _ = mind.tell(.storeDone(StoreReport())) }
            _ = mind.tell(.storeListened(false))
            var report = StoreReport()
            if isSwept { report.swept = 1 } else { report.settlement.madeDue = true }
            var actions = mind.tell(.storeDone(StoreReport()))
            actions = mind.tell(.storeDone(report))
            #expect(actions.contains { if case .order(let order) = $0 { order.claim != nil } else { false } })
        }
    }

    // MARK: Silence

    private static func silent(attempts: Int, most: Int? = nil) -> ExpiredLease {
        ExpiredLease(
            id: 7, epoch: 3, type: "render", attempts: attempts, maxAttempts: most, relay: "relay-b", silence: .worker,
            hasFollowers: true)
    }

    private static func judged(_ lease: ExpiredLease, _ route: RoutePolicy) -> Outcome? {
        var mind = Mind([route])
        var report = StoreReport()
        report.expired = [lease]
        var outcomes: [Outcome] = []
        for case .order(let order) in mind.tell(.storeDone(report)) { outcomes += order.outcomes }
        return (outcomes + mind.outcomes()).first
    }

    private static func render(_ attempts: Int) -> RoutePolicy {
        RoutePolicy(
            type: "render", origin: RelayBench.fast, maxAttempts: attempts, retry: RetryPolicy(schedule: .delays([.seconds(40)])),
            whenFailed: .block, heartbeat: .seconds(30))
    }

    @Test func `a worker that fell silent has failed its attempt: again after the route's wait`() throws {
        let outcome = try #require(Self.judged(Self.silent(attempts: 1), Self.render(3)))
        guard case .retry(let delay, nil, "no heartbeat for 30 s") = outcome.change else {
            Issue.record("\(outcome)")
            return
        }
        #expect(delay >= .seconds(30) && delay <= .seconds(50))
        #expect(outcome.attempt?.number == 1 && outcome.hasFollowers && !outcome.blocksKey && outcome.epoch == 3)
    }

    @Test func `the last attempt's silence is the end`() throws {
        let outcome = try #require(Self.judged(Self.silent(attempts: 3), Self.render(3)))
        #expect(outcome.change == .failed(responseStatus: nil, error: "no heartbeat for 30 s; attempt 3 of 3 was the last"))
        #expect(outcome.blocksKey && outcome.hasFollowers)
        let own = try #require(Self.judged(Self.silent(attempts: 1, most: 1), Self.render(3)))
        #expect(own.status == .failed)
    }
}
