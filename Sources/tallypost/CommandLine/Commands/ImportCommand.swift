import FoundationEssentials
import Glibc
import TallypostCore
import TallypostReconciliation
import TallypostThreads

/// `tallypost import`.
struct ImportCommand: Command {
    static let specification = CommandSpecification(
        name: "import", summary: "Hold a receiver's ledger against the tasks.",
        details: [
            "Reads the file that a receiver of callbacks gives out (CSV or JSON lines), joins it with the tasks, and tells what only "
                + "they have, what only we have, what was done twice, and what does not agree. Rows that cannot be read are never "
                + "guessed: they are written to FILE.quarantine.csv, and the import is incomplete. Everything is recorded in one "
                + "transaction at the end, or nothing.",
            "MAP is JSON5: { source: \"stripe\", format: \"csv\", columns: { idempotencyKey: \"key\", amount: \"amount\", currency: "
                + "\"currency\", at: \"created\", status: \"status\", externalId: \"id\" }, exponent: 2, zone: \"UTC\", outcomes: { "
                + "completed: [\"succeeded\"], failed: [\"failed\"], ignore: [\"pending\"] }, types: [\"charge\"], lag: \"24h\" }. The "
                + "README tells every key.",
        ],
        positionals: [PositionalSpecification(name: "FILE", summary: "The receiver's ledger.")],
        options: [
            .database, .config,
            OptionSpecification(name: "--map", value: "MAP", summary: "What the ledger's columns mean (JSON5)."),
            OptionSpecification(
                name: "--expect-rows", value: "N", summary: "Refuse the file unless it has N rows that can be read."),
            OptionSpecification(
                name: "--expect-sum", value: "CUR=AMOUNT", repeats: true,
                summary: "Refuse the file unless what was done adds up to this: EUR=1234.50."),
            OptionSpecification(
                name: "--from", value: "TIME", summary: "The ledger tells of all from then on (its first row's time)."),
            OptionSpecification(name: "--to", value: "TIME", summary: "And before then (just behind its last row's time)."),
            OptionSpecification(name: "--by", value: "WHO", summary: "Who imports; $SUDO_USER or $USER when not given."),
            OptionSpecification(
                name: "--out", value: "DIR", summary: "Where the quarantine file is written (the current folder)."),
            OptionSpecification(name: "--dry-run", summary: "Do all of it, and record nothing."),
            .json,
        ],
        examples: [
            .init(
                line: "tallypost import --config tallypost.json5 --map stripe.json5 2026-11.csv --expect-sum EUR=613555.10",
                meaning: "A month of payments, whose sum the receiver has told."),
            .init(
                line: "tallypost import --config tallypost.json5 --map stripe.json5 2026-11.csv --dry-run",
                meaning: "Only to see what would be found."),
        ],
        exits: [.breaks, .incomplete, .badData, .unavailable, .configuration])

    let sources: Configuration.Sources
    let file: String
    let mapFile: String
    let expectedRows: Int64?
    let expectedSums: [(currency: String, amount: String)]
    let from, to: String?
    let by: String?
    let folder: String
    let isDryRun: Bool
    let printsJSON: Bool

    init(_ arguments: ParsedArguments) throws(CommandFailure) {
        sources = try arguments.sources()
        file = arguments.positionals[0]
        guard let map = arguments.value("--map") else {
            throw .usage("import needs --map MAP: what the ledger's columns mean", mend: Self.specification.usageLine)
        }
        mapFile = map
        expectedRows = try arguments.integer("--expect-rows", in: 0...Int.max).map(Int64.init)
        var sums: [(currency: String, amount: String)] = []
        for text in arguments.values("--expect-sum") {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, parts[0].utf8.count == 3, parts[0].utf8.allSatisfy({ $0 &- 65 < 26 }) else {
                throw .usage("--expect-sum: “\(text)” is not CURRENCY=AMOUNT", mend: "--expect-sum EUR=1234.50")
            }
            guard !sums.contains(where: { $0.currency == parts[0] }) else {
                throw .usage("--expect-sum: \(parts[0]) is given twice")
            }
            sums.append((parts[0], parts[1]))
        }
        expectedSums = sums
        from = arguments.value("--from")
        to = arguments.value("--to")
        by = arguments.value("--by")
        folder = arguments.value("--out") ?? "."
        isDryRun = arguments.has("--dry-run")
        printsJSON = arguments.has("--json")
    }

    func run(in context: CommandContext) throws(CommandFailure) -> ExitCode {
        let map = try ImportMapReader().map(at: mapFile)
        let request = try request(map, context)
        let place = try context.database(of: try context.configuration(sources))
        let database = try asking { () throws(StoreError) in try Engine(place).openReconcile() }
        var status = stat()
        let size = unsafe stat(file, &status) == 0 ? Int64(status.st_size) : 0
        let meter = ImportMeter(size: size)
        let verdict: LedgerVerdict
        do throws(LedgerError) {
            verdict = try LedgerImport(request) { meter.show($0) }.run(on: database) { elsewhere, here in
                let thread = WorkerThread(name: "import", body: elsewhere)
                here()
                thread.join()
            }
        } catch {
            meter.finish()
            throw failure(error)
        }
        meter.finish()
        let quarantine = try writeQuarantine(verdict)
        let page = ImportPage(verdict, quarantine: quarantine, isDryRun: isDryRun)
        if printsJSON { page.writeJSON(to: context.output) } else { page.writeText(to: context.output) }
        return switch verdict.status {
        case .clean: .good
        case .breaks: .breaks
        case .incomplete: .incomplete
        }
    }

    private func request(_ map: LedgerMap, _ context: CommandContext) throws(CommandFailure) -> LedgerRequest {
        let name = file.split(separator: "/").last.map(String.init) ?? file
        let directory = context.environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/tmp"
        var request = LedgerRequest(map: map, path: file, name: name, by: context.actor(by), directory: directory)
        request.expectedRows = expectedRows
        request.isDryRun = isDryRun
        for (currency, amount) in expectedSums {
            guard map.hasAmounts else { throw .usage("--expect-sum: the map names no amount, so there is nothing to add up") }
            guard let minor = LedgerMap.minorUnits(amount, digits: map.digits(of: currency)) else {
                throw .usage(
                    "--expect-sum: “\(amount)” is no amount of \(currency), which has \(map.digits(of: currency)) decimals",
                    mend: "--expect-sum \(currency)=1234.50, with a point and without separators")
            }
            request.expectedSums[currency] = minor
        }
        request.from = try time("--from", from, map)
        request.to = try time("--to", to, map)
        return request
    }

    private func time(_ option: String, _ text: String?, _ map: LedgerMap) throws(CommandFailure) -> Timestamp? {
        guard let text else { return nil }
        if let time = map.time(written: text) { return time }
        throw .usage(
            "\(option): “\(text)” is no time\(map.zoneName == "UTC" ? "" : " in \(map.zoneName)")",
            mend: "\(option) 2026-11-01, or 2026-11-01T00:00:00Z; without an offset it is the map's zone")
    }

    private func failure(_ error: LedgerError) -> CommandFailure {
        switch error.kind {
        case .database(let fault): CommandFailure(fault)
        case .data, .space: CommandFailure(.badData, error.message, mend: error.mend)
        case .interrupted: CommandFailure(.interrupted, error.message, mend: error.mend)
        }
    }

    /// Where the rows that could not be read are; nil: all could.
    private func writeQuarantine(_ verdict: LedgerVerdict) throws(CommandFailure) -> String? {
        guard verdict.totals.quarantine.count > 0 else { return nil }
        let path = "\(folder)/\(verdict.file).quarantine.csv"
        do { try Data(verdict.totals.quarantine.csv.utf8).write(to: URL(filePath: path)) } catch {
            throw CommandFailure(
                .badData, "\(path) cannot be written; the import is \(verdict.number == nil ? "not " : "")recorded",
                mend: "name a folder that can be written with --out")
        }
        return path
    }
}
