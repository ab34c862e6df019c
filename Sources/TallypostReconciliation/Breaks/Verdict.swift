/// What a report's status is decided by.
package struct VerdictEvidence: Sendable {
    /// A rule that gave no answer.
    package struct FailedRule: Sendable, Equatable {
        /// Its name.
        package var name: String
        /// One clause: what happened.
        package var reason: String

        /// Memberwise.
        package init(name: String, reason: String) {
            self.name = name
            self.reason = reason
        }
    }

    /// Rows of a ledger that were set aside.
    package struct Quarantine: Sendable, Equatable {
        /// The file.
        package var file: String
        /// How many.
        package var rows: Int64

        /// Memberwise.
        package init(file: String, rows: Int64) {
            self.file = file
            self.rows = rows
        }
    }

    /// Roll-forward.
    package var rollForward: [RollForwardLine] = []
    /// Business bridges.
    package var businessBridges: [BusinessBridge] = []
    /// Receiver bridges.
    package var receiverBridges: [ReceiverBridge] = []
    /// The register of breaks.
    package var breaks: [Break] = []
    /// Breaks that count beyond those.
    package var breaksNotListed = 0
    /// Rules that gave no answer.
    package var failedRules: [FailedRule] = []
    /// Ledgers with rows that were set aside.
    package var quarantines: [Quarantine] = []
    /// Findings that were only counted.
    package var findingsNotListed: [FindingClass: Int64] = [:]
    /// Further reasons, a sentence each.
    package var further: [String] = []
    /// Minor digits of currencies, where not as in ISO 4217.
    package var exponents: [String: Int] = [:]

    /// Empty: a clean one.
    package init() {}
}

extension ReportStatus {
    /// Clean, breaks or incomplete; and for incomplete why, a sentence each. An acknowledged break is a break.
    package static func decide(_ evidence: VerdictEvidence) -> (status: ReportStatus, reasons: [String]) {
        var reasons: [String] = []
        func text(_ tally: Tally, _ currency: String?) -> String { Self.text(tally, currency, evidence.exponents) }
        for line in evidence.rollForward {
            let name = Self.name(line.series)
            if !line.residual.isZero {
                reasons.append("Roll-forward of \(name): residual \(text(line.residual, line.series.currency)).")
            }
            if !line.check.isZero {
                reasons.append(
                    "Roll-forward of \(name): closing and live table differ by \(text(line.check, line.series.currency)).")
            }
        }
        for bridge in evidence.businessBridges where !bridge.residual.isZero {
            reasons.append("Business bridge of rule \(bridge.rule): residual \(text(bridge.residual, bridge.currency)).")
        }
        for bridge in evidence.receiverBridges where !bridge.residual.isZero {
            reasons.append(
                "Receiver bridge of \(bridge.source), file \(bridge.file): residual \(text(bridge.residual, bridge.currency)).")
        }
        for rule in evidence.failedRules {
            reasons.append("Rule \(rule.name) could not be run: \(Self.clause(rule)).")
        }
        for ledger in evidence.quarantines where ledger.rows > 0 {
            let rows = ledger.rows == 1 ? "1 row was" : "\(ledger.rows) rows were"
            reasons.append("Ledger \(ledger.file): \(rows) set aside as unreadable.")
        }
        for (kind, count) in evidence.findingsNotListed.sorted(by: { $0.key < $1.key }) where count > 0 {
            reasons.append("\(count) more findings of class \(kind.rawValue) are counted, not listed.")
        }
        reasons += evidence.further
        if !reasons.isEmpty { return (.incomplete, reasons) }
        let hasBreaks = evidence.breaksNotListed > 0 || evidence.breaks.contains { $0.counts }
        return (hasBreaks ? .breaks : .clean, [])
    }

    private static func name(_ series: Series) -> String {
        let type = series.type.isEmpty ? "tasks without type" : series.type
        return series.currency.map { "\(type) in \($0)" } ?? type
    }

    /// A reason that begins with the rule's name need not say it again.
    private static func clause(_ rule: VerdictEvidence.FailedRule) -> String {
        for start in ["rule \(rule.name): ", "rule \(rule.name) could not be run: "] where rule.reason.hasPrefix(start) {
            return String(rule.reason.dropFirst(start.count))
        }
        return rule.reason
    }

    private static func text(_ tally: Tally, _ currency: String?, _ exponents: [String: Int]) -> String {
        let rows = tally.count.magnitude == 1 ? "\(tally.count) row" : "\(tally.count) rows"
        guard let currency else { return tally.amount == 0 ? rows : "\(rows), \(tally.amount)" }
        let digits = CurrencyDigits.of(currency, configured: exponents)
        return "\(rows), \(currency) \(CurrencyDigits.decimal(tally.amount, digits: digits))"
    }
}
