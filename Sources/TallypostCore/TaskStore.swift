/// The relay's side of the database: small, and in batches.
///
/// One store belongs to one thread. Every method is one short transaction (`exchange` is two), never open across an HTTP
/// call, and durable when it returns. After a throw the caller may call again; what each method promises then is said at it.
/// SQLite, PostgreSQL and the simulator's memory store pass one contract suite.
public protocol TaskStore: AnyObject {
    /// Connects (again) and checks the schema's version. Closes what was open before.
    ///
    /// Throws `.connection` while the database is away, `.schema` when its tables are missing, too old or too new.
    func open() throws(StoreError)

    /// Leases due tasks: `attempts` + 1, `lease_epoch` + 1, `status` processing, the lease by the database's clock.
    ///
    /// No two claims return the same row in the same epoch, however many relays ask. Of the tasks that share an ordering
    /// key at most one is leased at a time, the lowest `id` first. Within a type, higher priority comes first, and waiting
    /// makes up for priority at one minute a step. Rows with a status that no relay wrote are claimed too, to be set aside.
    /// A store may lease fewer than asked for (SQLite: 100 a call) and says so by `mayHaveMore`.
    /// After a throw or a crash the rows may be leased without anybody knowing: they come back when the lease runs out.
    func claim(_ request: ClaimRequest) throws(StoreError) -> ClaimBatch

    /// Writes outcomes: status, attempt row and whatever else belongs to the step, always together for one outcome. PostgreSQL
    /// writes all of them in one transaction, SQLite in transactions of at most 100 with a breath for the application between.
    ///
    /// An outcome whose row is no longer `processing` in its epoch changes nothing and is returned as late; one that this
    /// or an earlier try already wrote (same epoch, same status) counts as written, so a call may be repeated after a throw.
    /// An outcome whose row somebody else has locked is waited for a moment only: it comes back as locked, the others are written.
    func settle(_ outcomes: [Outcome]) throws(StoreError) -> Settlement

    /// ``settle(_:)``, then ``claim(_:)``, each its own transaction, where the engine can in one round trip.
    func exchange(_ outcomes: [Outcome], _ request: ClaimRequest) throws(StoreError) -> (Settlement, ClaimBatch)

    /// Tasks in `processing` whose lease ran out (or is missing) by the database's clock, oldest first. Reads only.
    func expiredLeases(limit: Int) throws(StoreError) -> [ExpiredLease]

    /// Ends what can no longer be sent or was never a task: pending rows past `deadline_at` become `timeout`, rows with no
    /// type become `failed`. At most `limit` rows; says how many it changed. Idempotent.
    func sweep(limit: Int) throws(StoreError) -> Int

    /// What is open, for deciding what to claim next and when to look again. Cheap on any size of table.
    ///
    /// With a sign, the relay's row in `tallypost_relays` is written anew in a short transaction of its own, rows of relays that have
    /// not signed for its `life` are deleted, and the survey counts the relays that are left. Idempotent.
    func survey(_ sign: RelaySign?) throws(StoreError) -> Survey

    /// When the first of all leases held now ends; nil when no task is in `processing`. May look at everything that is due:
    /// asked only before a drain ends.
    func earliestLeaseEnd() throws(StoreError) -> Timestamp?

    /// Inserts the tasks of schedules' ticks, those of them whose idempotency key is not there yet, in one transaction; says how
    /// many. However many relays insert the same tick, it is there once.
    func insert(_ drafts: [TaskDraft]) throws(StoreError) -> Int

    /// Stops claims of a type for every relay until somebody resumes it. Idempotent; the first reason is kept.
    func pause(route type: String, reason: String) throws(StoreError)

    /// One short step of retention: removes final tasks that ended longer ago than `policy` says, with their attempts, and notes
    /// how many and why in `task_events`, in one transaction. Says whether there is more to look at.
    ///
    /// A task stays while it holds its ordering key, while a successor (`run_after`) has not ended, and while its group (`group_key`)
    /// is open. A row that somebody has locked stays too, until the next walk over the table. No lock is held for
    /// more than 50 ms: a step that would take longer is broken off, and the next one is shorter. After a throw the caller may
    /// call again; several stores may do so at once.
    func purge(_ policy: RetentionPolicy) throws(StoreError) -> Purge

    /// Blocks until there may be due work, `timeout` passed, or `interrupt` (a descriptor) is readable.
    ///
    /// True when the database said that something changed. A hint, never the truth: the caller claims and sees. False
    /// promises nothing, so a caller that never calls with more than the poll interval loses nothing.
    func waitForWork(timeout: TimeSpan, interrupt: Int32) throws(StoreError) -> Bool

    /// Where the tide mark stands, and whether anything keeps relays from sending. With `raising` the mark is first raised by one, in a
    /// transaction of its own; not while there is a hold.
    func tide(raising: Bool) throws(StoreError) -> Tide

    /// Whether ``tide(raising:)`` without raising is cheap enough to be asked before every claim: no round trip.
    var tideIsCheap: Bool { get }

    /// Keeps all relays from sending until a person lifts it, and records an event. With a hold of that name there nothing is changed.
    func hold(_ hold: DispatchHold) throws(StoreError)

    /// Of these tasks those that the rule holds: their business row is not there. Reads only; throws `.busy` when it takes too long.
    func unbacked(among ids: [Int64], by rule: HoldRule) throws(StoreError) -> Set<Int64>

    /// Gives back what the connection holds. The store may be opened again.
    func close()
}

extension TaskStore {
    /// One after the other; an engine that can save the round trip has its own.
    public func exchange(_ outcomes: [Outcome], _ request: ClaimRequest) throws(StoreError) -> (Settlement, ClaimBatch) {
        let settlement = try settle(outcomes)
        return (settlement, try claim(request))
    }

    /// Until every store inserts: refused.
    public func insert(_ drafts: [TaskDraft]) throws(StoreError) -> Int {
        throw StoreError(kind: .schema, code: "", operation: "insert", message: "this store inserts no tasks")
    }

    /// For a store that no restored backup can ever be behind: nothing is held.
    public func tide(raising: Bool) throws(StoreError) -> Tide {
        Tide(identity: "", mark: 0, at: Timestamp(microseconds: 0), hold: nil)
    }

    /// Unless an engine knows better.
    public var tideIsCheap: Bool { false }

    /// For a store that keeps no holds: refused.
    public func hold(_ hold: DispatchHold) throws(StoreError) {
        throw StoreError(kind: .schema, code: "", operation: "set_hold", message: "this store keeps no holds")
    }

    /// For a store without business rows: refused.
    public func unbacked(among ids: [Int64], by rule: HoldRule) throws(StoreError) -> Set<Int64> {
        throw StoreError(kind: .schema, code: "", operation: "hold_rule", message: "this store has no business rows")
    }

    /// A survey without a sign.
    public func survey() throws(StoreError) -> Survey { try survey(nil) }
}

/// A relay's sign of life: its row in `tallypost_relays`.
public struct RelaySign: Sendable, Equatable {
    /// The relay's name.
    public var relay: String
    /// What does not flow freely, as a line of JSON (``FlowReport``); nil: everything does.
    public var state: String?
    /// Relays that have not signed for so long, by the database's clock, are taken for dead.
    public var life: TimeSpan

    /// Memberwise.
    public init(relay: String, state: String?, life: TimeSpan) {
        self.relay = relay
        self.state = state
        self.life = life
    }
}

/// What a relay wants leased.
public struct ClaimRequest: Sendable, Equatable {
    /// Wanted of one type.
    public struct Demand: Sendable, Equatable {
        /// The task type.
        public var type: String
        /// At most so many.
        public var limit: Int
        /// How long the lease lasts; a row with its own `timeout_seconds` gets at least that and ``RoutePolicy/leaseMargin``.
        public var lease: TimeSpan
        /// Memberwise.
        public init(type: String, limit: Int, lease: TimeSpan) {
            self.type = type
            self.limit = limit
            self.lease = lease
        }
    }
    /// `leased_by`.
    public var relay: String
    /// Types not named here are not touched.
    public var demands: [Demand]
    /// At most so many in all, whatever the demands add up to.
    public var limit: Int
    /// Look everywhere, whatever it costs: an empty batch then proves that nothing was due. A store that keeps marks to
    /// skip what it has seen ignores them.
    public var thorough: Bool

    /// Memberwise.
    public init(relay: String, demands: [Demand], limit: Int, thorough: Bool = false) {
        self.relay = relay
        self.demands = demands
        self.limit = limit
        self.thorough = thorough
    }
}

/// What a claim leased.
public struct ClaimBatch: Sendable {
    /// The tasks, in the order in which they should be sent.
    public var tasks: [ClaimedTask]
    /// The database's clock when it was asked.
    public var now: Timestamp
    /// Whether more of the demanded types may be due right now (the limit cut the batch short).
    public var mayHaveMore: Bool
    /// The tide mark as the claim saw it, where the engine can tell for nothing.
    public var mark: Int64?

    /// Memberwise.
    public init(tasks: [ClaimedTask], now: Timestamp, mayHaveMore: Bool, mark: Int64? = nil) {
        self.mark = mark
        self.tasks = tasks
        self.now = now
        self.mayHaveMore = mayHaveMore
    }
}

/// What became of a batch of outcomes.
public struct Settlement: Sendable, Equatable {
    /// Outcomes written, now or by an earlier try.
    public var written: Int
    /// `id`s of outcomes that came too late: the lease was lost and another has decided since.
    public var late: [Int64]
    /// Outcomes not written because another session holds their rows locked: to be tried again later.
    public var locked: [Outcome]
    /// Tasks became due by what was written: successors, notices, deliveries to subscribers.
    public var madeDue: Bool

    /// Memberwise.
    public init(written: Int, late: [Int64], locked: [Outcome] = [], madeDue: Bool = false) {
        self.written = written
        self.late = late
        self.locked = locked
        self.madeDue = madeDue
    }
}

/// A task whose holder is presumed dead.
public struct ExpiredLease: Sendable, Equatable {
    /// Whom nothing was heard of.
    public enum Silence: Sendable {
        /// The relay that held the lease.
        case relay
        /// The worker of a task that waits: no heartbeat within the route's `heartbeatSeconds`.
        case worker
    }
    /// The task's `id`.
    public var id: Int64
    /// The lost lease's epoch.
    public var epoch: Int64
    /// The task's type.
    public var type: String
    /// `attempts`, the lost one included.
    public var attempts: Int
    /// `max_attempts`, where the row has its own.
    public var maxAttempts: Int?
    /// `leased_by`.
    public var relay: String?
    /// Whom nothing was heard of.
    public var silence: Silence
    /// As ``ClaimedTask/hasFollowers``.
    public var hasFollowers: Bool

    /// Memberwise.
    public init(
        id: Int64, epoch: Int64, type: String, attempts: Int, maxAttempts: Int?, relay: String?, silence: Silence = .relay,
        hasFollowers: Bool = false
    ) {
        self.silence = silence
        self.hasFollowers = hasFollowers
        self.id = id
        self.epoch = epoch
        self.type = type
        self.attempts = attempts
        self.maxAttempts = maxAttempts
        self.relay = relay
    }
}

/// What is open.
public struct Survey: Sendable, Equatable {
    /// Distinct types of dispatchable rows, due or not.
    public var types: [String]
    /// Types that are paused.
    public var paused: [String]
    /// When the earliest pending row that is not due yet falls due; nil when there is none.
    public var nextDue: Timestamp?
    /// The database's clock.
    public var now: Timestamp
    /// Something was seen that claims so far have not looked at, and that may be due.
    public var mayHaveDue: Bool
    /// Relays that are alive, the one that signed included; nil: this survey came without a sign.
    public var liveRelays: Int?

    /// Memberwise.
    public init(
        types: [String], paused: [String], nextDue: Timestamp?, now: Timestamp, mayHaveDue: Bool = false, liveRelays: Int? = nil
    ) {
        self.liveRelays = liveRelays
        self.types = types
        self.paused = paused
        self.nextDue = nextDue
        self.now = now
        self.mayHaveDue = mayHaveDue
    }
}
