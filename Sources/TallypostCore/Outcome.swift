/// What a relay writes about one leased task: fenced by its epoch, committed together with its attempt row.
public struct Outcome: Sendable, Equatable {
    /// The task's `id`.
    public var id: Int64
    /// The epoch of the lease under which this was found out. If the row has moved on, nothing is written.
    public var epoch: Int64
    /// What becomes of the task.
    public var change: Change
    /// The attempt as `task_attempts` keeps it; nil where the row itself tells it whole.
    public var attempt: AttemptRecord?
    /// Whether a failed task goes on holding its ordering key (a route's `whenFailed: "block"`).
    public var blocksKey: Bool
    /// As ``ClaimedTask/hasFollowers`` said when the task was claimed.
    public var hasFollowers: Bool

    /// What becomes of the task.
    public enum Change: Sendable, Equatable {
        /// `completed`, with the answer's HTTP status and the JSON text for `result`.
        case completed(responseStatus: Int, result: String?)
        /// `waiting` for a signal, with the answer's HTTP status and the JSON text for `start_result`. A row's own `max_wait_seconds`
        /// goes before `longestWait`; silence for `heartbeat` ends the attempt. When a signal is kept already, the task ends by it at once.
        case waiting(responseStatus: Int, startResult: String?, longestWait: TimeSpan?, heartbeat: TimeSpan?)
        /// `waiting` for the deliveries to these subscribers, which are inserted with it (or opened again, where they did not end
        /// well the last time): nothing was sent.
        case fannedOut(subscribers: [String])
        /// Back to `pending`, due after `delay` by the database's clock, but no later than `deadline_at`.
        case retry(after: TimeSpan, responseStatus: Int?, error: String)
        /// `failed`: a dead letter.
        case failed(responseStatus: Int?, error: String)
        /// `timeout`.
        case timedOut(error: String)
        /// Back to `pending` with nothing sent: the attempt is refunded. Due after `delay`, by the database's clock.
        case released(after: TimeSpan)
        /// Back to `pending` with nothing sent, like ``released(after:)``, because a rule holds it: `last_error` says why.
        case held(after: TimeSpan, reason: String)
    }

    /// Memberwise.
    public init(
        id: Int64, epoch: Int64, change: Change, attempt: AttemptRecord? = nil, blocksKey: Bool = false,
        hasFollowers: Bool = false
    ) {
        self.id = id
        self.epoch = epoch
        self.change = change
        self.attempt = attempt
        self.blocksKey = blocksKey
        self.hasFollowers = hasFollowers
    }

    /// The event of the state machine that this writes.
    public var event: TaskEvent {
        switch change {
        case .completed: .delivered
        case .waiting, .fannedOut: .accepted
        case .retry: .attemptFailed
        case .failed: .rejected
        case .timedOut: .deadlinePassed
        case .released, .held: .released
        }
    }

    /// The status that it leads to.
    public var status: TaskStatus {
        switch change {
        case .completed: .completed
        case .waiting, .fannedOut: .waiting
        case .retry, .released, .held: .pending
        case .failed: .failed
        case .timedOut: .timeout
        }
    }
}

/// One attempt as `task_attempts` keeps it.
public struct AttemptRecord: Sendable, Equatable {
    /// Its number, 1 for the first.
    public var number: Int
    /// How long ago it ended when the outcome was made is not kept; how long it took is.
    public var duration: TimeSpan
    /// The answer's HTTP status; nil when there was no answer.
    public var responseStatus: Int?
    /// What went wrong, for a person.
    public var error: String
    /// The first bytes of the answer's body, as text; nil when there was none.
    public var responseStart: String?

    /// Memberwise.
    public init(number: Int, duration: TimeSpan, responseStatus: Int?, error: String, responseStart: String? = nil) {
        self.number = number
        self.duration = duration
        self.responseStatus = responseStatus
        self.error = error
        self.responseStart = responseStart
    }
}
