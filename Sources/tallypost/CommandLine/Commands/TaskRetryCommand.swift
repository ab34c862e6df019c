import TallypostCore

/// `tallypost task retry`.
struct TaskRetryCommand: Command {
    static let specification = CommandSpecification(
        name: "task retry", summary: "Send ended tasks again.",
        details: [
            "Tasks that ended go back to pending with fresh attempts and their old idempotency keys, so a receiver that has done the "
                + "work already does nothing. Named by id, it is done at once; named by --status, --type or --subject, the tasks are "
                + "counted and you are asked. Each is an event in task_events.",
            "A route's keyRetention says how long its receiver remembers keys. What was last sent longer ago needs a second person "
                + "(--approved-by), because the receiver would take it for new; in bulk it is left out without.",
        ],
        positionals: TaskChange.positionals, options: TaskChange.options + [TaskChange.approval],
        examples: [
            .init(line: "tallypost task retry 7 --config tallypost.json5", meaning: "Sends task 7 again."),
            .init(
                line: "tallypost task retry --status failed --type send-receipt --why 'mail was down' --config tallypost.json5",
                meaning: "Counts the dead letters of that type, asks, and sends them again."),
        ],
        exits: [.badData, .unavailable, .configuration])

    let change: TaskChange

    init(_ arguments: ParsedArguments) throws(CommandFailure) { change = try TaskChange(.retry, arguments) }

    func run(in context: CommandContext) throws(CommandFailure) -> ExitCode { try change.run(in: context) }
}
