import Synchronization
import TallypostCore

/// Reads what waits, for metrics, on a thread and a connection of its own.
///
/// It may have to look at every row that waits, so it works at most 2 % of the time, only while somebody scrapes, and never for a
/// request: a scrape gets what was read last.
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
    static let shortestRest = TimeSpan.seconds(1)

    private let state = Mutex(Reading())
    private let scrapes = JobQueue<Bool>(capacity: 1)
    private let thread = Mutex<ConsoleThread?>(nil)

    init(openDesk: @escaping ConsoleSettings.OpenDesk) {
        let thread = ConsoleThread(name: "tp-gauges") { [weak self, scrapes] in
            var desk: (any ConsoleDesk)?
            while true {
                let start = ConsoleClock.now()
                let reading = Self.read(&desk, openDesk)
                self?.state.withLock { $0 = reading }
                let now = ConsoleClock.now()
                let rest = max(Self.shortestRest, TimeSpan(nanoseconds: (now - start).nanoseconds * Self.restPerWork))
                guard Self.rest(until: now + rest, scrapes, needsScrape: reading.isUp) else { return }
            }
        }
        self.thread.withLock { $0 = thread }
    }

    /// What was read last; asks for another reading.
    func scrape() -> Reading {
        _ = scrapes.post(true)
        return state.withLock { $0 }
    }

    /// Ends it.
    func stop() {
        scrapes.close()
        thread.withLock { $0 }?.join()
    }

    /// False when it is to end. A database that is away is asked for again without a scrape, so that the next one tells the truth.
    private static func rest(until end: Instant, _ scrapes: JobQueue<Bool>, needsScrape: Bool) -> Bool {
        var isWanted = !needsScrape
        while true {
            let left = end - ConsoleClock.now()
            if left <= .zero && isWanted { return true }
            guard let taken = scrapes.take(1, within: left > .zero ? left : nil) else { return false }
            isWanted = isWanted || !taken.isEmpty
        }
    }

    private static func read(_ desk: inout (any ConsoleDesk)?, _ openDesk: ConsoleSettings.OpenDesk) -> Reading {
        do throws(StoreError) {
            let open: any ConsoleDesk
            if let desk { open = desk } else { open = try openDesk() }
            desk = open
            return Reading(isUp: true, gauges: try open.gauges())
        } catch {
            // A lock that was held does not mean that the database is away.
            if error.kind == .busy { return Reading(isUp: true) }
            desk = nil
            return Reading()
        }
    }
}

/// The Prometheus text format, version 0.0.4.
enum MetricsText {
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// `counters` as the relay wrote them, and what was read.
    static func text(_ counters: String, _ reading: GaugeReader.Reading) -> String {
        var text = counters
        if !text.isEmpty && !text.hasSuffix("\n") { text += "\n" }
        text += "# HELP tallypost_database_up Whether the database could be reached.\n"
        text += "# TYPE tallypost_database_up gauge\ntallypost_database_up \(reading.isUp ? 1 : 0)\n"
        guard !reading.gauges.isEmpty else { return text }
        text += "# HELP tallypost_tasks_pending Tasks that are pending, due or not.\n# TYPE tallypost_tasks_pending gauge\n"
        for gauge in reading.gauges { text += "tallypost_tasks_pending{type=\"\(escaped(gauge.type))\"} \(gauge.pending)\n" }
        text += "# HELP tallypost_oldest_pending_age_seconds How long the oldest due task has been due.\n"
        text += "# TYPE tallypost_oldest_pending_age_seconds gauge\n"
        for gauge in reading.gauges {
            text += "tallypost_oldest_pending_age_seconds{type=\"\(escaped(gauge.type))\"} \(gauge.oldestAge.seconds)\n"
        }
        return text
    }

    /// A label's value.
    static func escaped(_ value: String) -> String {
        value.reduce(into: "") { text, character in
            switch character {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n", "\r\n": text += "\\n"
            default: text.append(character)
            }
        }
    }
}
