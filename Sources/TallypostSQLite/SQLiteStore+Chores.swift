public import TallypostCore

extension SQLiteStore {
    /// Takes no lock.
    public func expiredLeases(limit: Int) throws(StoreError) -> [ExpiredLease] {
        let statements = try opened(for: "expired_leases").statements
        let now = Timestamp.machineNow
        try statements.expiredLeases.bind(1, now.iso8601)
        try statements.expiredLeases.bind(2, limit)
        let expired = try statements.expiredLeases.rows { Self.lease($0, silence: .relay) }
        try statements.silentWorkers.bind(1, now.milliseconds)
        try statements.silentWorkers.bind(2, now.iso8601)
        try statements.silentWorkers.bind(3, max(0, limit - expired.count))
        return expired + (try statements.silentWorkers.rows { Self.lease($0, silence: .worker) })
    }

    private static func lease(_ row: SQLiteStatement, silence: ExpiredLease.Silence) -> ExpiredLease {
        ExpiredLease(
            id: row.integer(0), epoch: row.integer(1), type: row.text(2) ?? "", attempts: Int(row.integer(3)),
            maxAttempts: row.optionalInteger(4).map { Int($0) }, relay: row.text(5), silence: silence,
            hasFollowers: row.integer(6) != 0)
    }

    /// Takes no lock; one step in an index.
    public func earliestLeaseEnd() throws(StoreError) -> Timestamp? {
        let statement = try opened(for: "earliest_lease").statements.earliestLease
        // No lease at all has ended already.
        return try statement.firstRow { $0.time(0) ?? Timestamp.machineNow }
    }

    /// In transactions of ``rowsPerTransaction``; rows that no claim can use (a run_at that is no time, a word for a number) fail too.
    /// What follows from each end is written with it.
    public func sweep(limit: Int) throws(StoreError) -> Int {
        let session = try opened(for: "end_overdue")
        let statements = session.statements
        let following = try session.following()
        var swept = 0
        while swept < limit {
            let part = min(limit - swept, Self.rowsPerTransaction)
            let changed = try session.connection.write { () throws(StoreError) in
                let now = Timestamp.machineNow
                var ended = try Self.endOverdue(part, at: now, statements)
                if ended.count < part { ended += try Self.endWaits(part - ended.count, at: now, statements) }
                if ended.count < part {
                    try statements.setAside.bind(1, now.iso8601)
                    try statements.setAside.bind(2, part - ended.count)
                    ended += try statements.setAside.rows { $0.integer(0) }
                }
                try following.follow(ended, at: now)
                return ended.count
            }
            swept += changed
            if changed < part { break }
        }
        return swept + (try endGroups(limit, session))
    }

    private static func endOverdue(_ limit: Int, at now: Timestamp, _ statements: StoreStatements) throws(StoreError) -> [Int64] {
        let overdue = statements.endOverdue
        try overdue.bind(1, now.milliseconds)
        try overdue.bind(2, now.iso8601)
        try overdue.bind(3, limit)
        return try overdue.rows { $0.integer(0) }
    }

    private static func endWaits(_ limit: Int, at now: Timestamp, _ statements: StoreStatements) throws(StoreError) -> [Int64] {
        let look = statements.overdueWaits
        try look.bind(1, now.milliseconds)
        try look.bind(2, now.iso8601)
        try look.bind(3, limit)
        let overdue = try look.rows { $0.integer(0) }
        for id in overdue {
            try statements.endWait.bind(1, id)
            try statements.endWait.bind(2, now.iso8601)
            try statements.endWait.run()
        }
        return overdue
    }

    /// Groups that have no open member though nothing has ended them: empty ones, and what a change by hand left behind.
    private func endGroups(_ limit: Int, _ session: Session) throws(StoreError) -> Int {
        let look = session.statements.endGroups
        try look.bind(1, groupCursor)
        try look.bind(2, limit)
        let seen = try look.rows { (key: $0.text(0) ?? "", isDone: $0.integer(1) != 0) }
        groupCursor = seen.count < limit ? "" : seen.last?.key ?? ""
        let done = seen.filter(\.isDone).map(\.key)
        guard !done.isEmpty else { return 0 }
        let following = try session.following()
        return try session.connection.write { () throws(StoreError) in
            let now = Timestamp.machineNow
            var ended = 0
            for key in done where try following.endIfDone(group: key, at: now) { ended += 1 }
            return ended
        }
    }

    /// One transaction for all: ticks are few.
    public func insert(_ drafts: [TaskDraft]) throws(StoreError) -> Int {
        guard !drafts.isEmpty else { return 0 }
        let connection = try opened(for: "insert_task").connection
        return try connection.write { () throws(StoreError) in
            var inserted = 0
            for draft in drafts where try DraftInsert(draft).run(on: connection).isNew { inserted += 1 }
            return inserted
        }
    }
}
