/// A row of `pending_tasks` as a claim returned it: leased by this relay, in one epoch.
///
/// Fields are as the database holds them; nothing has been judged yet. A row unfit to send (an unknown status, a payload
/// that is no JSON) arrives here too, so that one place decides what becomes of it.
public final class ClaimedTask: Sendable {
    /// `id`.
    public let id: Int64
    /// `lease_epoch` after this claim: the fence of every later write.
    public let epoch: Int64
    /// `type`, which names the route.
    public let type: String
    /// `attempts` after this claim: 1 for the first.
    public let attempt: Int
    /// The `status` before this claim: "pending", or a word that no relay wrote.
    public let statusBefore: String
    /// `payload`, byte for byte; nil for SQL NULL.
    public let payload: [UInt8]?
    /// `idempotency_key`, or a key derived from the id in an adopted row that has none.
    public let idempotencyKey: String
    /// `subject`.
    public let subject: String?
    /// `target_url`.
    public let targetURL: String?
    /// `headers`: the text of a JSON object.
    public let headers: String?
    /// `run_at`: when this attempt was due.
    public let runAt: Timestamp
    /// `created_at`; in an adopted row that has none, `run_at`.
    public let createdAt: Timestamp
    /// `deadline_at`.
    public let deadlineAt: Timestamp?
    /// `priority`.
    public let priority: Int
    /// `ordering_key`.
    public let orderingKey: String?
    /// `max_attempts`; nil: the route's. 0: for ever.
    public let maxAttempts: Int?
    /// `timeout_seconds`; nil: the route's.
    public let timeoutSeconds: Int?
    /// `wait_for_signal`.
    public let waitsForSignal: Bool
    /// `signal_token`, for the header of a task that waits; a store need not fetch that of one that does not.
    public let signalToken: String?
    /// `traceparent` as written.
    public let traceparent: String?
    /// `checkpoint`: JSON text of the last heartbeat.
    public let checkpoint: String?
    /// `run_after`: the task that this one followed.
    public let previousTask: Int64?
    /// `result` of that task: JSON text; nil when it has none, or is not there any more.
    public let previousResult: String?
    /// Something hangs on this task's end: a notice, a group, a successor, a task whose delivery it is. Its outcome is then written
    /// with what follows from it.
    public let hasFollowers: Bool

    /// Memory that holding this task costs, near enough for a bound: bytes.
    public var footprint: Int {
        512 + (payload?.count ?? 0) + (headers?.utf8.count ?? 0) + (checkpoint?.utf8.count ?? 0)
            + (previousResult?.utf8.count ?? 0)
    }

    /// Memberwise, in the order of the declarations.
    public init(
        id: Int64, epoch: Int64, type: String, attempt: Int, statusBefore: String = "pending", payload: [UInt8]?,
        idempotencyKey: String, subject: String? = nil, targetURL: String? = nil, headers: String? = nil, runAt: Timestamp,
        createdAt: Timestamp, deadlineAt: Timestamp? = nil, priority: Int = 0, orderingKey: String? = nil,
        maxAttempts: Int? = nil, timeoutSeconds: Int? = nil, waitsForSignal: Bool = false, signalToken: String? = nil,
        traceparent: String? = nil, checkpoint: String? = nil, previousTask: Int64? = nil, previousResult: String? = nil,
        hasFollowers: Bool = false
    ) {
        self.id = id
        self.epoch = epoch
        self.type = type
        self.attempt = attempt
        self.statusBefore = statusBefore
        self.payload = payload
        self.idempotencyKey = idempotencyKey
        self.subject = subject
        self.targetURL = targetURL
        self.headers = headers
        self.runAt = runAt
        self.createdAt = createdAt
        self.deadlineAt = deadlineAt
        self.priority = priority
        self.orderingKey = orderingKey
        self.maxAttempts = maxAttempts
        self.timeoutSeconds = timeoutSeconds
        self.waitsForSignal = waitsForSignal
        self.signalToken = signalToken
        self.traceparent = traceparent
        self.checkpoint = checkpoint
        self.previousTask = previousTask
        self.previousResult = previousResult
        self.hasFollowers = hasFollowers
    }
}
