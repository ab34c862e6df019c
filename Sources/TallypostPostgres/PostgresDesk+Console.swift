public import TallypostCore

extension PostgresDesk: ConsoleDesk {
    /// By a function with the owner's rights: the relay's role adds no row itself.
    public func insert(_ draft: TaskDraft) throws(StoreError) -> InsertedTask {
        let result = try run("insert_task") { $0.append(draft) }
        guard let id = result.text(0, 0).flatMap({ Int64($0) }) else {
            throw StoreError(kind: .defect, code: "", operation: "insert_task", message: "no id came back")
        }
        return InsertedTask(id: id, isNew: result.text(0, 1) == "t", signalToken: result.text(0, 2))
    }

    /// One statement, a look-up each.
    public func ended(among ids: [Int64]) throws(StoreError) -> Set<Int64> {
        let result = try run("ended_among") { $0.append(ids) }
        return Set((0..<result.rowCount).compactMap { result.text($0, 0).flatMap { Int64($0) } })
    }

    /// Three reads.
    public func group(key: String, after cursor: Int64?, limit: Int) throws(StoreError) -> GroupPage? {
        guard let group = rows(of: try run("show_group") { $0.append(key) }).first else { return nil }
        let counts = try run("group_counts") { $0.append(key) }
        let members = try run("group_members") {
            $0.append(key)
            $0.append(String(cursor ?? .min))
            $0.append(max(limit, 0))
        }
        return GroupPage(
            group: group.columns,
            counts: Dictionary(
                (0..<counts.rowCount).map { (counts.text($0, 0) ?? "", Int(counts.text($0, 1) ?? "") ?? 0) },
                uniquingKeysWith: { $0 + $1 }),
            members: rows(of: members))
    }

    /// Reads the indexes of open tasks, and their rows.
    public func gauges() throws(StoreError) -> [PendingGauge] {
        let result = try link.run([.init(name: "gauges", binary: true)])[0]
        return (0..<result.rowCount).map { row in
            let now = result.time(row, 3) ?? Timestamp(microseconds: 0)
            return PendingGauge(
                type: result.text(row, 0) ?? "", pending: Int(result.integer(row, 1) ?? 0),
                oldestAge: result.time(row, 2).map { max(.zero, now - $0) } ?? .zero)
        }
    }
}
