import TallypostCore
import TallypostReconciliation
import TallypostRelay
import TallypostReports

/// A reconciler with its connections, its rules and its reports, put together as the configuration says.
final class ReconcileService {
    let settings: ReconcileConfiguration
    let rules: RuleBook
    let store: ReconcileStore
    private let configuration: Configuration
    private let reader: any ReconcileDatabase
    private let database: DatabaseURL
    private let run: ReconcilerSettings

    /// Connects; reads the rules. Rules that cannot be read make the run incomplete, they do not stop it.
    ///
    /// - Parameters:
    ///   - holder: who holds the lease: one name for each that may run at the same time.
    ///   - madeBy: whom the run names.
    init(_ configuration: Configuration, _ database: DatabaseURL, holder: String, madeBy: String) throws(StoreError) {
        self.configuration = configuration
        self.database = database
        settings = configuration.reconcile ?? ReconcileConfiguration()
        reader = try Engine(settings.database ?? database).openReconcile()
        store = ReconcileStore(reading: reader, writing: try Engine(database).openReconcile())
        var run = ReconcilerSettings(holder: holder, madeBy: madeBy)
        var rules = RuleBook()
        if let folder = settings.rules {
            do throws(RuleProblems) { rules = try RuleBook(load: folder) } catch {
                run.brokenRules = error.problems.map { "No rule was run: \($0)" }
            }
        }
        run.staleAfter = settings.staleAfter
        run.statementTimeout = settings.statementTimeout
        if !configuration.routes.isEmpty {
            run.policies = Dictionary(
                uniqueKeysWithValues: configuration.allRoutes.map { type, route in
                    (type, TypePolicy(sla: route.sla, owner: route.owner ?? rules.owner(of: type)))
                })
        }
        run.rules = rules.rules
        run.alerts = configuration.alerts.map(\.settings)
        run.database = database.redacted
        run.exponents = settings.exponents
        run.retiredAfter = configuration.retention.shortest
        self.rules = rules
        self.run = run
    }

    /// Of the database that it reads.
    var dialect: SQLDialect { reader.dialect }

    /// Breaks off the statement that the run is waiting for, from any thread.
    var interrupter: @Sendable () -> Void {
        nonisolated(unsafe) let reader = reader
        return { unsafe reader.interrupt() }
    }

    /// Makes a run; `whileHeld` sees the books before the next one can be made.
    func reconcile(
        unlessYoungerThan youngest: TimeSpan? = nil, progress: (Int64) -> Bool, givesWay: () -> Bool = { false },
        whileHeld: (ReconcilerRun) throws(StoreError) -> Void = { _ in }
    ) throws(StoreError) -> ReconcilerEnding {
        try Reconciler(store: store, reader: reader, settings: run, clock: MonotonicClock.now).run(
            unlessYoungerThan: youngest, progress: progress, givesWay: givesWay, whileHeld: whileHeld)
    }

    /// A run's report of a period.
    func report(of period: Period, zone: Zone, after run: ReconcilerRun) throws(StoreError) -> ReconciliationReport {
        let frame = ReportBuilder.Frame(
            database: database.redacted, version: Version.current, parameters: parameters, rules: rules.rules,
            exponents: settings.exponents, dialect: reader.dialect)
        return try ReportBuilder(store: store, zone: zone).report(of: period, after: run, frame: frame)
    }

    /// How the register of breaks stands, for metrics: by whichever relay.
    func gauge() throws(StoreError) -> ReconcileThread.Gauge {
        var gauge = ReconcileThread.Gauge(lastRun: try store.state().asOf)
        for entry in try store.liveBreaks() { gauge.breaks[entry.entry.state.rawValue, default: 0] += 1 }
        return gauge
    }

    /// What the reports call this installation.
    var environment: String { settings.environment ?? database.shortName }

    private var parameters: [(name: String, value: String)] {
        [
            ("staleAfter", settings.staleAfter.spoken), ("zone", settings.zoneName),
            ("statementTimeout", settings.statementTimeout.spoken),
            ("rules", settings.rules ?? "none"),
            ("retention.completed", configuration.retention.completed?.spoken ?? "never"),
            ("retention.final", configuration.retention.final?.spoken ?? "never"),
        ]
    }
}
