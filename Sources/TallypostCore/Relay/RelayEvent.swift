/// What the world tells the relay's mind.
public enum RelayEvent: Sendable {
    /// Time has passed, or the loop woke for no reason.
    case tick
    /// The store was opened, for the first time or again.
    case storeOpened
    /// The store could not be opened.
    case storeUnreachable(StoreError)
    /// An order was carried out.
    case storeDone(StoreReport)
    /// An order failed; what it would have written is given back.
    case storeFailed(StoreError, StoreOrder)
    /// The store stopped listening: something may have changed (true), or its time was up or it was interrupted (false).
    case storeListened(Bool)
    /// Attempts ended.
    case answered([Answer])
    /// Stop claiming, give back what was not sent, wait for what was, at most so long, and finish.
    case stopRequested(within: TimeSpan)
    /// Other routes from now on; what is in flight goes on under the old ones.
    case reconfigured([String: RoutePolicy])
    /// Tasks that have ended are kept for another time from now on.
    case retentionChanged(RetentionPolicy)
    /// Other schedules from now on.
    case schedulesChanged([Schedule])
}

/// What the relay's mind asks of the world.
public enum RelayAction: Sendable {
    /// Open the store (again). Answered by `storeOpened` or `storeUnreachable`.
    case openStore
    /// Carry this out. Answered by `storeDone` or `storeFailed`. One at a time.
    case order(StoreOrder)
    /// Nothing to write: wait for news, at most so long. Answered by `storeListened`; a new order interrupts it.
    case listen(upTo: TimeSpan)
    /// Make this attempt. Answered within one of the following `answered`, exactly once.
    case send(Delivery)
    /// Tell people.
    case report(RelayNotice)
    /// All is settled (or the time to stop was up). Nothing follows.
    case finished
}

/// One visit to the database, in this order.
public struct StoreOrder: Sendable {
    /// Outcomes to settle first.
    public var outcomes: [Outcome] = []
    /// Types to pause, with the reason.
    public var pauses: [(type: String, reason: String)] = []
    /// Tasks of schedules to insert, before the claim.
    public var inserts: [TaskDraft] = []
    /// Tasks to claim.
    public var claim: ClaimRequest?
    /// End what is overdue or was never a task: at most so many rows.
    public var sweepLimit = 0
    /// List expired leases: at most so many.
    public var expiredLimit = 0
    /// Look what is open.
    public var surveys = false

    /// A sign of life to write with the survey.
    public var sign: RelaySign?

    /// Ask when the first of all leases ends.
    public var asksLeases = false
    /// Last, a step of retention; nil: none.
    public var retention: RetentionPolicy?

    /// An empty order.
    public init() {}

    /// Whether there is nothing to do.
    public var isEmpty: Bool {
        outcomes.isEmpty && pauses.isEmpty && claim == nil && sweepLimit == 0 && expiredLimit == 0 && !surveys && !asksLeases
            && retention == nil && inserts.isEmpty
    }
}

/// What a visit to the database brought.
public struct StoreReport: Sendable {
    /// Of the outcomes.
    public var settlement = Settlement(written: 0, late: [])
    /// Of the inserts; nil when there were none.
    public var inserted: InsertReport?
    /// Of the claim; nil when none was asked.
    public var batch: ClaimBatch?
    /// Rows that a sweep ended; nil when none was asked.
    public var swept: Int?
    /// Leases that ran out; nil when they were not asked for.
    public var expired: [ExpiredLease]?
    /// What is open; nil when it was not asked for.
    public var survey: Survey?

    /// When the first of all leases ends, were it asked for and is there one.
    public var leaseEnd: Timestamp?
    /// What a step of retention did, or why it could not; nil when none was asked. It alone may fail without the rest.
    public var purge: Result<Purge, StoreError>?
    /// What failed after the part that is reported here; whatever would have come after it was not done.
    public var failure: StoreError?

    /// An empty report.
    public init() {}
}

/// What people should hear of, in logs and metrics.
public enum RelayNotice: Sendable {
    /// The database is away; tried again after so long.
    case storeAway(StoreError, retryAfter: TimeSpan)
    /// The database is back.
    case storeBack
    /// A task ended as a dead letter.
    case deadLetter(id: Int64, type: String, reason: String)
    /// A task's deadline passed.
    case timedOut(id: Int64, type: String)
    /// The outcome of a lost lease was dropped.
    case lateOutcomes(ids: [Int64])
    /// Another session holds these rows locked; their outcomes are written when it lets go.
    case rowsLocked(ids: [Int64])
    /// A relay stopped answering; its task goes on.
    case leaseRecovered(id: Int64, type: String, from: String?)
    /// The worker of a task that waits has sent no heartbeat in time; its attempt has failed.
    case workerSilent(id: Int64, type: String)
    /// A receiver answered 410 Gone: nothing more is claimed for this type until a person resumes it.
    case routePaused(type: String, reason: String)
    /// Rows of a type without a route are being set aside.
    case unknownType(String)
    /// A destination failed too often: nothing is sent there until a probe after so long. Costs no attempts.
    case breakerOpened(Origin, failures: Int, attempts: Int, retryAfter: TimeSpan)
    /// The probe failed; the next one follows after so long.
    case breakerStaysOpen(Origin, retryAfter: TimeSpan)
    /// The probe was answered: requests flow again.
    case breakerClosed(Origin)
    /// A destination asked by `Retry-After` to be left alone; nothing is sent there for so long. Told once a minute.
    case slowedDown(Origin, for: TimeSpan)
    /// Visits to the database take long: claims get smaller.
    case storeSlow(took: TimeSpan, batch: Int)
    /// The database is quick again: claims are as large as they may be.
    case storeQuick
    /// The claim of new work has stopped because memory bounds were reached.
    case memoryBound(tasks: Int, bytes: Int)
    /// Ticks of a schedule came too late to be inserted, the first of them at that time.
    case ticksMissed(schedule: String, since: Timestamp)
    /// The database will not have a schedule's task; tried again after so long.
    case tickRefused(schedule: String, key: String, StoreError, retryAfter: TimeSpan)
    /// A schedule inserts tasks of a route that is paused: they wait.
    case scheduleOfPausedRoute(schedule: String, type: String)
    /// Retention removed so many tasks since this was last told.
    case purged(count: Int)
    /// Retention could not remove anything; tried again after so long.
    case purgeFailed(StoreError, retryAfter: TimeSpan)
}
