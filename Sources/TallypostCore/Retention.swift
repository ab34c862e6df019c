/// How long tasks that have ended are kept; what is older is removed, with its attempts.
public struct RetentionPolicy: Sendable, Equatable {
    /// How long after its end a `completed` task is kept; nil: for ever.
    public var completed: TimeSpan?
    /// The same for `failed`, `timeout` and `cancelled`.
    public var final: TimeSpan?

    /// The contract's defaults unless told otherwise: 30 and 90 days.
    public init(completed: TimeSpan? = .hours(30 * 24), final: TimeSpan? = .hours(90 * 24)) {
        self.completed = completed
        self.final = final
    }

    /// Nothing is removed.
    public static let never = RetentionPolicy(completed: nil, final: nil)

    /// Whatever was inserted less than this long ago cannot be old enough; nil: nothing ever is.
    public var shortest: TimeSpan? { [completed, final].compactMap { $0 }.min() }

    /// How long after a task of that status has ended it may be removed; nil: never.
    public func span(for status: TaskStatus) -> TimeSpan? {
        switch status {
        case .completed: completed
        case .failed, .timeout, .cancelled: final
        case .blocked, .pending, .processing, .waiting: nil
        }
    }

    /// As `task_events` and people read it.
    public var spoken: String {
        guard completed != nil || final != nil else { return "never" }
        return "completed \(completed?.configured ?? "never"), final \(final?.configured ?? "never")"
    }
}

extension TimeSpan {
    /// As a configuration has it, in the largest unit that it is a whole number of: `30d`, `36h`, `1500ms`.
    public var configured: String {
        let milliseconds = milliseconds
        for (unit, length) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] as [(String, Int64)]
        where milliseconds != 0 && milliseconds % length == 0 {
            return "\(milliseconds / length)\(unit)"
        }
        return "\(milliseconds)ms"
    }
}

/// What a step of retention did.
public struct Purge: Sendable, Equatable {
    /// Tasks removed.
    public var removed: Int
    /// Nil: the walk over the table goes on. Else its end was reached, and the next one is worth while after so long.
    public var rest: TimeSpan?

    /// Memberwise.
    public init(removed: Int, rest: TimeSpan? = nil) {
        self.removed = removed
        self.rest = rest
    }
}

/// A walk over the table from its oldest rows on, in short steps: where it stands, how long its steps may be, and when the next
/// one is worth while. Each store has one.
///
/// The primary key leads it, because ids rise with time: an index on `finished_at` would be written by every settlement. The
/// walk ends where rows are too young for any retention, so it sees what may be removed and what is kept longer (dead letters,
/// tasks that have waited for weeks), not the table.
public struct PurgeWalk: Sendable {
    /// Where the next step begins: beyond this id; nil: at the start.
    public private(set) var cursor: Int64?
    /// Rows that the next step removes, at most.
    public private(set) var rows: Int
    private let most: Int
    private let target: TimeSpan
    private var cost = TimeSpan.zero
    /// Steps in a row that were broken off though none can be shorter.
    private var failures = 0
    /// How many rows the next step looks at for each that it may remove.
    private var spread = PurgeWalk.widest

    /// Rows that a step removes, at least, however slow the database is.
    static let least = 10
    /// So many of the shortest steps broken off in a row are no longer one moment in which the database stood still.
    static let mostFailures = 10
    /// A step looks at no more than so many times as many rows as it may remove.
    static let widest = 4
    /// A walk comes after fifty times as long as the last one took: it takes at most a fiftieth of the time …
    static let share: Int64 = 50
    /// … but at least so often …
    static let longestRest = TimeSpan.hours(24)
    /// … and, with the usual retention, no more often than this: what a busy hour leaves behind is then removed in whole batches.
    static let shortestRest = TimeSpan.minutes(10)

    /// - Parameters:
    ///   - most: rows that a step removes, at most.
    ///   - target: how long a step should take.
    public init(most: Int, target: TimeSpan) {
        self.most = most
        self.target = target
        rows = min(most, 100)
    }

    /// Rows that the next step looks at, at most.
    public var looked: Int { rows * spread }

    /// A step was done. The next one is shorter when this took too long, longer when it did all that it might in half the time.
    /// - Parameters:
    ///   - span: how long it took.
    ///   - looked: rows that it looked at.
    ///   - cursor: the last id that it looked at, or, when it removed as many as it might, the last that it removed.
    public mutating func took(_ span: TimeSpan, removed: Int, looked: Int, upTo cursor: Int64) {
        self.cursor = cursor
        failures = 0
        cost = cost + span
        spread = removed == 0 ? Self.widest : max(1, min(Self.widest, (looked + removed / 2) / removed))
        if span > target {
            let fitting = Int(Double(rows) * Double(target.nanoseconds) / Double(span.nanoseconds))
            // By half at most: one that took long may have waited for a processor or a disk.
            rows = max(Self.least, rows / 2, min(rows - 1, fitting))
        } else if removed * 2 >= rows, span.nanoseconds * 2 < target.nanoseconds {
            rows = min(most, rows * 3 / 2)
        }
    }

    /// A step was broken off because it took too long, and nothing of it stands: the next one is half as long.
    /// - Returns: whether to go on; false: ten in a row that cannot be shorter came to nothing, and a person should hear of it.
    public mutating func brokeOff(after span: TimeSpan) -> Bool {
        cost = cost + span
        guard rows <= Self.least else {
            rows = max(Self.least, rows / 2)
            return true
        }
        failures += 1
        guard failures == Self.mostFailures else { return true }
        failures = 0
        return false
    }

    /// The end was reached: how long to rest before the next walk begins at the start.
    public mutating func ended(_ policy: RetentionPolicy) -> TimeSpan {
        cursor = nil
        defer { cost = .zero }
        // Who keeps tasks for a minute wants to see them go.
        let least = max(.seconds(1), min(Self.shortestRest, TimeSpan(nanoseconds: (policy.shortest ?? .zero).nanoseconds / 100)))
        return min(Self.longestRest, max(least, .milliseconds(min(cost.milliseconds, 10_000_000) * Self.share)))
    }
}
