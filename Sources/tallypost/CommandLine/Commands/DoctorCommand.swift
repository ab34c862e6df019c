import TallypostCore
import TallypostRelay

/// `tallypost doctor`.
struct DoctorCommand: Command {
    static let specification = CommandSpecification(
        name: "doctor", summary: "Check database, permissions, schema, clock, routes and receivers.",
        details: [
            "Looks at everything that a relay needs, changes nothing, and says what mends each fault. Run it as the user that the relay "
                + "runs as: its rights are what is checked. Receivers are connected to, and sent nothing.",
            "With --after-restore it says instead whether dispatch is held because the database went back in time, and lists what may "
                + "already have been sent; --release lets the relays go on, --hold stops them by hand.",
        ],
        options: [
            .config, .database,
            OptionSpecification(name: "--route", value: "TYPE=URL", repeats: true, summary: "Check this route too."), .json,
        ] + AfterRestore.options,
        examples: [
            .init(line: "sudo -u tallypost tallypost doctor --config /etc/tallypost/tallypost.json5", meaning: "Checks all."),
            .init(
                line: "tallypost doctor --after-restore --config tallypost.json5",
                meaning: "Lists what may already have been sent."),
            .init(
                line:
                    "tallypost doctor --after-restore --release --by mara --why 'compared with the ledger' --config tallypost.json5",
                meaning: "Asks, and lets the relays send again."),
        ],
        exits: [.badData, .unavailable, .configuration])

    let sources: Configuration.Sources
    let printsJSON: Bool
    /// Nil: the usual checks.
    let afterRestore: AfterRestore?

    init(_ arguments: ParsedArguments) throws(CommandFailure) {
        sources = try arguments.sources()
        printsJSON = arguments.has("--json")
        afterRestore = try AfterRestore(arguments)
        guard sources.file != nil || sources.database != nil else {
            throw .usage("nothing to check is named", mend: "add --config FILE, or --database URL")
        }
    }

    func run(in context: CommandContext) throws(CommandFailure) -> ExitCode {
        if let afterRestore { return try afterRestore.run(sources, printsJSON: printsJSON, in: context) }
        let (configuration, ofSettings) = diagnoseConfiguration(context)
        let isRead = !ofSettings.contains { $0.level == .problem }
        let findings =
            ofSettings + diagnoseDatabase(configuration, context, isRead: isRead) + diagnoseReceivers(configuration, context)
        if printsJSON { printJSON(findings, context.output) } else { printText(findings, context.output) }
        if ofSettings.contains(where: { $0.level == .problem }) { return .configuration }
        let problems = findings.filter { $0.level == .problem }
        // Missing tables and rights are a matter of setting up, as for every other command.
        return problems.isEmpty ? .good : problems.contains { $0.check == "database" } ? .unavailable : .configuration
    }

    /// All that is wrong, secrets included; and as much of the configuration as can be read for the checks that follow.
    private func diagnoseConfiguration(_ context: CommandContext) -> (Configuration, [Finding]) {
        var withSecrets = sources
        withSecrets.environment = context.environment
        withSecrets.readsSecrets = true
        var withoutSecrets = withSecrets
        withoutSecrets.readsSecrets = false
        do throws(ConfigurationError) {
            let configuration = try context.services.loadConfiguration(withSecrets)
            return (
                configuration,
                Self.praise(configuration, sources)
                    + (configuration.idleKeys + configuration.schedulesWithoutRoute(file: sources.file)).map {
                        Self.finding($0, .warning)
                    }
            )
        } catch {
            let problems = error.problems.map { Self.finding($0, .problem) }
            do throws(ConfigurationError) { return (try context.services.loadConfiguration(withoutSecrets), problems) } catch {
                // Nothing of the file can be trusted; the command line's database can still be looked at.
                withoutSecrets.file = nil
                withoutSecrets.routes = []
                return ((try? context.services.loadConfiguration(withoutSecrets)) ?? Configuration(), problems)
            }
        }
    }

    private static func praise(_ configuration: Configuration, _ sources: Configuration.Sources) -> [Finding] {
        guard let file = sources.file else { return [] }
        let unsigned = configuration.allRoutes.filter {
            !$0.value.isSigned && $0.value.subscribers.isEmpty && $0.key != RoutePolicy.noticeType
                && !$0.key.hasPrefix(RoutePolicy.alertPrefix)
        }.keys.sorted()
        let count = configuration.routes.count
        return [
            Finding(
                level: .good, check: "configuration", message: "\(file): \(count) route\(count == 1 ? "" : "s"), secrets readable"
            )
        ]
            + (sources.database == nil ? passwordInFile(configuration) : [])
            + unsigned.map {
                Finding(
                    level: .warning, check: "configuration", message: "routes.\($0) has no secrets: its requests are not signed",
                    mend: "add secrets: [\"file:PATH\"], and let the receiver verify")
            }
    }

    /// A configuration is read by more people and backups than a secret should be.
    private static func passwordInFile(_ configuration: Configuration) -> [Finding] {
        guard case .postgres(let url) = configuration.database, configuration.database?.redacted != url else { return [] }
        return [
            Finding(
                level: .warning, check: "configuration", message: "the database's password stands in the file",
                mend: "use a socket with peer authentication, or a passfile: postgres://USER@HOST/DATABASE?passfile=PATH")
        ]
    }

    private static func finding(_ problem: ConfigurationProblem, _ level: Finding.Level) -> Finding {
        Finding(level: level, check: "configuration", message: "\(problem)")
    }

    /// - Parameter isRead: whether the configuration could be read.
    private func diagnoseDatabase(_ configuration: Configuration, _ context: CommandContext, isRead: Bool) -> [Finding] {
        guard let database = configuration.database else {
            // A file that cannot be read may well name one.
            guard isRead else { return [] }
            return [
                Finding(
                    level: .problem, check: "database", message: "no database is named",
                    mend: "add database: \"sqlite:PATH\" (or a postgres:// URL) to the configuration, or --database URL")
            ]
        }
        var found: [Finding] = []
        do throws(StoreError) {
            found = try context.services.schemaKeeper(database).diagnose()
            guard !configuration.routes.isEmpty, found.allSatisfy({ $0.level != .problem }) else { return found }
            return found + Self.typesWithoutRoute(try context.services.openDesk(database).overview(), configuration.policies.keys)
        } catch {
            let failure = CommandFailure(error)
            return found + [Finding(level: .problem, check: "database", message: failure.message, mend: failure.mend)]
        }
    }

    private static func typesWithoutRoute(_ overview: Overview, _ routes: some Collection<String>) -> [Finding] {
        let open = overview.lines.filter { $0.status == TaskStatus.pending.rawValue || $0.status == TaskStatus.blocked.rawValue }
        return Dictionary(grouping: open, by: \.type).sorted { $0.key < $1.key }.compactMap { type, lines in
            guard !routes.contains(type) else { return nil }
            let nearest = NearestName.of(type, among: routes)
            return Finding(
                level: .problem, check: "routes",
                message: "\(lines.map(\.count).reduce(0, +)) open task(s) have the type “\(type)”, which has no route"
                    + (nearest.map { "; the nearest is “\($0)”" } ?? ""),
                mend: "add routes.\(type) to the configuration before a relay sets them aside as failed")
        }
    }

    private func diagnoseReceivers(_ configuration: Configuration, _ context: CommandContext) -> [Finding] {
        // Routes to one origin share its fate, and are asked about once.
        let routes = configuration.policies.values.compactMap { policy in policy.origin.map { (origin: $0, type: policy.type) } }
        return Dictionary(grouping: routes, by: \.origin).sorted { $0.key.description < $1.key.description }.map {
            origin, routes in
            let types = routes.map(\.type).sorted().joined(separator: ", ")
            guard let obstacle = context.services.reachReceiver(origin) else {
                return Finding(level: .good, check: "receivers", message: "\(origin) takes connections (\(types))")
            }
            // A receiver may be away for a while: that is what retries are for.
            return Finding(
                level: .warning, check: "receivers", message: "\(origin) cannot be reached: \(obstacle) (\(types))",
                mend: "look whether it runs, and whether name, port and firewall are right")
        }
    }

    private func printText(_ findings: [Finding], _ output: OutputWriter) {
        for finding in findings {
            let mark =
                switch finding.level {
                case .good: "ok     "
                case .warning: "WARN   "
                case .problem: "PROBLEM"
                }
            output.line("\(mark)  \(finding.check): \(TextTable.printable(finding.message))")
            if let mend = finding.mend { output.line("         mend: \(TextTable.printable(mend))") }
        }
        let problems = findings.count { $0.level == .problem }
        let warnings = findings.count { $0.level == .warning }
        output.line()
        output.line(
            problems + warnings == 0
                ? "all is well: \(findings.count) checks"
                : "\(findings.count) checks: \(problems) problem\(problems == 1 ? "" : "s"), \(warnings) warning\(warnings == 1 ? "" : "s")"
        )
    }

    private func printJSON(_ findings: [Finding], _ output: OutputWriter) {
        var json = JSONWriter(output)
        json.object { json in
            json.name("findings")
            json.array { json in
                for finding in findings {
                    json.object { json in
                        json.name("level")
                        json.string(finding.level.rawValue)
                        json.name("check")
                        json.string(finding.check)
                        json.name("message")
                        json.string(finding.message)
                        json.name("mend")
                        json.string(finding.mend)
                    }
                }
            }
        }
        json.finish()
    }
}
