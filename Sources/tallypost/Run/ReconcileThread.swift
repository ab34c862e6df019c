import Synchronization
import TallypostCore
import TallypostReconciliation
import TallypostRelay
import TallypostThreads

/// Reconciles every so often beside the relay, on a thread and connections of its own. Several relays share the work: whoever finds that
/// the last run is old enough makes the next, and the lease in the database keeps the others out meanwhile.
final class ReconcileThread: Sendable {
    /// What it tells the rest of the process.
    struct Gauge: Sendable, Equatable {
        /// The as-of of the last run that was committed, by whichever relay.
        var lastRun: Timestamp?
        /// Breaks that count, by state and severity.
        var breaks: [String: Int] = [:]
    }

    /// Time spent on a run against time that follows without one: a tenth at most.
    private static let restPerWork: Int64 = 9
    /// Time of a pass against time that it rests for, while tasks are being sent. On PostgreSQL the server works for it too; on SQLite it is
    /// this thread alone, which is nice, and the -wal grows for as long as the snapshot is held. That costs on PostgreSQL as well, so a run
    /// rests for three minutes at most.
    private static func restPerStep(_ dialect: SQLDialect) -> Int64 { dialect == .postgres ? 9 : 1 }
    private static let restAtMost = TimeSpan.minutes(3)
    /// No rest may outlast the lease, whatever held up the work before it.
    private static let longestRest = TimeSpan.seconds(10)
    /// How often it looks whether something is to be done.
    private static let step = TimeSpan.seconds(5)

    private let configuration: Mutex<Configuration>
    private let environment: [String: String]
    private let ending = EventDescriptor()
    private let stops = Atomic<Bool>(false)
    private let gauge = Mutex(Gauge())
    /// Breaks off what the run under way waits for; nil: there is none.
    private let interrupter = Mutex<(@Sendable () -> Void)?>(nil)
    private let thread = Mutex<WorkerThread?>(nil)

    /// - Parameters:
    ///   - name: the relay's.
    ///   - isBusy: whether many tasks are being sent now: then a run gives way to them.
    init(
        _ configuration: Configuration, name: String, log: Log, environment: [String: String],
        isBusy: @escaping @Sendable () -> Bool
    ) {
        self.configuration = Mutex(configuration)
        self.environment = environment
        let thread = WorkerThread(name: "tp-reconcile", yields: true) { [weak self] in
            self?.work(name: name, log: log, isBusy: isBusy)
        }
        self.thread.withLock { $0 = thread }
    }

    /// How often, by the configuration in force; nil: not at all.
    var every: TimeSpan? { configuration.withLock { $0.reconcile?.every } }

    /// Another configuration is in force, from the next run on.
    func apply(_ configuration: Configuration) { self.configuration.withLock { $0 = configuration } }

    /// Ends it; a run that is under way is broken off. Whether it ended in time.
    @discardableResult func stop(within span: TimeSpan) -> Bool {
        stops.store(true, ordering: .releasing)
        ending.raise()
        guard let thread = thread.withLock({ $0 }) else { return true }
        let end = MonotonicClock.now() + span
        repeat {
            // Or the server would go on with a rule that nobody waits for any more. Again and again: one may come before its statement.
            interrupter.withLock { $0 }?()
            if thread.join(within: min(.milliseconds(200), end - MonotonicClock.now())) { return true }
        } while MonotonicClock.now() < end
        return false
    }

    /// As Prometheus is told.
    var families: [MetricFamily] {
        let gauge = gauge.withLock { $0 }
        guard let lastRun = gauge.lastRun else { return [] }
        return [
            MetricFamily(
                "tallypost_reconcile_last_success_timestamp_seconds", .gauge,
                "When the last reconciliation was made, by any relay.",
                [.init(.number(Double(lastRun.microseconds) / 1e6))]),
            MetricFamily(
                "tallypost_reconcile_findings", .gauge, "Breaks that count, by their state.",
                BreakState.allCases.filter { $0 == .open || $0 == .acknowledged }.map { state in
                    .init(.count(Int64(gauge.breaks[state.rawValue] ?? 0)), labels: [("status", state.rawValue)])
                }),
        ]
    }

    // MARK: The thread

    private func work(name: String, log: Log, isBusy: @escaping @Sendable () -> Bool) {
        // By then it is known whether there is a backlog to be sent first.
        var next = MonotonicClock.now() + Self.step
        var failures = 0
        while !stops.load(ordering: .acquiring) {
            let now = MonotonicClock.now()
            let configuration = configuration.withLock { $0 }
            if let every = configuration.reconcile?.every, next <= now {
                let took = reconcile(configuration, every: every, name: name, log: log, isBusy: isBusy, failures: &failures)
                next = now + max(min(every, Self.step + Self.step), TimeSpan(nanoseconds: took.nanoseconds * Self.restPerWork))
            }
            if ending.wait(atMost: Self.step) { return }
        }
    }

    /// One try; how long it worked.
    private func reconcile(
        _ configuration: Configuration, every: TimeSpan, name: String, log: Log, isBusy: @escaping @Sendable () -> Bool,
        failures: inout Int
    ) -> TimeSpan {
        let start = MonotonicClock.now()
        var rested = TimeSpan.zero
        var lastRest = start
        do throws(StoreError) {
            guard let database = configuration.database else { return .zero }
            let service = try ReconcileService(configuration, database, holder: name, madeBy: "relay \(name)")
            interrupter.withLock { $0 = service.interrupter }
            defer { interrupter.withLock { $0 = nil } }
            let restPerStep = Self.restPerStep(service.dialect)
            let progress = { (_: Int64) -> Bool in
                defer { lastRest = MonotonicClock.now() }
                guard isBusy(), rested < Self.restAtMost else { return !self.stops.load(ordering: .acquiring) }
                let worked = MonotonicClock.now() - lastRest
                let rest = min(TimeSpan(nanoseconds: worked.nanoseconds * restPerStep), Self.longestRest)
                rested = rested + rest
                return !self.ending.wait(atMost: rest)
            }
            let ending = try service.reconcile(unlessYoungerThan: every, progress: progress, givesWay: isBusy)
            tell(ending, service, name, log, took: MonotonicClock.now() - start)
            let read = try service.gauge()
            gauge.withLock { $0 = read }
            failures = 0
        } catch {
            if stops.load(ordering: .acquiring) { return .zero }
            failures += 1
            log.error("reconciliation failed", ["error": "\(error)", "failures": failures])
        }
        return MonotonicClock.now() - start - rested
    }

    private func tell(_ ending: ReconcilerEnding, _ service: ReconcileService, _ name: String, _ log: Log, took: TimeSpan) {
        switch ending {
        case .busy, .stopped, .notDue: break
        case .overtaken: log.warning("a reconciliation was given up: another relay had taken over, its lease had run out")
        case .done(let run):
            log.info(
                "reconciled",
                [
                    "run": run.number, "status": run.status.rawValue, "new": run.changes[.new] ?? 0,
                    "cleared": run.changes[.cleared] ?? 0,
                    "seconds": took.seconds,
                ])
            for reason in run.reasons { log.warning("the reconciliation is incomplete", ["because": reason]) }
            do throws(ReportWriting) {
                for report in try service.writeDueReports(after: run, by: "relay \(name)", environment: environment) {
                    log.info(
                        "report written",
                        ["period": report.period.label, "status": report.status.rawValue, "directory": report.directory])
                }
            } catch {
                switch error {
                case .store(let error): log.error("a report could not be written", ["error": "\(error)"])
                case .files(let failure): log.error("a report could not be written", ["error": "\(failure)"])
                }
            }
        }
    }
}
