/// One thing that is wrong with a configuration: where, what, and what mends it.
struct ConfigurationProblem: Error, Sendable, Equatable, CustomStringConvertible {
    /// The file; nil for what came by the command line.
    var file: String?
    /// From 1; nil where it cannot be had.
    var line: Int?
    /// `routes.send-receipt.timeoutSeconds`; empty for the whole.
    var path: String
    /// What is wrong, and the mend. No secret in it.
    var message: String

    var description: String {
        var place = file ?? ""
        if let line { place += ":\(line)" }
        return [place, path, message].filter { !$0.isEmpty }.joined(separator: ": ")
    }
}

/// All that is wrong with a configuration, in the order of the text.
struct ConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    /// At least one.
    var problems: [ConfigurationProblem]

    var description: String { problems.map(\.description).joined(separator: "\n") }
}
