import TallypostCore

/// Where the walk over the ordering keys stands, and what it has seen: a step visits some keys, a round all of them.
struct KeyWalk {
    /// The next step starts at this key.
    private(set) var cursor = ""
    private var last = Seen()
    private var current = Seen()

    private struct Seen {
        var types: Set<String> = []
        var due: Timestamp?
    }

    /// Whether a round has begun and not come to its end.
    var isUnderWay: Bool { !cursor.isEmpty }
    /// Types of heads in this round and the one before.
    var types: Set<String> { last.types.union(current.types) }
    /// When heads fall due that were not due when they were seen.
    var due: [Timestamp] { [last.due, current.due].compactMap { $0 } }

    /// A step begins.
    mutating func begin() {
        guard !isUnderWay else { return }
        last = current
        current = Seen()
    }

    mutating func saw(_ type: String) { current.types.insert(type) }
    mutating func saw(due: Timestamp) { current.due = min(current.due ?? due, due) }

    /// The step has ended at this key; nil: there are no more.
    mutating func moved(to key: String?) {
        guard let key else {
            cursor = ""
            last = Seen()
            return
        }
        // The very next text in any collation: text holds no NUL.
        cursor = key + "\u{1}"
    }
}
