/// What is wrong with a rule's file, for a person.
package struct RuleProblem: Sendable, Equatable, CustomStringConvertible {
    /// The file, as it was named.
    package var file: String
    /// From 1; nil: it concerns the whole file.
    package var line: Int?
    /// What is wrong.
    package var what: String
    /// What mends it.
    package var mend: String

    /// Memberwise.
    package init(file: String, line: Int?, what: String, mend: String) {
        self.file = file
        self.line = line
        self.what = what
        self.mend = mend
    }

    /// `rules/x.sql:3: what; mend`.
    package var description: String { "\(file):\(line.map { "\($0):" } ?? "") \(what); \(mend)" }
}

/// All that is wrong with a folder of rules, at once.
package struct RuleProblems: Error, Sendable, Equatable, CustomStringConvertible {
    /// By file and line.
    package var problems: [RuleProblem]

    /// Memberwise.
    package init(_ problems: [RuleProblem]) { self.problems = problems }

    /// A line each.
    package var description: String { problems.map(\.description).joined(separator: "\n") }
}
