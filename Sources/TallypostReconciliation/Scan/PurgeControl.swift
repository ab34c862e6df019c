import TallypostCore

/// Which of the rows that vanished retention removed, and which somebody else did: by exact control of counts and sums of ids.
struct PurgeControl {
    /// What is to be said of the rows.
    struct Verdict: Equatable {
        /// When each was removed, by its place; nil: no purge explains it.
        var purgedAt: [Timestamp?]
        /// Of those that are taken for purged, so many were not, and it cannot be told which.
        var doubtful: Int64 = 0
        /// There may be more of them than ``doubtful``.
        var isAtLeast = false
        /// The places of those that the doubt is about.
        var suspects: [Int] = []
        /// Rows that were purged before any run saw them.
        var unseen: Int64 = 0
    }

    private let rows: [RowState]
    private let purges: [Purge]
    private let count: Int64
    /// nil: an event does not have it.
    private let idSum: Int128?

    /// - Parameter rows: by ascending id.
    init(rows: [RowState], purges: [Purge]) {
        self.rows = rows
        self.purges = purges.sorted { $0.from < $1.from }
        count = purges.reduce(0) { $0 &+ $1.count }
        var sum: Int128? = 0
        for purge in purges { sum = purge.idSum.flatMap { own in sum.map { $0 + Int128(own) } } }
        idSum = sum
    }

    func verdict() -> Verdict {
        var verdict = Verdict(purgedAt: Array(repeating: nil, count: rows.count))
        let times = timesInRange()
        let inRange = rows.indices.filter { times[$0] != nil }
        // What was final when it was last seen is likelier to have been purged than what was still open.
        let final = inRange.filter { rows[$0].status.isFinal }
        var explained = inRange
        let (excess, difference) = (count - Int64(inRange.count), idSum.map { $0 - sum(inRange) })
        if fits(final) {
            explained = final
        } else if fits(inRange) || (excess > 0 && isPossible(excess, difference)) {
            verdict.unseen = max(0, excess)
        } else if let missing = singled(inRange, excess, difference) {
            explained.removeAll { $0 == missing }
        } else {
            verdict.doubtful = max(1, -excess)
            verdict.isAtLeast = excess >= 0
            verdict.suspects = inRange
        }
        for place in explained { verdict.purgedAt[place] = times[place] }
        return verdict
    }

    private func sum(_ places: [Int]) -> Int128 { places.reduce(0) { $0 + Int128(rows[$1].id) } }

    private func fits(_ places: [Int]) -> Bool {
        Int64(places.count) == count && (idSum == nil || idSum == sum(places))
    }

    /// Whether so many rows that nobody saw can have ids that add up to the difference.
    private func isPossible(_ excess: Int64, _ difference: Int128?) -> Bool {
        guard let difference, let low = purges.map(\.from).min(), let high = purges.map(\.to).max() else { return true }
        return Int128(low) * Int128(excess) <= difference && difference <= Int128(high) * Int128(excess)
    }

    /// The one row more than was purged, if its id is what the sums differ by.
    private func singled(_ places: [Int], _ excess: Int64, _ difference: Int128?) -> Int? {
        guard excess == -1, let difference else { return nil }
        return places.first { Int128(rows[$0].id) == -difference }
    }

    /// When each row was purged, were it purged: by the first event that has its id in its range and is not used up.
    private func timesInRange() -> [Timestamp?] {
        var left = purges.map(\.count)
        var active: [Int] = []
        var next = 0
        return rows.map { row in
            while next < purges.count, purges[next].from <= row.id {
                active.append(next)
                next += 1
            }
            active.removeAll { purges[$0].to < row.id }
            guard let place = active.first(where: { left[$0] > 0 }) ?? active.first else { return nil }
            left[place] -= 1
            return purges[place].at
        }
    }
}

extension TableScan {
    /// Says what became of the rows that vanished. How many were purged that no run had seen.
    func settleVanished() -> Int64 {
        gone.sort { $0.id < $1.id }
        let verdict = PurgeControl(rows: gone, purges: settings.purges).verdict()
        for (place, row) in gone.enumerated() {
            if let time = verdict.purgedAt[place] {
                add(row.status.isSettled ? .purgedSettled : .purgedOpen, row.series, time, row.tally)
                continue
            }
            add(.unexplained, row.series, earliest, -row.tally)
            if !row.status.isSettled { add(.unexplainedOpen, row.series, earliest, -row.tally) }
            let money = row.hasAmount ? " over \(money(row))" : ""
            tellUnexplained(
                row, effects: [(row.series, -row.tally)],
                detail: "task \(row.id) is gone: no retention run removed it. It was \(row.status.name)\(money), created "
                    + "\(Self.text(row.created)), finished \(Self.text(row.finished))")
        }
        if verdict.doubtful > 0 { tellDoubt(verdict) }
        gone = []
        return verdict.unseen
    }

    /// Rows are gone beyond what was purged, and it cannot be told which.
    private func tellDoubt(_ verdict: PurgeControl.Verdict) {
        let suspects = verdict.suspects.map { gone[$0] }
        let series = Set(suspects.map(\.series))
        let amounts = Set(suspects.map(\.tally.amount))
        let isOne = series.count == 1
        let amount = isOne && amounts.count == 1 ? (amounts.first ?? 0) * Int128(verdict.doubtful) : nil
        let delta = Tally(count: -verdict.doubtful, amount: -(amount ?? 0))
        let number = isOne ? suspects[0].series : sums.number(of: Series(type: "", currency: nil))
        add(.unexplained, number, earliest, delta)
        let name = sums.series[number]
        let range = "between task \(suspects.first?.id ?? 0) and task \(suspects.last?.id ?? 0)"
        let many = (verdict.isAtLeast ? "at least " : "") + (verdict.doubtful == 1 ? "1 row" : "\(verdict.doubtful) rows")
        let told = tell(.unexplainedChange) {
            Finding(
                kind: .unexplainedChange, severity: .critical, owner: owner(of: name.type), type: name.type,
                key: "purge@\(settings.asOf.iso8601)", amountMinor: amount.flatMap { Int64(exactly: $0) },
                currency: name.currency,
                since: settings.previousAsOf,
                detail:
                    "\(many) \(range) went that no retention run removed; \(suspects.count) went in all, and their ids do not add up "
                    + "to what the purge events say. It cannot be told which of them it was")
        }
        if let told { keep([(number, delta)], of: told) }
    }
}
