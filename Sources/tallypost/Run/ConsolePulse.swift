import Synchronization
import TallypostConsole
import TallypostCore
import TallypostDelivery
import TallypostRelay

/// What the dispatch loop tells the console's threads: that it turns, that it stops, and which routes it has.
final class ConsolePulse: Sendable {
    private let turned = Atomic<Int64>(MonotonicClock.now().nanoseconds)
    private let stops = Atomic<Bool>(false)
    private let current = Mutex<[ConsoleRoute]>([])
    private let start: Configuration

    /// As the relay starts.
    init(_ configuration: Configuration) {
        start = configuration
        apply(configuration)
    }

    /// The first of the keys that are fixed for as long as the relay runs, and that another configuration changes.
    func fixedKey(changedBy configuration: Configuration) -> String? {
        if configuration.database != start.database { return "database" }
        if configuration.listen != start.listen { return "listen" }
        return configuration.adminToken != start.adminToken ? "adminToken" : nil
    }

    /// The loop's clock: that it is read is the sign of life.
    func now() -> Instant {
        let now = MonotonicClock.now()
        turned.store(now.nanoseconds, ordering: .relaxed)
        return now
    }

    /// When the loop last turned.
    var lastTurn: Instant { Instant(nanoseconds: turned.load(ordering: .relaxed)) }

    /// The first signal to stop has come.
    func stop() { stops.store(true, ordering: .relaxed) }

    /// Whether it has.
    var isDraining: Bool { stops.load(ordering: .relaxed) }

    /// The routes that are configured now.
    var routes: [ConsoleRoute] { current.withLock { $0 } }

    /// Another configuration is in force.
    func apply(_ configuration: Configuration) {
        let retention = configuration.keyRetention
        let routes = configuration.allRoutes.map { type, route in
            ConsoleRoute(
                type: type, url: route.wire.url.map(Redaction.masking), isSigned: route.isSigned,
                maxAttempts: route.policy.maxAttempts, timeout: route.policy.timeout, concurrency: route.policy.concurrency,
                keyRetention: retention[type])
        }
        current.withLock { $0 = routes }
    }
}
