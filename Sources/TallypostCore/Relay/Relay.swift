/// The relay's mind: a value that takes events and leaves actions. It does no I/O and knows no clock but the one it is told.
///
/// It holds the leased tasks, decides what to claim, when to send, what an answer means and what to write; the loop around it
/// carries its actions out. Everything in it is bounded by ``RelayLimits``. The simulator runs several of them against one
/// virtual database.
public struct Relay: Sendable {
    /// `leased_by`: different for every process that ever ran.
    public let name: String
    let limits: RelayLimits
    let parser: any TargetParser
    /// Finish when nothing is due or in flight.
    let drains: Bool

    var routes: [String: RoutePolicy]
    var random: RandomSource
    var phase = Phase.running
    var store = StorePhase.closed(tryAt: Instant(nanoseconds: .min))
    var actions: [RelayAction] = []
    /// What this relay has done since it started.
    public internal(set) var tally = RelayTally()

    // Tasks in hand.
    var held: [Int64: HeldTask] = [:]
    var heldBytes = 0
    /// What a task of the last claim took on average.
    var footprint = 1_024
    var channels: [Channel] = []
    var channelOf: [ChannelKey: Int] = [:]
    var freeChannels: [Int] = []
    var readyChannels: [Int] = []
    var inFlight = 0
    /// Requests whose lease was lost and taken again by ourselves: their answers are late, their places still taken.
    var strays: [LeaseKey: Int] = [:]
    /// Batches under way, by their first task.
    var batches: [LeaseKey: SentBatch] = [:]
    /// How many tasks of a type may wait in memory beyond its places in flight.
    var prefetch: [String: Int] = [:]
    var shrunkAt = Instant(nanoseconds: .min)

    // Destinations, and what restrains them.
    var destinations: [Destination] = []
    var destinationOf: [Origin: Int] = [:]
    var freeDestinations: [Int] = []
    /// Destinations that are not free.
    var restrained: [Int] = []
    /// Channels that wait for their destination or a token.
    var sleepers: [Int] = []
    /// When the first of them wakes.
    var flowAt = Instant.distantFuture
    /// When something can be claimed again that could not be when last looked at.
    var claimAt = Instant.distantFuture
    /// Types that the last look at what to claim left out, because their destination or rate takes none.
    var leftOut: Set<String> = []
    /// Types of which a row named another target than the route's.
    var mixedTypes: Set<String> = []

    // Other relays, and what is told about this one.
    /// Whether a route has a rate.
    var sharesRates: Bool
    /// Relays that share the rates; 0: not known yet.
    var relaysAlive = 0
    /// From when to when this relay may use its share.
    var sharesFrom = Instant(nanoseconds: 0)
    var sharesUntil = Instant(nanoseconds: .min)
    /// Whether it was alone when it came.
    var startsFull = false
    var signAt = Instant(nanoseconds: .min)
    /// A sign is part of the order under way.
    var signing = false
    /// The last sign told of something.
    var hasReported = false
    /// Something changed that the next sign should tell.
    var reportChanged = false
    var pace: StorePace
    /// The order under way says how quick the database is.
    var isPaced = false

    /// The claim under way was asked for under other routes, and perhaps other leases.
    var claimsUnderOldRoutes = false

    // What is to be written.
    var outcomes: [Outcome] = []
    var oldestOutcomeAt = Instant.distantFuture
    var pauses: [(type: String, reason: String)] = []
    /// Outcomes whose rows somebody has locked, by row, until they are tried again.
    var lockedOutcomes: [Int64: Outcome] = [:]
    var lockedUntil = Instant.distantFuture
    /// Locked rows that were told of.
    var toldLocked: Set<Int64> = []

    // What is known of the database.
    /// Due work may be there.
    var isHungry = true
    /// When the next task falls due, as far as is known.
    var nextDueAt = Instant.distantFuture
    /// When to look again for oneself, whatever was heard.
    var lookAt = Instant.distantFuture
    var choresAt = Instant(nanoseconds: .min)
    var wantsSurvey = true
    /// A survey is part of the order under way.
    var surveying = false
    var surveyAt = Instant(nanoseconds: .min)
    /// Whether outcomes that wait, or are being written, belong to tasks with an ordering key.
    var settlesKeyed = false
    var settlingKeyed = false
    var paused: Set<String> = []
    var unknownTypes: Set<String> = []
    var backoff: TimeSpan
    /// When the order under way was given.
    var askedAt = Instant(nanoseconds: .min)
    /// Nil before the database's clock was first seen.
    var clock: DatabaseClock?
    var clockIsOfOldConnection = false
    var drainProof = DrainProof.none
    /// When a drain looks again whether it is done.
    var proveAt = Instant(nanoseconds: .min)
    var toldOfBound = false
    var retention: RetentionState
    var scheduleBook: ScheduleBook
    /// What became of the schedules' ticks.
    public internal(set) var scheduleTally = ScheduleTally()
    var metrics: RelayMetrics

    enum Phase: Sendable, Equatable {
        case running
        case stopping(by: Instant)
        case finished
    }

    enum StorePhase: Sendable, Equatable {
        /// Not open; opened again at that time.
        case closed(tryAt: Instant)
        case opening
        /// Open and unoccupied.
        case free
        case listening
        case working
        /// Open, but it just failed; asked again at that time.
        case resting(until: Instant)
    }

    /// How far a drain has shown that nothing is left.
    enum DrainProof: Sendable { case none, looking, shown }

    struct LeaseKey: Hashable {
        let id: Int64
        let epoch: Int64
    }

    /// - Parameters:
    ///   - name: `leased_by`, different for every process.
    ///   - routes: by task type.
    ///   - drains: finish when nothing is due or in flight.
    ///   - retention: how long tasks that have ended are kept.
    ///   - schedules: whose ticks insert tasks.
    ///   - seed: of the jitter.
    public init(
        name: String, routes: [String: RoutePolicy], parser: any TargetParser, drains: Bool = false,
        retention: RetentionPolicy = RetentionPolicy(), schedules: [Schedule] = [], seed: UInt64,
        limits: RelayLimits = RelayLimits()
    ) {
        self.name = name
        self.routes = routes
        self.parser = parser
        self.drains = drains
        self.limits = limits
        sharesRates = routes.values.contains { $0.rate != nil }
        pace = StorePace(limits)
        self.retention = RetentionState(policy: retention)
        scheduleBook = ScheduleBook(schedules)
        metrics = RelayMetrics(routes.keys)
        random = RandomSource(seed: seed)
        backoff = limits.shortestBackoff
    }

    /// Whether `finished` has been among the actions.
    public var isFinished: Bool { phase == .finished }
    /// Whether it claims nothing more.
    public var isStopping: Bool { phase != .running }
    /// Tasks leased and in memory.
    public var heldCount: Int { held.count }
    /// Requests under way.
    public var inFlightCount: Int { inFlight }
    /// Outcomes that are not written yet.
    public var unsettledCount: Int { outcomes.count + lockedOutcomes.count }
    /// Whether the database answers, as far as is known.
    public var reachesStore: Bool {
        switch store {
        case .closed, .opening, .resting: false
        case .free, .listening, .working: true
        }
    }

    /// Takes in what happened; then ``takeActions()`` says what to do about it.
    public mutating func handle(_ event: RelayEvent, at now: Instant) {
        guard phase != .finished else { return }
        switch event {
        case .tick: break
        case .storeOpened: storeOpened()
        case .storeUnreachable(let error): storeLost(error, at: now)
        case .storeDone(let report): storeDone(report, at: now)
        case .storeFailed(let error, let order): storeFailed(error, order, at: now)
        case .storeListened(let hint): storeListened(hint)
        case .answered(let answers): for answer in answers { take(answer, at: now) }
        case .stopRequested(let span): stop(within: span, at: now)
        case .reconfigured(let routes): reconfigure(routes, at: now)
        case .retentionChanged(let policy): retain(policy, at: now)
        case .schedulesChanged(let schedules): reschedule(schedules)
        }
        advance(at: now)
    }

    /// The actions since the last call, in order.
    public mutating func takeActions() -> [RelayAction] {
        var taken: [RelayAction] = []
        swap(&taken, &actions)
        return taken
    }

    /// When to call with `tick` if nothing else happens before.
    public func nextWake(after now: Instant) -> Instant {
        var wake = Instant.distantFuture
        // A relay that stops claims nothing, looks at nothing and does no chores: these times would only keep it awake.
        if phase == .running {
            wake = min(choresAt, purgeWake, tickWake(after: now))
            if !isHungry { wake = min(wake, nextDueAt, lookAt) }
            wake = min(wake, claimAt)
            if wantsSurvey { wake = min(wake, surveyAt) }
            if drains, proveAt > now { wake = min(wake, proveAt) }
        }
        if !outcomes.isEmpty { wake = min(wake, oldestOutcomeAt + outcomePatience) }
        wake = min(wake, lockedUntil)
        switch store {
        case .closed(let tryAt): wake = tryAt
        case .resting(let until): wake = until
        case .opening, .working: wake = .distantFuture
        case .free, .listening: break
        }
        if phase == .running, reachesStore { wake = min(wake, flowAt) }
        if case .stopping(let by) = phase { wake = min(wake, by) }
        return max(wake, now)
    }

    private mutating func advance(at now: Instant) {
        if now >= nextDueAt {
            nextDueAt = .distantFuture
            isHungry = true
        }
        if now >= lookAt {
            lookAt = .distantFuture
            isHungry = true
        }
        if now >= lockedUntil { retryLocked(at: now) }
        if now >= claimAt {
            claimAt = .distantFuture
            isHungry = true
        }
        wakeSleepers(at: now)
        sendWhatCanBe(at: now)
        if finishIfDone(at: now) { return }
        visitStore(at: now)
    }

    // MARK: Stopping

    private mutating func stop(within span: TimeSpan, at now: Instant) {
        guard phase == .running else { return }
        phase = .stopping(by: now + span)
        for id in held.keys.sorted() { giveBack(id, after: .zero, at: now) }
    }

    private mutating func reconfigure(_ routes: [String: RoutePolicy], at now: Instant) {
        for (type, policy) in routes where !policy.subscribers.isEmpty && self.routes[type]?.subscribers.isEmpty ?? false {
            // What was to be sent has no URL any more.
            giveBackQueued(of: type, at: now)
        }
        self.routes = routes
        metrics.know(routes.keys)
        claimsUnderOldRoutes = store == .working
        sharesRates = routes.values.contains { $0.rate != nil }
        if sharesRates { signAt = min(signAt, now) }
        unknownTypes.subtract(routes.keys)
        for index in channels.indices {
            guard let policy = routes[channels[index].key.type] else { continue }
            channels[index].limit = policy.concurrency
            channels[index].batch = policy.batch
            stopGathering(index)
            applyRate(policy.rate, to: index, at: now)
            markReady(index)
        }
        isHungry = true
        wantsSurvey = true
    }

    private mutating func finishIfDone(at now: Instant) -> Bool {
        switch phase {
        case .finished: return true
        case .stopping(let by):
            let allWritten = inFlight == 0 && held.isEmpty && unsettledCount == 0 && store != .working
            guard allWritten || now >= by else { return false }
        case .running:
            guard drains, drainProof == .shown, held.isEmpty, unsettledCount == 0, inFlight == 0 else { return false }
        }
        phase = .finished
        actions.append(.finished)
        return true
    }
}

/// Counts since the relay started.
public struct RelayTally: Sendable, Equatable {
    /// Requests sent.
    public var sent = 0
    /// Tasks that ended, or went back, by what was decided. Not yet necessarily written.
    public var completed = 0
    /// Tasks that now wait for a signal.
    public var waiting = 0
    /// Attempts that will be made again.
    public var retried = 0
    /// Dead letters.
    public var failed = 0
    /// Deadlines that passed.
    public var timedOut = 0
    /// Leases given back with nothing sent.
    public var released = 0
    /// Outcomes dropped because the lease was lost.
    public var late = 0
    /// Leases of dead relays taken up.
    public var recovered = 0
    /// Rows claimed.
    public var claimed = 0
    /// Tasks removed because retention said so.
    public var purged = 0

    /// Nothing yet.
    public init() {}
}
