import TallypostCore
import TallypostReconciliation

/// The report as a page: self-contained, without a script, for the screen and for paper.
struct HTMLReport {
    /// More than these are in the table and the workbook.
    static let listedBreaks = 2_000

    let documents: ReportDocuments
    let report: ReconciliationReport
    let counting: [BreakGroup]
    /// Those that were resolved, or went by themselves.
    let closed: [Break]

    init(_ documents: ReportDocuments) {
        self.documents = documents
        report = documents.report
        counting = BreakGroup.all(of: documents.report)
        closed = documents.report.breaks.filter { !$0.counts }
    }

    func page() -> String {
        var html = HTMLWriter()
        let style = "'sha256-\(Base64.encode(Digest.sha256(Array(HTMLStyle.sheet.utf8))))'"
        html.raw("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
        html.raw(
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src \(style); base-uri 'none'; form-action 'none'\">"
        )
        html.raw(
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"referrer\" content=\"no-referrer\">"
        )
        html.element("title", [], documents.name.stem)
        html.raw("<style>\(HTMLStyle.sheet)</style></head>\n<body><main>")
        writeCover(&html)
        section("breaks", "Breaks by class", &html, writeClasses)
        section("details", "Breaks in detail", &html, writeDetails)
        section("acknowledged", "Acknowledged", &html, writeAcknowledged)
        section("rollforward", "Roll-forward", &html, writeRollForward)
        section("business", "Business bridges", &html, writeBusiness)
        section("receiver", "Receiver bridges", &html, writeReceiver)
        section("ageing", "Ageing of what is open", &html, writeAgeing)
        section("flow", "Flow", &html, writeCharts)
        section("closed", "Resolved and cleared", &html, writeClosed)
        section("sources", "Where the figures come from", &html, writeSources)
        section("rules", "Parameters and rules", &html, writeRules)
        section("signoff", "Sign-off", &html, writeSignOff)
        html.raw("</main></body></html>\n")
        return html.text
    }

    private func section(_ id: StaticString, _ title: String, _ html: inout HTMLWriter, _ body: (inout HTMLWriter) -> Void) {
        html.raw("\n")
        html.element("section", [("id", "\(id)"), ("aria-labelledby", "\(id)-h")]) { html in
            html.element("h2", [("id", "\(id)-h")], title)
            body(&html)
        }
    }

    private func writeCover(_ html: inout HTMLWriter) {
        let verdict = VerdictText(report)
        html.element("header") { html in
            html.element("h1") { html in
                html.content("Reconciliation ")
                html.foreign(report.period.label)
            }
            html.element("p", [("class", "soft")]) { html in
                html.foreign(documents.environment)
                html.content(" · ")
                html.foreign(report.database)
                html.content(" · revision \(documents.revision)")
                if report.isProvisional { html.content(" · provisional: the period has not ended, its figures will grow") }
            }
            html.element("div", [("class", "verdict \(report.status.rawValue)")]) { html in
                html.element("strong", [], "\(report.status.rawValue.uppercased()). \(verdict.headline)")
                if !report.incompleteBecause.isEmpty {
                    html.element("p", [], "Why it is not complete:")
                    html.element("ul") { html in for reason in report.incompleteBecause { html.element("li", [], reason) } }
                }
                for fact in verdict.facts { html.element("p", [], fact) }
            }
        }
        html.element("dl") { html in
            for (name, value) in coverFacts {
                html.element("dt", [], name)
                html.element("dd") { $0.foreign(value) }
            }
        }
        html.element("nav", [("aria-label", "Sections")]) { html in
            html.element("ul") { html in
                for (id, title) in [
                    ("breaks", "Breaks"), ("details", "Details"), ("acknowledged", "Acknowledged"),
                    ("rollforward", "Roll-forward"), ("business", "Business bridges"), ("receiver", "Receiver bridges"),
                    ("ageing", "Ageing"), ("flow", "Flow"), ("closed", "Resolved"), ("sources", "Sources"), ("rules", "Rules"),
                    ("signoff", "Sign-off"),
                ] {
                    html.element("li") { $0.element("a", [("href", "#\(id)")], title) }
                }
            }
        }
    }

    private var coverFacts: [(String, String)] {
        let period = report.period
        var facts = [
            ("Period", "\(period.label), days of \(period.zone)"),
            ("From, to", "\(Wording.time(period.from)), up to but without \(Wording.time(period.to))"),
            ("As of", Wording.time(report.asOf)),
            ("Run", report.run == 0 ? "not recorded" : "\(report.run)"),
            ("Rules in force", "\(report.rules.count), SHA-256 \(RulesHash.full(report))"),
            ("Program", "tallypost \(report.version)"),
        ]
        if let superseded = documents.name.superseded { facts.append(("Supersedes", superseded)) }
        return facts
    }

    private func writeSources(_ html: inout HTMLWriter) {
        guard !report.sources.isEmpty else { return html.element("p", [], "No source was read.") }
        html.element("div", [("class", "scroll")]) { html in
            html.element("table") { html in
                Self.head(["Source", "What was asked"], numbers: ["Rows read"], &html)
                html.element("tbody") { html in
                    for source in report.sources {
                        html.element("tr") { html in
                            html.element("th", [("scope", "row")]) { $0.foreign(source.name) }
                            html.element("td") { $0.foreign(source.logic) }
                            html.element("td", [("class", "n")], AmountText.grouped(Int128(source.rows), digits: 0))
                        }
                    }
                }
            }
        }
    }

    private func writeCharts(_ html: inout HTMLWriter) {
        FlowChart(days: report.flow).write(&html)
        HistoryChart(runs: report.history).write(&html)
    }

    private func writeRules(_ html: inout HTMLWriter) {
        html.element("h3", [], "Parameters")
        if report.parameters.isEmpty { html.element("p", [], "Every parameter has its default.") }
        html.element("dl") { html in
            for parameter in report.parameters {
                html.element("dt") { $0.foreign(parameter.name) }
                html.element("dd") { $0.foreign(parameter.value) }
            }
        }
        if report.rules.isEmpty { html.element("p", [], "No rule is in force: business rows were compared with nothing.") }
        for rule in report.rules {
            html.element("h3", [("id", HTMLWriter.anchor("rule", rule.name))]) { html in
                html.content("Rule ")
                html.foreign(rule.name)
            }
            html.element("p", [("class", "soft")]) { html in
                html.content("Owner ")
                html.foreign(rule.owner.isEmpty ? "nobody" : rule.owner)
                html.content(", SHA-256 \(rule.hash)")
            }
            html.element("pre") { $0.foreign(rule.text) }
            guard rule.sql != rule.text, !rule.sql.isEmpty else { continue }
            html.element("p", [], "The SQL that was run:")
            html.element("pre") { $0.foreign(rule.sql) }
        }
    }

    private func writeSignOff(_ html: inout HTMLWriter) {
        html.element(
            "p", [], "Who prepared this report and who reviewed it are two people. Their names bind the manifest's hash.")
        html.element("table", [("class", "sign")]) { html in
            Self.head(["Role", "Name", "Date", "Signature"], &html)
            html.element("tbody") { html in
                for (role, title) in [("preparer", "Prepared by"), ("reviewer", "Reviewed by")] {
                    let signOff = report.signOffs.first { $0.role == role }
                    html.element("tr") { html in
                        html.element("th", [("scope", "row")], title)
                        html.element("td") { $0.foreign(signOff?.by ?? "") }
                        html.element("td", [], signOff.map { Wording.time($0.at) } ?? "")
                        html.element("td") { $0.foreign(signOff?.note ?? "") }
                    }
                }
                html.element("tr") { html in
                    html.element("th", [("scope", "row")], "Manifest SHA-256")
                    html.raw("<td colspan=\"3\"></td>")
                }
            }
        }
    }

    /// A table's head: columns of text, then columns of numbers.
    static func head(_ texts: [String], numbers: [String] = [], classes: [String] = [], _ html: inout HTMLWriter) {
        html.element("thead") { html in
            html.element("tr") { html in
                for (index, text) in texts.enumerated() {
                    html.element("th", [("scope", "col")] + (index < classes.count ? [("class", classes[index])] : []), text)
                }
                for number in numbers { html.element("th", [("scope", "col"), ("class", "n")], number) }
            }
        }
    }
}
