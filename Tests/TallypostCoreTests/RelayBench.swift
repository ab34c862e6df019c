import Simulator
import TallypostCore

/// One relay at a bench: its database answers at once, its receivers answer when the test says so, its clock moves when the
/// test moves it.
final class RelayBench {
    private(set) var relay: Relay
    let database: MemoryDatabase
    private let store: MemoryStore
    private(set) var now: Instant
    /// Requests that wait for their answer, by task.
    private(set) var open: [Int64: Delivery] = [:]
    /// Tasks in the order in which they were sent, again for every attempt.
    private(set) var sent: [Int64] = []
    /// Requests in the order in which they were sent.
    private(set) var deliveries: [Delivery] = []
    private(set) var orders: [StoreOrder] = []
    private(set) var notices: [RelayNotice] = []
    private(set) var hasFinished = false
    private(set) var listensUntil: Instant?
    private var actions: [RelayAction] = []
    /// While set, orders are not carried out but kept; see ``releaseStore()``.
    var holdsStore = false
    private var heldOrder: StoreOrder?
    /// What each visit to the database takes; nothing else happens meanwhile.
    var visitTakes = TimeSpan.zero
    /// Types of which the database takes no task of a schedule.
    var refusedTypes: Set<String> = []
    /// While set, tasks of schedules are inserted and the answer is lost.
    var losesInserts = false
    /// While set, retention fails with it.
    var purgeFault: StoreError?

    static let fast = Origin(scheme: "http", host: "fast", port: 80)
    static let slow = Origin(scheme: "http", host: "slow", port: 80)

    init(
        _ routes: [RoutePolicy], database: MemoryDatabase = MemoryDatabase(), name: String = "relay-a", drains: Bool = false,
        limits: RelayLimits = RelayLimits(), retention: RetentionPolicy = RetentionPolicy(), schedules: [Schedule] = []
    ) {
        self.database = database
        store = MemoryStore(database)
        now = Instant(nanoseconds: 1_000_000_000)
        relay = Relay(
            name: name, routes: Dictionary(uniqueKeysWithValues: routes.map { ($0.type, $0) }), parser: PlainTargetParser(),
            drains: drains, retention: retention, schedules: schedules, seed: 1, limits: limits)
        tell(.tick)
    }

    // MARK: The application and the receivers

    /// Commits tasks; a relay that listens hears of it.
    @discardableResult func insert(_ count: Int = 1, type: String, _ edit: (inout MemoryRow) -> Void = { _ in }) -> [Int64] {
        let ids = Array(database.takeIDs(count))
        database.commit(
            ids.map { id in
                var row = MemoryRow(id: id, type: type, now: database.now)
                edit(&row)
                return row
            })
        if listensUntil != nil { tell(.storeListened(true)) }
        return ids
    }

    /// Answers requests that are under way.
    func answer(_ ids: [Int64], _ response: Answer.Response = Answer.Response(status: 200)) {
        answer(ids, .response(response))
    }

    func answer(_ ids: [Int64], status: Int) { answer(ids, Answer.Response(status: status)) }

    func answer(_ ids: [Int64], _ result: Answer.Result) {
        let answers = ids.compactMap { id -> Answer? in
            guard let delivery = open.removeValue(forKey: id) else { return nil }
            return Answer(id: id, epoch: delivery.task.epoch, result: result, duration: .milliseconds(5))
        }
        tell(.answered(answers))
    }

    /// Their connections, kept from before, turn out to be closed.
    func loseConnections(of ids: [Int64]) {
        let lost = ids.compactMap { open.removeValue(forKey: $0) }
        tell(
            .answered(
                lost.map {
                    Answer(
                        id: $0.task.id, epoch: $0.task.epoch, result: .unanswered("closed"), duration: .milliseconds(1),
                        wasOnClosedConnection: true)
                }))
    }

    /// An answer that the relay no longer waits for under that epoch.
    func answerLate(_ id: Int64, epoch: Int64) {
        tell(.answered([Answer(id: id, epoch: epoch, result: .response(Answer.Response(status: 200)), duration: .seconds(9))]))
    }

    func status(_ id: Int64) -> String? { database.row(id)?.image.status.word }

    func statuses(_ ids: [Int64]) -> [String?] { ids.map(status) }

    func opened(to origin: Origin) -> [Int64] { open.values.filter { $0.origin == origin }.map(\.task.id).sorted() }

    // MARK: Time

    /// Lets time pass, waking the relay whenever it asked for it.
    func pass(_ span: TimeSpan) {
        let end = now + span
        while true {
            let wake = min(relay.nextWake(after: now), listensUntil ?? .distantFuture)
            guard wake <= end, !hasFinished else { break }
            move(to: wake)
            if let until = listensUntil, now >= until { tell(.storeListened(false)) } else { tell(.tick) }
        }
        move(to: end)
        tell(.tick)
    }

    /// Time passes in the world, and the relay's process sees nothing of it until the next event.
    func freeze(_ span: TimeSpan) { move(to: now + span) }

    private func move(to moment: Instant) {
        database.now = database.now + (moment - now)
        now = moment
    }

    /// Lets time pass in small steps; receivers answer at once, as `verdict` says (nil: later).
    func serve(_ span: TimeSpan, step: TimeSpan = .milliseconds(10), _ verdict: (Delivery) -> Answer.Response? = { _ in .ok }) {
        let end = now + span
        while now < end {
            for (id, delivery) in open.sorted(by: { $0.key < $1.key }) {
                if let response = verdict(delivery) { answer([id], response) }
            }
            pass(min(step, end - now))
        }
    }

    /// Lets short waits pass: outcomes are written, what was freed is claimed.
    func settle() { pass(.milliseconds(30)) }

    // MARK: The relay

    func stop(within span: TimeSpan = .seconds(30)) { tell(.stopRequested(within: span)) }

    func reconfigure(_ routes: [RoutePolicy]) {
        tell(.reconfigured(Dictionary(uniqueKeysWithValues: routes.map { ($0.type, $0) })))
    }

    func reschedule(_ schedules: [Schedule]) { tell(.schedulesChanged(schedules)) }

    func retain(_ policy: RetentionPolicy) { tell(.retentionChanged(policy)) }

    /// Carries out the order that was held back.
    func releaseStore(andHold: Bool = false) {
        holdsStore = andHold
        guard let order = heldOrder else { return }
        heldOrder = nil
        tell(carryOut(order))
    }

    private func tell(_ event: RelayEvent) {
        if case .storeListened = event { listensUntil = nil }
        relay.handle(event, at: now)
        actions += relay.takeActions()
        while !actions.isEmpty { perform(actions.removeFirst()) }
    }

    private func perform(_ action: RelayAction) {
        switch action {
        case .openStore:
            do throws(StoreError) {
                try store.open()
                tell(.storeOpened)
            } catch { tell(.storeUnreachable(error)) }
        case .order(let order):
            if listensUntil != nil { tell(.storeListened(false)) }
            orders.append(order)
            if visitTakes > .zero { freeze(visitTakes) }
            if holdsStore { heldOrder = order } else { tell(carryOut(order)) }
        case .listen(let span): listensUntil = now + span
        case .send(let delivery):
            open[delivery.task.id] = delivery
            sent.append(delivery.task.id)
            deliveries.append(delivery)
        case .report(let notice): notices.append(notice)
        case .finished: hasFinished = true
        }
    }

    private func carryOut(_ order: StoreOrder) -> RelayEvent {
        var report = StoreReport()
        do throws(StoreError) {
            for pause in order.pauses { try store.pause(route: pause.type, reason: pause.reason) }
            if !order.inserts.isEmpty { report.inserted = try insert(order.inserts) }
            if !order.outcomes.isEmpty { report.settlement = try store.settle(order.outcomes) }
            if let claim = order.claim { report.batch = try store.claim(claim) }
            if order.sweepLimit > 0 { report.swept = try store.sweep(limit: order.sweepLimit) }
            if order.expiredLimit > 0 { report.expired = try store.expiredLeases(limit: order.expiredLimit) }
            if order.surveys { report.survey = try store.survey(order.sign) }
            if order.asksLeases { report.leaseEnd = try store.earliestLeaseEnd() }
            if let policy = order.retention {
                report.purge = if let purgeFault { .failure(purgeFault) } else { .success(try store.purge(policy)) }
            }
        } catch { return .storeFailed(error, order) }
        return .storeDone(report)
    }

    private func insert(_ drafts: [TaskDraft]) throws(StoreError) -> InsertReport {
        var report = InsertReport()
        let refused = drafts.filter { refusedTypes.contains($0.type) }
        report.refused = refused.map {
            ($0.idempotencyKey ?? "", StoreError(kind: .data, code: "23514", operation: "insert_tick", message: "refused"))
        }
        report.inserted = try store.insert(drafts.filter { !refusedTypes.contains($0.type) })
        if losesInserts { throw StoreError(kind: .connection, code: "08006", operation: "insert_tick", message: "no answer") }
        return report
    }
}

extension Answer.Response {
    static let ok = Answer.Response(status: 200)
}

extension RoutePolicy {
    /// A route as most tests want it: two places, no jitter, a second between attempts.
    static func plain(
        _ type: String, to origin: Origin = RelayBench.fast, concurrency: Int = 2, maxAttempts: Int = 3,
        deadline: TimeSpan? = nil,
        timeout: TimeSpan = .seconds(5), rate: RateLimit? = nil, whenFailed: WhenFailed = .skip,
        batch: BatchPolicy? = nil
    ) -> RoutePolicy {
        RoutePolicy(
            type: type, origin: origin, timeout: timeout, maxAttempts: maxAttempts,
            retry: RetryPolicy(schedule: .delays([.seconds(1)])),
            deadline: deadline, lease: timeout + .seconds(5), concurrency: concurrency, rate: rate,
            whenFailed: whenFailed, batch: batch)
    }
}
