import TallypostCore
import TallypostReconciliation

extension ReportTable {
    /// Every break, those that count and those that went.
    static func breaks(_ report: ReconciliationReport) -> ReportTable {
        let (breaks, asOf) = (report.breaks, report.asOf)
        let digits = Dictionary(uniqueKeysWithValues: Set(breaks.compactMap(\.finding.currency)).map { ($0, report.digits($0)) })
        var table = ReportTable("breaks", "Breaks", group: "state", breakColumns, count: breaks.count) { index in
            cells(breaks[index], asOf: asOf, digits: digits)
        }
        table.printed = 10
        return table
    }

    /// What a person reads first stands first, and is what is printed.
    private static let breakColumns = [
        ReportColumn("id", "Break", 20), ReportColumn("severity", "Severity", 9), ReportColumn("state", "State", 13),
        ReportColumn("what", "What is wrong", 30), ReportColumn("subject", "Subject", 20),
        ReportColumn("currency", "Currency", 9),
        ReportColumn("amount", "Amount", 16), ReportColumn("since", "Since (UTC)", 19), ReportColumn("owner", "Owner", 14),
        ReportColumn("detail", "Detail", 44), ReportColumn("class", "Class", 20), ReportColumn("type", "Type", 20),
        ReportColumn("idempotency_key", "Idempotency key", 28), ReportColumn("task", "Task", 12),
        ReportColumn("age_hours", "Age in hours", 13), ReportColumn("first_seen", "First seen (UTC)", 19),
        ReportColumn("last_seen", "Last seen (UTC)", 19), ReportColumn("rule", "Rule", 26), ReportColumn("change", "Change", 12),
        ReportColumn("change_since_signed", "Since last signed", 17), ReportColumn("advice", "What to do", 60),
        ReportColumn("by", "By", 16), ReportColumn("reason", "Reason", 36), ReportColumn("until", "Until (UTC)", 19),
    ]

    private static func cells(_ item: Break, asOf: Timestamp, digits: [String: Int]) -> [ReportCell] {
        let finding = item.finding
        var amount = ReportCell.empty
        if let minor = finding.amountMinor, let currency = finding.currency {
            amount = .amount(Int128(minor), digits: digits[currency] ?? 2)
        }
        return [
            .text(finding.id), .text(finding.severity.rawValue), .text(item.state.rawValue), .text(finding.kind.title),
            text(finding.subject), currency(finding.currency), amount, time(finding.since), .text(finding.owner),
            .text(finding.detail),
            .text(finding.kind.rawValue), .text(finding.type), text(finding.idempotencyKey),
            // With a letter, since Excel keeps 15 digits of a number.
            text(finding.taskID.map { "T-\($0)" }),
            finding.since.map { .count(max(0, (asOf - $0).nanoseconds / 3_600_000_000_000)) } ?? .empty,
            time(item.firstSeen), time(item.lastSeen), .text(finding.rule), text(item.change?.rawValue),
            text(item.changeSinceSigned?.rawValue), .text(finding.kind.advice), text(item.by), text(item.reason),
            time(item.until),
        ]
    }

    private static func text(_ text: String?) -> ReportCell { text.map { .text($0) } ?? .empty }
    private static func time(_ time: Timestamp?) -> ReportCell { time.map { .time($0) } ?? .empty }
}
