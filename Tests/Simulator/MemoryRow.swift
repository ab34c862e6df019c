public import TallypostCore

/// The word in `status`: one that Tallypost knows, or whatever a person wrote there.
public enum StatusWord: Sendable, Hashable {
    /// A status of the state machine.
    case known(TaskStatus)
    /// Any other word; nil: SQL NULL.
    case stranger(String?)

    /// - Parameter word: the column's text.
    public init(_ word: String?) {
        self = word.flatMap(TaskStatus.init(rawValue:)).map(StatusWord.known) ?? .stranger(word)
    }

    /// The column's text.
    public var word: String? {
        switch self {
        case .known(let status): status.rawValue
        case .stranger(let word): word
        }
    }

    /// Whether a claim may take the row: it is pending, or has a word that no relay wrote and is to be set aside.
    public var isClaimable: Bool {
        switch self {
        case .known(let status): status == .pending
        case .stranger: true
        }
    }

    /// Whether nothing more happens to it by itself.
    var isFinal: Bool {
        if case .known(let status) = self { status.isFinal } else { false }
    }

    /// Whether the row goes on to hold its ordering key.
    var isOpen: Bool {
        switch self {
        case .known(let status): !status.isFinal
        case .stranger: true
        }
    }

    /// Being sent, or waiting for a signal: no other task of its ordering key may be.
    public var isInFlight: Bool { self == .known(.processing) || self == .known(.waiting) }
}

/// What a relay, a person or the checks of the simulator see change in a row.
public struct RowImage: Sendable, Equatable {
    /// `status`.
    public var status: StatusWord
    /// `attempts`.
    public var attempts: Int
    /// `lease_epoch`.
    public var epoch: Int64
    /// `lease_expires_at`.
    public var leaseEnd: Timestamp?
    /// `leased_by`.
    public var relay: String?
    /// `run_at`.
    public var runAt: Timestamp
    /// `blocks_key`.
    public var blocksKey: Bool
    /// When the worker of a waiting task counts as silent; nil: never.
    public var silentAt: Timestamp?
}

/// A row of the memory store's `pending_tasks`.
public struct MemoryRow: Sendable {
    /// `id`.
    public var id: Int64
    /// `type`; nil: SQL NULL.
    public var type: String?
    /// `payload`.
    public var payload: [UInt8]? = Array("{}".utf8)
    /// `idempotency_key`.
    public var idempotencyKey: String?
    /// `subject`.
    public var subject: String?
    /// `target_url`.
    public var targetURL: String?
    /// `headers`.
    public var headers: String?
    /// `deadline_at`.
    public var deadlineAt: Timestamp?
    /// `priority`.
    public var priority = 0
    /// `ordering_key`.
    public var orderingKey: String?
    /// `max_attempts`.
    public var maxAttempts: Int?
    /// `timeout_seconds`.
    public var timeoutSeconds: Int?
    /// `wait_for_signal`.
    public var waitsForSignal = false
    /// `signal_token`.
    public var signalToken: String?
    /// `traceparent`.
    public var traceparent: String?
    /// `group_key`.
    public var groupKey: String?
    /// `run_after`.
    public var runAfter: Int64?
    /// The task whose delivery to a subscriber this is.
    public var parent: Int64?
    /// `created_at`.
    public var createdAt: Timestamp?
    /// The columns that change.
    public var image: RowImage
    /// `response_status`.
    public var responseStatus: Int?
    /// `start_result`.
    public var startResult: String?
    /// `result`.
    public var result: String?
    /// `last_error`.
    public var lastError: String?
    /// `checkpoint`.
    public var checkpoint: String?
    /// `started_at`.
    public var startedAt: Timestamp?
    /// `finished_at`.
    public var finishedAt: Timestamp?

    /// A pending row, due and created at `now`.
    public init(id: Int64, type: String?, now: Timestamp) {
        self.id = id
        self.type = type
        idempotencyKey = "key-\(id)"
        createdAt = now
        image = RowImage(
            status: .known(.pending), attempts: 0, epoch: 0, leaseEnd: nil, relay: nil, runAt: now, blocksKey: false)
    }

    var holdsKey: Bool { image.blocksKey || image.status.isOpen }

    /// Where it stands in the queue: one step of priority is worth a minute of waiting.
    var turn: Timestamp { image.runAt + .minutes(-Int64(priority)) }

    func claimed(statusBefore: String?) -> ClaimedTask {
        ClaimedTask(
            id: id, epoch: image.epoch, type: type ?? "", attempt: image.attempts, statusBefore: statusBefore ?? "NULL",
            payload: payload, idempotencyKey: idempotencyKey ?? "pending_tasks-\(id)", subject: subject, targetURL: targetURL,
            headers: headers, runAt: image.runAt, createdAt: createdAt ?? image.runAt, deadlineAt: deadlineAt,
            priority: priority, orderingKey: orderingKey, maxAttempts: maxAttempts, timeoutSeconds: timeoutSeconds,
            waitsForSignal: waitsForSignal, signalToken: signalToken, traceparent: traceparent, checkpoint: checkpoint,
            previousTask: runAfter, hasFollowers: parent != nil)
    }
}

/// A row of the memory store's `task_attempts`.
public struct MemoryAttempt: Sendable {
    /// `task_id`.
    public var task: Int64
    /// `lease_epoch`.
    public var epoch: Int64
    /// `relay`.
    public var relay: String?
    /// `ended_at`.
    public var endedAt: Timestamp
    /// The rest.
    public var record: AttemptRecord
}

/// One change of one row, for whoever checks.
public struct RowChange: Sendable {
    /// What changed it.
    public enum Cause: Sendable {
        /// The application's commit.
        case insert
        /// A claim.
        case claim
        /// A settlement.
        case settlement(Outcome)
        /// A sweep.
        case sweep
        /// The last delivery to its subscribers ended.
        case joined
        /// A person.
        case person(TaskAction)
        /// Retention removed it; the row as it was.
        case purge(MemoryRow)
    }

    /// The row's `id`.
    public var id: Int64
    /// What changed it.
    public var cause: Cause
    /// Before; nil: the row was not there.
    public var before: RowImage?
    /// After; of a row that was removed, as before.
    public var after: RowImage
}
