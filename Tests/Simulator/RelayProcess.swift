import TallypostCore

/// One relay as the operating system sees it: the mind, a mailbox, a thread for its store, requests under way, a clock.
final class RelayProcess {
    enum State { case running, crashed, finished }

    let number: Int
    var relay: Relay
    let store: MemoryStore
    let drains: Bool
    var state = State.running

    // Its clock: an arbitrary start, and a rate a little off.
    private let clockStart: Int64
    private let drift: Int64

    /// Until it is thawed, what comes for it waits in `stalled`.
    var isFrozen = false
    var stalled: [WorldEvent] = []
    /// What it was about to do when it froze.
    var interrupted: [RelayAction] = []

    // The dispatch loop.
    var mailbox: [RelayEvent] = []
    var answers: [Answer] = []
    var turnToken = 0
    var turnAt = Int64.max

    // The store thread.
    var commands: [StoreCommand] = []
    var run: StoreRun?
    var runToken = 0

    // What the checks remember.
    var routes: [String: RoutePolicy]
    var openFlights: [Int] = []
    var takesOrder = true
    /// No check of its own: an order that brought nothing is counted per second of the world.
    var idleOrders = 0
    var idleSince: Int64 = 0
    var barrenTurns = 0
    /// Types that it has paused because of a 410, until somebody resumes them.
    var goneTypes: [String] = []
    /// Leases that it was told of and has not handed in an outcome for, by task.
    var owed: [Int64: Int64] = [:]
    /// Destinations that have not served it well, ever.
    var troubled: Set<Origin> = []
    /// Until when it said that it would send nothing there.
    var closedUntil: [Origin: Instant] = [:]
    /// Destinations whose breaker it said is open, and the probe that was sent last.
    var broken: [Origin: LeaseID?] = [:]
    /// Requests that it has decided on and has no answer to.
    var unanswered: Set<LeaseID> = []
    /// Of each batch under way all its tasks, by the first.
    var companions: [LeaseID: [LeaseID]] = [:]
    /// When it must have finished; nil: it was not asked to stop.
    var stopBy: Int64?
    /// Its mind has heard of it.
    var isStopping = false
    var provedFrom: Int64 = 0
    /// The most that it may hold, by the routes it ever had.
    var holdBound = 0

    init(
        number: Int, relay: Relay, store: MemoryStore, routes: [String: RoutePolicy], drains: Bool, clockStart: Int64,
        drift: Int64
    ) {
        self.number = number
        self.relay = relay
        self.store = store
        self.drains = drains
        self.clockStart = clockStart
        self.drift = drift
        self.routes = routes
    }

    /// Whether a request waits for its answer.
    func owesAnswer(to lease: LeaseID) -> Bool { unanswered.contains(lease) }

    var isRunning: Bool { state == .running }

    /// What its clock shows at a moment of the world.
    func clock(at time: Int64) -> Instant { Instant(nanoseconds: clockStart + time + time / 1_000_000 * drift) }

    /// The first moment of the world at which its clock shows that; far in the future for a time that never comes.
    func worldTime(of instant: Instant) -> Int64 {
        guard instant.nanoseconds < .max / 2 else { return .max }
        guard instant.nanoseconds > clockStart else { return 0 }
        var time = instant.nanoseconds - clockStart
        time -= time / 1_000_000 * drift
        while clock(at: time) < instant { time += 1_000 }
        return time
    }
}

/// What a store thread is told.
enum StoreCommand {
    case open
    case order(StoreOrder)
    case listen(TimeSpan)
}

/// One statement of an order, or the opening.
enum StoreStep {
    case open
    case pause(type: String, reason: String)
    case insert([TaskDraft])
    case settle([Outcome])
    case claim(ClaimRequest)
    case sweep(Int)
    case expired(Int)
    case survey(RelaySign?)
    case leases
    case purge(RetentionPolicy)
}

/// A command that a store thread is busy with. It goes through an order as the real thread does.
struct StoreRun {
    let command: StoreCommand
    let steps: [StoreStep]
    var next = 0
    var report = StoreReport()
    /// What was not done, should it fail.
    var rest: StoreOrder
    /// Something was written or leased: it is reported, whatever fails later.
    var isDone = false
    /// A settlement whose claim has not come back yet.
    var settlement: Settlement?
    var error: StoreError?
    /// When its first statement was sent, and when its last look at the leases was.
    let startedAt: Int64

    init(_ command: StoreCommand, at time: Int64) {
        self.command = command
        startedAt = time
        rest = StoreOrder()
        guard case .order(let order) = command else {
            steps = [.open]
            return
        }
        rest = order
        var steps: [StoreStep] = order.pauses.map { .pause(type: $0.type, reason: $0.reason) }
        if !order.inserts.isEmpty { steps.append(.insert(order.inserts)) }
        if !order.outcomes.isEmpty { steps.append(.settle(order.outcomes)) }
        if let claim = order.claim { steps.append(.claim(claim)) }
        if order.sweepLimit > 0 { steps.append(.sweep(order.sweepLimit)) }
        if order.expiredLimit > 0 { steps.append(.expired(order.expiredLimit)) }
        if order.surveys { steps.append(.survey(order.sign)) }
        if order.asksLeases { steps.append(.leases) }
        if let policy = order.retention { steps.append(.purge(policy)) }
        self.steps = steps
    }
}
