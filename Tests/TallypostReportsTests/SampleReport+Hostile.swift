import TallypostCore
import TallypostReconciliation

extension SampleReport {
    /// What somebody who can write rows might try.
    static let hostileTexts = [
        "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\tTab",
        "\rReturn", "line\nfeed", "a,b;c\"d", "'quoted", "12345678901234567890", "00123", "1E5", "2026-11-19", "\u{202E}txt.exe",
        "\u{0}nul\u{7}", "&amp;", "</td></tr></table>", "http://example.com/", "＝1+1", "ünïcödé 日本", "",
    ]

    /// Breaks whose every text is hostile, and amounts at the ends of 64 bits.
    static func hostile() -> ReconciliationReport {
        var report = breaks()
        report.breaks = hostileTexts.enumerated().map { index, text in
            var item = item(
                FindingClass.allCases[index % FindingClass.allCases.count], .high, text,
                index % 3 == 0 ? .max : index % 3 == 1 ? .min : -1,
                ["GBP", "JPY", "KWD"][index % 3], hours: Int64(index), owner: text, .new, text, type: text)
            item.finding.idempotencyKey = text
            (item.by, item.reason) = (text, text)
            if index % 4 == 3 { item.state = .acknowledged }
            if index % 4 == 2 { item.state = .resolved }
            return item
        }
        report.database = hostileTexts[0]
        report.parameters = hostileTexts.enumerated().map { ("parameter\($0)", $1) }
        report.rules[0].text = hostileTexts.joined(separator: "\n")
        report.rules[0].owner = hostileTexts[0]
        report.rollForward[0].series.type = hostileTexts[0]
        report.rollForward[1].opening.amount = Int128(Int64.max) * 1_000
        report.rollForward[1].live = report.rollForward[1].closing
        report.businessBridges[0].rule = hostileTexts[2]
        report.receiverBridges[0].file = hostileTexts[1]
        report.incompleteBecause = [hostileTexts[1]]
        return report
    }
}
