package import TallypostCore

/// How a run is made.
package struct ReconcilerSettings: Sendable {
    /// Who runs it: a relay's name, or a command's. No two that run at once share one.
    package var holder: String
    /// Who is named as its maker.
    package var madeBy: String
    /// A task that has been due for longer is stale.
    package var staleAfter = TimeSpan.hours(1)
    /// No statement of a rule takes longer.
    package var statementTimeout = TimeSpan.minutes(5)
    /// What the configuration knows of the types; nil: there is none, so no type can be unknown.
    package var policies: [String: TypePolicy]?
    /// The rules in force.
    package var rules: [Rule] = []
    /// Why rules are missing: files that could not be read. Each makes the run incomplete.
    package var brokenRules: [String] = []
    /// Minor digits of currencies, where they are not ISO 4217's.
    package var exponents: [String: Int] = [:]
    /// Who is told of breaks.
    package var alerts: [AlertSettings] = []
    /// What alerts call the database; no password in it.
    package var database = ""
    /// Retention may have removed tasks that are older than this; nil: it removes nothing.
    package var retiredAfter: TimeSpan?

    /// With who runs it.
    package init(holder: String, madeBy: String) {
        self.holder = holder
        self.madeBy = madeBy
    }
}

/// How a run ended.
package enum ReconcilerEnding: Sendable {
    /// It was made and committed.
    case done(ReconcilerRun)
    /// Somebody else reconciles this database now.
    case busy
    /// The last run is younger than was asked for.
    case notDue
    /// Somebody else took over, because the lease had run out: nothing was written.
    case overtaken
    /// It was told to stop; nothing was written.
    case stopped
}

/// What a run found: what a report is made from.
package struct ReconcilerRun: Sendable {
    /// Its number.
    package var number: Int64
    /// Its snapshot's time.
    package var asOf: Timestamp
    /// Clean, breaks or incomplete, as of the run: without what only a period's books can show.
    package var status = ReportStatus.clean
    /// Why it is incomplete.
    package var reasons: [String] = []
    /// The pass over the tasks.
    package var scan: ScanResult
    /// What each rule found, in the rules' order.
    package var outcomes: [RuleOutcome]
    /// All breaks of the register that count, or that this run changed.
    package var breaks: [Break] = []
    /// How many there are of each change.
    package var changes: [BreakChange: Int] = [:]
}

/// Makes one reconciliation: lease, snapshot, pass, rules, diff, one write.
///
/// Everything before the last step can be lost without harm: a process that dies leaves a lease that runs out, and parts of the register
/// that nobody reads and the next run sweeps away.
package final class Reconciler {
    private let store: ReconcileStore
    private let reader: any ReconcileDatabase
    private let settings: ReconcilerSettings
    private var leaseEnds = Instant(nanoseconds: 0)
    private let clock: () -> Instant

    /// How long the lease lasts; it is renewed when a third of it has gone by.
    private static let lease = TimeSpan.seconds(90)
    /// The same for a rule whose statements rest.
    private static let slowLease = TimeSpan.minutes(3)
    /// Rows between two words to `progress`.
    private static let rowsPerStep: Int64 = 8_192

    /// - Parameters:
    ///   - reader: the connection that `store` reads on: the rules run there, on the same snapshot.
    ///   - clock: monotonic.
    package init(
        store: ReconcileStore, reader: any ReconcileDatabase, settings: ReconcilerSettings, clock: @escaping () -> Instant
    ) {
        self.store = store
        self.reader = reader
        self.settings = settings
        self.clock = clock
    }

    /// Makes a run.
    ///
    /// - Parameters:
    ///   - youngest: a run is only made if the last one is older; nil: in any case.
    ///   - progress: called every few thousand rows with their number so far, and before each rule; may rest there. False: stop.
    ///   - givesWay: whether tasks are being sent now, asked before each rule.
    ///   - whileHeld: called when the run is committed and nobody else can make the next one yet: the books are those of this run.
    package func run(
        unlessYoungerThan youngest: TimeSpan? = nil, progress: (Int64) -> Bool = { _ in true },
        givesWay: () -> Bool = { false },
        whileHeld: (ReconcilerRun) throws(StoreError) -> Void = { _ in }
    ) throws(StoreError) -> ReconcilerEnding {
        do throws(StoreError) { return try attempt(unlessYoungerThan: youngest, progress, givesWay, whileHeld) } catch {
            if error.code == ReconcileStore.leaseLost { return .overtaken }
            throw error
        }
    }

    private func attempt(
        unlessYoungerThan youngest: TimeSpan?, _ progress: (Int64) -> Bool, _ givesWay: () -> Bool,
        _ whileHeld: (ReconcilerRun) throws(StoreError) -> Void
    ) throws(StoreError) -> ReconcilerEnding {
        guard let state = try store.acquire(holder: settings.holder, for: Self.lease) else { return .busy }
        defer { try? store.release(holder: settings.holder) }
        leaseEnds = clock() + Self.lease
        let asOf = try store.beginReading(statementTimeout: settings.statementTimeout)
        defer { store.endReading() }
        // A run that lies ahead of the clock was made before the clock was put back: nobody waits for that.
        if let youngest, let last = state.asOf, last <= asOf, asOf - last < youngest { return .notDue }
        try store.requireSnapshot(of: state)
        try store.sweepChunks(after: state.lastRun)
        let lastEvent = try store.lastEventID()
        guard let scan = try pass(state, asOf: asOf, lastEvent: lastEvent, progress) else { return .stopped }
        var run = ReconcilerRun(number: state.lastRun + 1, asOf: asOf, scan: scan, outcomes: [])
        let runner = RuleRunner(database: reader)
        for rule in settings.rules {
            guard progress(scan.rows) else { return .stopped }
            var context = context(asOf: asOf)
            context.givesWay = givesWay()
            try renew(for: context.givesWay ? Self.slowLease : Self.lease)
            run.outcomes.append(try runner.run(rule, context: context))
        }
        // A rule that was broken off to stop the run has failed; that is nothing to be told.
        guard progress(scan.rows) else { return .stopped }
        store.endReading()
        guard try conclude(&run, state, lastEvent: lastEvent) else { return .overtaken }
        try whileHeld(run)
        return .done(run)
    }

    // MARK: The pass

    /// Every row beside the register; nil when it was told to stop.
    private func pass(
        _ state: ReconcilerState, asOf: Timestamp, lastEvent: Int64, _ progress: (Int64) -> Bool
    ) throws(StoreError) -> ScanResult? {
        let scan = TableScan(try scanSettings(state, asOf: asOf, lastEvent: lastEvent))
        var merge = RegisterMerge(store: store, scan: scan, state: state, known: try store.chunkIDs(upTo: state.lastRun))
        var rows: Int64 = 0
        let cursor = try store.tasks()
        defer { cursor.close() }
        while let row = try cursor.next() {
            try merge.reach(TableScan.chunk(of: row.integer(0) ?? 0))
            scan.take(row)
            rows += 1
            if rows % Self.rowsPerStep == 0 {
                guard progress(rows) else { return nil }
                if leaseEnds - clock() < .minutes(1) { try renew(for: Self.lease) }
            }
        }
        try merge.finish()
        return scan.finish()
    }

    private func scanSettings(_ state: ReconcilerState, asOf: Timestamp, lastEvent: Int64) throws(StoreError) -> ScanSettings {
        var scan = ScanSettings(asOf: asOf, previousAsOf: state.asOf)
        scan.staleAfter = settings.staleAfter
        scan.policies = settings.policies
        scan.exponents = settings.exponents
        scan.reopenings = Dictionary(
            grouping: try store.reopenings(after: state.lastEvent, upTo: lastEvent), by: \.taskID)
        scan.purges = try store.purges(after: state.lastEvent, upTo: lastEvent)
        scan.cancellations = try store.cancellations(after: state.lastEvent, upTo: lastEvent)
        return scan
    }

    private func context(asOf: Timestamp) -> RuleContext {
        RuleContext(asOf: asOf, retiredBefore: retiredBefore(asOf), exponents: settings.exponents)
    }

    private func retiredBefore(_ asOf: Timestamp) -> Timestamp? {
        settings.retiredAfter.map { asOf + TimeSpan(nanoseconds: -$0.nanoseconds) }
    }

    private func renew(for span: TimeSpan) throws(StoreError) {
        let now = clock()
        // Whoever lost it finds out at the end, where it is fenced.
        if try store.renew(holder: settings.holder, for: span) { leaseEnds = now + span }
    }

    // MARK: The end

    /// Writes it all, if the lease still holds.
    private func conclude(
        _ run: inout ReconcilerRun, _ state: ReconcilerState, lastEvent: Int64
    ) throws(StoreError) -> Bool {
        var findings = run.scan.findings + run.outcomes.flatMap(\.findings)
        for index in findings.indices where findings[index].owner.isEmpty {
            findings[index].owner = settings.policies?[findings[index].type]?.owner ?? ""
        }
        let register = try register(for: findings)
        findings += retired(register, asOf: run.asOf)
        var diff = BreakDiff(asOf: run.asOf, run: run.number, rulesRun: Set(ranWhole(run).map(\.name)))
        diff.notJudged = Set(run.scan.notListed.keys)
        if settings.policies == nil { diff.notJudged.formUnion([.unknownType, .slaBreach]) }
        let outcome = diff.apply(previous: register, findings: findings, effects: run.scan.effects)
        run.breaks = outcome.breaks.map(\.entry)
        run.changes = outcome.changes
        var evidence = VerdictEvidence()
        evidence.exponents = settings.exponents
        evidence.breaks = run.breaks
        evidence.add(run, rules: settings.rules, broken: settings.brokenRules)
        (run.status, run.reasons) = ReportStatus.decide(evidence)
        var record = RunRecord(
            holder: settings.holder, run: run.number, asOf: run.asOf, lastEvent: lastEvent, madeBy: settings.madeBy,
            status: run.status)
        record.movements = run.scan.movements
        record.breaks = outcome.writes
        record.counts = Dictionary(run.breaks.filter(\.counts).map { ($0.finding.severity, 1) }, uniquingKeysWith: +)
        let transitions = AlertPlan.transitions(before: register.map(\.entry), after: run.breaks)
        let asOf = run.asOf
        let isOurs = try store.commit(record) { () throws(StoreError) in
            if settings.alerts.isEmpty { return }
            // In the run's transaction: a break and the word about it are one.
            let book = AlertBook(store.writing)
            let changes = AlertPlan.changes(
                transitions, for: settings.alerts, states: try book.states(), database: settings.database)
            try book.tell(changes, now: asOf)
        }
        guard isOurs else { return false }
        // What this run's chunks have taken the place of. A crash here leaves it to the next run.
        try store.dropSuperseded(upTo: run.number)
        return true
    }

    /// What the diff compares with: breaks that count, and those that this run found again.
    private func register(for findings: [Finding]) throws(StoreError) -> [StoredBreak] {
        let live = try store.liveBreaks()
        let known = Set(live.map(\.entry.finding.id))
        return live + (try store.breaks(ids: findings.map(\.id).filter { !known.contains($0) }))
    }

    /// Business rows that were missed, and have since grown so old that retention may have removed their tasks: no rule misses them any
    /// more, but nobody sent them either. They stay until a person says what became of them.
    private func retired(_ register: [StoredBreak], asOf: Timestamp) -> [Finding] {
        guard let limit = retiredBefore(asOf) else { return [] }
        return register.filter { stored in
            stored.entry.finding.kind == .missing && stored.entry.counts && stored.entry.finding.since.map { $0 < limit } ?? false
        }.map(\.entry.finding)
    }

    /// The rules that gave a whole answer: only their breaks can be cleared.
    private func ranWhole(_ run: ReconcilerRun) -> [Rule] {
        zip(settings.rules, run.outcomes).filter { $1.failure == nil && $1.notListed == 0 }.map { $0.0 }
    }
}

extension VerdictEvidence {
    /// What a run says for itself: its rules and what was only counted.
    mutating func add(_ run: ReconcilerRun, rules: [Rule], broken: [String]) {
        businessBridges = run.outcomes.flatMap(\.bridges)
        findingsNotListed = run.scan.notListed
        for (rule, outcome) in zip(rules, run.outcomes) {
            if let failure = outcome.failure {
                // The sentence may name the rule once more.
                let own = "rule \(rule.name): "
                failedRules.append(
                    .init(name: rule.name, reason: failure.hasPrefix(own) ? String(failure.dropFirst(own.count)) : failure))
            }
            if outcome.notListed > 0 {
                further.append("\(outcome.notListed) more findings of rule \(rule.name) are counted, not listed.")
            }
        }
        further += broken
    }
}
