/// The relay's own bounds and rhythms. Constants of the house, gathered so that the simulator can shrink them.
public struct RelayLimits: Sendable {
    /// Rows of one claim, at most.
    public var claimBatch = 500
    /// Outcomes of one settlement, at most.
    public var settleBatch = 500
    /// An outcome waits at most so long for company.
    public var settleWithin = TimeSpan.milliseconds(3)
    /// Outcomes whose rows somebody has locked are tried again after this.
    public var lockedWait = TimeSpan.seconds(1)
    /// Tasks held in memory, at most.
    public var heldTasks = 10_000
    /// Bytes of tasks held in memory, near enough, at most.
    public var heldBytes = 64 << 20
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
    /// The lease for rows that will not be sent at all (unknown types).
    public var setAsideLease = TimeSpan.seconds(60)

    /// When retention is tried again that the database refuses.
    public var purgeRetry = TimeSpan.minutes(10)
    /// What retention removed is told no more often than this.
    public var purgeTelling = TimeSpan.minutes(1)

    /// The real relay's.
    public init() {}
}
