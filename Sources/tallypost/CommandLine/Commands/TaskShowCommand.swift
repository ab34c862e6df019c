import TallypostCore

/// `tallypost task show`.
struct TaskShowCommand: Command {
    static let specification = CommandSpecification(
        name: "task show", summary: "Show one task, its attempts and its events.",
        details: ["All columns but the signal token, every attempt that is kept, and what people and policies did."],
        positionals: [PositionalSpecification(name: "ID", summary: "The task's id.")],
        options: [.database, .config, .json],
        examples: [.init(line: "tallypost task show 7 --database sqlite:shop.db", meaning: "All about task 7.")],
        exits: [.badData, .unavailable, .configuration])

    let sources: Configuration.Sources
    let id: Int64
    let printsJSON: Bool

    init(_ arguments: ParsedArguments) throws(CommandFailure) {
        sources = try arguments.sources()
        id = try ParsedArguments.taskID(arguments.positionals[0])
        printsJSON = arguments.has("--json")
    }

    func run(in context: CommandContext) throws(CommandFailure) -> ExitCode {
        let (desk, _) = try context.openDesk(sources)
        guard let dossier = try asking({ () throws(StoreError) in try desk.show(id: id) }) else { throw .noTask(id) }
        if printsJSON {
            var json = JSONWriter(context.output)
            json.object { json in
                json.name("task")
                json.row(dossier.task)
                json.name("attempts")
                json.array { json in for row in dossier.attempts { json.row(row) } }
                json.name("events")
                json.array { json in for row in dossier.events { json.row(row) } }
            }
            json.finish()
        } else {
            printText(dossier, context.output)
        }
        return .good
    }

    private func printText(_ dossier: TaskDossier, _ output: OutputWriter) {
        let width = dossier.task.columns.map(\.name.count).max() ?? 0
        for (name, value) in dossier.task.columns {
            guard let value else { continue }
            output.line(name + String(repeating: " ", count: width - name.count + 2) + TextTable.printable(value))
        }
        printHistory("attempts", dossier.attempts, output)
        printHistory("events", dossier.events, output)
    }

    private func printHistory(_ heading: String, _ rows: [TaskRow], _ output: OutputWriter) {
        guard let first = rows.first else { return }
        // Every row is about this task: a column that repeats its id tells nothing.
        let names = first.columns.map(\.name).filter { $0 != "task_id" && $0 != "id" }
        var table = TextTable(names.map { TextTable.Column(heading: $0) })
        for row in rows { table.add(names.map { row[$0] ?? "-" }) }
        output.write("\n\(heading)\n" + table.text)
    }
}

extension CommandFailure {
    /// There is no such task.
    static func noTask(_ id: Int64) -> CommandFailure {
        CommandFailure(.badData, "there is no task \(id)", mend: "tallypost task list shows what there is")
    }
}
