import TallypostCore

/// Why a command could not do what it was asked, for a person: what is wrong, and what mends it.
struct CommandFailure: Error, Sendable, Equatable {
    /// With which the process ends.
    var exit: ExitCode
    /// What is wrong; may have several lines.
    var message: String
    /// What mends it.
    var mend: String?

    init(_ exit: ExitCode, _ message: String, mend: String? = nil) {
        self.exit = exit
        self.message = message
        self.mend = mend
    }

    /// The command line is wrong.
    static func usage(_ message: String, mend: String? = nil) -> CommandFailure { CommandFailure(.usage, message, mend: mend) }

    /// What the database said, as an exit code and with what mends it.
    init(_ error: StoreError) {
        switch error.kind {
        case .connection:
            self.init(error, "the database is out of reach", "look whether it runs and the URL is right: tallypost doctor")
        case .busy: self.init(error, "the database is locked by somebody else", "try again")
        case .unwritable: self.init(error, "the database takes no writes now", "look at the disk, and whether it is a standby")
        case .permission: self.init(error, "the database user lacks a right", "tallypost doctor names what is missing")
        case .schema: self.init(error, "the tables do not fit this version", "run: tallypost init")
        case .corrupt: self.init(error, "the database file is damaged or is none", "restore it from a backup")
        case .data: self.init(error, "the database refused a value", nil)
        case .defect: self.init(error, "a fault of tallypost itself", "report it with this message")
        }
    }

    private init(_ error: StoreError, _ message: String, _ mend: String?) {
        self.init(ExitCode(error), "\(message): \(error)", mend: mend)
    }

    /// All that is wrong with a configuration, a line each.
    init(_ error: ConfigurationError) { self.init(.configuration, "\(error)") }
}

/// Does something with a database, its errors turned into what a command says.
func asking<Result>(_ body: () throws(StoreError) -> Result) throws(CommandFailure) -> Result {
    do throws(StoreError) { return try body() } catch { throw CommandFailure(error) }
}
