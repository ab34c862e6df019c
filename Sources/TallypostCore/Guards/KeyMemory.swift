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

    /// Who did it, as `task_events` keeps it when a second person had to agree.
    public static func actor(_ who: String, approvedBy other: String?) -> String {
        other.map { "\(who), approved by \($0)" } ?? who
    }

    /// Whether two names are of one person: surrounding spaces and the case of letters make no difference.
    public static func isSamePerson(_ a: String, _ b: String) -> Bool {
        func plain(_ name: String) -> String {
            var name = name.lowercased()[...]
            while name.first?.isWhitespace == true { name.removeFirst() }
            while name.last?.isWhitespace == true { name.removeLast() }
            return String(name)
        }
        return plain(a) == plain(b)
    }

    /// Type and the time before which a task was sent that is forgotten by `now`, in order.
    public func cutoffs(at now: Timestamp) -> [(type: String, before: Timestamp)] {
        retention.sorted { $0.key < $1.key }.map { ($0.key, now + TimeSpan(nanoseconds: -$0.value.nanoseconds)) }
    }
}
