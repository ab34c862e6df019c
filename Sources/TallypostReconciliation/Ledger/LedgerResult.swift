import TallypostCore

/// A row of a ledger that nothing of ours matches.
struct LedgerItem: Sendable, Equatable {
    var externalID: String?
    var idempotencyKey: String?
    var subject: String?
    var amount: Int64?
    var currency: String?
    var batch: String?
    var at: Timestamp
}

/// Findings of one class: how many, how much, and the first of them.
package struct LedgerFindings: Sendable {
    /// Exact.
    package var count: Int64 = 0
    /// Exact, by currency; "": without money.
    package var sums: [String: Int128] = [:]
    /// At most ``most``.
    package var list: [Finding] = []

    /// As many of a class are listed.
    package static let most = 100_000

    mutating func add(_ finding: Finding) {
        count += 1
        if let amount = finding.amountMinor { sums[finding.currency ?? "", default: 0] += Int128(amount) }
        if list.count < Self.most { list.append(finding) }
    }

    mutating func add(_ other: LedgerFindings) {
        count += other.count
        sums.merge(other.sums) { $0 + $1 }
        list.append(contentsOf: other.list.prefix(max(0, Self.most - list.count)))
    }
}

/// What a join comes to. Each thread fills one; they are added up.
struct LedgerResult: Sendable {
    var bridges: [CurrencyCode: ReceiverBridge] = [:]
    var findings: [FindingClass: LedgerFindings] = [:]
    /// Theirs alone, not kept yet.
    var newItems: [LedgerItem] = []
    /// How many of these there are.
    var newItemCount = 0
    /// Items that are theirs alone no longer.
    var settledItems: Set<Int64> = []
    /// Of the tasks with a finding: those that a row of a ledger matches.
    var matchedKnown: Set<Int64> = []
    /// Rows that an earlier file had.
    var alreadyImported: Int64 = 0
    /// Rows that stand twice in this file, by the receiver's own id.
    var repeatedLines: Int64 = 0
    /// Rows that were matched with a completed task by this import.
    var matched: Int64 = 0
    /// Theirs, tried and failed, and no task for it.
    var failedAlone: Int64 = 0
    /// Ids that were found by the same id more than once are told once.
    private var told: Set<String> = []

    /// A ledger of which more is unknown than this is another source's.
    static let mostItems = 200_000

    mutating func add(_ finding: Finding) {
        guard told.count > 1_000_000 || told.insert(finding.id).inserted else { return }
        findings[finding.kind, default: LedgerFindings()].add(finding)
    }

    mutating func add(_ item: @autoclosure () -> LedgerItem) {
        newItemCount += 1
        if newItems.count <= Self.mostItems { newItems.append(item()) }
    }

    mutating func add(_ other: LedgerResult) {
        for (currency, bridge) in other.bridges {
            guard var sum = bridges[currency] else {
                bridges[currency] = bridge
                continue
            }
            sum.oursOnly += bridge.oursOnly
            sum.inTransit += bridge.inTransit
            sum.otherPeriods += bridge.otherPeriods
            sum.theirsOnly += bridge.theirsOnly
            sum.repeats += bridge.repeats
            sum.amountDifferences += bridge.amountDifferences
            sum.tolerated += bridge.tolerated
            bridges[currency] = sum
        }
        for (kind, found) in other.findings { findings[kind, default: LedgerFindings()].add(found) }
        newItems += other.newItems.prefix(max(0, Self.mostItems + 1 - newItems.count))
        newItemCount += other.newItemCount
        settledItems.formUnion(other.settledItems)
        matchedKnown.formUnion(other.matchedKnown)
        alreadyImported += other.alreadyImported
        repeatedLines += other.repeatedLines
        matched += other.matched
        failedAlone += other.failedAlone
    }
}

/// What a join must know beside the rows.
struct LedgerContext: Sendable {
    let map: LedgerMap
    /// Whether money is compared: asked for every row.
    let hasAmounts: Bool
    /// The file's name, for people.
    let file: String
    /// Types of our tasks; a record has an index into them.
    let types: [String]
    /// The ledger's window, `[from, to)`.
    let window: LedgerWindow
    /// Stretches of time that this ledger and earlier ones tell of, in order, apart.
    let covered: [LedgerWindow]
    /// What finished from then on may come in the next ledger.
    let transitFrom: Int64
    /// Tasks that findings of this source are about.
    let knownTasks: Set<Int64>
    /// Items whose finding a person has resolved: told no more.
    let resolvedItems: Set<String>

    /// Whether a ledger that was imported should have a task that finished then.
    func shouldHave(_ time: Int64) -> Bool {
        guard time < transitFrom else { return false }
        return covered.contains { $0.contains(time) }
    }

    func money(_ amount: Int64, _ currency: CurrencyCode) -> String {
        let code = currency.text ?? ""
        return "\(code) \(LedgerAmount.text(Int128(amount), digits: map.digits(of: code)))"
    }
}

/// A half-open stretch of time, in microseconds.
package struct LedgerWindow: Sendable, Equatable {
    /// Its first microsecond.
    package var from: Int64
    /// The first behind it.
    package var to: Int64

    /// Memberwise.
    package init(from: Int64, to: Int64) {
        self.from = from
        self.to = to
    }

    func contains(_ time: Int64) -> Bool { from <= time && time < to }

    /// What several tell of together. A receiver stamps a row shortly before we see its answer, so a task that finished just behind
    /// a window's beginning may stand in the ledger before: unless there is one, that much of the beginning is left out.
    static func union(_ windows: [LedgerWindow], edge: Int64) -> [LedgerWindow] {
        var union: [LedgerWindow] = []
        for window in windows.sorted(by: { $0.from < $1.from }) {
            if let last = union.last, window.from <= last.to + edge {
                union[union.count - 1].to = max(last.to, window.to)
            } else {
                union.append(window)
            }
        }
        return union.map { LedgerWindow(from: $0.from + edge, to: $0.to) }
    }
}
