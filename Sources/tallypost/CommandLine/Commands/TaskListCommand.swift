import TallypostCore

/// `tallypost task list`.
struct TaskListCommand: Command {
    static let specification = CommandSpecification(
        name: "task list", summary: "List tasks.",
        details: [
            "By id, from the lowest. Where more match than are shown, the last line (or “next” in JSON) says how to go on."
        ],
        options: [
            .database, .config, .status, .type, .subject,
            OptionSpecification(name: "--limit", value: "N", summary: "Show at most N (50; at most 1000)."),
            OptionSpecification(name: "--cursor", value: "ID", summary: "Show those beyond this id."),
            .json,
        ],
        examples: [
            .init(line: "tallypost task list --database sqlite:shop.db --status failed", meaning: "The dead letters."),
            .init(
                line: "tallypost task list --config tallypost.json5 --subject o_1 --json",
                meaning: "All about one order, for a program."),
        ],
        exits: [.badData, .unavailable, .configuration])

    let sources: Configuration.Sources
    let filter: TaskFilter
    let limit: Int
    let cursor: Int64?
    let printsJSON: Bool

    init(_ arguments: ParsedArguments) throws(CommandFailure) {
        sources = try arguments.sources()
        filter = try arguments.taskFilter()
        limit = try arguments.integer("--limit", in: 1...1_000) ?? 50
        if let text = arguments.value("--cursor") { cursor = try ParsedArguments.taskID(text) } else { cursor = nil }
        printsJSON = arguments.has("--json")
    }

    func run(in context: CommandContext) throws(CommandFailure) -> ExitCode {
        let (desk, _) = try context.openDesk(sources)
        // One more than is shown tells whether there are more.
        var rows = try asking { () throws(StoreError) in try desk.list(filter, after: cursor, limit: limit + 1) }
        let hasMore = rows.count > limit
        rows = Array(rows.prefix(limit))
        let next = hasMore ? rows.last?.id : nil
        if printsJSON {
            var json = JSONWriter(context.output)
            json.object { json in
                json.name("tasks")
                json.array { json in for row in rows { json.row(row) } }
                json.name("next")
                json.string(next.map(String.init))
            }
            json.finish()
        } else if rows.isEmpty {
            context.output.line("no task matches")
        } else {
            printTable(rows, context.output)
            if let next { context.output.line("more: add --cursor \(next)") }
        }
        return .good
    }

    private func printTable(_ rows: [TaskRow], _ output: OutputWriter) {
        var table = TextTable([
            .init(heading: "id", isNumber: true), .init(heading: "type", longest: 30), .init(heading: "status"),
            .init(heading: "subject", longest: 24), .init(heading: "attempts", isNumber: true), .init(heading: "due"),
            .init(heading: "last error", longest: 60),
        ])
        for row in rows {
            table.add([
                "\(row.id)", row["type"] ?? "-", row["status"] ?? "-", row["subject"] ?? "-", row["attempts"] ?? "-",
                row["run_at"] ?? "-", row["last_error"] ?? "-",
            ])
        }
        output.write(table.text)
    }
}
