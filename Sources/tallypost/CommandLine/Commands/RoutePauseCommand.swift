import TallypostCore

/// `tallypost route pause`.
struct RoutePauseCommand: Command {
    static let specification = CommandSpecification(
        name: "route pause", summary: "Stop sending tasks of a type.",
        details: [
            "For every relay on the database, until somebody resumes it; restarts do not. What is being sent is not called back."
        ],
        positionals: [PositionalSpecification(name: "TYPE", summary: "The task type.")],
        options: [.database, .config, .by, .why, .json],
        examples: [
            .init(
                line: "tallypost route pause send-receipt --why 'mail host moves' --config tallypost.json5",
                meaning: "Holds receipts back.")
        ],
        exits: [.badData, .unavailable, .configuration])

    let change: RouteChange

    init(_ arguments: ParsedArguments) throws(CommandFailure) { change = try RouteChange(pauses: true, arguments) }

    func run(in context: CommandContext) throws(CommandFailure) -> ExitCode { try change.run(in: context) }
}

/// `tallypost route resume`.
struct RouteResumeCommand: Command {
    static let specification = CommandSpecification(
        name: "route resume", summary: "Go on sending tasks of a type.",
        details: ["Ends a pause, a person's or the relay's own after an answer of 410."],
        positionals: [PositionalSpecification(name: "TYPE", summary: "The task type.")],
        options: [.database, .config, .by, .why, .json],
        examples: [.init(line: "tallypost route resume send-receipt --config tallypost.json5", meaning: "Sends receipts again.")],
        exits: [.badData, .unavailable, .configuration])

    let change: RouteChange

    init(_ arguments: ParsedArguments) throws(CommandFailure) { change = try RouteChange(pauses: false, arguments) }

    func run(in context: CommandContext) throws(CommandFailure) -> ExitCode { try change.run(in: context) }
}

/// What both have in common.
struct RouteChange {
    let pauses: Bool
    let sources: Configuration.Sources
    let type: String
    let by: String?
    let why: String?
    let printsJSON: Bool

    init(pauses: Bool, _ arguments: ParsedArguments) throws(CommandFailure) {
        self.pauses = pauses
        sources = try arguments.sources()
        type = arguments.positionals[0]
        by = arguments.value("--by")
        why = arguments.value("--why")
        printsJSON = arguments.has("--json")
    }

    func run(in context: CommandContext) throws(CommandFailure) -> ExitCode {
        let (desk, configuration) = try context.openDesk(sources)
        if sources.file != nil, configuration.policies[type] == nil {
            let nearest = NearestName.of(type, among: configuration.policies.keys)
            context.note("the configuration has no route “\(type)”" + (nearest.map { "; did you mean \($0)?" } ?? ""))
        }
        let who = context.actor(by)
        let changed = try asking { () throws(StoreError) in
            try desk.setPaused(pauses, route: type, by: who, why: why ?? "")
        }
        if printsJSON {
            var json = JSONWriter(context.output)
            json.object { json in
                json.name("type")
                json.string(type)
                json.name("paused")
                json.truth(pauses)
                json.name("changed")
                json.truth(changed)
            }
            json.finish()
        } else {
            let state = pauses ? "paused" : "resumed"
            context.output.line(
                changed ? "route \(type) \(state)" : "route \(type) was \(pauses ? "paused already" : "not paused")")
        }
        return .good
    }
}
