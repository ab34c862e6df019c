import TallypostCore
import TallypostReconciliation

/// `tallypost break list`.
struct BreakListCommand: Command {
    static let specification = CommandSpecification(
        name: "break list", summary: "List breaks: what reconciliation found, and what has been done about it.",
        details: ["As the last run left them, the worst first. Without --state those that count: open and acknowledged."],
        options: [
            .database, .config,
            OptionSpecification(
                name: "--state", value: "STATE",
                summary: "Only these: open, acknowledged, resolved, cleared or unconfirmed; all of them: all."),
            OptionSpecification(name: "--severity", value: "WORD", summary: "Only these: low, medium, high or critical."),
            OptionSpecification(name: "--class", value: "CLASS", summary: "Only of this class: missing, orphan, duplicate …"),
            OptionSpecification(name: "--type", value: "TYPE", summary: "Only of tasks of this type."),
            OptionSpecification(name: "--owner", value: "WHO", summary: "Only of this owner."),
            OptionSpecification(name: "--rule", value: "RULE", summary: "Only of this rule."),
            OptionSpecification(name: "--limit", value: "N", summary: "Show at most N (50; at most 1000)."),
            OptionSpecification(name: "--cursor", value: "CURSOR", summary: "Show those beyond the page that said so."),
            .json,
        ],
        examples: [
            .init(
                line: "tallypost break list --config tallypost.json5 --severity critical",
                meaning: "What must be looked at first."),
            .init(line: "tallypost break list --config tallypost.json5 --json", meaning: "All that count, for a program."),
        ],
        exits: [.badData, .unavailable, .configuration])

    let sources: Configuration.Sources
    let filter: BreakFilter
    let limit: Int
    let cursor: BreakCursor?
    let printsJSON: Bool

    init(_ arguments: ParsedArguments) throws(CommandFailure) {
        sources = try arguments.sources()
        var filter = BreakFilter()
        if arguments.value("--state") != "all" {
            filter.states = try arguments.word("--state", BreakState.self).map { [$0] } ?? [.open, .acknowledged]
        }
        filter.severity = try arguments.word("--severity", Severity.self)
        filter.kind = try arguments.word("--class", FindingClass.self)
        filter.type = arguments.value("--type")
        filter.owner = arguments.value("--owner")
        filter.rule = arguments.value("--rule")
        self.filter = filter
        printsJSON = arguments.has("--json")
        limit = try arguments.integer("--limit", in: 1...1_000) ?? 50
        guard let text = arguments.value("--cursor") else {
            cursor = nil
            return
        }
        let parts = text.split(separator: "/", maxSplits: 1).map(String.init)
        guard parts.count == 2, let severity = Severity(rawValue: parts[0]) else {
            throw .usage("--cursor: “\(text)” is none", mend: "take what the page before said")
        }
        cursor = BreakCursor(severity: severity, id: parts[1])
    }

    func run(in context: CommandContext) throws(CommandFailure) -> ExitCode {
        let store = try context.openBooks(sources)
        // One more than is shown tells whether there are more.
        var breaks = try asking { () throws(StoreError) in try store.breaks(filter, after: cursor, limit: limit + 1) }
        let hasMore = breaks.count > limit
        breaks = Array(breaks.prefix(limit))
        let next = hasMore ? breaks.last.map { "\($0.finding.severity.rawValue)/\($0.finding.id)" } : nil
        if printsJSON {
            var json = JSONWriter(context.output)
            json.object { json in
                json.name("findings")
                json.array { json in for entry in breaks { json.entry(entry) } }
                json.name("next")
                json.string(next)
            }
            json.finish()
        } else if breaks.isEmpty {
            context.output.line("no break matches")
        } else {
            printTable(breaks, context.output)
            if let next { context.output.line("more: add --cursor \(next)") }
        }
        return .good
    }

    private func printTable(_ breaks: [Break], _ output: OutputWriter) {
        var table = TextTable([
            .init(heading: "id"), .init(heading: "severity"), .init(heading: "class"), .init(heading: "subject", longest: 24),
            .init(heading: "amount", isNumber: true), .init(heading: "since"), .init(heading: "owner", longest: 16),
            .init(heading: "state"),
            .init(heading: "detail", longest: 70),
        ])
        for entry in breaks {
            let finding = entry.finding
            let amount = finding.amountMinor.map { amount in
                finding.currency.map { "\($0) \(CurrencyDigits.decimal(Int128(amount), digits: CurrencyDigits.of($0)))" }
                    ?? "\(amount)"
            }
            table.add([
                finding.id, finding.severity.rawValue, finding.kind.rawValue, finding.subject ?? "-", amount ?? "-",
                (finding.since ?? entry.firstSeen).iso8601, finding.owner.isEmpty ? "-" : finding.owner, entry.state.rawValue,
                finding.detail,
            ])
        }
        output.write(table.text)
    }
}

extension ParsedArguments {
    /// An option that takes one of an enumeration's words.
    func word<Word: RawRepresentable & CaseIterable>(_ name: String, _: Word.Type) throws(CommandFailure) -> Word?
    where Word.RawValue == String {
        guard let text = value(name) else { return nil }
        if let word = Word(rawValue: text) { return word }
        let words = Word.allCases.map(\.rawValue)
        throw .usage(
            "\(name): “\(text)” is none of \(words.joined(separator: ", "))",
            mend: NearestName.of(text, among: words).map { "did you mean \($0)?" })
    }
}

extension JSONWriter {
    /// A break, its members named as `reconcile --json` names them.
    mutating func entry(_ entry: Break) {
        let finding = entry.finding
        object { json in
            for (name, value) in [
                ("id", finding.id), ("class", finding.kind.rawValue), ("severity", finding.severity.rawValue),
                ("rule", finding.rule),
                ("owner", finding.owner), ("type", finding.type), ("subject", finding.subject),
                ("idempotencyKey", finding.idempotencyKey),
                ("taskID", finding.taskID.map(String.init)), ("amountMinor", finding.amountMinor.map(String.init)),
                ("currency", finding.currency), ("since", finding.since?.iso8601), ("firstSeen", entry.firstSeen.iso8601),
                ("lastSeen", entry.lastSeen.iso8601), ("state", entry.state.rawValue), ("change", entry.change?.rawValue),
                ("by", entry.by), ("reason", entry.reason), ("until", entry.until?.iso8601), ("detail", finding.detail),
            ] as [(String, String?)] {
                json.name(name)
                json.string(value)
            }
        }
    }
}
