/// Where a task stands. The raw values are the words in `pending_tasks.status`.
public enum TaskStatus: String, CaseIterable, Hashable, Sendable {
    /// Waits for the end of its predecessor (`run_after`).
    case blocked
    /// Waits to be sent: for its time, its turn or a free place.
    case pending
    /// Leased by a relay, which sends it or is about to.
    case processing
    /// The callback was accepted; an outside signal is awaited.
    case waiting
    /// Done: the receiver answered 2xx, or the awaited signal said so.
    case completed
    /// A dead letter: refused for good, out of attempts, or unfit to send.
    case failed
    /// Its deadline or its longest wait passed first.
    case timeout
    /// Called off before it was done.
    case cancelled

    /// Whether nothing but a person's (or a policy's) reopening can move it on.
    public var isFinal: Bool {
        switch self {
        case .completed, .failed, .timeout, .cancelled: true
        case .blocked, .pending, .processing, .waiting: false
        }
    }
}

/// What can happen to a task. Together with ``TaskStatus/after(_:)`` this is the whole state machine.
public enum TaskEvent: CaseIterable, Hashable, Sendable {
    /// The predecessor ended as `run_if` asks.
    case unblocked
    /// A relay took the lease.
    case claimed
    /// The lease was given back with nothing sent; the attempt is refunded.
    case released
    /// The receiver answered 2xx and the task does not wait.
    case delivered
    /// The receiver answered 2xx and the task waits for a signal.
    case accepted
    /// The attempt failed and another may follow.
    case attemptFailed
    /// The attempt failed for good: a permanent answer, no attempts left, or a row unfit to send.
    case rejected
    /// `deadline_at` passed before it could be sent.
    case deadlinePassed
    /// The lease ran out and its holder is presumed dead; another attempt may follow.
    case leaseExpired
    /// A signal said the work is done.
    case signalledCompleted
    /// A signal said the work failed.
    case signalledFailed
    /// The signal did not come within `max_wait_seconds`.
    case waitExpired
    /// A person, a policy or a group called it off.
    case cancelled
    /// A person, or a policy acting for one, opened a final task again.
    case reopened
}

extension TaskStatus {
    /// The status that follows when `event` happens in this one; nil where the event is illegal, and then nothing may change.
    ///
    /// `attemptFailed`, `released` and `leaseExpired` lead back to `pending`; whether attempts are left is decided before
    /// the event is chosen (`rejected` when none are).
    public func after(_ event: TaskEvent) -> TaskStatus? {
        switch (self, event) {
        case (.blocked, .unblocked): .pending
        case (.pending, .claimed): .processing
        case (.processing, .released), (.processing, .attemptFailed), (.processing, .leaseExpired): .pending
        case (.processing, .delivered): .completed
        case (.processing, .accepted): .waiting
        case (.processing, .rejected): .failed
        case (.processing, .deadlinePassed), (.pending, .deadlinePassed), (.blocked, .deadlinePassed): .timeout
        case (.waiting, .signalledCompleted): .completed
        case (.waiting, .signalledFailed): .failed
        case (.waiting, .waitExpired): .timeout
        // A worker that stops its heartbeats has failed its attempt, though the callback itself was answered.
        case (.waiting, .attemptFailed): .pending
        case (.waiting, .rejected): .failed
        case (.blocked, .cancelled), (.pending, .cancelled), (.waiting, .cancelled): .cancelled
        case (.completed, .reopened), (.failed, .reopened), (.timeout, .reopened), (.cancelled, .reopened): .pending
        default: nil
        }
    }
}
