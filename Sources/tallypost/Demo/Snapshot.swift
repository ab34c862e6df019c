/// What the rows of both databases said at one moment.
struct Snapshot: Sendable, Equatable {
    /// Rows of one task type.
    struct Line: Sendable, Equatable {
        /// Still to be sent, in whatever way: pending or processing.
        var open = 0
        /// `completed`.
        var completed = 0
        /// `failed`, `timeout` or `cancelled`.
        var dead = 0
    }

    /// Orders committed.
    var orders = 0
    /// Orders rolled back.
    var rolledBack = 0
    /// Tasks by status, as the column spells it.
    var depth: [String: Int] = [:]
    /// Tasks by type.
    var lines: [DemoTask: Line] = [:]
    /// Attempts beyond the first.
    var retries = 0
    /// Requests that the receiver had dealt with before, by key.
    var repeats = 0

    /// Tasks in `status`.
    subscript(_ status: String) -> Int { depth[status] ?? 0 }
    /// Tasks that have not ended.
    var open: Int { lines.values.reduce(0) { $0 + $1.open } }
    /// Tasks that ended well.
    var completed: Int { lines.values.reduce(0) { $0 + $1.completed } }
    /// Dead letters.
    var dead: Int { lines.values.reduce(0) { $0 + $1.dead } }
}
