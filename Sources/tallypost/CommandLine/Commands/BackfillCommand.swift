import TallypostCore
import TallypostReconciliation

/// `tallypost backfill`.
struct BackfillCommand: Command {
    static let specification = CommandSpecification(
        name: "backfill", summary: "Insert the tasks that a rule misses.",
        details: [
            "Counts the business rows that have no task, by currency, asks, and inserts one for each: with the idempotency key "
                + "TYPE:KEY, the row's key as subject, its amount and currency, and the payload of the rule's header (-- payload: "
                + "{\"order\": {key}}), or {\"subject\":KEY}. Rows within the rule's grace, and rows so old that retention may have removed "
                + "their tasks, are left alone.",
            "It is safe to run twice, and beside another backfill or the application: a task with that key is left as it is. Each batch is "
                + "one short transaction, with a row in task_events.",
        ],
        options: [
            OptionSpecification(name: "--rule", value: "NAME", summary: "The rule; one with an expect line."),
            .config, .database,
            OptionSpecification(name: "--rules", value: "FOLDER", summary: "The rules; reconcile.rules when not given."),
            OptionSpecification(name: "--limit", value: "N", summary: "At most so many tasks."), .by, .why,
            OptionSpecification(name: "--dry-run", summary: "Only count them."),
            OptionSpecification(name: "--yes", summary: "Do not ask."), .json,
        ],
        examples: [
            .init(
                line: "tallypost backfill --rule paid-orders --dry-run --config tallypost.json5",
                meaning: "Says how many are missing, and how much."),
            .init(
                line: "tallypost backfill --rule paid-orders --config tallypost.json5",
                meaning: "Says so, asks, and inserts them."),
        ],
        exits: [.badData, .unavailable, .configuration])

    let sources: Configuration.Sources
    let name: String
    let folder: String?
    let limit: Int
    let by: String?
    let why: String?
    let isTrial: Bool
    let isSure: Bool
    let printsJSON: Bool

    init(_ arguments: ParsedArguments) throws(CommandFailure) {
        sources = try arguments.sources()
        guard let name = arguments.value("--rule") else { throw .usage("no rule is named", mend: "add --rule NAME") }
        self.name = name
        folder = arguments.value("--rules")
        limit = try arguments.integer("--limit", in: 1...1_000_000_000) ?? .max
        by = arguments.value("--by")
        why = arguments.value("--why")
        isTrial = arguments.has("--dry-run")
        isSure = arguments.has("--yes")
        printsJSON = arguments.has("--json")
    }

    func run(in context: CommandContext) throws(CommandFailure) -> ExitCode {
        let configuration = try context.configuration(sources)
        let rule = try CommandContext.rules(in: try context.rulesFolder(folder, sources), only: name)[0]
        let url = try context.database(of: configuration)
        let database = try asking { () throws(StoreError) in try context.services.openReconcile(url) }
        guard
            let backfill = RuleBackfill(
                rule: rule, database: database, retention: configuration.retention.shortest,
                timeout: configuration.reconcile?.statementTimeout ?? .minutes(5))
        else {
            throw CommandFailure(
                .badData, RuleBackfill.obstacle(rule) ?? "the rule cannot be filled up",
                mend: "name a rule that says: -- expect: one TYPE per TABLE.KEY")
        }
        if rule.expectation?.at == nil, configuration.retention.shortest != nil, !isTrial {
            throw CommandFailure(
                .badData,
                "the rule \(rule.name) does not say when a row came, and retention removes tasks: done work could be done again",
                mend: "name the row's time in the expect line: at paid_at")
        }
        let totals = try asking { () throws(StoreError) in try backfill.count() }
        let count = Int(totals.reduce(0) { $0 + $1.tally.count })
        if !printsJSON { printTotals(rule, totals, count, configuration, context) }
        let wanted = min(count, limit)
        var progress: RuleBackfill.Progress?
        if !isTrial, count > 0 {
            let who = try context.signer(by)
            guard try confirms(wanted, context) else {
                context.note("nothing was inserted")
                return .good
            }
            progress = try insert(backfill, wanted, by: who, context)
        }
        if printsJSON { printJSON(rule, totals, count, progress, context) }
        return .good
    }

    private func insert(
        _ backfill: RuleBackfill, _ wanted: Int, by who: String, _ context: CommandContext
    ) throws(CommandFailure) -> RuleBackfill.Progress {
        let isTerminal = context.errors.isTerminal
        let progress = try asking { () throws(StoreError) in
            try backfill.insert(limit: wanted, by: who, why: why ?? "") { progress in
                guard isTerminal else { return }
                context.errors.write("\r\(progress.inserted + progress.present) of \(wanted) ")
                context.errors.flush()
            }
        }
        if isTerminal { context.errors.line() }
        if !printsJSON { context.output.line("\(progress.inserted) task\(progress.inserted == 1 ? "" : "s") inserted") }
        if progress.present > 0 {
            context.note(
                "\(progress.present) had a task with that key already, cancelled or inserted meanwhile, and it was left as it is: "
                    + "\(progress.examples.joined(separator: ", "))\(progress.present > progress.examples.count ? " …" : "")")
        }
        return progress
    }

    private func confirms(_ count: Int, _ context: CommandContext) throws(CommandFailure) -> Bool {
        if isSure { return true }
        guard let ask = context.ask else {
            throw .usage(
                "this would insert \(count) task\(count == 1 ? "" : "s"), and nobody is there to be asked",
                mend: "add --yes, or --dry-run to count only")
        }
        context.output.flush()
        return ask("insert \(count) task\(count == 1 ? "" : "s")?")
    }

    private func printTotals(
        _ rule: Rule, _ totals: [(currency: String?, tally: Tally)], _ count: Int, _ configuration: Configuration,
        _ context: CommandContext
    ) {
        guard count > 0 else {
            context.output.line("rule \(rule.name): no task \(rule.type) is missing")
            return
        }
        context.output.line(
            "rule \(rule.name): \(count) task\(count == 1 ? "" : "s") \(rule.type) \(count == 1 ? "is" : "are") missing")
        let money = RuleContext(asOf: Timestamp(microseconds: 0), exponents: configuration.reconcile?.exponents ?? [:])
        for (currency, tally) in totals where currency != nil {
            context.output.line("  \(tally.count) over \(money.spoken(sum: tally.amount, currency))")
        }
    }

    private func printJSON(
        _ rule: Rule, _ totals: [(currency: String?, tally: Tally)], _ count: Int, _ progress: RuleBackfill.Progress?,
        _ context: CommandContext
    ) {
        var json = JSONWriter(context.output)
        json.object { json in
            json.name("rule")
            json.string(rule.name)
            json.name("type")
            json.string(rule.type)
            json.name("missing")
            json.integer(count)
            json.name("totals")
            json.array { json in
                for (currency, tally) in totals {
                    json.object { json in
                        json.name("currency")
                        json.string(currency)
                        json.name("count")
                        json.integer(tally.count)
                        json.name("amountMinor")
                        json.string("\(tally.amount)")
                    }
                }
            }
            if let progress {
                json.name("inserted")
                json.integer(progress.inserted)
                json.name("present")
                json.integer(progress.present)
            }
        }
        json.finish()
    }
}
