import TallypostCore
import TallypostRelay

/// `tallypost run`.
struct RunCommand: Command {
    static let specification = CommandSpecification(
        name: "run", summary: "Run the relay.",
        details: [
            "Finds due tasks, calls their receivers and records the outcomes, until SIGTERM or SIGINT. A first signal stops claiming "
                + "and lets requests in flight end, for at most 30 s; a second one ends at once. SIGHUP reads the configuration "
                + "again; a bad one leaves the old in force.",
            "A database that is away is waited for. Any number of relays may run on one database.",
        ],
        options: [
            .config, .database,
            OptionSpecification(
                name: "--route", value: "TYPE=URL", repeats: true,
                summary: "Send tasks of TYPE to URL: for a start without a file, or instead of the URL in it."),
            OptionSpecification(
                name: "--drain",
                summary: "End, with 0, when no task is due or in flight. What is due later stays."),
            OptionSpecification(
                name: "--listen-admin", value: "ADDR",
                summary: "Serve the API, metrics and health there: 127.0.0.1:7411, [::1]:7411 or unix:PATH."),
            OptionSpecification(
                name: "--listen-public", value: "ADDR", summary: "Take signals and heartbeats there, and nothing else."),
            OptionSpecification(
                name: "--admin-token", value: "none",
                summary: "Let the admin listener serve anybody on loopback: for trying things out."),
            OptionSpecification(
                name: "--log-level", value: "LEVEL",
                summary: "Log what matters at least so much: critical, error, warning, info (the default) or debug."),
            OptionSpecification(
                name: "--log-format", value: "FORMAT",
                summary: "json, journal or terminal; by default as suits whoever reads standard error."),
        ],
        examples: [
            .init(
                line: "tallypost run --database sqlite:shop.db --route send-receipt=http://localhost:8080/receipts",
                meaning: "Starts without a file."),
            .init(line: "tallypost run --config /etc/tallypost/tallypost.json5", meaning: "Starts as the systemd unit does."),
            .init(line: "tallypost run --config tallypost.json5 --drain", meaning: "Sends what is due, and ends."),
        ],
        exits: [.badData, .unavailable, .configuration])

    let options: RunOptions

    init(_ arguments: ParsedArguments) throws(CommandFailure) {
        let level = arguments.value("--log-level") ?? "info"
        let levels = Dictionary(uniqueKeysWithValues: Log.Level.allCases.map { ($0.word, $0) })
        let formats: [String: Log.Format] = ["json": .json, "journal": .journal, "terminal": .terminal]
        var sources = try arguments.sources()
        sources.readsSecrets = true
        options = RunOptions(
            sources: sources, drains: arguments.has("--drain"), logLevel: try Self.choice("--log-level", level, levels),
            logFormat: try arguments.value("--log-format").map { word throws(CommandFailure) in
                try Self.choice("--log-format", word, formats)
            })
        guard options.sources.file != nil || !options.sources.routes.isEmpty else {
            throw .usage("no route is named", mend: "add --config FILE, or --route TYPE=URL")
        }
        guard options.sources.file != nil || options.sources.database != nil else {
            throw .usage("no database is named", mend: "add --database sqlite:PATH (or a postgres:// URL), or --config FILE")
        }
    }

    func run(in context: CommandContext) throws(CommandFailure) -> ExitCode {
        var options = options
        options.sources.environment = context.environment
        do throws(ConfigurationError) { return try context.services.runRelay(options) } catch { throw CommandFailure(error) }
    }

    private static func choice<Value>(_ name: String, _ word: String, _ values: [String: Value]) throws(CommandFailure) -> Value {
        if let value = values[word] { return value }
        let words = values.keys.sorted()
        throw .usage(
            "\(name): there is no “\(word)”",
            mend: NearestName.of(word, among: words).map { "did you mean \($0)?" } ?? "one of: \(words.joined(separator: ", "))")
    }
}
