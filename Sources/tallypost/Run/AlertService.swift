import Synchronization
import TallypostCore
import TallypostReconciliation
import TallypostRelay
import TallypostThreads

/// The thread that looks whether an alert is due, on a connection of its own. Without alerts it sleeps and has none.
final class AlertService: Sendable {
    /// Between two looks, at least; ``AlertWatch`` rests longer when a look is dear.
    static let interval = TimeSpan.seconds(15)

    private struct Settings: Sendable {
        var receivers: [AlertSettings] = []
        var every: TimeSpan?
        var generation = 0
    }

    private let settings = Mutex(Settings())
    private let wake = EventDescriptor()
    private let isStopping = Atomic<Bool>(false)
    private let thread = Mutex<WorkerThread?>(nil)

    init(_ configuration: Configuration, engine: Engine, log: Log) {
        apply(configuration)
        let name = engine.database.redacted
        let worker = WorkerThread(name: "tp-alerts") { [self] in
            var link: (any ReconcileDatabase)?
            var watch: AlertWatch?
            var generation = -1
            var isTold = false
            while !isStopping.load(ordering: .acquiring) {
                let current = settings.withLock { $0 }
                if current.generation != generation {
                    generation = current.generation
                    watch = AlertWatch(current.receivers, database: name, every: current.every, clock: MonotonicClock.now)
                }
                if current.receivers.isEmpty { link = nil }
                do throws(StoreError) {
                    if !current.receivers.isEmpty {
                        let open: any ReconcileDatabase
                        if let link { open = link } else { open = try engine.openReconcile() }
                        link = open
                        try watch?.evaluate(on: open)
                    }
                    isTold = false
                } catch {
                    // A look that took too long, or met a lock, is made again; anything else gets a connection of its own.
                    if error.kind != .busy { link = nil }
                    if !isTold { log.warning("alerts cannot be looked after; trying again", ["error": error.description]) }
                    isTold = true
                }
                _ = wake.wait(atMost: current.receivers.isEmpty ? .hours(24) : Self.interval)
                wake.clear()
            }
        }
        thread.withLock { $0 = worker }
    }

    /// Other alerts from now on.
    func apply(_ configuration: Configuration) {
        settings.withLock {
            $0.receivers = configuration.alerts.map(\.settings)
            $0.every = configuration.reconcile?.every
            $0.generation += 1
        }
        wake.raise()
    }

    /// Ends it, and waits for that at most so long.
    func stop(within span: TimeSpan) {
        isStopping.store(true, ordering: .releasing)
        wake.raise()
        thread.withLock { $0 }?.join(within: span)
    }
}
