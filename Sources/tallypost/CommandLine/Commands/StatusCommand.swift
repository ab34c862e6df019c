import TallypostCore
import TallypostRelay

/// `tallypost status`.
struct StatusCommand: Command {
    static let specification = CommandSpecification(
        name: "status", summary: "Show depth, ages, rates, leases and routes.",
        details: ["One page on how the tasks of a database stand. Reads only."],
        options: [.database, .config, .json],
        examples: [.init(line: "tallypost status --config /etc/tallypost/tallypost.json5", meaning: "Shows the page.")],
        exits: [.badData, .unavailable, .configuration])

    let sources: Configuration.Sources
    let printsJSON: Bool

    init(_ arguments: ParsedArguments) throws(CommandFailure) {
        sources = try arguments.sources()
        printsJSON = arguments.has("--json")
    }

    func run(in context: CommandContext) throws(CommandFailure) -> ExitCode {
        let (desk, configuration) = try context.openDesk(sources)
        let page = StatusPage(
            database: configuration.database?.redacted ?? "",
            overview: try asking { () throws(StoreError) in try desk.overview() },
            paused: try asking { () throws(StoreError) in try desk.pausedRoutes() },
            routedTypes: sources.file == nil ? nil : Set(configuration.policies.keys),
            relays: try asking { () throws(StoreError) in try desk.signedRelays() },
            hold: try asking { () throws(StoreError) in try desk.tide() }.hold,
            held: try asking { () throws(StoreError) in try desk.heldTasks() },
            retention: sources.file == nil ? nil : configuration.retention)
        if printsJSON { page.printJSON(context.output) } else { context.output.write(page.text) }
        return .good
    }
}
