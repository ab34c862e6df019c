import TallypostCore

/// A walk over the ordering keys, a stretch at a time, round and round: however many keys there are, each call is short,
/// and every key has its turn.
struct KeyWalk {
    /// Keys looked at in one stretch.
    static let stretch = 256

    /// The smallest key not looked at yet; nil: at the start.
    private(set) var cursor: [UInt8]?
    /// Types of the claimable heads of the last whole round and of this one so far.
    var types: Set<String> { typesOfLastRound.union(typesOfRound) }
    private var typesOfLastRound: Set<String> = []
    private var typesOfRound: Set<String> = []
    private var dueOfLastRound: Timestamp?
    private var dueOfRound: Timestamp?
    /// Whether nothing that was looked for has been met in this round so far.
    private var isBarren = true

    /// The first of an ordering key's tasks.
    struct Head {
        let id: Int64
        let key: [UInt8]
        let type: String
        let priority: Int64
        let runAt: Timestamp
        /// Whether it may be claimed once it is due: pending, with nothing of its key in flight.
        let isFree: Bool
    }

    /// When the earliest head that was not due when it was seen, but after `now`, falls due.
    func nextDue(after now: Timestamp) -> Timestamp? {
        [dueOfLastRound, dueOfRound].compactMap { $0 }.filter { $0 > now }.min()
    }

    /// How a stretch ended.
    enum Stretch: Equatable {
        /// There are more keys.
        case goesOn
        /// At the end of the keys; the next one starts anew. Barren: nothing that was looked for was met since the start.
        case endOfRound(barren: Bool)
    }

    /// One stretch; calls `visit` for every head, which says whether it is one of those looked for.
    mutating func advance(
        _ statement: SQLiteStatement, now: Timestamp, visit: (Head) -> Bool
    ) throws(StoreError) -> Stretch {
        if cursor == nil { isBarren = true }
        try statement.bind(1, text: cursor ?? [])
        try statement.bind(2, Self.stretch)
        var count = 0
        var last: [UInt8] = []
        var types: Set<String> = []
        var due: Timestamp?
        var found = false
        try statement.forEachRow { row in
            let head = Head(row)
            count += 1
            last = head.key
            if head.isFree {
                types.insert(head.type)
                if head.runAt > now { due = min(due ?? head.runAt, head.runAt) }
            }
            if visit(head) { found = true }
        }
        if found { isBarren = false }
        typesOfRound.formUnion(types)
        if let due { dueOfRound = min(dueOfRound ?? due, due) }
        guard count < Self.stretch else {
            // The smallest text greater than the last key.
            cursor = last + [0]
            return .goesOn
        }
        cursor = nil
        (typesOfLastRound, typesOfRound) = (typesOfRound, [])
        (dueOfLastRound, dueOfRound) = (dueOfRound, nil)
        return .endOfRound(barren: isBarren)
    }

    /// The head of exactly this key; nil when nothing holds it.
    static func head(of key: [UInt8], _ statement: SQLiteStatement) throws(StoreError) -> Head? {
        try statement.bind(1, text: key)
        try statement.bind(2, 1)
        guard let head = try statement.firstRow({ Head($0) }), head.key == key else { return nil }
        return head
    }
}

extension KeyWalk.Head {
    fileprivate init(_ row: SQLiteStatement) {
        self.init(
            id: row.integer(0), key: row.bytes(1) ?? [], type: row.text(2) ?? "", priority: row.integer(3),
            runAt: Timestamp(milliseconds: row.integer(4)), isFree: row.integer(5) != 0)
    }
}
