import TallypostCore
import TallypostReconciliation

extension HTMLReport {
    /// Currencies beside each other in one table; more go into the next, so that a page of paper has room.
    private static let currenciesAcross = 3

    func writeRollForward(_ html: inout HTMLWriter) {
        guard !report.rollForward.isEmpty else {
            return html.element("p", [], "No task was open, came or went in this period.")
        }
        html.element(
            "p", [("class", "soft")],
            "What was open at the start, what came and what was settled: the rest must be open at the end, and be what the table of tasks "
                + "holds. A task that failed for good is not settled.")
        for type in Self.unique(report.rollForward.map(\.series.type)) {
            let lines = report.rollForward.filter { $0.series.type == type }
            writeStatement(type, lines.map { ($0.series.currency, $0.lines) }, unit: "Tasks", &html)
        }
    }

    func writeBusiness(_ html: inout HTMLWriter) {
        guard !report.businessBridges.isEmpty else {
            return html.element("p", [], "No rule compares business records with tasks.")
        }
        html.element(
            "p", [("class", "soft")],
            "From what the business expects to the tasks that are there: each line is a reason for a difference. What no line explains is "
                + "the residual.")
        for rule in Self.unique(report.businessBridges.map(\.rule)) {
            let bridges = report.businessBridges.filter { $0.rule == rule }
            writeStatement(rule, bridges.map { ($0.currency, $0.lines) }, unit: "Rows", &html)
        }
    }

    func writeReceiver(_ html: inout HTMLWriter) {
        guard !report.receiverBridges.isEmpty else {
            return html.element(
                "p", [], "No ledger of a receiver was imported for this period: what receivers did is not checked.")
        }
        html.element(
            "p", [("class", "soft")],
            "From what we completed to what the receiver's own ledger says. What no line explains is the residual.")
        for key in Self.unique(report.receiverBridges.map { "\($0.source), \($0.file)" }) {
            let bridges = report.receiverBridges.filter { "\($0.source), \($0.file)" == key }
            writeStatement(key, bridges.map { ($0.currency, $0.lines) }, unit: "Rows", &html)
        }
    }

    private func writeStatement(
        _ title: String, _ parts: [(currency: String?, lines: [ReportLine])], unit: String, _ html: inout HTMLWriter
    ) {
        for start in stride(from: 0, to: parts.count, by: Self.currenciesAcross) {
            let across = Array(parts[start..<min(start + Self.currenciesAcross, parts.count)])
            html.element("div", [("class", "scroll keep")]) { html in
                html.element("table") { html in
                    html.element("caption") { $0.foreign(title) }
                    writeStatementHead(across.map(\.currency), unit: unit, &html)
                    html.element("tbody") { html in
                        for index in across[0].lines.indices where Self.isShown(across.map { $0.lines[index] }) {
                            write(across.map { ($0.currency, $0.lines[index]) }, &html)
                        }
                    }
                }
            }
        }
    }

    private func writeStatementHead(_ currencies: [String?], unit: String, _ html: inout HTMLWriter) {
        html.element("thead") { html in
            html.element("tr") { html in
                html.element("th", [("scope", "col")], "")
                for currency in currencies {
                    html.element(
                        "th", [("scope", "col"), ("class", "n")],
                        currencies.count > 1 ? "\(unit) \(currency ?? "no money")" : unit)
                    if let currency {
                        html.element("th", [("scope", "col"), ("class", "n")]) { $0.foreign("Amount \(currency)") }
                    }
                }
            }
        }
    }

    /// A line of zeros says nothing, unless a reader looks for it.
    private static func isShown(_ lines: [ReportLine]) -> Bool {
        switch lines[0].name {
        case "late", "purged", "unexplained", "explained", "retired", "currencyDifferences", "tolerated", "otherPeriods":
            lines.contains { $0.tally.map { !$0.isZero } ?? false }
        case "live", "check": lines.contains { $0.tally != nil }
        default: true
        }
    }

    private func write(_ cells: [(currency: String?, line: ReportLine)], _ html: inout HTMLWriter) {
        let line = cells[0].line
        let isWrongUnlessZero = line.name == "residual" || line.name == "check" || line.name == "unexplained"
        let kind =
            line.effect == .result || line.name == "residual"
            ? "sum" : line.effect == .includes || line.effect == .check ? "aside" : ""
        html.element("tr", kind.isEmpty ? [] : [("class", kind)]) { html in
            html.element("th", [("scope", "row")], line.effect.sign.isEmpty ? line.title : "\(line.effect.sign) \(line.title)")
            for (currency, line) in cells {
                let tally = line.tally
                let isWrong = isWrongUnlessZero && tally.map { !$0.isZero } ?? false
                let attributes = [("class", isWrong ? "n wrong" : "n")]
                let target = tally.map { !$0.isZero } ?? false ? anchor(of: line.name) : nil
                html.element("td", attributes) { html in
                    Self.number(tally.map { AmountText.grouped(Int128($0.count), digits: 0) } ?? "–", target, &html)
                }
                guard currency != nil else { continue }
                html.element("td", attributes) { html in
                    Self.number(tally.map { report.grouped($0.amount, currency) } ?? "–", target, &html)
                }
            }
        }
    }

    private static func number(_ text: String, _ target: String?, _ html: inout HTMLWriter) {
        let text = text.hasPrefix("-") ? "−" + text.dropFirst() : text
        if let target { html.element("a", [("href", "#" + target)], text) } else { html.content(text) }
    }

    /// Where the breaks stand that make up a line, if there are any.
    private func anchor(of line: String) -> String? {
        let kinds: [FindingClass] =
            switch line {
            case "missing": [.missing]
            case "orphans": [.orphan]
            case "extraCopies": [.duplicate]
            case "amountDifferences": [.amountMismatch]
            case "currencyDifferences": [.currencyMismatch]
            case "oursOnly": [.weSayDoneTheyDont]
            case "theirsOnly": [.theyHaveWeDont]
            case "repeats": [.doneTwice]
            case "unexplained", "residual", "check": [.unexplainedChange]
            default: []
            }
        return counting.first { kinds.contains($0.kind) }.map { Self.anchor($0.kind) }
    }

    func writeAgeing(_ html: inout HTMLWriter) {
        let lines = report.ageing.filter { $0.buckets.contains { !$0.isZero } }
        guard !lines.isEmpty else { return html.element("p", [], "No task is open.") }
        html.element(
            "p", [("class", "soft")],
            "How long open tasks have been open, from the moment they were written: a retry does not make a task young.")
        for chart in lines.prefix(6) { AgeingChart(line: chart, report: report).write(&html) }
        if lines.count > 6 { html.element("p", [("class", "soft")], "The other \(lines.count - 6) are in the table alone.") }
        for start in stride(from: 0, to: lines.count, by: Self.currenciesAcross) {
            let across = lines[start..<min(start + Self.currenciesAcross, lines.count)]
            html.element("div", [("class", "scroll keep")]) { html in writeAgeingTable(Array(across), &html) }
        }
    }

    private func writeAgeingTable(_ lines: [AgeingLine], _ html: inout HTMLWriter) {
        html.element("table") { html in
            html.element("thead") { html in
                html.element("tr") { html in
                    html.element("th", [("scope", "col")], "Age")
                    for line in lines {
                        html.element("th", [("scope", "col"), ("class", "n")]) { $0.foreign("\(line.series.type), tasks") }
                        if let currency = line.series.currency {
                            html.element("th", [("scope", "col"), ("class", "n")]) { $0.foreign(currency) }
                        }
                    }
                }
            }
            html.element("tbody") { html in
                for (index, name) in AgeingLine.names.enumerated() {
                    writeAgeing(name, lines.map { ($0.series.currency, $0.buckets[index]) }, isSum: false, &html)
                }
                let sums = lines.map { ($0.series.currency, $0.buckets.reduce(.zero, +)) }
                writeAgeing("Together", sums, isSum: true, &html)
            }
        }
    }

    private func writeAgeing(_ name: String, _ cells: [(String?, Tally)], isSum: Bool, _ html: inout HTMLWriter) {
        html.element("tr", isSum ? [("class", "sum")] : []) { html in
            html.element("th", [("scope", "row")], name)
            for (currency, tally) in cells {
                html.element("td", [("class", "n")], AmountText.grouped(Int128(tally.count), digits: 0))
                if currency != nil {
                    html.element("td", [("class", "n")]) { Self.number(report.grouped(tally.amount, currency), nil, &$0) }
                }
            }
        }
    }

    static func unique(_ items: [String]) -> [String] {
        var seen: Set<String> = []
        return items.filter { seen.insert($0).inserted }
    }
}
