package import TallypostCore

extension ReconcileStore {
    // MARK: Evidence

    /// The last event of the snapshot. Numbers below it whose events are not there yet (of transactions under way on PostgreSQL) are
    /// remembered with the commit, and asked for by the next run.
    package func lastEventID() throws(StoreError) -> Int64 {
        let last = try rows(.lastEvent) { $0.integer(0) }.first ?? 0
        gapsSeen = JSONText.list(try rows(.eventGaps, [.integer(last)]) { $0.integer(0).map { .number($0) } }).text
        return last
    }

    /// Completed and cancelled tasks that were opened again by events beyond `event` up to `last`, in the order of the events; those of
    /// lower numbers included that the last run could not see.
    package func reopenings(after event: Int64, upTo last: Int64) throws(StoreError) -> [Reopening] {
        try rows(.reopenings, [.integer(event), .integer(last), .text(eventGaps)]) { row in
            guard let task = row.integer(0), let at = row.time(1), let was = row.text(2) else { return nil }
            return Reopening(taskID: task, at: at, was: was, finishedAt: row.time(3))
        }
    }

    /// Steps of retention, as for ``reopenings(after:upTo:)``.
    package func purges(after event: Int64, upTo last: Int64) throws(StoreError) -> [Purge] {
        try rows(.purges, [.integer(event), .integer(last), .text(eventGaps)]) { row in
            guard let from = row.integer(0), let to = row.integer(1), let count = row.integer(2), let at = row.time(4) else {
                return nil
            }
            return Purge(from: from, to: to, count: count, idSum: row.integer(3), at: at)
        }
    }

    /// Tasks that somebody called off, ascending, as for ``reopenings(after:upTo:)``.
    package func cancellations(after event: Int64, upTo last: Int64) throws(StoreError) -> [Int64] {
        try rows(.cancellations, [.integer(event), .integer(last), .text(eventGaps)]) { $0.integer(0) }
    }

    // MARK: Movements

    /// All movements recorded before a moment, added up: exact, whatever the size.
    package func movementSums(before time: Timestamp) throws(StoreError) -> [Series: [MovementKind: Tally]] {
        var sums: [Series: [MovementKind: Tally]] = [:]
        try reading.run(.movementSums, [.time(time)]) { row in
            if let kind = row.text(2).flatMap({ MovementKind(rawValue: $0) }) {
                sums[Self.series(row, 0), default: [:]][kind, default: .zero] += Self.tally(row, 3)
            }
            return true
        }
        return sums
    }

    /// Movements recorded in a stretch of time.
    package func movements(in range: Range<Timestamp>) throws(StoreError) -> MovementBook {
        try book(.movements, [.time(range.lowerBound), .time(range.upperBound)], from: reading)
    }

    private func book(
        _ statement: ReconcileStatement, _ parameters: [SQLValue], from database: any ReconcileDatabase
    ) throws(StoreError) -> MovementBook {
        var book: MovementBook = [:]
        try database.run(statement, parameters) { row in
            if let recorded = row.time(0), let effective = row.time(1),
                let kind = row.text(4).flatMap({ MovementKind(rawValue: $0) })
            {
                let key = MovementKey(
                    recorded: recorded, effective: effective == recorded ? nil : effective, series: Self.series(row, 2),
                    kind: kind)
                book[key, default: .zero] += Self.tally(row, 5)
            }
            return true
        }
        return book
    }

    /// Adds to the books, within the commit: nobody else writes them meanwhile.
    func merge(_ movements: MovementBook) throws(StoreError) {
        let keys = movements.keys.sorted {
            ($0.recorded, $0.series, $0.kind.rawValue) < ($1.recorded, $1.series, $1.kind.rawValue)
        }
        var rest = keys[...]
        while !rest.isEmpty {
            let part = rest.prefix(1_000)
            rest = rest.dropFirst(part.count)
            let there = try book(.movementsOf, [.json(part.map { .object(members($0)) })], from: writing)
            let texts = part.map { key in
                let sum = (there[key] ?? .zero) + (movements[key] ?? .zero)
                return JSONText.object(members(key) + [("n", .number(sum.count)), ("a", .text("\(sum.amount)"))])
            }
            try writing.run(.putMovements, [.json(texts)])
        }
    }

    private func members(_ key: MovementKey) -> [(String, JSONText)] {
        let (recorded, effective) = (key.recorded, key.effective ?? key.recorded)
        return [
            ("r", .time(recorded, writing.dialect)), ("e", .time(effective, writing.dialect)), ("t", .text(key.series.type)),
            ("c", .text(key.series.currency ?? "")), ("k", .text(key.kind.rawValue)),
        ]
    }

    /// What persons have explained of the unexplained changes that stand in a stretch of time.
    package func explainedEffects(in range: Range<Timestamp>) throws(StoreError) -> [(Series, Tally)] {
        try rows(.breakEffects) { row in
            guard row.text(1) == BreakState.resolved.rawValue, let recorded = row.time(6), range.contains(recorded) else {
                return nil
            }
            return (Self.series(row, 2), Self.tally(row, 4))
        }
    }

    /// Type and currency, which is empty or NULL without money.
    static func series(_ row: any SQLRow, _ column: Int) -> Series {
        Series(type: row.text(column) ?? "", currency: row.text(column + 1).flatMap { $0.isEmpty ? nil : $0 })
    }

    /// A count and an amount in decimal text.
    static func tally(_ row: any SQLRow, _ column: Int) -> Tally {
        Tally(count: row.integer(column) ?? 0, amount: row.text(column + 1).flatMap { Int128($0) } ?? 0)
    }
}
