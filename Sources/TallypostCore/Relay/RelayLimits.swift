/// The relay's own bounds and rhythms. Constants of the house, gathered so that the simulator can shrink them.
public struct RelayLimits: Sendable {
    /// Rows of one claim, at most.
    public var claimBatch = 500
    /// Outcomes of one settlement, at most.
    public var settleBatch = 500
    /// An outcome waits at most so long for company.
    public var settleWithin = TimeSpan.milliseconds(3)
    /// The same while a backlog is being worked off: fuller transactions, fewer commits. Not for tasks that hold a key.
    public var settleWithinBacklog = TimeSpan.milliseconds(12)
    /// Outcomes whose rows somebody has locked are tried again after this.
    public var lockedWait = TimeSpan.seconds(1)
    /// Tasks held in memory, at most.
    public var heldTasks = 10_000
    /// Bytes of tasks held in memory, near enough, at most.
    public var heldBytes = 64 << 20
    /// A batch that has reached so many bytes waits for no more.
    public var batchBytes = 4 << 20
    /// Requests in flight over all destinations, at most.
    public var inFlight = 5_000
    /// Tasks of one type waiting in memory for a free place, at most.
    public var prefetch = 1_000
    /// A task that waited longer in memory than this means that too many were prefetched.
    public var patience = TimeSpan.milliseconds(250)
    /// How long to listen before looking again for oneself.
    public var pollInterval = TimeSpan.seconds(1)
    /// How often expired leases, deadlines and new types are looked for.
    public var choreInterval = TimeSpan.seconds(1)
    /// What is open is looked at no more often than this.
    public var surveyInterval = TimeSpan.milliseconds(20)
    /// Rows of one chore, at most.
    public var choreBatch = 100
    /// What must be left of a lease after a request's own timeout when it is sent.
    public var settleMargin = TimeSpan.seconds(1)
    /// First wait after the database failed; doubles, with full jitter, up to ``longestBackoff``.
    public var shortestBackoff = TimeSpan.milliseconds(100)
    /// Longest wait between two tries to reach the database.
    public var longestBackoff = TimeSpan.seconds(3)
    /// How long a task of a crowded destination is put off when others of its type are waiting behind it.
    public var crowdedDelay = TimeSpan.seconds(2)
    /// Tasks wait in memory for a destination or a rate no longer than this; what would wait longer is given back.
    public var keepWithin = TimeSpan.seconds(1)
    /// Tasks of a route with a rate are claimed so long ahead.
    public var rateAhead = TimeSpan.milliseconds(500)
    /// Attempts before a breaker may open.
    public var breakerAttempts = 10
    /// A breaker opens when so many in a hundred of them failed.
    public var breakerPercent = 70
    /// A breaker forgets its attempts after so long without one.
    public var breakerMemory = TimeSpan.seconds(60)
    /// A breaker's first time open, at least.
    public var breakerShortest = TimeSpan.seconds(30)
    /// No breaker stays open longer without a probe, and no `Retry-After` holds a whole destination longer.
    public var breakerLongest = TimeSpan.minutes(15)
    /// Destinations, and rates of destinations, that are remembered without a task for them, at most.
    public var remembered = 10_000
    /// How often a relay that shares rates, or has something to report, signs in the database.
    public var signInterval = TimeSpan.seconds(3)
    /// A relay that has not signed for so long is taken for dead.
    public var signLife = TimeSpan.seconds(15)
    /// A visit to the database that takes longer is slow.
    public var slowVisit = TimeSpan.milliseconds(250)
    /// However slow the database: rows of one claim.
    public var leastClaimBatch = 10
    /// The lease for rows that will not be sent at all (unknown types).
    public var setAsideLease = TimeSpan.seconds(60)

    /// When retention is tried again that the database refuses.
    public var purgeRetry = TimeSpan.minutes(10)
    /// What retention removed is told no more often than this.
    public var purgeTelling = TimeSpan.minutes(1)

    /// A schedule's tick that comes later than so many seconds is late, and `catchUp` says what becomes of it.
    public var tickPatience: Int64 = 60
    /// No tick is made up for that is older than so many seconds.
    public var tickLife: Int64 = 86_400
    /// When an insert is tried again that the database refused.
    public var tickRetry = TimeSpan.seconds(15)

    /// The real relay's.
    public init() {}
}
