import TallypostCore
import TallypostReconciliation

extension ReportTable {
    /// Every break, those that count and those that went.
    static func breaks(_ report: ReconciliationReport) -> ReportTable {
        let (breaks, asOf) = (report.breaks, report.asOf)
        let digits = Dictionary(uniqueKeysWithValues: Set(breaks.compactMap(\.finding.currency)).map { ($0, report.digits($0)) })
        return ReportTable("breaks", "Breaks", group: "state", breakColumns, count: breaks.count) { index in
            cells(breaks[index], asOf: asOf, digits: digits)
        }
    }

    private static let breakColumns = [
        ReportColumn("id", "Break", 20), ReportColumn("severity", "Severity", 10), ReportColumn("state", "State", 14),
        ReportColumn("class", "Class", 20), ReportColumn("what", "What is wrong", 34), ReportColumn("type", "Type", 20),
        ReportColumn("subject", "Subject", 22), ReportColumn("idempotency_key", "Idempotency key", 28),
        ReportColumn("task", "Task", 12), ReportColumn("currency", "Currency", 10), ReportColumn("amount", "Amount", 18),
        ReportColumn("since", "Since (UTC)", 20), ReportColumn("age_hours", "Age in hours", 13),
        ReportColumn("first_seen", "First seen (UTC)", 20), ReportColumn("last_seen", "Last seen (UTC)", 20),
        ReportColumn("owner", "Owner", 16), ReportColumn("rule", "Rule", 26), ReportColumn("change", "Change", 12),
        ReportColumn("change_since_signed", "Since last signed", 17), ReportColumn("detail", "Detail", 60),
        ReportColumn("advice", "What to do", 60), ReportColumn("by", "By", 16), ReportColumn("reason", "Reason", 36),
        ReportColumn("until", "Until (UTC)", 20),
    ]

    private static func cells(_ item: Break, asOf: Timestamp, digits: [String: Int]) -> [ReportCell] {
        let finding = item.finding
        var amount = ReportCell.empty
        if let minor = finding.amountMinor, let currency = finding.currency {
            amount = .amount(Int128(minor), digits: digits[currency] ?? 2)
        }
        return [
            .text(finding.id), .text(finding.severity.rawValue), .text(item.state.rawValue), .text(finding.kind.rawValue),
            .text(finding.kind.title), .text(finding.type), text(finding.subject), text(finding.idempotencyKey),
            // With a letter, since Excel keeps 15 digits of a number.
            text(finding.taskID.map { "T-\($0)" }), currency(finding.currency), amount, time(finding.since),
            finding.since.map { .count(max(0, (asOf - $0).nanoseconds / 3_600_000_000_000)) } ?? .empty,
            time(item.firstSeen), time(item.lastSeen), .text(finding.owner), .text(finding.rule), text(item.change?.rawValue),
            text(item.changeSinceSigned?.rawValue), .text(finding.detail), .text(finding.kind.advice), text(item.by),
            text(item.reason), time(item.until),
        ]
    }

    private static func text(_ text: String?) -> ReportCell { text.map { .text($0) } ?? .empty }
    private static func time(_ time: Timestamp?) -> ReportCell { time.map { .time($0) } ?? .empty }
}
