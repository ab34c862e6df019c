import TallypostCore
import TallypostThreads

/// What the dashboard's front page asks of the database.
struct OverviewReading: Sendable {
    /// Why the database could not be asked, in words for a person; nil: it could.
    var problem: String?
    /// Open tasks by type.
    var gauges: [PendingGauge] = []
    /// Every task by type and status; nil: not counted yet.
    var overview: Overview?
    var paused: [PausedRoute] = []
    var relays: [SignedRelay] = []
    /// The last run of reconciliation; nil: none was made yet.
    var lastRun: ConsoleRun?
}

/// Reads the front page's figures on a thread and a connection of its own, and only while somebody looks.
///
/// Counting every row by status is as much work as there are rows: it is done at most 5 % of the time, whoever asks how often, and after
/// the answer, so that nobody waits for it. What is asked in between gets what was read last.
final class OverviewReader: Sendable {
    /// Rest for each part of work.
    static let restPerWork: Int64 = 19
    static let shortestRest = TimeSpan.milliseconds(900)

    private let queue = JobQueue<Exchange>(capacity: 256)
    private let thread: WorkerThread

    init(_ settings: ConsoleSettings, answer: @escaping @Sendable (OverviewReading) -> HTTPAnswer) {
        let queue = queue
        thread = WorkerThread(name: "tp-overview") {
            var loop = OverviewLoop(settings)
            while let exchanges = queue.take(256, within: loop.untilIdle) {
                guard !exchanges.isEmpty else {
                    loop.close()
                    continue
                }
                let reading = loop.read()
                let answer = answer(reading)
                for exchange in exchanges { exchange.finish(answer) }
                loop.count()
            }
        }
    }

    /// Takes it in; false when too many wait.
    func post(_ exchange: Exchange) -> Bool { queue.post(exchange) }

    /// Answers what waits, and ends.
    func stop() {
        queue.close()
        thread.join()
    }
}

/// What that thread does.
private struct OverviewLoop {
    private var holder: DeskHolder<any ConsoleDesk>
    private var findings: DeskHolder<any FindingsDesk>?
    private var reading = OverviewReading()
    private var nextRead = Instant(nanoseconds: .min)
    private var nextCount = Instant(nanoseconds: .min)
    private var isOpen = false

    init(_ settings: ConsoleSettings) {
        // The other threads of the console tell when the database goes away.
        holder = DeskHolder(name: "overview", notice: { _ in }, open: settings.openDesk)
        findings = settings.openFindings.map { DeskHolder(name: "overview", notice: { _ in }, open: $0) }
    }

    /// Nobody has looked for so long: the connections are given back.
    var untilIdle: TimeSpan? { isOpen ? .seconds(30) : nil }

    mutating func close() {
        holder.close()
        findings?.close()
        isOpen = false
    }

    mutating func read() -> OverviewReading {
        let start = ConsoleClock.now()
        guard start >= nextRead else { return reading }
        isOpen = true
        do throws(StoreError) {
            (reading.gauges, reading.paused, reading.relays) = try holder.ask(isReading: true) { desk throws(StoreError) in
                (try desk.gauges(), try desk.pausedRoutes(), try desk.signedRelays())
            }
            reading.lastRun = try findings?.ask(isReading: true) { desk throws(StoreError) in try desk.runs(limit: 1).first }
            reading.problem = nil
        } catch { fail(error) }
        nextRead = Self.next(after: start)
        return reading
    }

    /// Every row by status. What fails here is told by the next reading.
    mutating func count() {
        let start = ConsoleClock.now()
        guard reading.problem == nil, start >= nextCount else { return }
        do throws(StoreError) {
            reading.overview = try holder.ask(isReading: true) { desk throws(StoreError) in try desk.overview() }
        } catch { fail(error) }
        nextCount = Self.next(after: start)
    }

    private mutating func fail(_ error: StoreError) {
        // Of a database that is away nothing is known; a lock that was held changes little.
        if error.kind == .connection { reading = OverviewReading() }
        switch error.kind {
        case .connection: reading.problem = "The database cannot be reached."
        case .busy: reading.problem = "The database is busy; these are earlier figures."
        case .schema: reading.problem = "The tables are missing or of another version; run tallypost init."
        case .permission: reading.problem = "The relay lacks a right in the database; run tallypost doctor."
        default: reading.problem = "The database fails; the relay's log says more."
        }
    }

    private static func next(after start: Instant) -> Instant {
        let end = ConsoleClock.now()
        let work = TimeSpan(nanoseconds: (end - start).nanoseconds * OverviewReader.restPerWork)
        return end + max(OverviewReader.shortestRest, work)
    }
}
