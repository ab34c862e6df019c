import TallypostCore
import TallypostReconciliation

/// The report as a workbook: a summary, and a sheet for each table.
struct ReportWorkbook {
    private let documents: ReportDocuments
    private let tables: [ReportTable]
    /// Rows of data on one sheet; tests take fewer.
    private let rowsPerSheet: Int

    init(_ documents: ReportDocuments, _ tables: [ReportTable], rowsPerSheet: Int = Workbook.mostRows - 1) {
        self.documents = documents
        self.tables = tables
        self.rowsPerSheet = rowsPerSheet
    }

    func bytes() throws(ReportFailure) -> [UInt8] {
        let workbook = try Workbook()
        workbook.setProperties(title: documents.name.stem, created: documents.report.asOf)
        try writeSummary(workbook)
        for table in tables { try write(table, workbook) }
        return try workbook.bytes()
    }

    private func write(_ table: ReportTable, _ workbook: Workbook) throws(ReportFailure) {
        let parts = max(1, (table.count + rowsPerSheet - 1) / rowsPerSheet)
        for part in 0..<parts {
            let sheet = try workbook.sheet(part == 0 ? table.title : "\(table.title) \(part + 1)")
            sheet.setUp(widths: table.columns.map(\.width), headingRow: 0, printed: table.printed, footer: documents.name.stem)
            sheet.setHeight(row: 0, lines: 1, points: 20)
            for (column, heading) in table.columns.enumerated() {
                sheet.write(heading.title, row: 0, column: column, heading.isNumber ? .numberHeading : .heading)
            }
            let rows = part * rowsPerSheet..<min((part + 1) * rowsPerSheet, table.count)
            for (row, index) in rows.enumerated() {
                let cells = table.row(index)
                let lines = zip(cells, table.columns).map { cell, column in
                    if Self.wraps(column), case .text(let text) = cell { Workbook.lines(text, width: column.width) } else { 1 }
                }
                sheet.setHeight(row: row + 1, lines: lines.max() ?? 1)
                for (column, cell) in cells.enumerated() {
                    sheet.write(cell, row: row + 1, column: column, wraps: Self.wraps(table.columns[column]))
                }
            }
            if rows.isEmpty { sheet.write("There is nothing here in this period.", row: 1, column: 0, .note) }
            sheet.setFilter(lastRow: max(rows.count, 1), columns: table.columns.count)
        }
    }

    private static func wraps(_ column: ReportColumn) -> Bool { column.width >= 30 }

    private func writeSummary(_ workbook: Workbook) throws(ReportFailure) {
        let report = documents.report
        let sheet = try workbook.sheet("Summary")
        let widths = [38.0, 20, 24, 70]
        sheet.setUp(widths: widths, headingRow: nil, footer: documents.name.stem)
        sheet.write("Reconciliation \(report.period.label): \(report.status.rawValue.uppercased())", row: 0, column: 0, .title)
        var row = 1
        for sentence in VerdictText(report).sentences {
            sheet.write(sentence, row: row, across: widths.count, characters: widths.reduce(0, +))
            row += 1
        }
        row += 1
        for (name, value) in facts {
            sheet.write(name, row: row, column: 0, .plain)
            sheet.write(value, row: row, column: 1)
            row += 1
        }
        row += 1
        for (column, heading) in ["Breaks that count", "Severity", "Money in question", "What to do"].enumerated() {
            sheet.write(heading, row: row, column: column, .heading)
        }
        row += 1
        for group in BreakGroup.all(of: report) {
            let amounts = group.money.isEmpty ? [nil] : group.money.map { Optional($0) }
            for (index, money) in amounts.enumerated() {
                if index == 0 {
                    sheet.setHeight(
                        row: row,
                        lines: max(
                            Workbook.lines(group.kind.advice, width: widths[3]), Workbook.lines(group.kind.title, width: 34)))
                    sheet.write("\(group.kind.title) (\(group.breaks.count))", row: row, column: 0, .wrapped)
                    sheet.write(group.worst.rawValue, row: row, column: 1, .plain)
                    sheet.write(group.kind.advice, row: row, column: 3, .wrapped)
                }
                if let money { sheet.write(report.money(money.amount, money.currency), row: row, column: 2, .plain) }
                row += 1
            }
        }
        if BreakGroup.all(of: report).isEmpty { sheet.write("None.", row: row, column: 0, .note) }
        row += 2
        sheet.write(
            "Times are UTC. An amount of more than 15 digits stands as text, since Excel would round it.", row: row, column: 0,
            .note)
    }

    private var facts: [(String, ReportCell)] {
        let report = documents.report
        let base: [(String, ReportCell)] = [
            ("Environment", .text(documents.environment)), ("Database", .text(report.database)),
            ("Period", .text(report.period.label)), ("Zone", .text(report.period.zone)),
            ("From (UTC)", .time(report.period.from)),
            ("To, not included (UTC)", .time(report.period.to)), ("As of (UTC)", .time(report.asOf)),
            ("Run", .text("\(report.run)")),
            ("Revision", .text("\(documents.revision)")), ("Supersedes", documents.name.superseded.map { .text($0) } ?? .empty),
            ("Provisional", .text(report.isProvisional ? "yes: the period has not ended" : "no")),
            ("Program", .text("tallypost \(report.version)")), ("Rules, SHA-256", .text(RulesHash.full(report))),
        ]
        return base + report.parameters.map { ("Parameter \($0.name)", .text($0.value)) }
    }
}

/// Breaks of one class that count, as the summaries tell them.
struct BreakGroup {
    var kind: FindingClass
    var breaks: [Break]
    var worst: Severity
    var money: [(currency: String, amount: Int128)]

    /// The worst class first.
    static func all(of report: ReconciliationReport) -> [BreakGroup] { groups(report.counting, report) }

    static func groups(_ breaks: [Break], _ report: ReconciliationReport) -> [BreakGroup] {
        Dictionary(grouping: breaks, by: \.finding.kind).map { kind, breaks in
            BreakGroup(
                kind: kind, breaks: breaks, worst: breaks.map(\.finding.severity).max() ?? .low,
                money: report.moneyInQuestion(breaks))
        }.sorted { ($1.worst, $0.kind) < ($0.worst, $1.kind) }
    }
}
