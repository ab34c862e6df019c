/// What the HTTP API needs beyond the command line's ``TaskDesk``: on the same connection.
public protocol ConsoleDesk: TaskDesk {
    /// Inserts a task; with a key that is there already, that task is returned and nothing is changed. One transaction.
    ///
    /// Throws `.data` when the database refuses a value, with its reason.
    func insert(_ draft: TaskDraft) throws(StoreError) -> InsertedTask

    /// Of these tasks those that have ended, or are not there.
    func ended(among ids: [Int64]) throws(StoreError) -> Set<Int64>

    /// A group and a page of its members, by `id` from beyond `cursor`; nil when there is none of that key.
    func group(key: String, after cursor: Int64?, limit: Int) throws(StoreError) -> GroupPage?

    /// What waits, by type: for metrics. May look at every row that waits, so it is asked at a pace, never for a request.
    func gauges() throws(StoreError) -> [PendingGauge]
}

/// A group of tasks, as the API shows it.
public struct GroupPage: Sendable {
    /// Columns of `task_groups` and their values as text, `key` and `status` among them.
    public var group: [(name: String, value: String?)]
    /// How many members stand in each status.
    public var counts: [String: Int]
    /// A page of its members, with all their columns.
    public var members: [TaskRow]

    /// Memberwise.
    public init(group: [(name: String, value: String?)], counts: [String: Int], members: [TaskRow]) {
        self.group = group
        self.counts = counts
        self.members = members
    }
}

/// How many tasks of a type have not ended, and how long the first of them has been due.
public struct PendingGauge: Sendable, Equatable {
    /// The type.
    public var type: String
    /// Tasks in `pending`, due or not.
    public var pending: Int
    /// How long the longest due of them has been due; zero: none is.
    public var oldestAge: TimeSpan

    /// Memberwise.
    public init(type: String, pending: Int, oldestAge: TimeSpan) {
        self.type = type
        self.pending = pending
        self.oldestAge = oldestAge
    }
}
