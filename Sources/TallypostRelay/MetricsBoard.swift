import Synchronization
public import TallypostCore

/// Where the dispatch loop hangs up what it can tell of itself, for listeners on other threads.
///
/// It is written at most once a second and read whenever somebody asks; neither waits for the database.
public final class MetricsBoard: Sendable {
    /// How often the loop writes.
    static let interval = TimeSpan.seconds(1)

    private let version: String
    private let latest = Mutex<RelaySnapshot?>(nil)
    private let turnedAt = Atomic<Int64>(.min)
    private let rush = Mutex(RushWatch())

    /// - Parameter version: of the program, for `tallypost_build_info`.
    public init(version: String) { self.version = version }

    /// When the dispatch loop last turned, on the monotonic clock; nil: it has not begun. It turns at least every ten seconds, whatever
    /// the database does.
    public var lastTurn: Instant? {
        let found = turnedAt.load(ordering: .acquiring)
        return found == .min ? nil : Instant(nanoseconds: found)
    }

    /// Whether the loop has turned within `span`: what `/livez` asks. Longer than ten seconds, or an idle relay looks dead.
    public func isTurning(at now: Instant, within span: TimeSpan = .seconds(30)) -> Bool {
        lastTurn.map { now - $0 <= span } ?? false
    }

    /// Whether the database answered the relay when it was last asked; a second old at most.
    public var reachesStore: Bool { latest.withLock { $0?.reachesStore ?? false } }

    /// Whether a hundred requests a second and more are sent, or were some seconds ago: what has time gives way to them.
    public func isRushed(at now: Instant) -> Bool { rush.withLock { $0.isRushed(at: now) } }

    /// Whether the relay was told to stop, or has finished: with ``reachesStore`` what `/readyz` asks.
    public var isStopping: Bool { latest.withLock { $0?.isStopping ?? false } }

    /// The page that Prometheus scrapes.
    ///
    /// - Parameter others: what is known elsewhere: tasks that are pending, whether the database answers.
    public func text(_ format: MetricsText, adding others: [MetricFamily] = []) -> String {
        format.render((families + others).sorted { $0.name < $1.name })
    }

    /// What the relay tells of itself, which build it is included; a second old at most.
    public var families: [MetricFamily] {
        let snapshot = latest.withLock { $0 }
        let build = MetricFamily(
            "tallypost_build_info", .gauge, "Always 1; the labels say which build this is.",
            [.init(.count(1), labels: [("version", version)])])
        return [build] + (snapshot?.families ?? [])
    }

    func turned(at now: Instant) { turnedAt.store(now.nanoseconds, ordering: .releasing) }

    func publish(_ snapshot: RelaySnapshot, at now: Instant) {
        latest.withLock { $0 = snapshot }
        rush.withLock { $0.note(sent: snapshot.requestsSent, at: now) }
    }
}
