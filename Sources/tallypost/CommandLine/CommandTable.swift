import TallypostCore

/// All commands, in the order in which help lists them.
enum CommandTable {
    static let commands: [any Command.Type] = [
        InitCommand.self, RunCommand.self, StatusCommand.self,
        TaskListCommand.self, TaskShowCommand.self, TaskRetryCommand.self, TaskCancelCommand.self, TaskExplainCommand.self,
        RouteListCommand.self, RoutePauseCommand.self, RouteResumeCommand.self,
        ReconcileCommand.self, BreakListCommand.self, BreakAcknowledgeCommand.self, BreakResolveCommand.self, SignCommand.self,
        VerifyCommand.self,
        ImportCommand.self,
        DoctorCommand.self, DemoLaunchCommand.self,
        RulesTestCommand.self, BackfillCommand.self,
    ]

    /// What `tallypost --help` prints.
    static var helpText: String {
        var text = "tallypost – turns committed rows into HTTP callbacks, at least once, always with the same key\n\n"
        text += "Usage\n  tallypost <command> [options]\n  tallypost <command> --help\n  tallypost --version\n\nCommands\n"
        text += commands.map { CommandSpecification.entry($0.specification.name, $0.specification.summary, column: 18) }.joined()
        text += "\nMost commands take --database URL or --config FILE, and --json.\n\nExit status\n"
        return text + ExitCode.allCases.map { CommandSpecification.entry("\($0.rawValue)", $0.meaning, column: 6) }.joined()
    }

    /// Finds the command and what follows its name. `asksForHelp` is set where the words name several commands (`task`).
    static func find(_ arguments: [String]) throws(CommandFailure) -> (command: any Command.Type, rest: [String]) {
        guard let first = arguments.first else {
            throw .usage("no command is named", mend: "tallypost --help lists them")
        }
        guard !first.hasPrefix("-") else {
            throw .usage("“\(first)” stands before the command", mend: "name the command first: tallypost status \(first) …")
        }
        for count in [2, 1] where arguments.count >= count {
            let name = arguments[..<count].joined(separator: " ")
            if let command = commands.first(where: { $0.specification.name == name }) {
                return (command, Array(arguments[count...]))
            }
        }
        throw unknown(arguments)
    }

    /// The commands whose first word it is.
    static func family(_ word: String) -> [any Command.Type] {
        commands.filter { $0.specification.name.hasPrefix(word + " ") }
    }

    private static func unknown(_ arguments: [String]) -> CommandFailure {
        let family = family(arguments[0])
        let names = commands.map { $0.specification.name }
        if !family.isEmpty {
            let verbs = family.compactMap { $0.specification.name.split(separator: " ").last.map(String.init) }
            guard arguments.count > 1, !arguments[1].hasPrefix("-") else {
                return .usage("“\(arguments[0])” needs a second word", mend: "one of: \(verbs.joined(separator: ", "))")
            }
            let nearest = NearestName.of(arguments[1], among: verbs)
            return .usage(
                "there is no command “\(arguments[0]) \(arguments[1])”",
                mend: nearest.map { "did you mean tallypost \(arguments[0]) \($0)?" }
                    ?? "one of: \(verbs.joined(separator: ", "))")
        }
        let candidates = [arguments.prefix(2).joined(separator: " "), arguments[0]]
        let firstWords = names.compactMap { $0.split(separator: " ").first.map(String.init) }
        let nearest = candidates.lazy.compactMap { NearestName.of($0, among: names + firstWords) }.first
        return .usage(
            "there is no command “\(arguments[0])”",
            mend: nearest.map { "did you mean tallypost \($0)?" } ?? "tallypost --help lists them")
    }
}
