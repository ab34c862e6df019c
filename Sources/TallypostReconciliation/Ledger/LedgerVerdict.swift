package import TallypostCore

/// What an import comes to: control totals, bridges, findings. What is shown and what is recorded are made from it.
package struct LedgerVerdict: Sendable {
    /// The map's `source`.
    package let source: String
    /// The file's name.
    package let file: String
    /// The file's control totals.
    package let totals: LedgerFileTotals
    /// The ledger's window, `[from, to)`.
    package let window: LedgerWindow
    /// When the snapshot was taken.
    package let asOf: Timestamp
    /// Our tasks that were held against it.
    package let tasks: Int64
    /// By currency.
    package let bridges: [ReceiverBridge]
    /// By class.
    package let findings: [FindingClass: LedgerFindings]
    /// Findings of earlier imports that are true no longer.
    package let cleared: [String]
    /// Rows that were matched with completed tasks.
    package let matched: Int64
    /// Rows that an earlier file had.
    package let alreadyImported: Int64
    /// Lines that stand twice in the file, by the receiver's own id.
    package let repeatedLines: Int64
    /// The import's number; nil: nothing was recorded.
    package var number: Int64?
    private let map: LedgerMap

    init(
        map: LedgerMap, file: String, totals: LedgerFileTotals, window: LedgerWindow, asOf: Timestamp, tasks: Int64,
        result: LedgerResult, ours: [String: Tally], history: LedgerHistory
    ) {
        self.map = map
        source = map.source
        self.file = file
        self.totals = totals
        self.window = window
        self.asOf = asOf
        self.tasks = tasks
        findings = result.findings
        matched = result.matched
        alreadyImported = result.alreadyImported
        repeatedLines = result.repeatedLines
        bridges = Self.bridges(map, file, result, ours, totals)
        cleared = Self.cleared(history, result, window)
    }

    /// Both ends are counted by themselves: ours by the database, theirs by whoever read the file.
    private static func bridges(
        _ map: LedgerMap, _ file: String, _ result: LedgerResult, _ ours: [String: Tally], _ totals: LedgerFileTotals
    ) -> [ReceiverBridge] {
        var bridges: [String: ReceiverBridge] = [:]
        for (currency, bridge) in result.bridges { bridges[currency.text ?? ""] = bridge }
        func change(_ currency: String, _ body: (inout ReceiverBridge) -> Void) {
            let name = CurrencyCode(currency).text ?? ""
            body(
                &bridges[
                    name, default: ReceiverBridge(source: map.source, file: file, currency: name.isEmpty ? nil : name)])
        }
        for (currency, tally) in ours {
            if map.hasAmounts {
                change(currency) { $0.ours += tally }
            } else {
                change("") { $0.ours += Tally(count: tally.count, amount: 0) }
            }
        }
        for (currency, tally) in totals.completed { change(currency) { $0.theirs += tally } }
        return bridges.keys.sorted().compactMap { bridges[$0] }
    }

    /// What is looked at anew by every import is cleared when it is not found again; what only a file's rows show, when this file tells of
    /// the same time; and a task that a row matches has no finding about its row any more.
    private static func cleared(_ history: LedgerHistory, _ result: LedgerResult, _ window: LedgerWindow) -> [String] {
        let found = Set(result.findings.values.flatMap { $0.list.map(\.id) })
        let isWhole = result.findings.mapValues { $0.count == Int64($0.list.count) }
        return history.known.compactMap { known in
            guard let state = known.state, state != .cleared, state != .resolved, let kind = known.kind,
                !found.contains(known.id),
                isWhole[kind] ?? true
            else { return nil }
            let isMatched = known.task.map(result.matchedKnown.contains) ?? false
            let isInWindow = known.since.map { window.contains($0.microseconds) } ?? false
            switch kind {
            case .theyHaveWeDont, .weSayDoneTheyDont: return known.id
            case .outcomeMismatch: return isMatched || isInWindow ? known.id : nil
            default: return isInWindow ? known.id : nil
            }
        }
    }

    /// Why more may be wrong than is told; empty: nothing is left out.
    package var incompleteBecause: [String] {
        var reasons: [String] = []
        let aside = totals.quarantine.count
        if aside > 0 { reasons.append(aside == 1 ? "1 row could not be read" : "\(aside) rows could not be read") }
        for bridge in bridges where !bridge.residual.isZero {
            reasons.append(
                "a residual is left in \(bridge.currency ?? "the count"): \(bridge.residual.count) rows, \(amount(bridge.residual, bridge))"
            )
        }
        return reasons
    }

    /// The verdict.
    package var status: ReportStatus {
        if !incompleteBecause.isEmpty { return .incomplete }
        return findings.values.contains { $0.count > 0 } ? .breaks : .clean
    }

    /// An amount of a bridge, for people.
    package func amount(_ tally: Tally, _ bridge: ReceiverBridge) -> String { amount(tally.amount, bridge.currency ?? "") }

    /// An amount in major units.
    package func amount(_ minor: Int128, _ currency: String) -> String {
        currency.isEmpty ? "\(minor)" : LedgerAmount.text(minor, digits: map.digits(of: currency))
    }

    // MARK: As it is kept

    /// Parameters of `ledger_import_add`.
    func row(by who: String) -> [SQLValue] {
        [
            .text(source), .text(file), .text(totals.sha256), .integer(totals.rows), .integer(totals.quarantine.count),
            .time(Timestamp(microseconds: window.from)), .time(Timestamp(microseconds: window.to)), .time(asOf), .text(who),
            .json(bridges.map(json)), .json(summary),
        ]
    }

    /// The lines of a bridge, in order, with their names in JSON.
    package static func lines(_ bridge: ReceiverBridge) -> [(name: String, tally: Tally)] {
        [
            ("ours", bridge.ours), ("oursOnly", bridge.oursOnly), ("inTransit", bridge.inTransit),
            ("otherPeriods", bridge.otherPeriods), ("theirsOnly", bridge.theirsOnly), ("repeats", bridge.repeats),
            ("amountDifferences", bridge.amountDifferences), ("tolerated", bridge.tolerated), ("theirs", bridge.theirs),
            ("residual", bridge.residual),
        ]
    }

    private func json(_ bridge: ReceiverBridge) -> JSONText {
        .object(
            [("source", .text(bridge.source)), ("file", .text(bridge.file)), ("currency", .text(bridge.currency))]
                + Self.lines(bridge).map { line in
                    (line.name, .object([("count", .number(line.tally.count)), ("amountMinor", .text("\(line.tally.amount)"))]))
                })
    }

    private var summary: JSONText {
        let sums = totals.completed.sorted { $0.key < $1.key }.map { currency, tally in
            JSONText.object([
                ("currency", .text(currency)), ("count", .number(tally.count)), ("amountMinor", .text("\(tally.amount)")),
            ])
        }
        let classes = findings.sorted { $0.key < $1.key }.map { kind, found in
            JSONText.object([("class", .text(kind.rawValue)), ("count", .number(found.count))])
        }
        let aside = totals.quarantine.rows.prefix(100).map { row in
            JSONText.object([("line", .number(row.line)), ("reason", .text(row.reason))])
        }
        return JSONText.object([
            ("status", .text(status.rawValue)), ("rows", .number(totals.rows)), ("ignored", .number(totals.ignored)),
            ("failed", .number(totals.failed)), ("bytes", .number(totals.bytes)), ("tasks", .number(tasks)),
            ("matched", .number(matched)), ("alreadyImported", .number(alreadyImported)),
            ("repeatedLines", .number(repeatedLines)), ("quarantined", .number(totals.quarantine.count)),
            ("sums", .list(sums)), ("findings", .list(classes)), ("quarantine", .list(aside)),
        ])
    }
}
