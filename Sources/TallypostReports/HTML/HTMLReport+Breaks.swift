import TallypostCore
import TallypostReconciliation

extension HTMLReport {
    /// Where the breaks of a class stand.
    static func anchor(_ kind: FindingClass) -> String { HTMLWriter.anchor("class", kind.rawValue) }

    func writeClasses(_ html: inout HTMLWriter) {
        guard !counting.isEmpty else {
            return html.element("p", [], "There is no break: nothing was found that is open.")
        }
        html.element("div", [("class", "scroll")]) { html in
            html.element("table") { html in
                Self.head(["What is wrong", "Worst"], numbers: ["Breaks", "Acknowledged", "Money in question"], &html)
                html.element("tbody") { html in
                    for group in counting { writeClass(group, &html) }
                    html.element("tr", [("class", "sum")]) { html in
                        html.element("th", [("scope", "row")], "Together")
                        html.element("td", [], "")
                        html.element("td", [("class", "n")], grouped(report.counting.count))
                        html.element("td", [("class", "n")], grouped(report.counting.count { $0.state == .acknowledged }))
                        writeMoney(report.moneyInQuestion(report.counting), nil, &html)
                    }
                }
            }
        }
        html.element(
            "p", [("class", "soft")],
            "Money in question: amounts without their sign, by currency. Acknowledged breaks are counted too, a task with two breaks twice."
        )
        if report.breaksNotListed > 0 {
            html.element(
                "p", [],
                "\(Wording.count(report.breaksNotListed, "further break")) of this run \(report.breaksNotListed == 1 ? "is" : "are") not in these documents."
            )
        }
        let changes = BreakChange.allCases.map { change in (change, report.breaks.count { $0.change == change }) }.filter {
            $0.1 > 0
        }
        guard !changes.isEmpty else { return }
        html.element(
            "p", [], "Against the run before: " + changes.map { "\(grouped($0.1)) \($0.0.title)" }.joined(separator: ", ") + ".")
    }

    private func grouped(_ number: Int) -> String { AmountText.grouped(Int128(number), digits: 0) }

    private func writeClass(_ group: BreakGroup, _ html: inout HTMLWriter) {
        let target = "#" + Self.anchor(group.kind)
        html.element("tr") { html in
            html.element("th", [("scope", "row")]) { html in
                html.element("a", [("href", target)], group.kind.title)
                html.raw(" ")
                html.element("small", [("class", "soft mono")], group.kind.rawValue)
            }
            html.element("td") { $0.element("span", [("class", group.worst.rawValue)], group.worst.rawValue) }
            html.element("td", [("class", "n")]) { $0.element("a", [("href", target)], grouped(group.breaks.count)) }
            html.element("td", [("class", "n")], grouped(group.breaks.count { $0.state == .acknowledged }))
            writeMoney(group.money, target, &html)
        }
    }

    private func writeMoney(_ money: [(currency: String, amount: Int128)], _ target: String?, _ html: inout HTMLWriter) {
        html.element("td", [("class", "n")]) { html in
            for (index, sum) in money.enumerated() {
                if index > 0 { html.raw("<br>") }
                let text = report.money(sum.amount, sum.currency)
                if let target { html.element("a", [("href", target)], text) } else { html.content(text) }
            }
            if money.isEmpty { html.content("–") }
        }
    }

    func writeDetails(_ html: inout HTMLWriter) {
        guard !counting.isEmpty else { return html.element("p", [], "There is nothing to list.") }
        var room = Self.listedBreaks
        let all = report.counting.count
        for group in counting {
            html.element("h3", [("id", Self.anchor(group.kind))], "\(group.kind.title) (\(grouped(group.breaks.count)))")
            html.element("p", [("class", "advice")]) { html in
                html.element("strong", [], "What to do: ")
                html.content(group.kind.advice)
            }
            let listed = group.breaks.prefix(room)
            room -= listed.count
            if !listed.isEmpty { writeTable(Array(listed), &html) }
            if listed.count < group.breaks.count {
                html.element(
                    "p", [("class", "soft")],
                    "\(grouped(group.breaks.count - listed.count)) more of these are in \(documents.name.stem)_breaks.csv and in the workbook."
                )
            }
        }
        guard all > Self.listedBreaks else { return }
        html.element(
            "p", [],
            "This page lists the first \(grouped(Self.listedBreaks)) of \(grouped(all)) breaks. All of them are in "
                + "\(documents.name.stem)_breaks.csv and in the sheet Breaks of \(documents.name.stem).xlsx.")
    }

    func writeAcknowledged(_ html: inout HTMLWriter) {
        let acknowledged = report.breaks.filter { $0.state == .acknowledged }
        guard !acknowledged.isEmpty else { return html.element("p", [], "Nobody has acknowledged a break.") }
        writeHistory(acknowledged, "Until", &html)
    }

    func writeClosed(_ html: inout HTMLWriter) {
        guard !closed.isEmpty else { return html.element("p", [], "No break was resolved or went by itself in this period.") }
        writeHistory(closed, "Last seen", &html)
    }

    /// Who did what about breaks, and why.
    private func writeHistory(_ breaks: [Break], _ timeTitle: String, _ html: inout HTMLWriter) {
        html.element("div", [("class", "scroll")]) { html in
            html.element("table") { html in
                Self.head(["Break", "What", "State", "Who", "Why", "\(timeTitle) (UTC)"], numbers: ["Amount"], &html)
                html.element("tbody") { html in
                    for item in breaks.prefix(Self.listedBreaks) { writeHistory(item, &html) }
                }
            }
        }
        if breaks.count > Self.listedBreaks {
            html.element(
                "p", [("class", "soft")],
                "\(grouped(breaks.count - Self.listedBreaks)) more are in \(documents.name.stem)_breaks.csv.")
        }
    }

    private func writeHistory(_ item: Break, _ html: inout HTMLWriter) {
        html.element("tr") { html in
            html.element("th", [("scope", "row"), ("class", "mono t")]) { html in
                if item.counts {
                    html.element("a", [("href", "#" + HTMLWriter.anchor(item.finding.id))], item.finding.id)
                } else {
                    html.content(item.finding.id)
                }
            }
            html.element("td") { html in
                html.content(item.finding.kind.title + ": ")
                html.foreign(item.finding.subject ?? item.finding.idempotencyKey ?? item.finding.taskID.map { "T-\($0)" } ?? "")
            }
            html.element("td", [], item.state.title)
            html.element("td") { $0.foreign(item.by ?? "–") }
            html.element("td") { $0.foreign(item.reason ?? "–") }
            let time = item.state == .acknowledged ? item.until.map(Wording.minute) ?? "for good" : Wording.minute(item.lastSeen)
            html.element("td", [("class", "t")], time)
            html.element("td", [("class", "n")], amount(item.finding))
        }
    }

    private func amount(_ finding: TallypostReconciliation.Finding) -> String {
        guard let amount = finding.amountMinor, let currency = finding.currency else { return "–" }
        return report.money(Int128(amount), currency).replacing(" -", with: " −")
    }

    private func writeTable(_ breaks: [Break], _ html: inout HTMLWriter) {
        html.element("div", [("class", "scroll")]) { html in
            html.element("table", [("class", "detail")]) { html in
                Self.head(
                    ["Break", "About", "Amount", "Since (UTC)", "What happened"], classes: ["w1", "w2", "w3", "w4", "w5"], &html)
                html.element("tbody") { html in for item in breaks { write(item, &html) } }
            }
        }
    }

    private func write(_ item: Break, _ html: inout HTMLWriter) {
        let finding = item.finding
        html.element("tr", [("id", HTMLWriter.anchor(finding.id))]) { html in
            html.element("th", [("scope", "row")]) { html in
                html.element("span", [("class", "mono")], finding.id)
                html.raw("<br>")
                html.element("span", [("class", "tag \(finding.severity.rawValue)")], finding.severity.rawValue)
                if let change = item.change { html.content(" \(change.title)") }
            }
            html.element("td") { writeSubject(finding, &$0) }
            html.element("td", [("class", "money")], amount(finding))
            html.element("td") { html in
                if let since = finding.since {
                    html.element("span", [("class", "t")], Wording.minute(since))
                    html.raw("<br>")
                    html.element("small", [("class", "soft")], Wording.age(report.asOf - since))
                } else {
                    html.content("–")
                }
                html.raw("<br>")
                html.element("small", [("class", "soft")]) { html in
                    html.content("first seen ")
                    html.element("span", [("class", "t")], Wording.minute(item.firstSeen))
                }
            }
            html.element("td") { writeStory(item, &$0) }
        }
    }

    private func writeSubject(_ finding: TallypostReconciliation.Finding, _ html: inout HTMLWriter) {
        if let subject = finding.subject { html.element("strong") { $0.foreign(subject) } }
        html.raw(finding.subject == nil ? "" : "<br>")
        html.foreign(finding.type)
        if let task = finding.taskID { html.content(", task T-\(task)") }
        guard let key = finding.idempotencyKey else { return }
        html.raw("<br>")
        html.element("small", [("class", "soft")]) { html in
            html.content("key ")
            html.foreign(key)
        }
    }

    private func writeStory(_ item: Break, _ html: inout HTMLWriter) {
        html.foreign(item.finding.detail)
        html.raw("<br>")
        html.element("small", [("class", "soft")]) { html in
            html.content("owner ")
            html.foreign(item.finding.owner.isEmpty ? "nobody" : item.finding.owner)
            html.content(" · \(item.state.title)")
            if item.state == .acknowledged, let by = item.by {
                html.content(" by ")
                html.foreign(by)
            }
            html.content(" · rule ")
            if report.rules.contains(where: { $0.name == item.finding.rule }) {
                html.element("a", [("href", "#" + HTMLWriter.anchor("rule", item.finding.rule))]) {
                    $0.foreign(item.finding.rule)
                }
            } else {
                html.foreign(item.finding.rule)
            }
        }
    }
}
