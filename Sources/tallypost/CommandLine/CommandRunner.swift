/// From the command line to an exit code.
enum CommandRunner {
    /// - Parameter arguments: without the program's name.
    static func run(_ arguments: [String], in context: CommandContext) -> ExitCode {
        defer {
            context.output.flush()
            context.errors.flush()
        }
        do throws(CommandFailure) {
            return try dispatch(arguments, context)
        } catch {
            context.output.flush()
            for line in error.message.split(separator: "\n", omittingEmptySubsequences: false) {
                context.errors.line("tallypost: \(TextTable.printable(String(line)))")
            }
            if let mend = error.mend { context.errors.line("  mend: \(TextTable.printable(mend))") }
            return error.exit
        }
    }

    private static func dispatch(_ arguments: [String], _ context: CommandContext) throws(CommandFailure) -> ExitCode {
        switch arguments.first {
        case "--help", "-h":
            context.output.write(CommandTable.helpText)
            return .good
        case "help": return try dispatch(arguments.dropFirst() + ["--help"], context)
        case "--version":
            context.output.line("tallypost \(Version.current)")
            return .good
        default: break
        }
        if let family = arguments.first.map(CommandTable.family), !family.isEmpty,
            ["--help", "-h"].contains(arguments.dropFirst().first)
        {
            context.output.write(family.map { $0.specification.helpText }.joined(separator: "\n\n"))
            return .good
        }
        let (command, rest) = try CommandTable.find(arguments)
        let specification = command.specification
        let parsed = try ParsedArguments(rest, for: specification)
        if parsed.asksForHelp {
            context.output.write(specification.helpText)
            return .good
        }
        let instance = try command.init(parsed)
        return try instance.run(in: context)
    }
}
