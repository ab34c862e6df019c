import TallypostCore

/// Which ordering keys are worth asking about.
///
/// A walk over all keys finds every head, but with many keys that wait (scheduled, or blocked) it costs a round of them, so it is
/// paced by its cost. What must be found at once is found otherwise: keys of new tasks by their ids, keys that a settlement
/// here has freed because they are known, and heads that fall due soon because the walk has noted when.
struct KeyScout {
    private(set) var walk = KeyWalk()
    /// Keys that may have a head which is due.
    private(set) var hinted: Set<String> = []
    /// No keyed task newer than this has been seen.
    private(set) var newestID: Int64 = 0
    private var pace = Pace()
    private var roundCost = TimeSpan.zero
    /// Heads that fall due soon.
    private var upcoming: [String: Timestamp] = [:]
    private var firstUpcoming: Timestamp?

    /// Keys remembered, at most; what is beyond waits for the walk.
    static let mostHints = 100_000
    private static let mostUpcoming = 10_000
    /// A round of the walk comes round sooner than this.
    private static let horizon = TimeSpan.seconds(60)

    /// A scout who takes what is there up to this task for old: the walk finds it.
    init(newestID: Int64 = 0) { self.newestID = newestID }

    /// Whether there is something that a claim should ask about now, or a round that it should go on with.
    var mayHaveDue: Bool { !hinted.isEmpty || walk.isUnderWay }

    /// When something falls due that is not due yet.
    func nextDue(after now: Timestamp) -> Timestamp? {
        (walk.due + [firstUpcoming].compactMap { $0 }).filter { $0 > now }.min()
    }

    /// Whether the next visit should take a step of the walk.
    func walks(at now: Instant) -> Bool { walk.isUnderWay || pace.allows(now) }

    mutating func hint(_ key: String) {
        if hinted.count < Self.mostHints { hinted.insert(key) }
    }

    /// These were asked about.
    mutating func forget(_ keys: some Sequence<String>) { hinted.subtract(keys) }

    /// A head of this key falls due at that time.
    mutating func expect(_ key: String, at due: Timestamp, now: Timestamp) {
        guard due > now else { return hint(key) }
        guard due < now + Self.horizon, upcoming.count < Self.mostUpcoming else { return }
        upcoming[key] = min(upcoming[key] ?? due, due)
        firstUpcoming = min(firstUpcoming ?? due, due)
    }

    /// What has fallen due since becomes a hint.
    mutating func takeDue(at now: Timestamp) {
        guard let first = firstUpcoming, first <= now else { return }
        for (key, due) in upcoming where due <= now {
            upcoming[key] = nil
            hint(key)
        }
        firstUpcoming = upcoming.values.min()
    }

    // MARK: What visits bring

    /// Rows of `new_keys`.
    mutating func learnNew(_ result: PostgresResult) {
        for row in 0..<result.rowCount {
            newestID = max(newestID, result.integer(row, 0) ?? 0)
            guard let key = result.text(row, 1), let runAt = result.time(row, 3), let now = result.time(row, 4) else { continue }
            if let type = result.text(row, 2) { walk.saw(type) }
            expect(key, at: runAt, now: now)
        }
    }

    /// Rows of `key_heads`, and what the visit took.
    mutating func learnHeads(_ result: PostgresResult, limit: Int, took: TimeSpan, at moment: Instant) {
        walk.begin()
        for row in 0..<result.rowCount {
            guard let type = result.text(row, 1), let runAt = result.time(row, 2), let now = result.time(row, 4) else { continue }
            walk.saw(type)
            guard result.integer(row, 3) == 1, let key = result.text(row, 0) else { continue }
            if runAt > now { walk.saw(due: runAt) }
            expect(key, at: runAt, now: now)
        }
        roundCost = roundCost + took
        let isFull = result.rowCount >= limit
        walk.moved(to: isFull ? result.text(result.rowCount - 1, 0) : nil)
        if !walk.isUnderWay {
            pace.took(roundCost, rows: 0, at: moment)
            roundCost = .zero
        }
    }
}
