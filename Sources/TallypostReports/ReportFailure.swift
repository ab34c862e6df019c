/// Why a report could not be made, written or read, for a person.
package struct ReportFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// What is wrong; it names the file or the value.
    package var message: String
    /// What mends it.
    package var mend: String?

    /// Memberwise.
    package init(_ message: String, mend: String? = nil) {
        self.message = message
        self.mend = mend
    }

    /// Both in one line.
    package var description: String { message + (mend.map { ": " + $0 } ?? "") }
}
