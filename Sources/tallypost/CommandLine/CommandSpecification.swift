/// What a command is called, takes and does. Parsing and help both come from it.
struct CommandSpecification: Sendable {
    /// One line of an example section.
    struct Example: Sendable {
        /// As typed.
        var line: String
        /// What it does.
        var meaning: String
    }

    /// `run`, or two words: `task list`.
    var name: String
    /// One line, for the table of commands.
    var summary: String
    /// Paragraphs, for the command's own help.
    var details: [String] = []
    /// What it takes beside options.
    var positionals: [PositionalSpecification] = []
    /// What it takes with `--`.
    var options: [OptionSpecification] = []
    /// How it is used.
    var examples: [Example] = []
    /// How it may end, beside `good`, `usage` and `software`.
    var exits: [ExitCode] = []
}

/// An option with its long name.
struct OptionSpecification: Sendable {
    /// With the dashes: `--config`.
    var name: String
    /// What stands for the value in a help text: `FILE`. Nil: the option takes none.
    var value: String?
    /// Whether it may be given again.
    var repeats = false
    /// What it does.
    var summary: String

    static let config = OptionSpecification(
        name: "--config", value: "FILE", summary: "Read the configuration (JSON5) from FILE.")
    static let database = OptionSpecification(
        name: "--database", value: "URL",
        summary: "Use this database, whatever the configuration says: sqlite:PATH, or a postgres:// URL as libpq takes it.")
    static let json = OptionSpecification(name: "--json", summary: "Print JSON, for programs.")
    static let by = OptionSpecification(
        name: "--by", value: "WHO", summary: "Who does this, for task_events; $SUDO_USER or $USER when not given.")
    static let why = OptionSpecification(name: "--why", value: "TEXT", summary: "Why, for task_events.")
    static let status = OptionSpecification(
        name: "--status", value: "STATUS",
        summary: "Only tasks in this status: blocked, pending, processing, waiting, completed, failed, timeout or cancelled.")
    static let type = OptionSpecification(name: "--type", value: "TYPE", summary: "Only tasks of this type.")
    static let subject = OptionSpecification(name: "--subject", value: "SUBJECT", summary: "Only tasks about this subject.")
    static let help = OptionSpecification(name: "--help", summary: "Print this help.")
}

/// An argument without a name.
struct PositionalSpecification: Sendable {
    /// How many of it there may be.
    enum Arity: Sendable { case one, optional, any }

    /// What stands for it in a help text: `ID`.
    var name: String
    /// How many of it there may be.
    var arity: Arity = .one
    /// What it is.
    var summary: String
}
