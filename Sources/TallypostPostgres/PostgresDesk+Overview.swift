public import TallypostCore

extension PostgresDesk {
    /// Depths and ages; reads the whole table once.
    public func overview() throws(StoreError) -> Overview {
        func ask(_ name: String) throws(StoreError) -> PostgresResult { try link.run([.init(name: name, binary: true)])[0] }
        let lines = try ask("overview_lines")
        let holders = try ask("overview_holders")
        let finished = try ask("overview_finished")
        let due = try ask("overview_due")
        var finishedLastMinute: [String: Int] = [:]
        for row in 0..<finished.rowCount { finishedLastMinute[finished.text(row, 0) ?? ""] = Int(finished.integer(row, 1) ?? 0) }
        return Overview(
            lines: (0..<lines.rowCount).map { row in
                Overview.Line(
                    type: lines.text(row, 0) ?? "", status: lines.text(row, 1) ?? "", count: Int(lines.integer(row, 2) ?? 0),
                    oldestRunAt: lines.time(row, 3))
            },
            holders: (0..<holders.rowCount).map { row in
                Overview.Holder(
                    relay: holders.text(row, 0) ?? "", count: Int(holders.integer(row, 1) ?? 0),
                    earliestExpiry: holders.time(row, 2))
            },
            finishedLastMinute: finishedLastMinute, due: Int(due.integer(0, 0) ?? 0), now: due.time(0, 1) ?? Moment.timeOfDay())
    }

    /// The facts of one task, from several short reads.
    public func explain(id: Int64) throws(StoreError) -> Explanation? {
        guard let task = try show(id: id)?.task else { return nil }
        func ask(_ name: String) throws(StoreError) -> PostgresResult {
            var step = PostgresConnection.Step(name: name, binary: true)
            step.parameters.append(String(id))
            return try link.run([step])[0]
        }
        let holder = try ask("explain_key_holder")
        let facts = try ask("explain_due_before")
        guard facts.rowCount > 0 else { return nil }
        let now = facts.time(0, 1) ?? Moment.timeOfDay()
        return Explanation(
            task: task, now: now, runAt: facts.time(0, 2) ?? now, leaseExpiresAt: facts.time(0, 3),
            keyHolder: holder.rowCount > 0 ? (id: holder.integer(0, 0) ?? 0, status: holder.text(0, 1) ?? "") : nil,
            dueBefore: Int(facts.integer(0, 0) ?? 0), pausedBecause: try pausedRoutes().first { $0.type == task["type"] }?.reason)
    }
}
