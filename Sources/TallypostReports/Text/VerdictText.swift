import TallypostCore
import TallypostReconciliation

/// The verdict in words that need no knowledge of code: what is wrong, how much, since when, and whose it is.
struct VerdictText {
    private let report: ReconciliationReport

    init(_ report: ReconciliationReport) { self.report = report }

    /// In a few words, beside the status.
    var headline: String {
        let count = report.counting.count + report.breaksNotListed
        switch report.status {
        case .clean: return "Everything agrees. The books of this period can be closed."
        case .breaks: return count == 1 ? "One thing is wrong." : "\(Wording.count(count, "thing")) are wrong."
        case .incomplete: return "This report is not complete: more may be wrong than is known. Do not close the books on it."
        }
    }

    /// The whole of it, in sentences.
    var sentences: [String] { [headline] + report.incompleteBecause.map { "Not complete: \($0)" } + facts }

    /// What, how much, since when, whose: a sentence each, as far as there is something to say.
    var facts: [String] {
        let counting = report.counting
        guard !counting.isEmpty else {
            return report.status == .clean
                ? ["Every task is accounted for and no open question is left."] : []
        }
        var facts = [what(counting)]
        let money = report.moneyInWords(counting)
        facts.append(money.map { "The money in question is \($0)." } ?? "No amount of money is named with them.")
        let severe = counting.count { $0.finding.severity == .critical }
        if severe > 0 { facts.append("\(Wording.count(severe, "break is", "breaks are")) critical: money is wrong, or may be.") }
        if let oldest = counting.compactMap(\.finding.since).min() {
            facts.append(
                "The oldest dates from \(Wording.time(oldest)), \(Wording.age(report.asOf - oldest)) before this report.")
        }
        facts.append(whose(counting))
        let later = counting.count { ($0.finding.since ?? report.asOf) >= report.period.to }
        if later > 0 {
            facts.append(
                later == counting.count
                    ? "None of it dates from the period: all of it came after its end."
                    : "\(Wording.count(later, "of them dates", "of them date")) from after the period.")
        }
        let acknowledged = counting.count { $0.state == .acknowledged }
        if acknowledged > 0 { facts.append("\(Wording.count(acknowledged, "break is", "breaks are")) known and acknowledged.") }
        return facts
    }

    /// So many classes are named in the first sentence, the worst first.
    private static let named = 8

    private func what(_ counting: [Break]) -> String {
        let byClass = BreakGroup.groups(counting, report).map { ($0.kind, $0.breaks.count) }
        let named = byClass.prefix(Self.named).map { "\($0.0.title.prefix(1).lowercased() + $0.0.title.dropFirst()) (\($0.1))" }
        let others = byClass.dropFirst(Self.named).map(\.1).reduce(0, +)
        return "What is wrong: " + named.joined(separator: "; ")
            + (others > 0 ? "; and \(Wording.count(others, "more", "more"))" : "") + "."
    }

    private func whose(_ counting: [Break]) -> String {
        let owners = Dictionary(grouping: counting, by: \.finding.owner).map { ($0.key, $0.value.count) }.sorted {
            ($1.1, $0.0) < ($0.1, $1.0)
        }
        let named = owners.filter { !$0.0.isEmpty }.map { "\($0.0) (\($0.1))" }
        let nobody = owners.first { $0.0.isEmpty }?.1 ?? 0
        if named.isEmpty { return "Nobody is named as their owner yet." }
        return "Whose they are: \(Wording.list(named))"
            + (nobody > 0 ? "; \(nobody) \(nobody == 1 ? "has" : "have") no owner." : ".")
    }
}
