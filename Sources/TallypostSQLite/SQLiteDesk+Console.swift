public import TallypostCore

extension SQLiteDesk: ConsoleDesk {
    /// What SQLite would take and no task can mean is refused before.
    public func insert(_ draft: TaskDraft) throws(StoreError) -> InsertedTask {
        let insert = try DraftInsert(draft)
        return try connection.write { () throws(StoreError) in try insert.run(on: connection) }
    }

    /// One statement, a look-up each.
    public func ended(among ids: [Int64]) throws(StoreError) -> Set<Int64> {
        let look = try prepare("ended_among")
        try look.bind(1, text: ClaimReader.list(ids))
        return Set(try look.rows { $0.integer(0) })
    }

    /// Three reads.
    public func group(key: String, after cursor: Int64?, limit: Int) throws(StoreError) -> GroupPage? {
        let look = try prepare("show_group")
        try look.bind(1, key)
        guard let group = try look.rows({ TaskRow($0) }).first else { return nil }
        let counts = try prepare("group_counts")
        try counts.bind(1, key)
        let members = try prepare("group_members")
        try members.bind(1, key)
        try members.bind(2, cursor ?? .min)
        try members.bind(3, max(limit, 0))
        return GroupPage(
            group: group.columns,
            counts: Dictionary(try counts.rows { ($0.text(0) ?? "", Int($0.integer(1))) }, uniquingKeysWith: { $0 + $1 }),
            members: try members.rows(TaskRow.init))
    }

    /// From the indexes of open tasks.
    public func gauges() throws(StoreError) -> [PendingGauge] {
        let look = try prepare("gauges")
        let now = Timestamp.machineNow
        try look.bind(1, now.milliseconds)
        return try look.rows { row in
            PendingGauge(
                type: row.text(0) ?? "", pending: Int(row.integer(1)),
                oldestAge: row.time(2).map { max(.zero, now - $0) } ?? .zero)
        }
    }
}
