import TallypostCore
import TallypostReconciliation

/// The report on a terminal: fixed width, currencies side by side as far as they fit.
struct ReportText {
    private static let width = 120
    /// A terminal is no file: the rest is in the documents.
    private static let listedBreaks = 200
    private let report: ReconciliationReport
    private let revision: Int
    private var lines: [String] = []

    init(_ report: ReconciliationReport, revision: Int) {
        self.report = report
        self.revision = revision
    }

    func page() -> String {
        var text = self
        text.addHead()
        text.addRollForward()
        text.addBridges()
        text.addAgeing()
        text.addBreaks()
        text.addFoot()
        return text.lines.joined(separator: "\n") + "\n"
    }

    private mutating func add(_ line: String) {
        var line = Wording.line(line)
        while line.last == " " { line.removeLast() }
        lines.append(line)
    }

    private mutating func addHead() {
        let types = Set(report.rollForward.map(\.series.type)).sorted()
        let kind = types.isEmpty ? "all" : types.count > 3 ? "\(types.count) types" : types.joined(separator: ",")
        add(
            "TALLYPOST RECONCILIATION  \(kind)  \(report.period.label) \(report.period.zone)  r\(revision)  "
                + report.status.rawValue.uppercased() + (report.isProvisional ? "  PROVISIONAL" : ""))
        add("asof \(report.asOf.iso8601)  run \(report.run)  rules \(RulesHash.short(report))  \(report.database)")
        for sentence in VerdictText(report).sentences { add(sentence) }
    }

    private mutating func addRollForward() {
        guard !report.rollForward.isEmpty else {
            add("")
            add("ROLL-FORWARD  no task was open, came or went in this period")
            return
        }
        for type in Set(report.rollForward.map(\.series.type)).sorted() {
            let lines = report.rollForward.filter { $0.series.type == type }
            addStatement("ROLL-FORWARD \(type)", lines.map { ($0.series.currency, $0.lines) })
        }
    }

    private mutating func addBridges() {
        for rule in unique(report.businessBridges.map(\.rule)) {
            let bridges = report.businessBridges.filter { $0.rule == rule }
            addStatement("BUSINESS \(rule)", bridges.map { ($0.currency, $0.lines) })
        }
        for key in unique(report.receiverBridges.map { "\($0.source) \($0.file)" }) {
            let bridges = report.receiverBridges.filter { "\($0.source) \($0.file)" == key }
            addStatement("RECEIVER \(key)", bridges.map { ($0.currency, $0.lines) })
        }
    }

    /// Lines down, currencies across: as many side by side as the width has room for, the rest below.
    private mutating func addStatement(_ title: String, _ parts: [(currency: String?, lines: [ReportLine])]) {
        guard let first = parts.first?.lines else { return }
        // Lines that say nothing are left out, but for what a reader looks for.
        let shown = first.indices.filter { index in
            ["opening", "created", "completed", "closing", "expected", "tasks", "ours", "theirs", "residual"].contains(
                first[index].name)
                || parts.contains { $0.lines[index].tally.map { !$0.isZero } ?? false }
                || (first[index].name == "check" && parts.contains { $0.lines[index].tally != nil })
        }
        let labels = shown.map {
            first[$0].effect.sign.isEmpty ? "    \(first[$0].title)" : "\(first[$0].effect.sign) \(first[$0].title)"
        }
        let labelWidth = max(32, labels.map(\.count).max() ?? 0)
        var rest = parts.map { part in
            let currency = part.currency
            var counts = [currency.map { $0 + " n" } ?? "n"]
            var amounts = [currency ?? ""]
            for index in shown {
                let tally = part.lines[index].tally
                counts.append(tally.map { AmountText.grouped(Int128($0.count), digits: 0) } ?? "-")
                amounts.append(tally.map { report.grouped($0.amount, currency) } ?? "-")
            }
            return Self.column(counts, least: 9) + (currency == nil ? [] : Self.column(amounts, least: 15))
        }
        add("")
        // A long title has a line to itself.
        if title.count > labelWidth { add(title) }
        while !rest.isEmpty {
            var columns = [Self.left([title.count > labelWidth ? "" : title] + labels, labelWidth)]
            var width = labelWidth
            repeat {
                let next = rest.removeFirst()
                columns += next
                width += next.map { ($0.first?.count ?? 0) + 1 }.reduce(0, +)
            } while rest.first.map { width + $0.map { ($0.first?.count ?? 0) + 1 }.reduce(0, +) <= Self.width } ?? false
            for row in 0...shown.count { add(columns.map { $0[row] }.joined(separator: " ")) }
        }
    }

    /// One column, to the right; in a list of one, so that columns add up.
    private static func column(_ cells: [String], least: Int) -> [[String]] {
        let width = max(least, cells.map(\.count).max() ?? 0)
        return [cells.map { String(repeating: " ", count: width - $0.count) + $0 }]
    }

    private static func left(_ cells: [String], _ width: Int) -> [String] {
        cells.map { $0 + String(repeating: " ", count: max(0, width - $0.count)) }
    }

    private mutating func addAgeing() {
        add("")
        guard report.ageing.contains(where: { $0.buckets.contains { !$0.isZero } }) else {
            add("AGEING  no task is open")
            return
        }
        for line in report.ageing {
            let parts = zip(AgeingLine.names, line.buckets).filter { !$0.1.isZero }.map { name, tally in
                let amount = report.grouped(tally.amount, line.series.currency)
                return "\(name.replacing(" ", with: "")) \(tally.count)" + (amount.isEmpty ? "" : "/\(amount)")
            }
            guard !parts.isEmpty else { continue }
            add("AGEING \(line.series.type) \(line.series.currency ?? "")  " + parts.joined(separator: "  "))
        }
    }

    private mutating func addBreaks() {
        add("")
        let counting = report.counting
        let changes = BreakChange.allCases.compactMap { change -> String? in
            let count = report.breaks.count { $0.change == change }
            return count > 0 ? "\(change.rawValue) \(count)" : nil
        }
        add("BREAKS \(counting.count)" + (changes.isEmpty ? "" : "  (" + changes.joined(separator: ", ") + ")"))
        for item in counting.prefix(Self.listedBreaks) { add(item) }
        let rest = max(0, counting.count - Self.listedBreaks) + report.breaksNotListed
        if rest > 0 { add("… and \(Wording.count(rest, "more", "more")): see the CSV or the workbook") }
    }

    private mutating func add(_ item: Break) {
        let finding = item.finding
        var words = [finding.id, finding.severity.rawValue, finding.kind.rawValue]
        words.append(finding.subject ?? finding.idempotencyKey ?? finding.taskID.map { "T-\($0)" } ?? finding.type)
        if let amount = finding.amountMinor, let currency = finding.currency {
            words.append(report.money(Int128(amount), currency))
        }
        if let since = finding.since { words.append("since \(Wording.minute(since))") }
        words.append(finding.owner.isEmpty ? "no owner" : "owner \(finding.owner)")
        if item.state == .acknowledged { words.append("acknowledged by \(item.by ?? "?")") }
        if let change = item.change { words.append(change.rawValue.uppercased()) }
        add(words.joined(separator: "  "))
        add("    \(finding.detail)")
    }

    private mutating func addFoot() {
        add("")
        let names = ["preparer", "reviewer"].map { role in
            let signOff = report.signOffs.first { $0.role == role }
            return "\(role == "preparer" ? "Prepared" : "Reviewed") \(signOff?.by ?? "____________________")"
        }
        add(names.joined(separator: "  ") + "  manifest sha256 ________________")
    }

    private func unique(_ items: [String]) -> [String] {
        var seen: Set<String> = []
        return items.filter { seen.insert($0).inserted }
    }
}

/// One hash for all rules in force.
enum RulesHash {
    static func full(_ report: ReconciliationReport) -> String {
        Digest.hex(Digest.sha256(Array(report.rules.map { "\($0.name)=\($0.hash)" }.sorted().joined(separator: "\n").utf8)))
    }
    static func short(_ report: ReconciliationReport) -> String { report.rules.isEmpty ? "none" : String(full(report).prefix(7)) }
}
