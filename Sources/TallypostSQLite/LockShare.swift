import TallypostCore

/// How much of the time the relay may hold the write lock, of which SQLite has one.
///
/// The application's writers wait for it with sleeps, so what they need is that it is free most of the times they look. Each
/// transaction owes rest in proportion to how long it held the lock and, up to a point, to how many rows it changed: the first
/// task of a quiet hour is not put off, however slow the disk, and a backlog is worked through with gaps. While nobody else
/// writes there is nobody to leave gaps for, but for the first commit of somebody who begins to.
struct LockShare {
    /// Rest owed for the time that the lock was held, while others write: a fifth of the time is ours.
    private static let restAmongOthers: Int64 = 4
    /// The same in 64ths while nobody else does: three quarters are.
    private static let restAlone: Int64 = 21
    /// A transaction that changed fewer rows owes so much less.
    private static let rowsOfFullRest: Int64 = 10
    /// So long after another connection's commit, it counts as writing.
    private static let presence = TimeSpan.milliseconds(200)
    /// Rest that may stay owed when the next transaction begins.
    private static let credit = TimeSpan.milliseconds(2)
    /// After a disk that was slow once, the relay need not stand still.
    private static let mostOwed = TimeSpan.milliseconds(20)

    private var owed = TimeSpan.zero
    private var freeSince: Instant?
    private var othersUntil: Instant?

    /// How long to wait before the next transaction may begin.
    func wait(at now: Instant) -> TimeSpan {
        guard let freeSince else { return .zero }
        let allowed = areOthersThere(at: now) ? Self.credit : .zero
        return max(.zero, owed - (now - freeSince) - allowed)
    }

    /// A commit of another connection was seen.
    mutating func sawOthers(at now: Instant) { othersUntil = now + Self.presence }

    /// A transaction held the lock until now, and changed so many rows.
    mutating func held(since start: Instant, until end: Instant, rows: Int) {
        let rested = freeSince.map { start - $0 } ?? .zero
        let span = end - start
        let rest = areOthersThere(at: end) ? span.nanoseconds * Self.restAmongOthers : span.nanoseconds * Self.restAlone / 64
        let part = rest * min(Int64(rows), Self.rowsOfFullRest) / Self.rowsOfFullRest
        owed = min(Self.mostOwed, max(.zero, owed - rested) + TimeSpan(nanoseconds: part))
        freeSince = end
    }

    private func areOthersThere(at now: Instant) -> Bool { othersUntil.map { now < $0 } ?? false }
}
