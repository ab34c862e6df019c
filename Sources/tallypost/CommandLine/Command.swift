import TallypostCore

/// A command of `tallypost`: what it is, how it reads its arguments, what it does.
protocol Command: Sendable {
    /// Its name, options and help.
    static var specification: CommandSpecification { get }
    /// Judges the arguments before anything is done.
    init(_ arguments: ParsedArguments) throws(CommandFailure)
    /// Does it.
    func run(in context: CommandContext) throws(CommandFailure) -> ExitCode
}

/// What a command runs in.
struct CommandContext {
    /// The adapters.
    var services: CommandServices
    /// Standard output.
    var output: OutputWriter
    /// Standard error.
    var errors: OutputWriter
    /// A variable of the environment.
    var environment: [String: String]
    /// Puts a question to the person at the terminal; nil when there is none (standard input or error is no terminal).
    var ask: ((String) -> Bool)?
    /// The name of the account that it runs under; nil: the account has none.
    var account: String?

    /// A note beside the output, on standard error.
    func note(_ text: String) {
        output.flush()
        errors.line("tallypost: \(TextTable.printable(text))")
        errors.flush()
    }
}

extension ParsedArguments {
    /// `--config`, `--database`, `--route` and `--admin-token`, where the command has them. Secrets are left alone: only a
    /// relay needs them, and only it may be able to read them.
    func sources() throws(CommandFailure) -> Configuration.Sources {
        var sources = Configuration.Sources()
        sources.readsSecrets = false
        sources.file = value("--config")
        sources.database = value("--database")
        sources.routes = values("--route")
        sources.adminToken = value("--admin-token")
        sources.listenAdmin = value("--listen-admin")
        sources.listenPublic = value("--listen-public")
        if let text = sources.database {
            do throws(DatabaseURL.Failure) { _ = try DatabaseURL(parsing: text) } catch {
                throw .usage("--database: \(error.reason)")
            }
        }
        var types: Set<String> = []
        for text in sources.routes {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
                throw .usage("--route: “\(text)” is not TYPE=URL", mend: "--route send-receipt=http://localhost:8080/receipts")
            }
            guard types.insert(parts[0]).inserted else { throw .usage("--route: “\(parts[0])” is given twice") }
            do throws(TargetError) { _ = try RouteConfiguration(type: parts[0], url: parts[1]) } catch {
                throw .usage("--route \(parts[0]): \(error.reason)", mend: "write an absolute http or https URL")
            }
        }
        if let token = sources.adminToken, token != "none" {
            throw .usage(
                "--admin-token takes only “none”: every user of the machine could read a token on the command line",
                mend: "name it in the configuration: adminToken: \"file:PATH\"")
        }
        return sources
    }
}

extension CommandContext {
    /// The configuration that the arguments name; an empty one where they name no file.
    func configuration(_ sources: Configuration.Sources) throws(CommandFailure) -> Configuration {
        var sources = sources
        sources.environment = environment
        do throws(ConfigurationError) { return try services.loadConfiguration(sources) } catch { throw CommandFailure(error) }
    }

    /// The desk at the database that the arguments name, and the configuration.
    func openDesk(_ sources: Configuration.Sources) throws(CommandFailure) -> (any TaskDesk, Configuration) {
        let configuration = try configuration(sources)
        let database = try database(of: configuration)
        do throws(StoreError) { return (try services.openDesk(database), configuration) } catch { throw CommandFailure(error) }
    }

    /// The database that is named, or what to do when none is.
    func database(of configuration: Configuration) throws(CommandFailure) -> DatabaseURL {
        guard let database = configuration.database else {
            throw .usage("no database is named", mend: "add --database sqlite:PATH (or a postgres:// URL), or --config FILE")
        }
        return database
    }

    /// Who does it, as `task_events` keeps it.
    func actor(_ named: String?) -> String {
        known(named) ?? "unknown"
    }

    /// Who answers for it with a name: what a controller will read.
    func signer(_ named: String?) throws(CommandFailure) -> String {
        guard let who = known(named) else {
            throw .usage("nobody is named who answers for this", mend: "add --by with a person's name")
        }
        return who
    }

    private func known(_ named: String?) -> String? {
        let names = [named, environment["SUDO_USER"], environment["USER"], environment["LOGNAME"], account]
        return names.compactMap { $0 }.first { !$0.allSatisfy(\.isWhitespace) }
    }
}
