/// Counts of ticks since the relay started.
public struct ScheduleTally: Sendable, Equatable {
    /// Tasks inserted by this relay.
    public var inserted = 0
    /// Ticks that another relay, or an earlier try, had inserted.
    public var known = 0
    /// Times that one or more ticks came too late.
    public var missed = 0
    /// Inserts that the database refused.
    public var refused = 0

    /// Nothing yet.
    public init() {}
}

/// What became of the tasks that an order inserted.
public struct InsertReport: Sendable {
    /// So many were new.
    public var inserted = 0
    /// Those that the database will not have, by key, and why.
    public var refused: [(key: String, error: StoreError)] = []

    /// Nothing yet.
    public init() {}
}
