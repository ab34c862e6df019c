import Synchronization
import TallypostCore
import TallypostReconciliation

/// What an import came to, for people and for programs.
struct ImportPage {
    private let verdict: LedgerVerdict
    private let quarantine: String?
    private let isDryRun: Bool

    init(_ verdict: LedgerVerdict, quarantine: String?, isDryRun: Bool) {
        self.verdict = verdict
        self.quarantine = quarantine
        self.isDryRun = isDryRun
    }

    // MARK: Text

    func writeText(to output: OutputWriter) {
        let totals = verdict.totals
        func time(_ microseconds: Int64) -> String { Timestamp(microseconds: microseconds).iso8601 }
        output.line("LEDGER \(verdict.source)  \(TextTable.printable(verdict.file))  \(verdict.status.rawValue.uppercased())")
        output.line("window \(time(verdict.window.from)) to \(time(verdict.window.to))  asof \(verdict.asOf.iso8601)")
        output.line("sha256 \(totals.sha256)")
        var counts = "\(totals.rows) rows"
        if totals.failed > 0 { counts += ", \(totals.failed) of them failed" }
        if totals.ignored > 0 { counts += ", \(totals.ignored) ignored" }
        if verdict.alreadyImported > 0 { counts += ", \(verdict.alreadyImported) already imported" }
        if verdict.repeatedLines > 0 { counts += ", \(verdict.repeatedLines) twice in the file" }
        output.line("\(counts); \(verdict.tasks) tasks; \(verdict.matched) newly matched")
        for (currency, tally) in totals.completed.sorted(by: { $0.key < $1.key }) where !currency.isEmpty {
            output.line("  \(currency) \(verdict.amount(tally.amount, currency)) in \(tally.count) rows")
        }
        for bridge in verdict.bridges { writeBridge(bridge, output) }
        writeFindings(output)
        if let quarantine {
            output.line("QUARANTINE \(totals.quarantine.count): \(TextTable.printable(quarantine))")
            for row in totals.quarantine.rows.prefix(5) { output.line("  line \(row.line): \(TextTable.printable(row.reason))") }
        }
        for reason in verdict.incompleteBecause { output.line("incomplete: \(reason)") }
        if isDryRun {
            output.line("dry run: nothing was recorded")
        } else if let number = verdict.number {
            output.line("recorded as import \(number)")
        }
    }

    private func writeBridge(_ bridge: ReceiverBridge, _ output: OutputWriter) {
        output.line("RECEIVER \(bridge.currency ?? "(without money)")")
        let names = [
            "ours, completed in the window", "- ours only", "- in transit", "+ other periods", "+ theirs only", "+ repeats",
            "+ amount differences", "+ tolerated", "= theirs", "residual",
        ]
        var table = TextTable([.init(heading: ""), .init(heading: "n", isNumber: true), .init(heading: "amount", isNumber: true)])
        for (name, line) in zip(names, LedgerVerdict.lines(bridge)) {
            let isAlways = name.hasPrefix("ours") || name.hasPrefix("=") || name == "residual"
            guard isAlways || !line.tally.isZero else { continue }
            table.add([name, "\(line.tally.count)", bridge.currency == nil ? "-" : verdict.amount(line.tally, bridge)])
        }
        output.write(table.text)
    }

    private func writeFindings(_ output: OutputWriter) {
        let found = verdict.findings.filter { $0.value.count > 0 }.sorted { $0.key < $1.key }
        output.line(found.isEmpty ? "FINDINGS none" : "FINDINGS \(found.reduce(0) { $0 + $1.value.count })")
        for (kind, findings) in found {
            let sums = findings.sums.sorted { $0.key < $1.key }.filter { !$0.key.isEmpty }
                .map { "\($0.key) \(verdict.amount($0.value, $0.key))" }.joined(separator: ", ")
            output.line("  \(kind.rawValue) \(findings.count)\(sums.isEmpty ? "" : ": \(sums)")")
            for finding in findings.list.prefix(10) {
                output.line("    \(finding.id) \(finding.severity.rawValue) \(TextTable.printable(finding.detail))")
            }
            if findings.count > 10 { output.line("    and \(findings.count - 10) more") }
        }
        if !verdict.cleared.isEmpty { output.line("CLEARED \(verdict.cleared.count)") }
    }

    // MARK: JSON

    func writeJSON(to output: OutputWriter) {
        var json = JSONWriter(output)
        json.object { json in
            json.name("status")
            json.string(verdict.status.rawValue)
            json.name("source")
            json.string(verdict.source)
            json.name("file")
            json.string(verdict.file)
            json.name("import")
            if let number = verdict.number { json.integer(number) } else { json.string(nil) }
            json.name("sha256")
            json.string(verdict.totals.sha256)
            json.name("asOf")
            json.time(verdict.asOf)
            json.name("from")
            json.time(Timestamp(microseconds: verdict.window.from))
            json.name("to")
            json.time(Timestamp(microseconds: verdict.window.to))
            writeCounts(&json)
            json.name("bridges")
            json.array { json in for bridge in verdict.bridges { write(bridge, &json) } }
            json.name("findings")
            json.array { json in
                for (_, found) in verdict.findings.sorted(by: { $0.key < $1.key }) {
                    for finding in found.list { write(finding, &json) }
                }
            }
            json.name("cleared")
            json.array { json in for id in verdict.cleared { json.string(id) } }
            json.name("incompleteBecause")
            json.array { json in for reason in verdict.incompleteBecause { json.string(reason) } }
        }
        json.finish()
    }

    private func writeCounts(_ json: inout JSONWriter) {
        let totals = verdict.totals
        let counts: [(String, Int64)] = [
            ("rows", totals.rows), ("failed", totals.failed), ("ignored", totals.ignored),
            ("quarantined", totals.quarantine.count),
            ("tasks", verdict.tasks), ("matched", verdict.matched), ("alreadyImported", verdict.alreadyImported),
            ("repeatedLines", verdict.repeatedLines),
        ]
        for (name, count) in counts {
            json.name(name)
            json.integer(count)
        }
        json.name("quarantine")
        json.string(quarantine)
        json.name("totals")
        json.array { json in
            for (currency, tally) in totals.completed.sorted(by: { $0.key < $1.key }) {
                json.object { json in
                    json.name("currency")
                    json.string(currency.isEmpty ? nil : currency)
                    write(tally, &json)
                }
            }
        }
        json.name("classes")
        json.object { json in
            for (kind, found) in verdict.findings.sorted(by: { $0.key < $1.key }) {
                json.name(kind.rawValue)
                json.object { json in
                    json.name("count")
                    json.integer(found.count)
                    json.name("amountMinor")
                    json.object { json in
                        for (currency, sum) in found.sums.sorted(by: { $0.key < $1.key }) {
                            json.name(currency)
                            json.string("\(sum)")
                        }
                    }
                }
            }
        }
    }

    private func write(_ tally: Tally, _ json: inout JSONWriter) {
        json.name("count")
        json.integer(tally.count)
        json.name("amountMinor")
        json.string("\(tally.amount)")
    }

    private func write(_ bridge: ReceiverBridge, _ json: inout JSONWriter) {
        json.object { json in
            json.name("currency")
            json.string(bridge.currency)
            for line in LedgerVerdict.lines(bridge) {
                json.name(line.name)
                json.object { json in write(line.tally, &json) }
            }
        }
    }

    private func write(_ finding: TallypostReconciliation.Finding, _ json: inout JSONWriter) {
        json.object { json in
            let texts: [(String, String?)] = [
                ("id", finding.id), ("class", finding.kind.rawValue), ("severity", finding.severity.rawValue),
                ("rule", finding.rule),
                ("type", finding.type), ("subject", finding.subject), ("idempotencyKey", finding.idempotencyKey),
                ("taskId", finding.taskID.map { String($0) }), ("amountMinor", finding.amountMinor.map { String($0) }),
                ("currency", finding.currency), ("since", finding.since?.iso8601), ("detail", finding.detail),
            ]
            for (name, text) in texts {
                json.name(name)
                json.string(text)
            }
        }
    }
}

/// How far an import is, on standard error: a bar on a terminal, a line every few seconds elsewhere.
final class ImportMeter: Sendable {
    private let size: Int64
    private let isTerminal: Bool
    private let state: Mutex<(next: ContinuousClock.Instant, hasDrawn: Bool)>

    /// - Parameter size: the file's, in bytes.
    init(size: Int64) {
        self.size = size
        isTerminal = OutputWriter(descriptor: 2).isTerminal
        state = Mutex((.now + (isTerminal ? .milliseconds(300) : .seconds(5)), false))
    }

    /// Draws, when it is time to.
    func show(_ progress: LedgerProgress) {
        let now = ContinuousClock.now
        let isDue = state.withLock { state in
            guard now >= state.next else { return false }
            state = (now + (isTerminal ? .milliseconds(100) : .seconds(5)), true)
            return true
        }
        guard isDue else { return }
        let output = OutputWriter(descriptor: 2)
        let text: String
        let share: Double
        if progress.partitions > 0 {
            share = Double(progress.joined) / Double(progress.partitions)
            text = "joined \(Int(share * 100)) %"
        } else {
            share = size > 0 ? Double(progress.bytes) / Double(size) : 0
            text = "ledger \(Int(share * 100)) %, \(progress.tasks) tasks"
        }
        if isTerminal {
            let bar = Bar(hasBlocks: false).line(Int(share * 1_000), of: 1_000, width: 30)
            output.write("\r[\(bar)\(String(repeating: " ", count: max(0, 30 - bar.count)))] \(text)\u{1B}[K")
        } else {
            output.line("tallypost: import: \(text)")
        }
        output.flush()
    }

    /// Takes the bar away.
    func finish() {
        guard isTerminal, state.withLock({ $0.hasDrawn }) else { return }
        let output = OutputWriter(descriptor: 2)
        output.write("\r\u{1B}[K")
        output.flush()
    }
}
