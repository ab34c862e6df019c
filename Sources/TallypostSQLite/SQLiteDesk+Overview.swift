public import TallypostCore

extension SQLiteDesk {
    /// Reads the whole table: about a second per million rows.
    public func overview() throws(StoreError) -> Overview {
        let now = Timestamp.machineNow
        let lines = try prepare("overview_lines").rows { row in
            Overview.Line(
                type: row.text(0) ?? "", status: row.text(1) ?? "", count: Int(row.integer(2)), oldestRunAt: row.time(3))
        }
        let holders = try prepare("overview_holders").rows { row in
            Overview.Holder(relay: row.text(0) ?? "", count: Int(row.integer(1)), earliestExpiry: row.time(2))
        }
        let finished = try prepare("overview_finished")
        try finished.bind(1, (now + .minutes(-1)).iso8601)
        var finishedLastMinute: [String: Int] = [:]
        for (status, count) in try finished.rows({ ($0.text(0) ?? "", Int($0.integer(1))) }) {
            finishedLastMinute[status] = count
        }
        let due = try prepare("overview_due")
        try due.bind(1, now.milliseconds)
        return Overview(
            lines: lines, holders: holders, finishedLastMinute: finishedLastMinute,
            due: try due.firstRow { Int($0.integer(0)) } ?? 0, now: now)
    }

    /// Each fact is read by itself; a relay at work may change one between two.
    public func explain(id: Int64) throws(StoreError) -> Explanation? {
        let show = try prepare("show_task")
        try show.bind(1, id)
        guard let task = try show.firstRow(TaskRow.init) else { return nil }
        let now = Timestamp.machineNow
        let holder = try prepare("explain_key_holder")
        try holder.bind(1, id)
        let before = try prepare("explain_due_before")
        try before.bind(1, id)
        try before.bind(2, now.milliseconds)
        let paused = try pausedRoutes().first { $0.type == task["type"] }
        return Explanation(
            task: task, now: now, runAt: try time(task["run_at"]) ?? Timestamp(microseconds: 0),
            leaseExpiresAt: try time(task["lease_expires_at"]),
            keyHolder: try holder.firstRow { (id: $0.integer(0), status: $0.text(1) ?? "") },
            dueBefore: try before.firstRow { Int($0.integer(0)) } ?? 0, pausedBecause: paused?.reason)
    }

    /// A time as SQLite itself reads it; nil for a text that is none.
    private func time(_ text: String?) throws(StoreError) -> Timestamp? {
        let statement = try connection.prepare(
            "SELECT CAST(round((julianday(?1) - 2440587.5) * 86400000.0) AS INTEGER)", operation: "explain")
        try statement.bind(1, text)
        return try statement.firstRow { $0.time(0) } ?? nil
    }
}
