import TallypostCore
import Testing

@testable import TallypostReconciliation

struct BreakDiffTests {
    private static func finding(
        _ kind: FindingClass = .failed, rule: String? = nil, severity: Severity = .high, amount: Int64? = 500, confirm: Int = 1
    ) -> TallypostReconciliation.Finding {
        .init(
            kind: kind, severity: severity, rule: rule, type: "charge", key: "1", amountMinor: amount, currency: "EUR",
            detail: "as it is", confirmRuns: confirm)
    }

    private static func stored(
        _ finding: TallypostReconciliation.Finding, _ state: BreakState, change: BreakChange? = .new, seen: Int = 3,
        until: Int64? = nil
    ) -> StoredBreak {
        var entry = Break(finding: finding, state: state, change: change, firstSeen: moment(-500), lastSeen: moment(-10))
        if state == .acknowledged || state == .resolved { (entry.by, entry.reason) = ("ann", "known") }
        entry.until = until.map { moment($0) }
        return StoredBreak(entry, seenRuns: seen, lastRun: 6, changedAt: moment(-400))
    }

    private func diff(
        _ old: StoredBreak?, _ found: TallypostReconciliation.Finding?, _ change: (inout BreakDiff) -> Void = { _ in }
    ) -> BreakDiff.Outcome {
        var diff = BreakDiff(asOf: moment(0), run: 7, rulesRun: ["paid"])
        change(&diff)
        return diff.apply(previous: old.map { [$0] } ?? [], findings: found.map { [$0] } ?? [])
    }

    /// A transition: what the register has, what is found, what becomes of it.
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var old: StoredBreak?
        var found: TallypostReconciliation.Finding?
        var state: BreakState
        var change: BreakChange?
        var isNamed = false
        var seen = 1

        var testDescription: String { name }
    }

    private static let twice = finding(.missing, rule: "paid", confirm: 2)
    private static let paid = finding(.missing, rule: "paid")
    private static let cases: [Case] = [
        Case(name: "new", found: finding(), state: .open, change: .new),
        Case(name: "new, to be confirmed", found: twice, state: .unconfirmed),
        Case(
            name: "confirmed", old: stored(twice, .unconfirmed, change: nil, seen: 1), found: twice, state: .open, change: .new,
            seen: 2),
        Case(name: "not confirmed", old: stored(twice, .unconfirmed, change: nil, seen: 1), state: .unconfirmed, seen: 0),
        Case(
            name: "begins anew", old: stored(twice, .unconfirmed, change: nil, seen: 0), found: twice, state: .unconfirmed,
            seen: 1),
        Case(name: "persists", old: stored(finding(), .open), found: finding(), state: .open, change: .persisting, seen: 4),
        Case(name: "amount", old: stored(finding(), .open), found: finding(amount: 7), state: .open, change: .changed, seen: 4),
        Case(
            name: "severity", old: stored(finding(), .open), found: finding(severity: .critical), state: .open, change: .changed,
            seen: 4),
        Case(
            name: "acknowledged", old: stored(finding(), .acknowledged), found: finding(), state: .acknowledged,
            change: .persisting,
            isNamed: true, seen: 4),
        Case(
            name: "acknowledged until later", old: stored(finding(), .acknowledged, until: 1), found: finding(),
            state: .acknowledged,
            change: .persisting, isNamed: true, seen: 4),
        Case(
            name: "its date has come", old: stored(finding(), .acknowledged, until: 0), found: finding(), state: .open,
            change: .persisting, seen: 4),
        Case(
            name: "void by amount", old: stored(finding(), .acknowledged), found: finding(amount: 501), state: .open,
            change: .changed,
            seen: 4),
        Case(
            name: "void by severity", old: stored(finding(), .acknowledged, until: 9), found: finding(severity: .medium),
            state: .open,
            change: .changed, seen: 4),
        Case(name: "cleared", old: stored(finding(), .open), state: .cleared, change: .cleared, seen: 0),
        Case(
            name: "acknowledged, cleared", old: stored(finding(), .acknowledged), state: .cleared, change: .cleared,
            isNamed: true, seen: 0),
        Case(name: "cleared is told once", old: stored(finding(), .cleared, change: .cleared, seen: 0), state: .cleared, seen: 0),
        Case(
            name: "comes again", old: stored(finding(), .cleared, change: nil, seen: 0), found: finding(), state: .open,
            change: .reopened),
        Case(
            name: "comes again, to be confirmed", old: stored(twice, .cleared, change: nil, seen: 0), found: twice,
            state: .cleared),
        Case(
            name: "comes again, confirmed", old: stored(twice, .cleared, change: nil, seen: 1), found: twice, state: .open,
            change: .reopened, seen: 2),
        Case(
            name: "resolved and there again", old: stored(finding(), .resolved), found: finding(), state: .open,
            change: .reopened, seen: 4),
        Case(name: "resolved and gone", old: stored(finding(), .resolved), state: .resolved, isNamed: true, seen: 0),
        Case(
            name: "sticky stays", old: stored(finding(.unexplainedChange), .open), state: .open, change: .persisting, seen: 3),
        Case(
            name: "sticky is resolved for good", old: stored(finding(.unexplainedChange), .resolved),
            found: finding(.unexplainedChange),
            state: .resolved, isNamed: true, seen: 4),
        Case(
            name: "sticky snooze ends", old: stored(finding(.unexplainedChange), .acknowledged, until: -1), state: .open,
            change: .persisting, seen: 3),
        Case(
            name: "ledger stays", old: stored(finding(.doneTwice, rule: "stripe"), .open), state: .open, change: .persisting,
            seen: 3),
        Case(
            name: "a ledger's mismatch stays", old: stored(finding(.amountMismatch, rule: "stripe"), .open), state: .open,
            change: .persisting, seen: 3),
        Case(name: "rule was run", old: stored(paid, .open), state: .cleared, change: .cleared, seen: 0),
        Case(
            name: "rule was not run", old: stored(finding(.missing, rule: "late"), .open), state: .open, change: .persisting,
            seen: 3),
        Case(
            name: "rule was not run, unconfirmed",
            old: stored(finding(.missing, rule: "late", confirm: 5), .unconfirmed, change: nil),
            state: .unconfirmed, seen: 3),
    ]

    @Test(arguments: cases) func `a break goes from state to state`(_ each: Case) throws {
        let entries = diff(each.old, each.found).breaks
        let now = try #require(entries.first)
        #expect(entries.count == 1)
        #expect(now.entry.state == each.state)
        #expect(now.entry.change == each.change)
        #expect(now.seenRuns == each.seen)
        #expect((now.entry.by != nil) == each.isNamed)
        #expect(now.entry.lastSeen == (each.found == nil ? moment(-10) : moment(0)))
        let isFresh = each.old == nil || (each.old?.entry.state == .unconfirmed && each.old?.seenRuns == 0)
        #expect(now.entry.firstSeen == (isFresh ? moment(0) : moment(-500)))
        #expect((now.changedAt == moment(0)) == (each.old?.entry.state != each.state))
    }

    @Test func `a class that was not judged, or not listed whole, clears nothing`() {
        #expect(diff(Self.stored(Self.finding(), .open), nil) { $0.notJudged = [.failed] }.changes == [.persisting: 1])
    }

    @Test func `a ledger's break is cleared when an import finds it gone`() {
        let old = Self.stored(Self.finding(.theyHaveWeDont, rule: "stripe"), .open)
        #expect(diff(old, nil) { $0.healed = [old.entry.finding.id] }.changes == [.cleared: 1])
    }

    @Test func `money over the threshold is critical, either way, by rule before by currency`() {
        func severity(_ amount: Int64?, _ rule: [String: Int64] = [:]) -> Severity? {
            diff(nil, Self.finding(amount: amount)) {
                $0.criticalOver = ["EUR": 1_000, "JPY": 1]
                $0.criticalOverByRule = ["failed": rule]
            }.breaks.first?.entry.finding.severity
        }
        #expect(severity(999) == .high && severity(1_000) == .critical && severity(-1_000) == .critical && severity(nil) == .high)
        #expect(severity(.min) == .critical)
        #expect(severity(1_000, ["EUR": 2_000]) == .high && severity(1_000, ["USD": 2_000]) == .critical)
    }

    @Test func `only what differs is written, and the worst comes first`() {
        var old = Self.stored(Self.finding(.unexplainedChange), .resolved, change: nil)
        old.entry.finding.severity = .low
        let outcome = diff(old, Self.finding(severity: .medium))
        #expect(outcome.breaks.map(\.entry.finding.severity) == [.medium, .low])
        #expect(outcome.writes.map(\.entry.state) == [.open])
        #expect(outcome.changes == [.new: 1])
    }

    @Test func `an effect is kept with its break, and one id is one break`() {
        let effect = UnexplainedEffect(
            series: Series(type: "charge", currency: "EUR"), delta: -Tally(one: 500), recorded: moment(0))
        let finding = Self.finding(.unexplainedChange)
        var diff = BreakDiff(asOf: moment(0), run: 7, rulesRun: [])
        let first = diff.apply(previous: [], findings: [finding, finding], effects: [finding.id: [effect]])
        #expect(first.breaks.map(\.effects) == [[effect]])
        diff.run = 8
        #expect(diff.apply(previous: first.breaks, findings: []).breaks.map(\.effects) == [[effect]])
    }

    @Test func `since the last signed report breaks are new, changed, persisting, cleared or reopened`() {
        func since(_ state: BreakState, told: [SignedDiff.Told], signed: Int64 = -600) -> BreakChange? {
            var breaks = [Self.stored(Self.finding(), state).entry]
            SignedDiff(told: told, asOf: moment(signed)).mark(&breaks)
            return breaks[0].changeSinceSigned
        }
        let id = Self.finding().id
        #expect(since(.open, told: []) == .new)
        #expect(since(.open, told: [], signed: -100) == .reopened)
        #expect(since(.acknowledged, told: [.init(id: id, amountMinor: 500)]) == .persisting)
        #expect(since(.open, told: [.init(id: id, amountMinor: nil)]) == .changed)
        #expect(since(.cleared, told: [.init(id: id, amountMinor: 500)]) == .cleared)
        #expect(since(.resolved, told: []) == nil)
    }
}
