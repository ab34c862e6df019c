import TallypostCore

/// `tallypost init`.
struct InitCommand: Command {
    static let specification = CommandSpecification(
        name: "init", summary: "Create or upgrade the tables.",
        details: [
            "Creates pending_tasks and its companions in the application's database, or brings them up to this version, one "
                + "transaction a step. Again is a no-op. A table pending_tasks that is there already is adopted: missing columns are "
                + "added, rows are never rewritten. Tables of a newer version are refused.",
            "On PostgreSQL run it as the tables' owner; the relay itself needs less.",
        ],
        options: [.database, .config, .json],
        examples: [
            .init(line: "tallypost init --database sqlite:shop.db", meaning: "Adds the tables to a SQLite file."),
            .init(
                line: "tallypost init --database postgres://owner@localhost/shop", meaning: "Adds them to a PostgreSQL database."),
        ],
        exits: [.badData, .unavailable, .configuration])

    let sources: Configuration.Sources
    let printsJSON: Bool

    init(_ arguments: ParsedArguments) throws(CommandFailure) {
        sources = try arguments.sources()
        printsJSON = arguments.has("--json")
    }

    func run(in context: CommandContext) throws(CommandFailure) -> ExitCode {
        let database = try context.database(of: try context.configuration(sources))
        let report: MigrationReport
        do throws(StoreError) { report = try context.services.schemaKeeper(database).migrate() } catch {
            guard error.kind == .schema else { throw CommandFailure(error) }
            // What `init` cannot mend, `init` must not be named as the mend of.
            throw CommandFailure(
                .configuration, "the tables cannot be brought to this version: \(error)",
                mend: "use a tallypost at least as new as the tables")
        }
        if printsJSON { printJSON(report, context) } else { printText(report, database.redacted, context) }
        return .good
    }

    private func printJSON(_ report: MigrationReport, _ context: CommandContext) {
        var json = JSONWriter(context.output)
        json.object { json in
            json.name("from")
            json.integer(report.from)
            json.name("to")
            json.integer(report.to)
            json.name("adopted")
            json.array { json in for column in report.adopted { json.string(column) } }
            json.name("notes")
            json.array { json in for note in report.notes { json.string(note) } }
        }
        json.finish()
    }

    private func printText(_ report: MigrationReport, _ place: String, _ context: CommandContext) {
        switch (report.from, report.to) {
        case (let from, let to) where from == to: context.output.line("\(place): the tables are at version \(to) already")
        case (0, let to): context.output.line("\(place): tables created, version \(to)")
        case (let from, let to): context.output.line("\(place): tables upgraded from version \(from) to \(to)")
        }
        if !report.adopted.isEmpty {
            context.output.line("adopted pending_tasks; columns added: \(report.adopted.joined(separator: ", "))")
        }
        for note in report.notes { context.output.line("note: \(TextTable.printable(note))") }
    }
}
