import TallypostCore
import FoundationEssentials

/// The rules of a folder: each `NAME.sql` in it. `NAME.test.sql` are their fixtures, other files are left alone.
package struct RuleBook: Sendable {
    /// By name.
    package private(set) var rules: [Rule] = []

    /// No rule at all.
    package init() {}

    /// Whose the tasks of a type are, as far as its rules agree; empty: nobody is named, or several are.
    package func owner(of type: String) -> String {
        let owners = Set(rules.filter { $0.type == type && !$0.owner.isEmpty }.map(\.owner))
        return owners.count == 1 ? owners.first ?? "" : ""
    }

    /// Reads a folder's rules; all that is wrong in all of its files is told at once.
    package init(load folder: String) throws(RuleProblems) {
        let names: [String]
        do { names = try FileManager.default.contentsOfDirectory(atPath: folder) } catch {
            throw RuleProblems([
                RuleProblem(
                    file: folder, line: nil, what: "the folder of rules cannot be read",
                    mend: "look at its name and at who may read it")
            ])
        }
        var problems: [RuleProblem] = []
        var files: [(name: String, text: String)] = []
        for name in names.sorted() where name.hasSuffix(".sql") && !name.hasSuffix(".test.sql") && !name.hasPrefix(".") {
            let path = folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
            do throws(RuleProblems) { files.append((path, try Self.read(path))) } catch { problems += error.problems }
        }
        try self.init(files: files, problems)
    }

    /// Rules of texts that were read already.
    package init(files: [(name: String, text: String)]) throws(RuleProblems) { try self.init(files: files, []) }

    private init(files: [(name: String, text: String)], _ found: [RuleProblem]) throws(RuleProblems) {
        var problems = found
        for (name, text) in files {
            do throws(RuleProblems) {
                let rule = try Rule(parsing: text, file: name)
                if let other = rules.first(where: { $0.name.lowercased() == rule.name.lowercased() }) {
                    problems.append(
                        RuleProblem(
                            file: name, line: nil, what: "the rule “\(rule.name)” is in \(other.file) already",
                            mend: "give one of them another name"))
                }
                rules.append(rule)
            } catch { problems += error.problems }
        }
        guard problems.isEmpty else { throw RuleProblems(problems) }
        rules.sort { $0.name < $1.name }
    }

    /// The rule of that name.
    package func rule(_ name: String) -> Rule? { rules.first { $0.name == name } }

    /// The name that somebody may have meant.
    package func nearest(to name: String) -> String? { NearestName.of(name, among: rules.map(\.name)) }

    /// A file's text; what is no UTF-8 is refused, because its hash would be of something else than what is read.
    static func read(_ path: String) throws(RuleProblems) -> String {
        guard let data = try? Data(contentsOf: URL(filePath: path)) else {
            throw RuleProblems([
                RuleProblem(file: path, line: nil, what: "the file cannot be read", mend: "look at who may read it")
            ])
        }
        guard let text = String(validating: Array(data), as: UTF8.self) else {
            throw RuleProblems([RuleProblem(file: path, line: nil, what: "the file is no UTF-8", mend: "save it as UTF-8")])
        }
        return text
    }
}
