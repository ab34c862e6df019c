import Synchronization
import TallypostCore
import TallypostThreads

/// Reads what waits, for metrics, on a thread and a connection of its own.
///
/// It may have to look at every row that waits, so it works at most 2 % of the time, every few seconds at most, and never for
/// a request: a scrape gets what was read last.
final class GaugeReader: Sendable {
    /// What was read last.
    struct Reading: Sendable, Equatable {
        /// Whether the database was there.
        var isUp = false
        /// Empty while it is not.
        var gauges: [PendingGauge] = []
    }

    /// Rest for each part of work.
    static let restPerWork: Int64 = 49
    static let shortestRest = TimeSpan.seconds(5)
    /// A database that is away is asked again sooner.
    static let restWhileAway = TimeSpan.seconds(1)

    private let state = Mutex(Reading())
    /// Nothing is put in; it is closed to wake and end the thread.
    private let ending = JobQueue<Bool>(capacity: 1)
    private let thread = Mutex<WorkerThread?>(nil)

    init(openDesk: @escaping ConsoleSettings.OpenDesk) {
        let thread = WorkerThread(name: "tp-gauges") { [weak self, ending] in
            var desk: (any ConsoleDesk)?
            while true {
                let start = ConsoleClock.now()
                let reading = Self.read(&desk, openDesk)
                self?.state.withLock { last in
                    // A lock that was held does not mean that the database is away; what was read before still says most.
                    last = Reading(isUp: reading.isUp, gauges: reading.gauges ?? (reading.isUp ? last.gauges : []))
                }
                let now = ConsoleClock.now()
                let rest = max(
                    reading.isUp ? Self.shortestRest : Self.restWhileAway,
                    TimeSpan(nanoseconds: (now - start).nanoseconds * Self.restPerWork))
                guard Self.rest(until: now + rest, ending) else { return }
            }
        }
        self.thread.withLock { $0 = thread }
    }

    /// What was read last.
    func scrape() -> Reading { state.withLock { $0 } }

    /// Ends it.
    func stop() {
        ending.close()
        thread.withLock { $0 }?.join()
    }

    /// False when it is to end.
    private static func rest(until end: Instant, _ ending: JobQueue<Bool>) -> Bool {
        while true {
            let left = end - ConsoleClock.now()
            guard left > .zero else { return true }
            guard ending.take(1, within: left) != nil else { return false }
        }
    }

    private static func read(
        _ desk: inout (any ConsoleDesk)?, _ openDesk: ConsoleSettings.OpenDesk
    ) -> (isUp: Bool, gauges: [PendingGauge]?) {
        do throws(StoreError) {
            let open: any ConsoleDesk
            if let desk { open = desk } else { open = try openDesk() }
            desk = open
            return (true, try open.gauges())
        } catch {
            if error.kind == .busy { return (true, nil) }
            desk = nil
            return (false, nil)
        }
    }
}

extension GaugeReader.Reading {
    /// As Prometheus is told.
    var families: [MetricFamily] {
        func each(_ value: (PendingGauge) -> MetricFamily.Value) -> [MetricFamily.Sample] {
            gauges.map { MetricFamily.Sample(value($0), labels: [("type", $0.type)]) }
        }
        let up = MetricFamily(
            "tallypost_database_up", .gauge, "Whether the database could be reached.", [.init(.count(isUp ? 1 : 0), labels: [])])
        guard !gauges.isEmpty else { return [up] }
        return [
            up,
            MetricFamily(
                "tallypost_tasks_pending", .gauge, "Tasks that are pending, due or not.", each { .count(Int64($0.pending)) }),
            MetricFamily(
                "tallypost_oldest_pending_age_seconds", .gauge, "How long the oldest due task has been due.",
                each { .number(Double($0.oldestAge.milliseconds) / 1_000) }),
        ]
    }
}
