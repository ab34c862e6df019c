package import TallypostCore

/// This run's findings against the register of breaks: what is new, what changed, what is gone. Pure; the same input gives the same output.
package struct BreakDiff: Sendable {
    /// The run's as-of.
    package var asOf: Timestamp
    /// The run's number.
    package var run: Int64
    /// Named rules that were run: only their breaks can be cleared. Those of rules that failed, are suspended or were taken away stay.
    package var rulesRun: Set<String>
    /// Classes of the scan that were not judged, or not listed whole: their breaks are not cleared.
    package var notJudged: Set<FindingClass> = []
    /// Ledger breaks that this run's import has found to be gone.
    package var healed: Set<String> = []
    /// By currency: from this amount on, either way, a finding is critical.
    package var criticalOver: [String: Int64] = [:]
    /// The same by rule, in place of ``criticalOver`` where it names the currency.
    package var criticalOverByRule: [String: [String: Int64]] = [:]

    /// With what every run has.
    package init(asOf: Timestamp, run: Int64, rulesRun: Set<String>) {
        self.asOf = asOf
        self.run = run
        self.rulesRun = rulesRun
    }

    /// What a run does to the register of breaks.
    package struct Outcome: Sendable {
        /// All breaks of the register after this run, those that it did not touch too: the worst first, then by first sight and id.
        package var breaks: [StoredBreak]
        /// Those to be written.
        package var writes: [StoredBreak]
        /// How many there are of each change in this run.
        package var changes: [BreakChange: Int]
    }

    /// - Parameters:
    ///   - previous: the register: at least all that count or are unconfirmed, those of this run's findings, and those that the last run
    ///     gave a change.
    ///   - findings: this run's; of two with one id the first counts.
    ///   - effects: by the finding's id.
    package func apply(
        previous: [StoredBreak], findings: [Finding], effects: [String: [UnexplainedEffect]] = [:]
    ) -> Outcome {
        var found: [String: Finding] = [:]
        for finding in findings where found[finding.id] == nil { found[finding.id] = raised(finding) }
        var outcome = Outcome(breaks: [], writes: [], changes: [:])
        for old in previous {
            let now = found.removeValue(forKey: old.entry.finding.id).map { seen(old, $0, effects) } ?? unseen(old)
            outcome.breaks.append(now)
            if now != old { outcome.writes.append(now) }
        }
        for finding in findings {
            guard let first = found.removeValue(forKey: finding.id) else { continue }
            let new = appeared(first, effects)
            outcome.breaks.append(new)
            outcome.writes.append(new)
        }
        for entry in outcome.breaks { if let change = entry.entry.change { outcome.changes[change, default: 0] += 1 } }
        outcome.breaks.sort(by: Self.isWorse)
        return outcome
    }

    /// The finding, critical if it is about enough money.
    package func raised(_ finding: Finding) -> Finding {
        guard let currency = finding.currency, let amount = finding.amountMinor,
            let limit = criticalOverByRule[finding.rule]?[currency] ?? criticalOver[currency], amount.magnitude >= limit.magnitude
        else { return finding }
        var raised = finding
        raised.severity = .critical
        return raised
    }

    /// Whether this run would have found it, were it still there.
    private func isLookedFor(_ finding: Finding) -> Bool {
        if finding.kind.isSticky { return false }
        if healed.contains(finding.id) { return true }
        if finding.kind.isOfLedger { return false }
        if finding.rule == finding.kind.rawValue { return !notJudged.contains(finding.kind) }
        return rulesRun.contains(finding.rule)
    }

    private func appeared(_ finding: Finding, _ effects: [String: [UnexplainedEffect]]) -> StoredBreak {
        let isConfirmed = finding.confirmRuns <= 1
        let entry = Break(
            finding: finding, state: isConfirmed ? .open : .unconfirmed, change: isConfirmed ? .new : nil, firstSeen: asOf,
            lastSeen: asOf)
        return StoredBreak(entry, seenRuns: 1, lastRun: run, changedAt: asOf, effects: effects[finding.id] ?? [])
    }

    /// There before, and there now.
    private func seen(_ old: StoredBreak, _ finding: Finding, _ effects: [String: [UnexplainedEffect]]) -> StoredBreak {
        var now = old
        let before = old.entry.finding
        now.entry.finding = finding
        now.entry.lastSeen = asOf
        now.lastRun = run
        now.seenRuns += 1
        if let own = effects[finding.id] { now.effects = own }
        let isConfirmed = now.seenRuns >= finding.confirmRuns
        switch old.entry.state {
        case .unconfirmed:
            if old.seenRuns == 0 { now.entry.firstSeen = asOf }
            now.entry.change = isConfirmed ? .new : nil
            if isConfirmed { open(&now) }
        case .open, .acknowledged:
            let isChanged =
                before.amountMinor != finding.amountMinor || before.currency != finding.currency
                || before.severity != finding.severity
            now.entry.change = isChanged ? .changed : .persisting
            if isChanged, old.entry.state == .acknowledged { open(&now) }
            wake(&now)
        case .resolved where finding.kind.isSticky:
            now.entry.change = nil
        case .resolved, .cleared:
            // Until it is confirmed again it stays as it was.
            now.entry.change = isConfirmed ? .reopened : nil
            if isConfirmed { open(&now) }
        }
        return now
    }

    /// There before, and not found now.
    private func unseen(_ old: StoredBreak) -> StoredBreak {
        var now = old
        let isGone = isLookedFor(old.entry.finding)
        if isGone { now.seenRuns = 0 }
        switch old.entry.state {
        case .unconfirmed, .resolved, .cleared: now.entry.change = nil
        case .open, .acknowledged:
            now.entry.change = isGone ? .cleared : .persisting
            if isGone {
                now.entry.state = .cleared
                now.changedAt = asOf
            } else {
                wake(&now)
            }
        }
        return now
    }

    /// An acknowledgement whose date has come is over.
    private func wake(_ entry: inout StoredBreak) {
        if entry.entry.state == .acknowledged, let until = entry.entry.until, until <= asOf { open(&entry) }
    }

    /// What somebody said of it before does not hold any more.
    private func open(_ entry: inout StoredBreak) {
        entry.entry.state = .open
        entry.entry.by = nil
        entry.entry.reason = nil
        entry.entry.until = nil
        entry.changedAt = asOf
    }

    private static func isWorse(_ a: StoredBreak, _ b: StoredBreak) -> Bool {
        let (left, right) = (a.entry, b.entry)
        if left.finding.severity != right.finding.severity { return left.finding.severity > right.finding.severity }
        if left.firstSeen != right.firstSeen { return left.firstSeen < right.firstSeen }
        return left.finding.id < right.finding.id
    }
}
