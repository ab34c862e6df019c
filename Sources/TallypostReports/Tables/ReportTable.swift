import TallypostCore
import TallypostReconciliation

/// A value of a table, with its type.
enum ReportCell: Sendable, Equatable {
    case empty
    /// What a person or an application wrote: never a number, a date or a formula.
    case text(String)
    case count(Int64)
    /// Minor units and digits behind the point.
    case amount(Int128, digits: Int)
    case time(Timestamp)
}

/// A column of a table.
struct ReportColumn: Sendable {
    /// In files that programs read.
    var name: String
    /// In sheets that people read.
    var title: String
    /// Of the sheet, in characters.
    var width: Double
    /// Whether its heading stands to the right.
    var isNumber: Bool { ["count", "amount", "rows", "age_hours"].contains(name) }

    init(_ name: String, _ title: String, _ width: Double = 14) {
        self.name = name
        self.title = title
        self.width = width
    }
}

/// A table of a report: written as CSV, as a sheet, and added up for the manifest. Rows are made when they are asked for.
struct ReportTable: Sendable {
    /// At the end of the file's name.
    var name: String
    /// The sheet's name.
    var title: String
    var columns: [ReportColumn]
    var count: Int
    var row: @Sendable (Int) -> [ReportCell]
    /// How many columns, from the left, are printed; nil: all. More than a page is wide would be too small to read.
    var printed: Int?
    /// The column by whose value the `amount` column is added up, beside `currency`; nil: nothing is added up.
    var group: String?

    init(_ name: String, _ title: String, group: String? = nil, _ columns: [ReportColumn], rows: [[ReportCell]]) {
        self.init(name, title, group: group, columns, count: rows.count) { rows[$0] }
    }

    init(
        _ name: String, _ title: String, group: String? = nil, _ columns: [ReportColumn], count: Int,
        row: @escaping @Sendable (Int) -> [ReportCell]
    ) {
        self.name = name
        self.title = title
        self.group = group
        self.columns = columns
        self.count = count
        self.row = row
    }

    /// Where a column stands.
    func index(_ name: String) -> Int? { columns.firstIndex { $0.name == name } }

    /// All of them, as the files and the sheets have them in order.
    static func all(of report: ReconciliationReport) -> [ReportTable] {
        [rollForward(report), bridges(report), ageing(report), breaks(report), rules(report), sources(report)]
    }

    static func rollForward(_ report: ReconciliationReport) -> ReportTable {
        let rows = report.rollForward.flatMap { line in
            line.lines.map { part in
                [
                    .text(line.series.type), currency(line.series.currency), .text(part.name), .text(part.title),
                    .text(part.effect.rawValue),
                ]
                    + cells(part.tally, line.series.currency, report)
            }
        }
        return ReportTable(
            "rollforward", "Roll-forward", group: "line",
            [
                ReportColumn("type", "Type", 24), ReportColumn("currency", "Currency", 10), ReportColumn("line", "Line", 14),
                ReportColumn("meaning", "Meaning", 27), ReportColumn("effect", "Effect", 11), ReportColumn("count", "Tasks", 12),
                ReportColumn("amount", "Amount", 22),
            ], rows: rows)
    }

    static func bridges(_ report: ReconciliationReport) -> ReportTable {
        let business = report.businessBridges.flatMap { bridge in
            bridge.lines.map { part in
                [
                    .text("business"), .text(bridge.rule), .empty, .text(bridge.type), currency(bridge.currency),
                    .text(part.name),
                    .text(part.title), .text(part.effect.rawValue),
                ] + cells(part.tally, bridge.currency, report)
            }
        }
        let receiver = report.receiverBridges.flatMap { bridge in
            bridge.lines.map { part in
                [
                    .text("receiver"), .text(bridge.source), .text(bridge.file), .empty, currency(bridge.currency),
                    .text(part.name), .text(part.title), .text(part.effect.rawValue),
                ] + cells(part.tally, bridge.currency, report)
            }
        }
        return ReportTable(
            "bridges", "Bridges", group: "line",
            [
                ReportColumn("bridge", "Bridge", 11), ReportColumn("name", "Rule or source", 24),
                ReportColumn("file", "File", 24),
                ReportColumn("type", "Type", 16), ReportColumn("currency", "Currency", 10), ReportColumn("line", "Line", 18),
                ReportColumn("meaning", "Meaning", 29),
                ReportColumn("effect", "Effect", 11), ReportColumn("count", "Rows", 12), ReportColumn("amount", "Amount", 22),
            ], rows: business + receiver)
    }

    static func ageing(_ report: ReconciliationReport) -> ReportTable {
        let rows = report.ageing.flatMap { line in
            zip(AgeingLine.fileNames, line.buckets).map { name, tally in
                [.text(line.series.type), currency(line.series.currency), .text(name)]
                    + cells(tally, line.series.currency, report)
            }
        }
        return ReportTable(
            "ageing", "Ageing", group: "age",
            [
                ReportColumn("type", "Type", 24), ReportColumn("currency", "Currency", 10), ReportColumn("age", "Age", 14),
                ReportColumn("count", "Open tasks", 12), ReportColumn("amount", "Amount", 22),
            ], rows: rows)
    }

    static func rules(_ report: ReconciliationReport) -> ReportTable {
        ReportTable(
            "rules", "Rules",
            [
                ReportColumn("rule", "Rule", 26), ReportColumn("owner", "Owner", 14),
                ReportColumn("sha256", "SHA-256 of the text", 34),
                ReportColumn("text", "Text", 56), ReportColumn("sql", "SQL that was run", 56),
            ],
            rows: report.rules.map { [.text($0.name), .text($0.owner), .text($0.hash), .text($0.text), .text($0.sql)] })
    }

    static func sources(_ report: ReconciliationReport) -> ReportTable {
        ReportTable(
            "sources", "Sources",
            [
                ReportColumn("source", "Source", 30), ReportColumn("logic", "What was asked", 80),
                ReportColumn("rows", "Rows read", 14),
            ],
            rows: report.sources.map { [.text($0.name), .text($0.logic), .count($0.rows)] })
    }

    static func currency(_ currency: String?) -> ReportCell { currency.map { .text($0) } ?? .empty }

    private static func cells(_ tally: Tally?, _ currency: String?, _ report: ReconciliationReport) -> [ReportCell] {
        guard let tally else { return [.empty, .empty] }
        return [.count(tally.count), currency == nil ? .empty : .amount(tally.amount, digits: report.digits(currency))]
    }
}

extension AgeingLine {
    /// The buckets' names in plain ASCII that Excel takes for no date, as `1-3` would be.
    static let fileNames = [
        "up to 1 h", "1 to 4 h", "4 to 24 h", "1 to 3 d", "3 to 7 d", "7 to 30 d", "30 to 90 d", "over 90 d",
    ]
}
