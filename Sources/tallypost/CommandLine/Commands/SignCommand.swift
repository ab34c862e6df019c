import TallypostCore
import TallypostReconciliation
import TallypostRelay
import TallypostReports

/// `tallypost sign`.
struct SignCommand: Command {
    /// Whose hand it is.
    enum Role: String, CaseIterable { case preparer, reviewer }

    static let specification = CommandSpecification(
        name: "sign", summary: "Put a name under a report: preparer, then reviewer.",
        details: [
            "Verifies the report first. The name is bound to the manifest's SHA-256: whatever is changed afterwards shows in tallypost verify. It "
                + "is kept in the database and beside the report. Preparer and reviewer are two different people. A report that both have signed "
                + "seals its period: its figures are told, and do not change any more."
        ],
        positionals: [PositionalSpecification(name: "MANIFEST", summary: "The report's manifest.json, or its directory.")],
        options: [
            .database, .config, OptionSpecification(name: "--role", value: "ROLE", summary: "preparer or reviewer."),
            OptionSpecification(name: "--by", value: "WHO", summary: "Who signs; $SUDO_USER or $USER when not given."),
            OptionSpecification(name: "--note", value: "TEXT", summary: "What there is to say."), .json,
        ],
        examples: [
            .init(
                line:
                    "tallypost sign reports/tallypost-recon_shop_all_2026-10_UTC_r1/manifest.json --role preparer --by anna --config tallypost.json5",
                meaning: "Anna has prepared it.")
        ],
        exits: [.badData, .unavailable, .configuration])

    let sources: Configuration.Sources
    let manifest: String
    let role: Role
    let by: String?
    let note: String?
    let printsJSON: Bool

    init(_ arguments: ParsedArguments) throws(CommandFailure) {
        sources = try arguments.sources()
        let path = arguments.positionals[0]
        manifest = path.hasSuffix(".json") ? path : (path.hasSuffix("/") ? path : path + "/") + ReportManifest.fileName
        guard let role = try arguments.word("--role", Role.self) else {
            throw .usage("nobody knows in which role you sign", mend: "add --role preparer, or --role reviewer")
        }
        self.role = role
        by = arguments.value("--by")
        note = arguments.value("--note")
        printsJSON = arguments.has("--json")
    }

    func run(in context: CommandContext) throws(CommandFailure) -> ExitCode {
        let configuration = try context.configuration(sources)
        let database = try context.database(of: configuration)
        let summary = try verified()
        let who = try context.signer(by)
        let service = try asking { () throws(StoreError) in
            try ReconcileService(configuration, database, holder: "sign", madeBy: who)
        }
        let outcome = try asking { () throws(StoreError) in
            guard
                let report = try service.store.reports(limit: 10_000).first(where: { $0.manifestSHA256 == summary.manifestSHA256 }
                )
            else {
                return SignOutcome.unknownReport
            }
            return try service.store.sign(
                report: report.id, role: role.rawValue, by: who, note: note, manifest: summary.manifestSHA256)
        }
        switch outcome {
        case .signed: break
        case .unknownReport, .manifestDiffers:
            throw CommandFailure(
                .badData, "this database has no report with this manifest", mend: "look at --database and --config")
        case .alreadySigned(let other):
            // An earlier try may have got no further than the database.
            guard other == who, !summary.signOffs.contains(where: { $0.role == role.rawValue }) else {
                throw CommandFailure(.badData, "\(other) has signed as \(role.rawValue) already")
            }
        case .samePerson(let other):
            throw CommandFailure(
                .badData, "\(who) has signed as \(other) already", mend: "preparer and reviewer are two different people")
        }
        try keep(
            SignOffFile(
                role: role.rawValue, by: who, at: MonotonicClock.timeOfDay(), note: note, manifestSHA256: summary.manifestSHA256),
            service, context)
        tell(who, summary, context)
        return .good
    }

    private func verified() throws(CommandFailure) -> ReportVerifier.Summary {
        do { return try ReportVerifier(manifest: manifest).verify() } catch let error as ReportVerifier.Difference {
            throw CommandFailure(
                .badData, "\(error.file): \(error.what) is \(error.found), not \(error.expected); nobody should sign this",
                mend: "make the report again: tallypost reconcile --period … --report")
        } catch let error as ReportFailure { throw CommandFailure(.badData, error.message, mend: error.mend) } catch {
            throw CommandFailure(.badData, "\(manifest): cannot be verified")
        }
    }

    /// Beside the report; there already when an earlier try got no further than the database.
    private func keep(_ file: SignOffFile, _ service: ReconcileService, _ context: CommandContext) throws(CommandFailure) {
        let directory = manifest.lastIndex(of: "/").map { String(manifest[..<$0]) } ?? "."
        do {
            try ReportDirectory.add(try file.file(signer: try service.signer(context.environment)), to: directory)
        } catch let error as ReportFailure {
            throw CommandFailure(.badData, error.message, mend: error.mend)
        } catch let error as ReportWriting {
            guard case .files(let failure) = error else { return }
            throw CommandFailure(.configuration, failure.message, mend: failure.mend)
        } catch { throw CommandFailure(.fault, "\(error)") }
    }

    private func tell(_ who: String, _ summary: ReportVerifier.Summary, _ context: CommandContext) {
        if printsJSON {
            var json = JSONWriter(context.output)
            json.object { json in
                for (name, value) in [
                    ("report", summary.name), ("role", role.rawValue), ("by", who), ("manifestSHA256", summary.manifestSHA256),
                ] {
                    json.name(name)
                    json.string(value)
                }
            }
            json.finish()
        } else {
            context.output.line(
                "\(summary.name): signed by \(who) as \(role.rawValue), manifest \(summary.manifestSHA256.prefix(16))…")
        }
    }
}
