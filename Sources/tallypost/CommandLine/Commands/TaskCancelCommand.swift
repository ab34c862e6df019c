import TallypostCore

/// `tallypost task cancel`.
struct TaskCancelCommand: Command {
    static let specification = CommandSpecification(
        name: "task cancel", summary: "Call tasks off that have not ended.",
        details: [
            "Tasks that are blocked, pending or waiting end as cancelled. One that is being sent cannot be called back. Named by id, it "
                + "is done at once; named by --status, --type or --subject, the tasks are counted and you are asked. Each is an event "
                + "in task_events."
        ],
        positionals: TaskChange.positionals, options: TaskChange.options,
        examples: [
            .init(
                line: "tallypost task cancel 7 8 --why 'order withdrawn' --config tallypost.json5",
                meaning: "Calls two tasks off."),
            .init(
                line: "tallypost task cancel --subject o_1 --dry-run --config tallypost.json5",
                meaning: "Says how many it would be."),
        ],
        exits: [.badData, .unavailable, .configuration])

    let change: TaskChange

    init(_ arguments: ParsedArguments) throws(CommandFailure) { change = try TaskChange(.cancel, arguments) }

    func run(in context: CommandContext) throws(CommandFailure) -> ExitCode { try change.run(in: context) }
}
