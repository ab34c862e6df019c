/// SQL that can be read as SQL: a file of statements, each after a line `-- name: claim_batch`.
///
/// Both engines hold the same names. Text before the first name (a heading, say) is left out.
public struct StatementFile: Sendable {
    /// Name to SQL, comments included.
    public let statements: [String: String]

    /// - Parameter bytes: the file, in UTF-8. Two statements of one name are a defect and trap.
    public init(_ bytes: [UInt8]) {
        var found: [String: String] = [:]
        var name: String?
        var lines: [Substring] = []
        func finish() {
            guard let name else { return }
            precondition(found[name] == nil, "two statements are named \(name)")
            found[name] = lines.joined(separator: "\n")
        }
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false) {
            let marker = "-- name: "
            if line.hasPrefix(marker) {
                finish()
                name = String(line.dropFirst(marker.count))
                lines = []
            } else {
                lines.append(line)
            }
        }
        finish()
        statements = found
    }

    /// The SQL of that name. A name that is not there is a defect and traps.
    public subscript(_ name: String) -> String {
        guard let sql = statements[name] else { preconditionFailure("no statement is named \(name)") }
        return sql
    }
}
