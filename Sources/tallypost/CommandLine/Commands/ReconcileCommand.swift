import TallypostCore
import TallypostReconciliation
import TallypostRelay
import TallypostReports

/// `tallypost reconcile`.
struct ReconcileCommand: Command {
    static let specification = CommandSpecification(
        name: "reconcile", summary: "Compare tasks, business rows and the books; report what is wrong.",
        details: [
            "Reads one snapshot of the database: every task, and what the rules ask. Compares it with what the run before saw, so that a row "
                + "that was changed or removed by hand shows, and keeps the books: opening + created + reopened − completed − cancelled = "
                + "closing, per type and currency. What is wrong is a break with an id that stays the same (tallypost break list).",
            "The period says which stretch of the books is shown; breaks are those of today. With --report or --out the report is written as "
                + "files, with a manifest that tallypost verify checks.",
        ],
        options: [
            .database, .config,
            OptionSpecification(
                name: "--period", value: "PERIOD",
                summary:
                    "today (if nothing is said), yesterday, this-month, last-month, 2026-11, 2026-11-19, 2026-11-01..2026-11-15 (both days "
                    + "lie within)."),
            OptionSpecification(
                name: "--zone", value: "ZONE", summary: "Where days begin, instead of reconcile.zone: Europe/London."),
            OptionSpecification(name: "--rules", value: "DIR", summary: "The folder of the rules, instead of reconcile.rules."),
            OptionSpecification(name: "--report", summary: "Write the report's files into reconcile.reports."),
            OptionSpecification(name: "--out", value: "DIR", summary: "Write the report's files into DIR."),
            OptionSpecification(
                name: "--explain", value: "RULE", summary: "Show what a rule asks the database, and run nothing."),
            .by, .json,
        ],
        examples: [
            .init(line: "tallypost reconcile --config tallypost.json5", meaning: "Shows today's books and all breaks."),
            .init(
                line: "tallypost reconcile --period last-month --report --config tallypost.json5",
                meaning: "Writes the month's report."),
            .init(
                line: "tallypost reconcile --explain paid-order-has-receipt --config tallypost.json5", meaning: "Shows the SQL."),
        ],
        exits: [.breaks, .incomplete, .badData, .unavailable, .configuration])

    let sources: Configuration.Sources
    let period: String
    let zone: String?
    let rules: String?
    let writesReport: Bool
    let out: String?
    let explained: String?
    let by: String?
    let printsJSON: Bool

    init(_ arguments: ParsedArguments) throws(CommandFailure) {
        sources = try arguments.sources()
        period = arguments.value("--period") ?? "today"
        zone = arguments.value("--zone")
        rules = arguments.value("--rules")
        writesReport = arguments.has("--report")
        out = arguments.value("--out")
        explained = arguments.value("--explain")
        by = arguments.value("--by")
        printsJSON = arguments.has("--json")
        if writesReport, out != nil {
            throw .usage("--report and --out are both given", mend: "choose where the report is to be")
        }
    }

    func run(in context: CommandContext) throws(CommandFailure) -> ExitCode {
        var configuration = try context.configuration(sources)
        let database = try context.database(of: configuration)
        var settings = configuration.reconcile ?? ReconcileConfiguration()
        if let rules { settings.rules = rules }
        if let zone {
            do throws(ScheduleError) {
                settings.zone = try ZoneDirectory().zone(zone)
                settings.zoneName = zone
            } catch { throw .usage("--zone \(zone): \(error.reason)") }
        }
        configuration.reconcile = settings
        if let explained { return try explain(explained, settings, database, context) }
        if writesReport, settings.reports == nil {
            throw .usage(
                "--report: the configuration names no folder",
                mend: "add reconcile: { reports: \"/var/lib/tallypost/reports\" }, or --out DIR")
        }
        try checkRules(settings)
        let who = context.actor(by)
        let service = try asking { () throws(StoreError) in
            try ReconcileService(
                configuration, database, holder: "command \(UInt64.random(in: 0...UInt64.max))", madeBy: who)
        }
        // Before the work is done. What today is, the database's clock says in the end.
        let asked = try period(settings, now: MonotonicClock.timeOfDay())
        let report = try report(of: asked, settings, service, context)
        let revision = try write(report, service, settings, who, context)
        let documents = ReportDocuments(report, environment: service.environment, revision: revision ?? 0)
        if printsJSON { context.output.line(documents.json()) } else { context.output.write(documents.text()) }
        return switch report.status {
        case .clean: .good
        case .breaks: .breaks
        case .incomplete: .incomplete
        }
    }

    private func period(_ settings: ReconcileConfiguration, now: Timestamp) throws(CommandFailure) -> Period {
        do throws(PeriodError) {
            return try Period(parsing: period, zone: settings.zone, zoneName: settings.zoneName, now: now)
        } catch {
            throw .usage("--period: \(error.description)")
        }
    }

    /// A person who asked is told at once; a relay goes on and calls its run incomplete.
    private func checkRules(_ settings: ReconcileConfiguration) throws(CommandFailure) {
        guard let folder = settings.rules else { return }
        do throws(RuleProblems) { _ = try RuleBook(load: folder) } catch { throw CommandFailure(.badData, "\(error)") }
    }

    private func explain(
        _ name: String, _ settings: ReconcileConfiguration, _ database: DatabaseURL, _ context: CommandContext
    ) throws(CommandFailure) -> ExitCode {
        guard let folder = settings.rules else {
            throw .usage(
                "--explain: no folder of rules is named", mend: "add --rules DIR, or reconcile: { rules: … } to the configuration"
            )
        }
        let book: RuleBook
        do throws(RuleProblems) { book = try RuleBook(load: folder) } catch { throw CommandFailure(.badData, "\(error)") }
        guard let rule = book.rule(name) else {
            throw CommandFailure(
                .badData, "there is no rule “\(name)” in \(folder)",
                mend: book.nearest(to: name).map { "did you mean \($0)?" }
                    ?? "there are: \(book.rules.map(\.name).joined(separator: ", "))")
        }
        let dialect: SQLDialect
        switch database {
        case .sqlite: dialect = .sqlite
        case .postgres: dialect = .postgres
        }
        context.output.line(rule.explanation(dialect: dialect))
        return .good
    }

    /// Makes the run and its report: before anybody makes the next run, or the books would be of that and the live table of this.
    private func report(
        of asked: Period, _ settings: ReconcileConfiguration, _ service: ReconcileService, _ context: CommandContext
    ) throws(CommandFailure) -> ReconciliationReport {
        var report: ReconciliationReport?
        var line = ProgressLine(context, "tasks read")
        defer { line.clear() }
        let ending = try asking { () throws(StoreError) in
            try service.reconcile(
                progress: { rows in
                    line.show(rows)
                    return true
                },
                whileHeld: { run throws(StoreError) in
                    let period = (try? period(settings, now: run.asOf)) ?? asked
                    report = try service.report(of: period, zone: settings.zone, after: run)
                })
        }
        if let report { return report }
        switch ending {
        case .done:
            throw CommandFailure(.fault, "the run was made, its report was not", mend: "run it again: breaks stay what they are")
        case .busy, .notDue, .stopped:
            throw CommandFailure(
                .unavailable, "another reconciliation of this database is under way",
                mend: "try again when it has ended, a minute or two")
        case .overtaken:
            throw CommandFailure(
                .unavailable, "this run lost its lease to another one, and nothing was written", mend: "try again")
        }
    }

    /// The revision that was written; nil when none was to be.
    private func write(
        _ report: ReconciliationReport, _ service: ReconcileService, _ settings: ReconcileConfiguration, _ who: String,
        _ context: CommandContext
    ) throws(CommandFailure) -> Int? {
        guard let folder = out ?? (writesReport ? settings.reports : nil) else { return nil }
        do throws(ReportWriting) {
            let record = try service.write(report, into: folder, by: who, environment: context.environment)
            context.note("report written: \(record.directory)")
            return record.revision
        } catch {
            switch error {
            case .store(let error): throw CommandFailure(error)
            case .files(let failure): throw CommandFailure(.badData, failure.message, mend: failure.mend)
            }
        }
    }
}
