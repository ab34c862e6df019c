package import TallypostCore

/// What a run leaves behind.
package struct RunRecord: Sendable {
    /// Who holds the lease.
    package var holder: String
    /// Its number: the last one's and 1.
    package var run: Int64
    /// When its snapshot was taken.
    package var asOf: Timestamp
    /// The last event that it took into account.
    package var lastEvent: Int64
    /// Whose run it was, for people.
    package var madeBy: String
    /// The verdict.
    package var status: ReportStatus
    /// Breaks that count, by severity.
    package var counts: [Severity: Int]
    /// JSON, for people and pages.
    package var summary: String
    /// Breaks to write.
    package var breaks: [StoredBreak]
    /// What is added to the books.
    package var movements: MovementBook

    /// Memberwise.
    package init(
        holder: String, run: Int64, asOf: Timestamp, lastEvent: Int64, madeBy: String, status: ReportStatus,
        counts: [Severity: Int] = [:], summary: String = "{}", breaks: [StoredBreak] = [], movements: MovementBook = [:]
    ) {
        self.holder = holder
        self.run = run
        self.asOf = asOf
        self.lastEvent = lastEvent
        self.madeBy = madeBy
        self.status = status
        self.counts = counts
        self.summary = summary
        self.breaks = breaks
        self.movements = movements
    }
}

/// A run as it is told later.
package struct RunSummary: Sendable, Equatable {
    /// Its number.
    package var run: Int64
    /// When its snapshot was taken.
    package var asOf: Timestamp
    /// When it was committed.
    package var finishedAt: Timestamp
    /// Whose it was.
    package var madeBy: String
    /// The verdict.
    package var status: ReportStatus
    /// Breaks that counted, by severity.
    package var counts: [Severity: Int]
    /// JSON.
    package var summary: String
}

extension ReconcileStore {
    /// Makes a run's outcome true: breaks, books, the register's new versions, its number and as-of, its alerts, all in one transaction.
    ///
    /// Fenced: false, and nothing written, when the holder has lost the lease, or when this run has been committed before. So a commit whose
    /// answer was lost may be asked for again. `further` runs in the same transaction, after the rest: what it throws undoes all.
    package func commit(
        _ record: RunRecord, further: () throws(StoreError) -> Void = {}
    ) throws(StoreError) -> Bool {
        let isOurs = try writing.write { () throws(StoreError) in
            // First: its row is the lock that keeps others from the books and from breaks.
            let fence: [SQLValue] = [
                .text(record.holder), .integer(record.run), .time(record.asOf), .integer(record.lastEvent), .text(gapsSeen),
            ]
            guard try writing.run(.moveOn, fence) == 1 else { return false }
            try put(record.breaks)
            try merge(record.movements)
            func count(_ severity: Severity) -> SQLValue { .integer(Int64(record.counts[severity] ?? 0)) }
            try writing.run(
                .insertRun,
                [
                    .integer(record.run), .time(record.asOf), .text(record.madeBy), .text(record.status.rawValue), count(.low),
                    count(.medium), count(.high), count(.critical), .text(record.summary),
                ])
            try further()
            return true
        }
        if isOurs { eventGaps = gapsSeen }
        return isOurs
    }

    /// Runs since a moment, the last so many, oldest first.
    package func runs(since time: Timestamp, limit: Int) throws(StoreError) -> [RunSummary] {
        try rows(.listRuns, [.time(time), .integer(Int64(max(0, limit)))]) { row in
            guard let run = row.integer(0), let asOf = row.time(1), let finished = row.time(2),
                let status = row.text(4).flatMap({ ReportStatus(rawValue: $0) })
            else { return nil }
            var counts: [Severity: Int] = [:]
            for (place, severity) in Severity.allCases.enumerated() { counts[severity] = Int(row.integer(5 + place) ?? 0) }
            return RunSummary(
                run: run, asOf: asOf, finishedAt: finished, madeBy: row.text(3) ?? "", status: status, counts: counts,
                summary: row.text(9) ?? "{}")
        }.reversed()
    }
}
