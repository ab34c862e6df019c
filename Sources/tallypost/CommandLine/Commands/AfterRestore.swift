import TallypostCore
import TallypostReconciliation
import TallypostRelay

/// `tallypost doctor --after-restore`: what may already have been sent, and the hold on dispatch.
struct AfterRestore {
    /// What is to be done with the hold.
    enum Change: Sendable { case release, hold }

    let change: Change?
    let by: String
    let why: String
    let isSure: Bool
    let limit: Int

    static let options: [OptionSpecification] = [
        OptionSpecification(
            name: "--after-restore", summary: "List what may already have been sent, and say whether dispatch is held."),
        OptionSpecification(name: "--release", summary: "With --after-restore: let the relays send again. Asks."),
        OptionSpecification(
            name: "--hold", summary: "With --after-restore: stop the relays, when you know that you restored a backup."),
        .by, .why,
        OptionSpecification(name: "--limit", value: "N", summary: "List at most so many tasks; 100 when not given."),
        OptionSpecification(name: "--yes", summary: "Do not ask."),
    ]

    /// Nil without `--after-restore`.
    init?(_ arguments: ParsedArguments) throws(CommandFailure) {
        guard arguments.has("--after-restore") else {
            for option in ["--release", "--hold", "--by", "--why", "--limit", "--yes"] where arguments.has(option) {
                throw .usage("\(option) goes with --after-restore", mend: "tallypost doctor --after-restore \(option) …")
            }
            return nil
        }
        guard !(arguments.has("--release") && arguments.has("--hold")) else {
            throw .usage("--release and --hold are opposites", mend: "give one of them")
        }
        change = arguments.has("--release") ? .release : arguments.has("--hold") ? .hold : nil
        let who = arguments.value("--by")
        let reason = arguments.value("--why")
        if let change {
            let option = change == .release ? "--release" : "--hold"
            guard who != nil, reason != nil else {
                throw .usage(
                    "\(option) needs --by WHO and --why TEXT: task_events keeps both",
                    mend: "\(option) --by mara --why 'compared with the ledger'")
            }
        }
        by = who ?? ""
        why = reason ?? ""
        isSure = arguments.has("--yes")
        limit = try arguments.integer("--limit", in: 0...1_000_000_000) ?? 100
    }

    /// What is known of the database's past.
    private struct Facts {
        var tide: Tide
        /// As this user remembers it, if the relay ran as this user.
        var remembered: RememberedTide?

        /// A relay of this user would set the hold when it starts.
        var isBehind: Bool { remembered.map { $0.identity == tide.identity && tide.mark < $0.mark } ?? false }
        /// What was created before may have been sent.
        var time: Timestamp? { tide.hold?.rememberedAt ?? (isBehind ? remembered?.at : nil) ?? tide.hold?.since }
    }

    func run(_ sources: Configuration.Sources, printsJSON: Bool, in context: CommandContext) throws(CommandFailure) -> ExitCode {
        let (desk, configuration) = try context.openDesk(sources)
        let database = try context.database(of: configuration)
        var facts = Facts(
            tide: try asking { () throws(StoreError) in try desk.tide() },
            remembered: DispatchGuard.memory(of: database, environment: context.environment)?.recall())
        switch change {
        case .release: return try release(facts, desk, Money(configuration), printsJSON: printsJSON, context)
        case .hold:
            let hold = DispatchHold(
                reason: "\(by) says that a backup was restored: \(why)",
                remembered: facts.isBehind ? facts.remembered?.mark : nil,
                rememberedAt: facts.isBehind ? facts.remembered?.at : nil)
            guard try asking({ () throws(StoreError) in try desk.setHold(hold, by: by, why: why) }) else {
                throw CommandFailure(.badData, "dispatch is held already", mend: "tallypost doctor --after-restore says why")
            }
            facts.tide = try asking { () throws(StoreError) in try desk.tide() }
        case nil: break
        }
        let tallies = try asking { () throws(StoreError) in
            try facts.time.map { time throws(StoreError) in try desk.openTally(createdBefore: time) } ?? []
        }
        if printsJSON {
            try printJSON(facts, tallies, desk, context.output)
        } else {
            try printText(facts, tallies, desk, Money(configuration), context.output)
        }
        return .good
    }

    private func release(
        _ facts: Facts, _ desk: any TaskDesk, _ money: Money, printsJSON: Bool, _ context: CommandContext
    ) throws(CommandFailure) -> ExitCode {
        guard let hold = facts.tide.hold else {
            throw CommandFailure(
                .badData,
                facts.isBehind ? "dispatch is not held yet: a relay sets the hold when it starts" : "dispatch is not held",
                mend: facts.isBehind ? "add --hold first, or start the relay" : nil)
        }
        let tallies = try asking { () throws(StoreError) in
            try desk.openTally(createdBefore: facts.time ?? facts.tide.at)
        }
        let count = tallies.reduce(0) { $0 + $1.count }
        if !isSure {
            guard let ask = context.ask else {
                throw .usage(
                    "\(count) open task\(count == 1 ? "" : "s") may already have been sent, and nobody is there to be asked",
                    mend: "look at the list, then add --yes")
            }
            context.output.line(TextTable.printable("dispatch is held: \(hold.reason)"))
            context.output.write(Self.table(tallies, money))
            context.output.flush()
            guard ask("let the relays send these \(count) again, each with its old idempotency key?") else {
                context.note("nothing was changed")
                return .good
            }
        }
        let mark = max(facts.tide.mark, facts.remembered?.mark ?? 0)
        let lifted = try asking { () throws(StoreError) in try desk.liftHold(beyond: mark, by: by, why: why) }
        if printsJSON {
            var json = JSONWriter(context.output)
            json.object { json in
                json.name("released")
                json.truth(lifted)
                json.name("open")
                json.integer(count)
            }
            json.finish()
        } else {
            context.output.line(lifted ? "released: the relays send again within seconds" : "somebody else has released it")
        }
        return .good
    }

    // MARK: Telling

    /// Amounts as people write them.
    private struct Money {
        private let exponents: [String: Int]

        init(_ configuration: Configuration) { exponents = configuration.reconcile?.exponents ?? [:] }

        /// `1234.50`; `-` without a currency.
        func text(_ amount: Int128?, _ currency: String?) -> String {
            guard let amount, let currency else { return "-" }
            return CurrencyDigits.decimal(amount, digits: CurrencyDigits.of(currency, configured: exponents))
        }
    }

    private static func table(_ tallies: [OpenTally], _ money: Money) -> String {
        var table = TextTable([
            .init(heading: "type", longest: 40), .init(heading: "currency"), .init(heading: "tasks", isNumber: true),
            .init(heading: "amount", isNumber: true),
        ])
        for tally in tallies {
            table.add([tally.type, tally.currency ?? "-", "\(tally.count)", money.text(tally.amount, tally.currency)])
        }
        return table.isEmpty ? "  no open task\n" : table.text
    }

    private func printText(
        _ facts: Facts, _ tallies: [OpenTally], _ desk: any TaskDesk, _ money: Money, _ output: OutputWriter
    ) throws(CommandFailure) {
        let tide = facts.tide
        if let hold = tide.hold {
            output.line(TextTable.printable("dispatch is held\(hold.since.map { " since \($0.iso8601)" } ?? ""): \(hold.reason)"))
        } else if let known = facts.remembered, facts.isBehind {
            output.line(
                "the database went back in time (its tide mark is \(tide.mark) of \(tide.at.iso8601), and \(known.mark) of "
                    + "\(known.at.iso8601) was seen): a relay will hold dispatch when it starts")
        } else {
            output.line("dispatch is not held; the tide mark is \(tide.mark) of \(tide.at.iso8601)")
            output.line("If you know that a backup was restored: tallypost doctor --after-restore --hold --by WHO --why TEXT")
            return
        }
        guard let time = facts.time else { return }
        output.line()
        output.line("Not ended here, and created before \(time.iso8601): each of these may already have been sent.")
        output.line()
        output.write(Self.table(tallies, money))
        let rows = try asking { () throws(StoreError) in try desk.openTasks(createdBefore: time, after: nil, limit: limit) }
        var table = TextTable([
            .init(heading: "id", isNumber: true), .init(heading: "type", longest: 30), .init(heading: "status"),
            .init(heading: "subject", longest: 30), .init(heading: "idempotency key", longest: 60),
            .init(heading: "amount", isNumber: true), .init(heading: "currency"), .init(heading: "created"),
        ])
        for row in rows {
            table.add([
                "\(row.id)", row["type"] ?? "-", row["status"] ?? "-", row["subject"] ?? "-", row["idempotency_key"] ?? "-",
                money.text(row["amount_minor"].flatMap { Int128($0) }, row["currency"]), row["currency"] ?? "-",
                row["created_at"] ?? "-",
            ])
        }
        if !table.isEmpty { output.write("\n" + table.text) }
        let count = tallies.reduce(0) { $0 + $1.count }
        if count > Int64(rows.count) { output.line("… and \(count - Int64(rows.count)) more: --limit \(count), or --json") }
        output.write(
            """

            What to do
              1. Compare these with what the receivers have done (their own records, or an import of their ledger).
              2. Call off what they have done already: tallypost task cancel ID --by WHO --why 'sent before the restore'
                 A receiver that still remembers the idempotency keys does nothing twice: those may be sent again.
              3. Insert again what the application ordered after the backup was made, if that is lost too.
              4. Let the relays go on: tallypost doctor --after-restore --release --by WHO --why TEXT

            """)
    }

    private func printJSON(
        _ facts: Facts, _ tallies: [OpenTally], _ desk: any TaskDesk, _ output: OutputWriter
    ) throws(CommandFailure) {
        let rows = try asking { () throws(StoreError) in
            try facts.time.map { time throws(StoreError) in try desk.openTasks(createdBefore: time, after: nil, limit: limit) }
                ?? []
        }
        let (tide, hold) = (facts.tide, facts.tide.hold)
        var json = JSONWriter(output)
        json.object { json in
            json.name("held")
            json.truth(hold != nil)
            json.name("since")
            json.time(hold?.since)
            json.name("reason")
            json.string(hold?.reason)
            json.name("mark")
            json.integer(tide.mark)
            json.name("markAt")
            json.time(tide.at)
            json.name("rememberedMark")
            json.raw((hold?.remembered ?? facts.remembered?.mark).map { "\($0)" } ?? "null")
            json.name("rememberedAt")
            json.time(hold?.rememberedAt ?? facts.remembered?.at)
            json.name("createdBefore")
            json.time(facts.time)
            json.name("totals")
            json.array { json in
                for tally in tallies {
                    json.object { json in
                        json.name("type")
                        json.string(tally.type)
                        json.name("currency")
                        json.string(tally.currency)
                        json.name("count")
                        json.integer(tally.count)
                        json.name("amountMinor")
                        json.string("\(tally.amount)")
                    }
                }
            }
            json.name("tasks")
            json.array { json in for row in rows { json.row(row) } }
        }
        json.finish()
    }
}
