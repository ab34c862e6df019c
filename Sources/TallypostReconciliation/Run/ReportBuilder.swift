package import TallypostCore

/// Puts a report together: the books of a period, and what is wrong today.
package struct ReportBuilder {
    private let store: ReconcileStore
    private let zone: Zone

    /// What every report of this installation says of itself.
    package struct Frame: Sendable {
        /// Which database, without a password.
        package var database: String
        /// Of the program.
        package var version: String
        /// In force, in order.
        package var parameters: [(name: String, value: String)]
        /// In force.
        package var rules: [Rule]
        /// What differs from ISO 4217.
        package var exponents: [String: Int]
        /// Which SQL the rules were run in.
        package var dialect: SQLDialect

        /// Memberwise.
        package init(
            database: String, version: String, parameters: [(name: String, value: String)], rules: [Rule],
            exponents: [String: Int],
            dialect: SQLDialect
        ) {
            self.database = database
            self.version = version
            self.parameters = parameters
            self.rules = rules
            self.exponents = exponents
            self.dialect = dialect
        }
    }

    /// Days of the flow that a chart shows, and runs of the history.
    private static let (days, runs) = (Int64(31), 60)

    /// - Parameter zone: the period's.
    package init(store: ReconcileStore, zone: Zone) {
        self.store = store
        self.zone = zone
    }

    /// The report of a period as of a run. Reads what the run has committed.
    package func report(of period: Period, after run: ReconcilerRun, frame: Frame) throws(StoreError) -> ReconciliationReport {
        var report = ReconciliationReport(database: frame.database, period: period, asOf: run.asOf, version: frame.version)
        report.run = run.number
        report.isProvisional = run.asOf < period.to
        report.parameters = frame.parameters
        report.rules = frame.rules.map { rule in
            .init(
                name: rule.name, hash: rule.hash, text: rule.text, sql: rule.explanation(dialect: frame.dialect),
                owner: rule.owner)
        }
        report.sources = sources(run)
        report.rollForward = try books(period, run)
        report.ageing = run.scan.ageing
        report.businessBridges = run.outcomes.flatMap(\.bridges)
        let imports = try store.imports().filter { ($0.from ?? $0.asOf) < period.to && ($0.to ?? $0.asOf) >= period.from }
        report.receiverBridges = imports.flatMap(\.receiverBridges)
        report.breaks = try breaks(period, run)
        let days = lastDays(run)
        report.flow = RollForward.flow(try store.movements(in: days.from..<days.to), in: days, zone: zone)
        report.history = try store.runs(since: run.asOf + .hours(-24 * Self.days), limit: Self.runs).map {
            ReconciliationReport.BreakCount(asOf: $0.asOf, bySeverity: $0.counts)
        }
        report.exponents = exponents(report, frame.exponents)
        var evidence = VerdictEvidence()
        evidence.exponents = frame.exponents
        evidence.breaks = report.breaks
        evidence.rollForward = report.rollForward
        evidence.receiverBridges = report.receiverBridges
        evidence.quarantines = imports.filter { file in !imports.contains { $0.corrects(file) } }.map {
            .init(file: $0.file, rows: $0.quarantined)
        }
        evidence.add(run, rules: frame.rules, broken: [])
        let known = Set(run.reasons)
        (report.status, report.incompleteBecause) = ReportStatus.decide(evidence)
        // What the run had to say beside: rules that could not be read.
        let more = known.subtracting(report.incompleteBecause)
        if !more.isEmpty {
            report.status = .incomplete
            report.incompleteBecause += more.sorted()
        }
        return report
    }

    private func books(_ period: Period, _ run: ReconcilerRun) throws(StoreError) -> [RollForwardLine] {
        var opening: [Series: Tally] = [:]
        for (series, kinds) in try store.movementSums(before: period.from) {
            for (kind, tally) in kinds where kind.sign != 0 {
                opening[series, default: .zero] += Tally(count: kind.sign * tally.count, amount: Int128(kind.sign) * tally.amount)
            }
        }
        let movements = try store.movements(in: period.from..<period.to)
        var explained: [Series: Tally] = [:]
        for (series, delta) in try store.explainedEffects(in: period.from..<period.to) {
            explained[series, default: .zero] += delta
        }
        return RollForward.lines(
            opening: opening, movements: movements, in: period, live: run.asOf < period.to ? run.scan.live : nil,
            explained: explained)
    }

    /// Those that count, and those that were dealt with in the period.
    private func breaks(_ period: Period, _ run: ReconcilerRun) throws(StoreError) -> [Break] {
        var breaks = run.breaks.filter(\.counts)
        let told = Set(breaks.map(\.finding.id))
        let end = max(period.to, run.asOf + .seconds(1))
        breaks += try store.breaks(changedIn: period.from..<end).filter {
            !$0.counts && $0.state != .unconfirmed && !told.contains($0.finding.id)
        }
        try store.lastSigned()?.mark(&breaks)
        return breaks
    }

    private func lastDays(_ run: ReconcilerRun) -> Period {
        let days = LocalDays(zone: zone)
        let today = days.day(of: run.asOf)
        return Period(from: days.start(of: today - Self.days + 1), to: days.start(of: today + 1), zone: "", label: "")
    }

    private func sources(_ run: ReconcilerRun) -> [ReconciliationReport.Source] {
        let statuses = run.scan.statusCounts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        return [
            .init(name: "pending_tasks", logic: "every row, by id: \(statuses.isEmpty ? "none" : statuses)", rows: run.scan.rows)
        ]
            + run.outcomes.flatMap(\.sources)
    }

    private func exponents(_ report: ReconciliationReport, _ configured: [String: Int]) -> [String: Int] {
        var currencies = Set(report.rollForward.compactMap(\.series.currency) + report.ageing.compactMap(\.series.currency))
        currencies.formUnion(report.businessBridges.compactMap(\.currency) + report.receiverBridges.compactMap(\.currency))
        currencies.formUnion(report.breaks.compactMap(\.finding.currency))
        return Dictionary(uniqueKeysWithValues: currencies.map { ($0, CurrencyDigits.of($0, configured: configured)) })
    }
}
