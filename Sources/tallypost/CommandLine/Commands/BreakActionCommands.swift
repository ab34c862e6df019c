import TallypostCore
import TallypostReconciliation
import TallypostRelay

/// `tallypost break ack`.
struct BreakAcknowledgeCommand: Command {
    static let specification = CommandSpecification(
        name: "break ack", summary: "Take a break on: who, why, until when.",
        details: [
            "An acknowledged break stays in every total and every report; it only says that somebody knows. It is open again when its date has "
                + "come, or when its amount or severity changes."
        ],
        positionals: [PositionalSpecification(name: "ID", summary: "The break's id, as reports show it: F-7c1e….")],
        options: [
            .database, .config, .by, BreakAction.reason,
            OptionSpecification(
                name: "--until", value: "TIME", summary: "Until then: 2026-12-01, or with a time, 2026-12-01T09:00:00Z."),
            .json,
        ],
        examples: [
            .init(
                line:
                    "tallypost break ack F-7c1e0d7b3c5a1f20 --by anna --reason 'the bank looks into it' --until 2026-12-01 --config tallypost.json5",
                meaning: "Anna has it until December.")
        ],
        exits: [.badData, .unavailable, .configuration])

    let action: BreakAction
    let until: Timestamp?

    init(_ arguments: ParsedArguments) throws(CommandFailure) {
        action = try BreakAction(arguments)
        guard let text = arguments.value("--until") else {
            until = nil
            return
        }
        guard let time = text.writtenTime else {
            throw .usage("--until: “\(text)” is no time", mend: "write 2026-12-01, or 2026-12-01T09:00:00Z")
        }
        guard time > MonotonicClock.timeOfDay() else {
            throw .usage("--until: \(time.iso8601) is over already", mend: "name a time to come, or leave it out")
        }
        until = time
    }

    func run(in context: CommandContext) throws(CommandFailure) -> ExitCode {
        try action.run(in: context, "acknowledged") { store, who throws(StoreError) in
            try store.acknowledge(action.id, by: who, reason: action.reason, until: until)
        }
    }
}

/// `tallypost break resolve`.
struct BreakResolveCommand: Command {
    static let specification = CommandSpecification(
        name: "break resolve", summary: "Say that a break has been dealt with, and how.",
        details: [
            "A break that is found again in a later run is open again, under its old id. One that tells of a change by hand (unexplained_change) "
                + "stays resolved: your reason is its explanation, and the books count it as explained from then on."
        ],
        positionals: [PositionalSpecification(name: "ID", summary: "The break's id.")],
        options: [.database, .config, .by, BreakAction.reason, .json],
        examples: [
            .init(
                line:
                    "tallypost break resolve F-7c1e0d7b3c5a1f20 --by anna --reason 'refunded, ticket 812' --config tallypost.json5",
                meaning: "Closes it.")
        ],
        exits: [.badData, .unavailable, .configuration])

    let action: BreakAction

    init(_ arguments: ParsedArguments) throws(CommandFailure) { action = try BreakAction(arguments) }

    func run(in context: CommandContext) throws(CommandFailure) -> ExitCode {
        try action.run(in: context, "resolved") { store, who throws(StoreError) in
            try store.resolve(action.id, by: who, reason: action.reason)
        }
    }
}

/// What both have in common.
struct BreakAction {
    static let reason = OptionSpecification(name: "--reason", value: "TEXT", summary: "Why; it stands in every report.")

    let sources: Configuration.Sources
    let id: String
    let by: String?
    let reason: String
    let printsJSON: Bool

    init(_ arguments: ParsedArguments) throws(CommandFailure) {
        sources = try arguments.sources()
        id = arguments.positionals[0]
        by = arguments.value("--by")
        guard let text = arguments.value("--reason"), !text.allSatisfy(\.isWhitespace) else {
            throw .usage("a break is not put aside without a reason", mend: "add --reason 'what you know'")
        }
        reason = text
        printsJSON = arguments.has("--json")
    }

    func run(
        in context: CommandContext, _ done: String, _ change: (ReconcileStore, String) throws(StoreError) -> BreakOutcome
    ) throws(CommandFailure) -> ExitCode {
        let who = try context.signer(by)
        let store = try context.openBooks(sources)
        let outcome = try asking { () throws(StoreError) in try change(store, who) }
        switch outcome {
        case .done: break
        case .unknown:
            throw CommandFailure(.badData, "there is no break \(id)", mend: "tallypost break list shows them all")
        case .wrongState(let state):
            throw CommandFailure(
                .badData, "break \(id) is \(state.rawValue) and cannot be \(done)", mend: "only open and acknowledged ones can")
        }
        if printsJSON {
            var json = JSONWriter(context.output)
            json.object { json in
                json.name("id")
                json.string(id)
                json.name("state")
                json.string(done)
                json.name("by")
                json.string(who)
            }
            json.finish()
        } else {
            context.output.line("break \(id) \(done) by \(who)")
        }
        return .good
    }
}

extension CommandContext {
    /// The books and the register of breaks of the database that the arguments name.
    func openBooks(_ sources: Configuration.Sources) throws(CommandFailure) -> ReconcileStore {
        let configuration = try configuration(sources)
        let database = try database(of: configuration)
        return try asking { () throws(StoreError) in
            let connection = try Engine(database).openReconcile()
            return ReconcileStore(reading: connection, writing: connection)
        }
    }
}

extension String {
    /// The time that a person wrote: a day, or ISO 8601 with a time of day; without an offset it is UTC. Nil: it is none.
    var writtenTime: Timestamp? {
        var text = self
        return text.withUTF8 { unsafe ColumnText.time(UnsafeRawBufferPointer($0)) }
    }
}
