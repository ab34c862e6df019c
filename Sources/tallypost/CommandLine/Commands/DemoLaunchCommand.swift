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
            OptionSpecification(name: "--orders", value: "N", summary: "Orders that the shop tries (1500)."),
            OptionSpecification(name: "--seconds", value: "N", summary: "Over how long it spreads them (15)."),
            OptionSpecification(name: "--keep", value: "DIRECTORY", summary: "Put databases and logs there, and leave them."),
            OptionSpecification(name: "--plain", summary: "One line a second instead of the live view."),
        ],
        examples: [.init(line: "tallypost demo", meaning: "Takes about a quarter of a minute.")])

    let options: DemoOptions

    init(_ arguments: ParsedArguments) throws(CommandFailure) {
        var options = DemoOptions()
        if let orders = try arguments.integer("--orders", in: 1...1_000_000) { options.orders = orders }
        if let seconds = try arguments.integer("--seconds", in: 1...3_600) { options.seconds = seconds }
        options.keep = arguments.value("--keep")
        options.plain = arguments.has("--plain")
        self.options = options
    }

    func run(in context: CommandContext) throws(CommandFailure) -> ExitCode { context.services.runDemo(options) }
}
