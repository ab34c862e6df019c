import TallypostCore
import TallypostDelivery

/// `tallypost task explain`.
struct TaskExplainCommand: Command {
    static let specification = CommandSpecification(
        name: "task explain", summary: "Say what a task waits for.",
        positionals: [PositionalSpecification(name: "ID", summary: "The task's id.")],
        options: [.database, .config, .json],
        examples: [.init(line: "tallypost task explain 7 --database sqlite:shop.db", meaning: "Says why task 7 is where it is.")],
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
        let (desk, configuration) = try context.openDesk(sources)
        guard let facts = try asking({ () throws(StoreError) in try desk.explain(id: id) }) else { throw .noTask(id) }
        let relays = try asking { () throws(StoreError) in try desk.signedRelays() }
        let type = facts.task["type"]
        let route = type.flatMap { configuration.policies[$0] }
        let target = facts.task["target_url"]
        let destination = target.map { try? CurlTargetParser().origin(of: $0) } ?? route?.origin
        let flow = FlowText(relays, now: facts.now).about(type: type, destination: destination)
        let hold = try asking { () throws(StoreError) in try desk.tide() }.hold
        var sentences = ExplanationText(facts: facts, flow: flow, hold: hold, route: route).sentences
        if sources.file != nil, facts.task["status"] == TaskStatus.pending.rawValue, let type, configuration.policies[type] == nil
        {
            sentences.append(
                "The configuration has no route for \(type): a relay that runs with it will set the task aside as failed.")
        }
        guard printsJSON else {
            for sentence in sentences { context.output.line(TextTable.printable(sentence)) }
            return .good
        }
        var json = JSONWriter(context.output)
        json.object { json in
            json.name("id")
            json.integer(id)
            json.name("status")
            json.string(facts.task["status"])
            json.name("now")
            json.time(facts.now)
            json.name("runAt")
            json.time(facts.runAt)
            json.name("leaseExpiresAt")
            json.time(facts.leaseExpiresAt)
            json.name("heldBy")
            json.raw(facts.keyHolder.map { "\($0.id)" } ?? "null")
            json.name("dueBefore")
            json.integer(facts.dueBefore)
            json.name("pausedBecause")
            json.string(facts.pausedBecause)
            json.name("relays")
            json.relays(relays)
            json.name("sentences")
            json.array { json in for sentence in sentences { json.string(sentence) } }
        }
        json.finish()
        return .good
    }
}
