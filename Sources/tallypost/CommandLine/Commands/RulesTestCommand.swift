import FoundationEssentials
import TallypostCore
import TallypostReconciliation

/// `tallypost rules test`.
struct RulesTestCommand: Command {
    static let specification = CommandSpecification(
        name: "rules test", summary: "Try the rules on examples.",
        details: [
            "Each rule NAME.sql may have examples beside it, NAME.test.sql: SQL that fills tables, and lines that say what the rule "
                + "must find. What stands before the first case (CREATE TABLE orders …) is run before each. A line -- case: WHAT IT SHOWS "
                + "begins an example; -- expect: missing o_1 4200 EUR names a finding's class and key, and its amount in minor units and "
                + "currency if they matter; -- expect: nothing, that nothing is found. -- as of: 2026-11-20T12:00:00Z is when the rule is "
                + "run; without it, later than any grace.",
            "The examples run in an SQLite database that is thrown away. For SQL that only PostgreSQL knows, --database names an "
                + "initialised database without tasks: each example is a transaction there, which is rolled back.",
        ],
        positionals: [
            PositionalSpecification(name: "FOLDER", arity: .optional, summary: "The rules; reconcile.rules when not given.")
        ],
        options: [
            .config,
            OptionSpecification(
                name: "--database", value: "URL", summary: "Run the examples here instead of in a new SQLite database."),
            OptionSpecification(name: "--rule", value: "NAME", summary: "Only this rule."), .json,
        ],
        examples: [
            .init(line: "tallypost rules test rules/", meaning: "Runs all examples in the folder."),
            .init(line: "tallypost rules test rules/ --rule paid-orders", meaning: "Only those of one rule."),
        ],
        exits: [.badData, .unavailable, .configuration])

    let folder: String?
    let sources: Configuration.Sources
    let only: String?
    let printsJSON: Bool

    init(_ arguments: ParsedArguments) throws(CommandFailure) {
        folder = arguments.positionals.first
        sources = try arguments.sources()
        only = arguments.value("--rule")
        printsJSON = arguments.has("--json")
        guard folder != nil || sources.file != nil else {
            throw .usage("no rules are named", mend: "tallypost rules test FOLDER, or --config FILE with reconcile.rules")
        }
    }

    private struct Outcome {
        var rule: Rule
        /// Nil: it has no examples.
        var results: [RuleTrial.Result]?
        var file: String
    }

    func run(in context: CommandContext) throws(CommandFailure) -> ExitCode {
        let folder = try context.rulesFolder(self.folder, sources)
        let rules = try CommandContext.rules(in: folder, only: only)
        var scratch = sources
        scratch.file = nil
        let outcomes: [Outcome]
        if sources.database != nil {
            let database = try context.database(of: try context.configuration(scratch))
            outcomes = try run(rules, on: database, context)
        } else {
            outcomes = try inScratchFile { (database) throws(CommandFailure) in try run(rules, on: database, context) }
        }
        if printsJSON { printJSON(outcomes, context) } else { printText(outcomes, context) }
        let results = outcomes.flatMap { $0.results ?? [] }
        guard !results.isEmpty else {
            throw CommandFailure(
                .badData, "no rule in \(folder) has examples",
                mend: "write \(rules.first?.name ?? "NAME").test.sql beside its rule; see --help")
        }
        return results.allSatisfy { $0.differences.isEmpty } ? .good : .badData
    }

    private func inScratchFile<Result>(_ body: (DatabaseURL) throws(CommandFailure) -> Result) throws(CommandFailure) -> Result {
        let place = FileManager.default.temporaryDirectory.appending(path: "tallypost-rules-\(UInt64.random(in: 0 ... .max))")
            .path
        do { try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false) } catch {
            throw CommandFailure(
                .badData, "no directory can be made in \(place)", mend: "set TMPDIR to a directory that you may write to")
        }
        defer { try? FileManager.default.removeItem(atPath: place) }
        return try body(.sqlite(path: "\(place)/examples.db"))
    }

    private func run(_ rules: [Rule], on url: DatabaseURL, _ context: CommandContext) throws(CommandFailure) -> [Outcome] {
        var outcomes: [Outcome] = []
        var fixtures: [(Rule, RuleFixture?)] = []
        for rule in rules { fixtures.append((rule, try Self.fixture(of: rule))) }
        if sources.database == nil {
            _ = try asking { () throws(StoreError) in try context.services.schemaKeeper(url).migrate() }
        }
        let database = try asking { () throws(StoreError) in try context.services.openReconcile(url) }
        let now = try asking { () throws(StoreError) in
            let now = try database.beginReading(statementTimeout: .seconds(60))
            defer { database.endReading() }
            var tasks: Int64 = 0
            try database.run(sql: "SELECT id FROM pending_tasks LIMIT 1", operation: "rules test", []) { _ in
                tasks += 1
                return true
            }
            return tasks == 0 ? now : nil
        }
        guard let now else {
            throw CommandFailure(
                .badData, "there are tasks in \(url.redacted): examples would be mixed up with them",
                mend: "name a database that is empty but for tallypost init")
        }
        let trial = RuleTrial(database: database, now: now)
        for (rule, fixture) in fixtures {
            let results = try fixture.map { fixture throws(CommandFailure) in
                try asking { () throws(StoreError) in try trial.run(rule, fixture) }
            }
            outcomes.append(Outcome(rule: rule, results: results, file: fixture?.file ?? rule.file))
        }
        return outcomes
    }

    private static func fixture(of rule: Rule) throws(CommandFailure) -> RuleFixture? {
        let file = String(rule.file.dropLast(4)) + ".test.sql"
        guard FileManager.default.fileExists(atPath: file) else { return nil }
        guard let data = try? Data(contentsOf: URL(filePath: file)), let text = String(validating: Array(data), as: UTF8.self)
        else {
            throw CommandFailure(.badData, "\(file) cannot be read as UTF-8", mend: "look at who may read it")
        }
        do throws(RuleProblems) { return try RuleFixture(parsing: text, file: file) } catch {
            throw CommandFailure(.badData, "\(error)")
        }
    }

    private func printText(_ outcomes: [Outcome], _ context: CommandContext) {
        var (good, bad) = (0, 0)
        for outcome in outcomes {
            guard let results = outcome.results else {
                context.note("rule \(outcome.rule.name) has no examples")
                continue
            }
            for result in results {
                if result.differences.isEmpty { good += 1 } else { bad += 1 }
                context.output.line(
                    "\(result.differences.isEmpty ? "ok    " : "FAILED") \(outcome.rule.name): \(TextTable.printable(result.name))"
                )
                for difference in result.differences { context.output.line("         \(TextTable.printable(difference))") }
                if !result.differences.isEmpty { context.output.line("         at \(outcome.file):\(result.line)") }
            }
        }
        if good + bad > 0 { context.output.line("\(good) ok, \(bad) failed") }
    }

    private func printJSON(_ outcomes: [Outcome], _ context: CommandContext) {
        var json = JSONWriter(context.output)
        json.object { json in
            json.name("rules")
            json.array { json in
                for outcome in outcomes {
                    json.object { json in
                        json.name("rule")
                        json.string(outcome.rule.name)
                        json.name("file")
                        json.string(outcome.file)
                        json.name("cases")
                        json.array { json in
                            for result in outcome.results ?? [] {
                                json.object { json in
                                    json.name("case")
                                    json.string(result.name)
                                    json.name("line")
                                    json.integer(result.line)
                                    json.name("ok")
                                    json.truth(result.differences.isEmpty)
                                    json.name("differences")
                                    json.array { json in for difference in result.differences { json.string(difference) } }
                                }
                            }
                        }
                    }
                }
            }
        }
        json.finish()
    }
}

extension CommandContext {
    /// The folder that is named, or that of the configuration.
    func rulesFolder(_ named: String?, _ sources: Configuration.Sources) throws(CommandFailure) -> String {
        if let named { return named }
        guard let folder = try configuration(sources).reconcile?.rules else {
            throw CommandFailure(
                .configuration, "the configuration names no folder of rules", mend: "reconcile: { rules: \"rules/\" }")
        }
        return folder
    }

    /// The rules of a folder, or the one that is named.
    static func rules(in folder: String, only name: String?) throws(CommandFailure) -> [Rule] {
        let book: RuleBook
        do throws(RuleProblems) { book = try RuleBook(load: folder) } catch { throw CommandFailure(.badData, "\(error)") }
        guard let name else {
            guard !book.rules.isEmpty else {
                throw CommandFailure(
                    .badData, "there is no rule in \(folder)", mend: "a rule is a file NAME.sql with a line -- rule: NAME")
            }
            return book.rules
        }
        guard let rule = book.rule(name) else {
            throw CommandFailure(
                .badData, "there is no rule “\(name)” in \(folder)",
                mend: book.nearest(to: name).map { "did you mean \($0)?" }
                    ?? (book.rules.isEmpty
                        ? "there is none at all" : "there are: \(book.rules.map(\.name).joined(separator: ", "))"))
        }
        return [rule]
    }
}
