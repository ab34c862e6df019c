package import TallypostReconciliation

/// All documents of one report. Nothing is computed again here: every figure is the report's.
package struct ReportDocuments: Sendable {
    /// What is told.
    package let report: ReconciliationReport
    /// Which installation it is of: `prod`.
    package let environment: String
    /// 1, 2, …: of the same period.
    package let revision: Int
    /// How its files are called.
    package let name: ReportName

    /// - Parameters:
    ///   - environment: stands in the files' names.
    ///   - revision: from 1.
    package init(_ report: ReconciliationReport, environment: String, revision: Int) {
        self.report = report
        self.environment = environment
        self.revision = revision
        name = ReportName(
            environment: environment, types: Set(report.rollForward.map(\.series.type)), label: report.period.label,
            zone: report.period.zone, revision: revision)
    }

    /// The documents, not the manifest.
    ///
    /// - Throws: when the workbook, which is made by way of a temporary file, cannot be.
    package func files() throws(ReportFailure) -> [ReportFile] {
        let tables = ReportTable.all(of: report)
        let breaks = report.breaks.count
        var files = [
            ReportFile(name: name.stem + ".html", bytes: Array(html().utf8), rows: min(breaks, HTMLReport.listedBreaks)),
            ReportFile(name: name.stem + ".xlsx", bytes: try ReportWorkbook(self, tables).bytes(), rows: breaks),
            ReportFile(name: name.stem + ".json", bytes: Array(json().utf8), rows: ReportJSON.rows(report)),
            ReportFile(name: name.stem + ".txt", bytes: Array(text().utf8), rows: report.breaks.count { $0.counts }),
        ]
        for table in tables {
            files.append(ReportFile(name: name.stem + "_\(table.name).csv", bytes: CSVWriter.bytes(table), rows: table.count))
        }
        return files
    }

    /// The page: self-contained, for a browser and for printing.
    package func html() -> String { HTMLReport(self).page() }

    /// What a terminal shows.
    package func text() -> String { ReportText(report, revision: revision).page() }

    /// What `reconcile --json` prints.
    package func json() -> String { ReportJSON(report, environment: environment, revision: revision).text() }
}
