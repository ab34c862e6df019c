package import TallypostCore

/// The open breaks of one rule and severity, as two runs see them.
package struct AlertTransition: Sendable, Equatable {
    /// The rule.
    package var rule: String
    /// How bad its breaks are.
    package var severity: Severity
    /// Whose they are.
    package var owner: String
    /// Open breaks now; none: what was firing is over.
    package var count: Int64
    /// Of them, those that the run before did not show, or showed otherwise.
    package var news: Int64
    /// Sums by currency, in order.
    package var amounts: [(currency: String, amount: Int128)]
    /// Breaks that somebody has acknowledged: they are known, and do not fire.
    package var acknowledged: Int64

    /// Whether all is the same.
    package static func == (a: AlertTransition, b: AlertTransition) -> Bool {
        (a.rule, a.severity, a.owner, a.count, a.news, a.acknowledged) == (
            b.rule, b.severity, b.owner, b.count, b.news, b.acknowledged
        )
            && a.amounts.elementsEqual(b.amounts) { $0 == $1 }
    }
}

/// Which alerts a run's breaks make. Pure: the run commits them with its other results (``AlertBook/tell(_:now:)``).
package enum AlertPlan {
    /// One for each rule and severity that has or had open breaks, never one for each break.
    ///
    /// - Parameters:
    ///   - before: the register as the run found it.
    ///   - after: the register as it leaves it.
    package static func transitions(before: [Break], after: [Break]) -> [AlertTransition] {
        let known = Dictionary(before.filter { $0.state == .open }.map { ($0.finding.id, $0.finding) }) { first, _ in first }
        var groups: [String: AlertTransition] = [:]
        var sums: [String: [String: Int128]] = [:]
        func group(_ finding: Finding, _ body: (inout AlertTransition) -> Void) -> String {
            let key = "\(finding.rule)\u{1F}\(finding.severity.rawValue)"
            var found =
                groups[key]
                ?? AlertTransition(
                    rule: finding.rule, severity: finding.severity, owner: finding.owner, count: 0, news: 0, amounts: [],
                    acknowledged: 0)
            body(&found)
            groups[key] = found
            return key
        }
        // What was open before may have to be called over, even when nothing is left of it.
        for finding in known.values { _ = group(finding) { _ in } }
        for item in after {
            if item.state == .acknowledged { _ = group(item.finding) { $0.acknowledged += 1 } }
            guard item.state == .open else { continue }
            let old = known[item.finding.id]
            let isNews =
                old == nil || old?.amountMinor != item.finding.amountMinor || old?.currency != item.finding.currency
                || old?.severity != item.finding.severity
            let key = group(item.finding) {
                $0.count += 1
                if isNews { $0.news += 1 }
                if !item.finding.owner.isEmpty { $0.owner = item.finding.owner }
            }
            if let currency = item.finding.currency {
                sums[key, default: [:]][currency, default: 0] += Int128(item.finding.amountMinor ?? 0)
            }
        }
        return groups.map { key, found in
            var group = found
            group.amounts = (sums[key] ?? [:]).sorted { $0.key < $1.key }.map { (currency: $0.key, amount: $0.value) }
            return group
        }.sorted { ($0.rule, $0.severity) < ($1.rule, $1.severity) }
    }

    /// What receivers are told of it: breaks that are new to them, and that none is open any more.
    ///
    /// - Parameter states: of ``AlertBook/states()``, read in the transaction that will tell.
    package static func changes(
        _ transitions: [AlertTransition], for receivers: [AlertSettings], states: [String: AlertState], database: String
    ) -> [AlertChange] {
        receivers.flatMap { settings in
            transitions.compactMap { transition -> AlertChange? in
                guard let least = settings.findings, transition.severity >= least else { return nil }
                let alert = alert(of: transition, database: database)
                let state = states["\(settings.name)/\(alert.key)"]
                let wasFiring = state?.isFiring ?? false
                let isFiring = transition.count > 0
                guard isFiring ? !wasFiring || transition.news > 0 : wasFiring else { return nil }
                return AlertChange(settings: settings, alert: alert, isFiring: isFiring, before: state)
            }
        }
    }

    /// The tasks that tell it, for whoever only wants to see them.
    package static func drafts(for changes: [AlertChange], now: Timestamp) -> [TaskDraft] { changes.map { $0.draft(now: now) } }

    private static func alert(of transition: AlertTransition, database: String) -> Alert {
        let count = transition.count
        let known = transition.acknowledged > 0 ? ", \(transition.acknowledged) acknowledged" : ""
        let summary =
            count == 0
            ? "\(transition.rule): no \(transition.severity.rawValue) break is open any more\(known)"
            : "\(transition.rule): \(count) \(transition.severity.rawValue) break\(count == 1 ? "" : "s") open, \(transition.news) of them new\(known)"
        return Alert(
            condition: "findings", rule: transition.rule, severity: transition.severity.rawValue,
            owner: transition.owner.isEmpty ? nil : transition.owner, count: count,
            amounts: transition.amounts.map { .init(currency: $0.currency, amountMinor: "\($0.amount)") }, summary: summary,
            database: database)
    }
}
