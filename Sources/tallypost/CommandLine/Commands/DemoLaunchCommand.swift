/// `tallypost demo`: its options; what it does is in the demo's own folder.
struct DemoLaunchCommand: Command {
    static let specification = CommandSpecification(
        name: "demo", summary: "Watch a sample shop, a relay and a receiver at work.",
        details: [
            "A shop writes orders with their tasks into a SQLite file, some of them rolled back; the relay delivers to a receiver that "
                + "is at times slow or failing. At the end both databases are compared: every committed order was received exactly "
                + "once by key. Nothing is left behind, and nothing outside loopback is called."
        ],
        options: [
            OptionSpecification(name: "--orders", value: "N", summary: "Orders that the shop tries (1000)."),
            OptionSpecification(name: "--seconds", value: "N", summary: "Over how long it spreads them (10)."),
            OptionSpecification(name: "--keep", value: "DIRECTORY", summary: "Put databases and logs there, and leave them."),
            OptionSpecification(name: "--plain", summary: "One line a second instead of the live view."),
        ],
        examples: [.init(line: "tallypost demo", meaning: "Takes about a quarter of a minute.")])

    let arguments: ParsedArguments

    init(_ arguments: ParsedArguments) throws(CommandFailure) {
        _ = try arguments.integer("--orders", in: 1...1_000_000)
        _ = try arguments.integer("--seconds", in: 1...3_600)
        self.arguments = arguments
    }

    func run(in context: CommandContext) throws(CommandFailure) -> ExitCode { try context.services.runDemo(arguments) }
}
