public import TallypostCore

extension SQLiteStore {
    /// A step is short, because the application's commits wait for it: SQLite has one writer.
    static let purgeWalk = PurgeWalk(most: rowsPerTransaction, target: .milliseconds(4))

    /// What to remove is looked up before the write lock is taken, and asked again under it.
    public func purge(_ policy: RetentionPolicy) throws(StoreError) -> Purge {
        let session = try opened(for: "purge_final")
        let statements = try session.purgeStatements()
        let now = Timestamp.machineNow
        let seenUpTo = try statements.horizon.firstRow { Int($0.integer(0)) } ?? .max
        func cutoff(_ span: TimeSpan?) -> Int? { span.map { Int((now + TimeSpan(nanoseconds: -$0.nanoseconds)).milliseconds) } }
        let (completed, final) = (
            cutoff(policy.completed).map { min($0, seenUpTo) }, cutoff(policy.final).map { min($0, seenUpTo) }
        )

        let look = statements.look
        try look.bind(1, purgeWalk.cursor ?? .min)
        try look.bind(2, purgeWalk.looked)
        try look.bind(3, completed)
        try look.bind(4, final)
        try look.bind(5, cutoff(policy.shortest))
        let started = Instant.monotonic
        let seen = try look.rows { (id: $0.integer(0), isOld: $0.integer(1) != 0, isYoung: $0.integer(2) != 0) }
        let old = Array(seen.lazy.filter(\.isOld).map(\.id).prefix(purgeWalk.rows))
        var took = Instant.monotonic - started

        var removed: [Int64] = []
        if !old.isEmpty {
            // The wait for the lock, and the breath before it, are not ours to account for.
            var locked = Instant.monotonic
            removed = try session.connection.write { () throws(StoreError) in
                locked = .monotonic
                return try Self.remove(old, completed, final, why: policy, at: now, statements, session.statements.recordEvent)
            }
            took = took + (Instant.monotonic - locked)
        }
        let isCut = old.count >= purgeWalk.rows
        let isAtEnd = !isCut && (seen.count < purgeWalk.looked || seen.allSatisfy(\.isYoung))
        purgeWalk.took(
            took, removed: removed.count, looked: seen.count,
            upTo: (isCut ? old.last : seen.last?.id) ?? purgeWalk.cursor ?? .min)
        return Purge(removed: removed.count, rest: isAtEnd ? purgeWalk.ended(policy) : nil)
    }

    private static func remove(
        _ ids: [Int64], _ completed: Int?, _ final: Int?, why policy: RetentionPolicy, at now: Timestamp,
        _ statements: PurgeStatements, _ event: SQLiteStatement
    ) throws(StoreError) -> [Int64] {
        let (task, attempts) = (statements.removeTask, statements.removeAttempts)
        try task.bind(2, completed)
        try task.bind(3, final)
        var removed: [Int64] = []
        for id in ids {
            try task.bind(1, id)
            guard try task.run() > 0 else { continue }
            try attempts.bind(1, id)
            try attempts.run()
            removed.append(id)
        }
        if let final {
            try statements.removeGroups.bind(1, Timestamp(milliseconds: Int64(final)).iso8601)
            try statements.removeGroups.run()
        }
        guard let first = removed.first, let last = removed.last else { return [] }
        let sum = removed.reduce(0 as Int128) { $0 + Int128($1) }
        try event.bindNull(1)
        try event.bind(2, now.iso8601)
        try event.bind(3, "purge")
        try event.bind(4, "tallypost")
        try event.bind(5, "retention: " + policy.spoken)
        try event.bind(6, #"{"count" : \#(removed.count), "from" : \#(first), "to" : \#(last), "sum" : \#(sum)}"#)
        try event.run()
        return removed
    }
}

/// `purge_final`, prepared when retention first needs it.
final class PurgeStatements {
    let look: SQLiteStatement
    let removeTask: SQLiteStatement
    let removeAttempts: SQLiteStatement
    let removeGroups: SQLiteStatement
    let horizon: SQLiteStatement

    init(_ connection: SQLiteConnection) throws(StoreError) {
        let steps = try connection.prepareAll(StoreStatements.tasks["purge_final"], operation: "purge_final")
        precondition(steps.count == 5, "purge_final is five steps")
        (look, removeTask, removeAttempts, removeGroups, horizon) = (steps[0], steps[1], steps[2], steps[3], steps[4])
    }
}

extension SQLiteStore.Session {
    func purgeStatements() throws(StoreError) -> PurgeStatements {
        if let purge { return purge }
        let made = try PurgeStatements(connection)
        purge = made
        return made
    }
}
