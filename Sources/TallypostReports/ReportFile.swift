/// A file of a report, made and not yet written.
package struct ReportFile: Sendable, Equatable {
    /// Its name without a directory.
    package var name: String
    /// What is in it.
    package var bytes: [UInt8]
    /// Rows of data in it, headings not counted.
    package var rows: Int

    /// Memberwise.
    package init(name: String, bytes: [UInt8], rows: Int) {
        self.name = name
        self.bytes = bytes
        self.rows = rows
    }
}
