/// A task as somebody who is not the application inserts it: the API, a schedule.
///
/// Names are those of the columns; what is nil is left to the column's default.
public struct TaskDraft: Sendable, Equatable {
    /// `type`.
    public var type: String
    /// `payload`: JSON text.
    public var payload: String?
    /// `idempotency_key`.
    public var idempotencyKey: String?
    /// The other columns that an application may write, by name, as text: numbers in decimal, times in ISO 8601, booleans as `true`
    /// and `false`. Only names in ``columns``.
    public var others: [String: String]

    /// Columns that ``others`` may name.
    public static let columns: Set<String> = [
        "subject", "amount_minor", "currency", "target_url", "headers", "run_at", "deadline_at", "priority", "ordering_key",
        "max_attempts", "timeout_seconds", "on_complete_url", "on_failure_url", "wait_for_signal", "max_wait_seconds",
        "group_key",
        "run_after", "run_if", "traceparent",
    ]

    /// Memberwise.
    public init(type: String, payload: String? = nil, idempotencyKey: String? = nil, others: [String: String] = [:]) {
        self.type = type
        self.payload = payload
        self.idempotencyKey = idempotencyKey
        self.others = others
    }
}

/// What became of a draft.
public struct InsertedTask: Sendable, Equatable {
    /// The task's `id`: the new one's, or that of the task that had the key already.
    public var id: Int64
    /// Whether it was inserted now.
    public var isNew: Bool
    /// `signal_token`, when the task waits for a signal and is new.
    public var signalToken: String?

    /// Memberwise.
    public init(id: Int64, isNew: Bool, signalToken: String?) {
        self.id = id
        self.isNew = isNew
        self.signalToken = signalToken
    }
}
