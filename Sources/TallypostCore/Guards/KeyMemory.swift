/// How long receivers remember idempotency keys, and on which side of it tasks are meant.
///
/// A task that was last sent longer ago may be done a second time when it is sent again: its receiver takes the key for a new one.
public struct KeyMemory: Sendable, Equatable {
    /// By task type; types that are not named remember for ever.
    public var retention: [String: TimeSpan]
    /// True: tasks whose receivers have forgotten them; false: all others.
    public var isPast: Bool

    /// Memberwise.
    public init(retention: [String: TimeSpan], isPast: Bool) {
        self.retention = retention
        self.isPast = isPast
    }

    /// Type and the time before which a task was sent that is forgotten by `now`, in order.
    public func cutoffs(at now: Timestamp) -> [(type: String, before: Timestamp)] {
        retention.sorted { $0.key < $1.key }.map { ($0.key, now + TimeSpan(nanoseconds: -$0.value.nanoseconds)) }
    }
}
