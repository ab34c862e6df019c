import TallypostCore
import TallypostReconciliation

/// How old the open tasks of one type and currency are: a bar for each bucket.
struct AgeingChart {
    let line: AgeingLine
    let report: ReconciliationReport

    func write(_ html: inout HTMLWriter) {
        let (labelWidth, barWidth, height) = (80.0, 380.0, 22.0)
        let currency = line.series.currency
        let values = line.buckets.map { currency == nil ? Double($0.count) : Double($0.amount.magnitude) }
        let most = values.max() ?? 0
        let words = zip(AgeingLine.names, line.buckets).filter { !$0.1.isZero }.map { "\($0): \(label($1))" }
        Chart(
            title: line.series.type + (currency.map { ", \($0)" } ?? ""),
            note: currency == nil ? "Length of a bar: number of tasks" : "Length of a bar: amount",
            words: words.joined(separator: "; "), height: height * Double(values.count) + 4
        ).write(&html) { html in
            for (index, value) in values.enumerated() {
                let y = Double(index) * height
                Chart.text(AgeingLine.names[index], x: labelWidth - 8, y: y + 15, anchor: "end", &html)
                let length = most > 0 ? max(value / most * barWidth, value > 0 ? 2 : 0) : 0
                Chart.bar(x: labelWidth, y: y + 3, width: length, height: height - 6, index < 5 ? "fa" : "fb", &html)
                let tally = line.buckets[index]
                guard !tally.isZero else { continue }
                Chart.text(label(tally), x: labelWidth + length + 6, y: y + 15, anchor: "start", &html)
            }
        }
    }

    private func label(_ tally: Tally) -> String {
        let amount = line.series.currency.map { " · " + report.money(tally.amount, $0) } ?? ""
        return Wording.count(tally.count, "task") + amount
    }
}

/// What came and what was settled, day by day.
struct FlowChart {
    let days: [ReconciliationReport.FlowDay]

    func write(_ html: inout HTMLWriter) {
        guard !days.isEmpty else { return html.element("p", [], "There is no day with movements to draw.") }
        let shown = days.suffix(62)
        let created = shown.map(\.created).reduce(0, +)
        let settled = shown.map { $0.completed + $0.cancelled }.reduce(0, +)
        let columns = shown.map { day in
            ColumnChart.Column(
                label: String(day.day.suffix(5)), bars: [[Double(day.created)], [Double(day.completed), Double(day.cancelled)]])
        }
        ColumnChart(
            title: "Created and settled tasks by day",
            note: "From \(shown.first?.day ?? "") to \(shown.last?.day ?? "")"
                + (days.count > shown.count ? ", the last \(shown.count) of \(days.count) days" : ""),
            words:
                "\(Wording.count(created, "task")) created and \(Wording.count(settled, "task")) settled in \(Wording.count(shown.count, "day")).",
            legend: [("fa", "created"), ("fb", "completed"), ("f0", "cancelled")], styles: [["fa"], ["fb", "f0"]],
            columns: Array(columns)
        ).write(&html)
    }
}

/// Breaks by severity, run by run.
struct HistoryChart {
    let runs: [ReconciliationReport.BreakCount]

    func write(_ html: inout HTMLWriter) {
        guard !runs.isEmpty else { return html.element("p", [], "There is no earlier run to compare the number of breaks with.") }
        let shown = runs.suffix(62)
        let columns = shown.map { run in
            ColumnChart.Column(
                label: shown.count > 1 && daySpan(shown)
                    ? String(run.asOf.iso8601.dropFirst(5).prefix(5)) : Wording.minute(run.asOf).suffix(5).description,
                bars: [Severity.allCases.map { Double(run.bySeverity[$0] ?? 0) }])
        }
        let last = shown.last.map { run in
            Severity.allCases.reversed().map { "\(run.bySeverity[$0] ?? 0) \($0.rawValue)" }.joined(separator: ", ")
        }
        ColumnChart(
            title: "Breaks at each run, by severity",
            note: "From \(shown.first.map { Wording.time($0.asOf) } ?? "") to \(shown.last.map { Wording.time($0.asOf) } ?? "")"
                + (runs.count > shown.count ? ", the last \(shown.count) of \(runs.count) runs" : ""),
            words: "At the last run: \(last ?? "none").",
            legend: Severity.allCases.enumerated().reversed().map { ("f\($0.offset)", $0.element.rawValue) },
            styles: [["f0", "f1", "f2", "f3"]], columns: Array(columns)
        ).write(&html)
    }

    /// Whether the runs lie on more than two days.
    private func daySpan(_ runs: ArraySlice<ReconciliationReport.BreakCount>) -> Bool {
        guard let first = runs.first, let last = runs.last else { return false }
        return last.asOf - first.asOf > .hours(48)
    }
}

/// Columns over a line: each with bars beside each other, each bar with parts above each other.
struct ColumnChart {
    struct Column {
        var label: String
        var bars: [[Double]]
    }

    let title: String
    let note: String
    let words: String
    let legend: [(style: String, name: String)]
    /// Of the parts of the bars.
    let styles: [[String]]
    let columns: [Column]

    private static let (left, top, width, height) = (56.0, 28.0, 650.0, 150.0)

    func write(_ html: inout HTMLWriter) {
        let (left, top, height) = (Self.left, Self.top, Self.height)
        let most = columns.flatMap { $0.bars.map { $0.reduce(0, +) } }.max() ?? 0
        let scale = Self.ceiling(most)
        Chart(title: title, note: note, words: words, height: top + height + 26).write(&html) { html in
            var x = left
            for (style, name) in legend {
                Chart.bar(x: x, y: 4, width: 12, height: 12, style, &html)
                Chart.text(name, x: x + 17, y: 14, anchor: "start", &html)
                x += 40 + Double(name.count) * 7
            }
            for step in 0...4 where scale >= 4 || step % 4 == 0 {
                let y = top + height * (1 - Double(step) / 4)
                Chart.line(x1: left, y1: y, x2: left + Self.width, y2: y, &html)
                let value = Int128(scale * Double(step) / 4)
                Chart.text(AmountText.grouped(value, digits: 0), x: left - 6, y: y + 4, anchor: "end", quiet: true, &html)
            }
            writeColumns(scale, &html)
        }
    }

    private func writeColumns(_ scale: Double, _ html: inout HTMLWriter) {
        let (left, top, height) = (Self.left, Self.top, Self.height)
        let room = Self.width / Double(columns.count)
        // One column alone would be a wall.
        let wide = min(room * 0.8, 44)
        // A label needs about 40 units.
        let every = max(1, Int((44 / room).rounded(.up)))
        for (index, column) in columns.enumerated() {
            let start = left + room * (Double(index) + 0.5) - wide / 2
            let barWidth = wide / Double(column.bars.count)
            for (number, bar) in column.bars.enumerated() {
                var y = top + height
                for (part, value) in bar.enumerated() where value > 0 {
                    let tall = max(value / scale * height, 1)
                    y -= tall
                    Chart.bar(
                        x: start + barWidth * Double(number), y: y, width: max(barWidth - 1, 1), height: tall,
                        styles[number][part], &html)
                }
            }
            guard index % every == 0 else { continue }
            Chart.text(
                column.label, x: left + room * (Double(index) + 0.5), y: top + height + 17, anchor: "middle", quiet: true, &html)
        }
    }

    /// The next of 4, 8, 20, 40, 80, 200 …: four whole steps up to it.
    private static func ceiling(_ most: Double) -> Double {
        var power = 1.0
        while true {
            for step in [4.0, 8, 12, 20] where step * power >= most { return step * power }
            power *= 10
        }
    }
}

/// A figure with a drawing in it, and the same in words for who cannot see it.
struct Chart {
    let title: String
    let note: String
    let words: String
    let height: Double

    func write(_ html: inout HTMLWriter, _ body: (inout HTMLWriter) -> Void) {
        html.element("figure") { html in
            html.element("figcaption") { html in
                html.foreign(title)
                html.element("small", [("class", "soft")], note)
            }
            let attributes = [
                ("role", "img"), ("viewBox", "0 0 720 \(Self.short(height))"), ("width", "720"), ("height", Self.short(height)),
                ("aria-label", "\(title). \(words)"),
            ]
            html.element("svg", attributes) { html in
                html.element("title", [], "\(title). \(words)")
                body(&html)
            }
        }
    }

    static func bar(x: Double, y: Double, width: Double, height: Double, _ style: String, _ html: inout HTMLWriter) {
        guard width > 0, height > 0 else { return }
        html.open(
            "rect", [("x", short(x)), ("y", short(y)), ("width", short(width)), ("height", short(height)), ("class", style)])
        html.raw("</rect>")
    }

    static func line(x1: Double, y1: Double, x2: Double, y2: Double, _ html: inout HTMLWriter) {
        html.open("line", [("x1", short(x1)), ("y1", short(y1)), ("x2", short(x2)), ("y2", short(y2)), ("class", "axis")])
        html.raw("</line>")
    }

    static func text(_ text: String, x: Double, y: Double, anchor: String, quiet: Bool = false, _ html: inout HTMLWriter) {
        html.element(
            "text", [("x", short(x)), ("y", short(y)), ("text-anchor", anchor)] + (quiet ? [("class", "quiet")] : []), text)
    }

    /// Two digits behind the point are finer than any screen.
    static func short(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded())
        return hundredths % 100 == 0 ? "\(hundredths / 100)" : AmountText.plain(Int128(hundredths), digits: 2)
    }
}
