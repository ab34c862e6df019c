import TallypostCore
import Testing

@testable import TallypostReconciliation

/// A random history of a table, reconciled at random moments.
private struct History {
    var random: RandomSource
    var world = ScanWorld()
    var now: Int64 = 0
    private var nextID: Int64
    /// Inserted in transactions that have not committed yet.
    private var uncommitted: [TaskRow] = []
    private var reopenings: [Int64: [Reopening]] = [:]
    private var purges: [TallypostReconciliation.Purge] = []

    init(seed: UInt64) {
        random = RandomSource(seed: seed)
        // Chunks of negative ids, and rows on both sides of a boundary.
        nextID = Int64(random.next(upTo: 9_000)) - 4_100
    }

    var time: Timestamp { moment(now) }

    mutating func chance(_ one: UInt64) -> Bool { random.next(upTo: one - 1) == 0 }
    mutating func pick<Element>(_ list: [Element]) -> Element? {
        list.isEmpty ? nil : list[Int(random.next(upTo: UInt64(list.count - 1)))]
    }
    mutating func row(_ fits: (TaskRow) -> Bool) -> TaskRow? { pick(world.rows.values.filter(fits).sorted { $0.id < $1.id }) }

    mutating func step() {
        now += Int64(random.next(upTo: 40))
        switch random.next(upTo: 9) {
        case 0...3: insert()
        case 4: commitLate()
        case 5, 6: finish()
        case 7: retry()
        case 8: if chance(4) { purge() }
        default: for _ in 0..<3 { insert() }
        }
    }

    private mutating func insert() {
        nextID += 1 + (chance(5) ? Int64(random.next(upTo: 3_000)) : 0)
        var row = TaskRow(nextID, at: time)
        row.type = pick(["charge", "refund", "send-receipt"])
        if row.type == "send-receipt" {
            row.amount = nil
            row.currency = nil
        } else {
            row.amount = Int64(random.next(upTo: 100_000))
            row.currency = pick(["EUR", "JPY"])
        }
        if chance(6) { uncommitted.append(row) } else { world.rows[row.id] = row }
    }

    private mutating func commitLate() {
        for row in uncommitted { world.rows[row.id] = row }
        uncommitted = []
    }

    private mutating func finish() {
        guard var row = row({ $0.finishedAt == nil }) else { return }
        row.end(pick(["completed", "completed", "cancelled", "failed", "timeout"]) ?? "", at: time)
        world.rows[row.id] = row
    }

    private mutating func retry() {
        guard var row = row({ $0.finishedAt != nil }) else { return }
        reopenings[row.id, default: []].append(
            Reopening(taskID: row.id, at: time, was: row.status ?? "", finishedAt: row.finishedAt))
        row.status = "pending"
        row.finishedAt = nil
        world.rows[row.id] = row
    }

    private mutating func purge() {
        let limit = moment(now - 300)
        let doomed = world.rows.values.filter { $0.finishedAt.map { $0 < limit } ?? false }.map(\.id).sorted()
        guard let from = doomed.first, let to = doomed.last else { return }
        for id in doomed { world.rows[id] = nil }
        purges.append(.init(from: from, to: to, count: Int64(doomed.count), idSum: doomed.reduce(0, +), at: time))
    }

    mutating func run() throws -> ScanResult {
        let (reopenings, purges) = (reopenings, purges)
        self.reopenings = [:]
        self.purges = []
        return try world.run(asOf: time) {
            $0.reopenings = reopenings
            $0.purges = purges
        }
    }
}

/// An hour of the books: what it opens and closes with.
private func lines(_ world: ScanWorld, _ from: Int64, _ to: Int64, live: [Series: Tally]? = nil) -> [Series: RollForwardLine] {
    let period = Period(from: moment(from), to: moment(to), zone: "UTC", label: "cut")
    let lines = RollForward.lines(opening: world.balances(before: period.from), movements: world.book, in: period, live: live)
    return Dictionary(uniqueKeysWithValues: lines.map { ($0.series, $0) })
}

struct RollForwardPropertyTests {
    /// Set it to play one history again.
    private static let fixed: UInt64? = nil

    private static func seeds(_ count: Int) -> [UInt64] { fixed.map { [$0] } ?? (0..<count).map { _ in .random(in: 0 ... .max) } }

    @Test(arguments: seeds(24)) func `the roll-forward balances at every cut, and what is told stays`(seed: UInt64) throws {
        var history = History(seed: seed)
        var told: [(to: Int64, balances: [Series: Tally], lines: [Series: RollForwardLine])] = []
        for _ in 0..<12 {
            for _ in 0...history.random.next(upTo: 30) { history.step() }
            history.now += 1
            let result = try history.run()
            #expect(
                result.found[.unexplainedChange] == nil,
                "seed \(seed): \(result.findings.first { $0.kind == .unexplainedChange }?.detail ?? "")")
            // All that is recorded lies before the next quarter's beginning.
            let end = history.now - history.now % 15 + 15
            #expect(history.world.balances(before: moment(end)) == result.live, "seed \(seed)")
            for line in lines(history.world, -60, end, live: result.live).values {
                #expect(line.isBalanced, "seed \(seed): \(line)")
            }
            for period in told {
                #expect(history.world.balances(before: moment(period.to)) == period.balances, "seed \(seed)")
                #expect(lines(history.world, period.to - 45, period.to) == period.lines, "seed \(seed)")
            }
            // A period that has ended by now is told.
            let to = end - 15
            told.append((to, history.world.balances(before: moment(to)), lines(history.world, to - 45, to)))
        }
        for cut in stride(from: Int64(0), to: history.now + 60, by: 15) {
            let (one, next) = (lines(history.world, cut - 15, cut), lines(history.world, cut, cut + 15))
            for series in Set(one.keys).union(next.keys) {
                let (closing, opening) = (one[series]?.closing ?? .zero, next[series]?.opening ?? .zero)
                #expect(closing == opening, "seed \(seed), minute \(cut), \(series)")
                #expect(one[series]?.residual.isZero ?? true, "seed \(seed)")
                #expect(opening.count >= 0, "seed \(seed), minute \(cut)")
            }
        }
    }

    @Test(arguments: seeds(40)) func `one row changed by hand surfaces, it alone, with its count and amount`(seed: UInt64) throws
    {
        var history = History(seed: seed)
        for _ in 0..<3 {
            for _ in 0..<30 { history.step() }
            history.now += 1
            _ = try history.run()
        }
        guard let victim = history.row({ _ in true }), let type = victim.type else { return }
        let series = Series(type: type, currency: victim.currency)
        var expected = -Tally(one: victim.amount)
        if victim.amount != nil, history.chance(2) {
            history.world.rows[victim.id]?.amount = (victim.amount ?? 0) + 17
            expected = Tally(count: 0, amount: 17)
        } else {
            history.world.rows[victim.id] = nil
        }
        history.now += 10
        let result = try history.run()
        let found = result.findings.filter { $0.kind == .unexplainedChange }
        #expect(found.map(\.taskID) == [victim.id], "seed \(seed)")
        let all = lines(history.world, -60, history.now + 15, live: result.live)
        for line in all.values {
            #expect(line.residual == (line.series == series ? expected : .zero), "seed \(seed)")
            #expect(line.check.isZero, "seed \(seed): \(line)")
        }
        // And goes when a person explains it.
        let period = Period(from: moment(-60), to: moment(history.now + 15), zone: "UTC", label: "all")
        let explained = (result.effects[found.first?.id ?? ""] ?? []).reduce(into: [Series: Tally]()) {
            $0[$1.series, default: .zero] += $1.delta
        }
        let lines = RollForward.lines(
            opening: [:], movements: history.world.book, in: period, live: result.live, explained: explained)
        #expect(lines.filter { !$0.isBalanced } == [], "seed \(seed)")
    }
}
