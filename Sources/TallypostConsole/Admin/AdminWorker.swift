import TallypostCore
import TallypostThreads

/// A request on its way to the database.
struct AdminJob: Sendable {
    var operation: AdminOperation
    var exchange: Exchange
}

/// A thread with a ``ConsoleDesk`` of its own, connected when it is first needed.
///
/// Whoever waits for the end of a task costs neither a thread nor a query: ten times a second one statement asks about all of
/// their tasks.
final class AdminWorker: Sendable {
    private let queue = JobQueue<AdminJob>(capacity: 8_192)
    private let thread: WorkerThread

    init(
        name: String, openDesk: @escaping ConsoleSettings.OpenDesk, routes: @escaping @Sendable () -> [ConsoleRoute],
        notice: @escaping @Sendable (ConsoleNotice) -> Void
    ) {
        let queue = queue
        thread = WorkerThread(name: name) {
            var loop = AdminLoop(openDesk: openDesk, routes: routes, notice: notice)
            while let jobs = queue.take(256, within: loop.untilPoll) { loop.work(jobs) }
            loop.stop()
        }
    }

    /// Takes it in; false when too many wait.
    func post(_ job: AdminJob) -> Bool { queue.post(job) }

    /// Answers what waits, and ends.
    func stop() {
        queue.close()
        thread.join()
    }
}

/// What that thread does.
struct AdminLoop {
    /// Who waits for the end of a task, until when.
    private struct Waiter {
        var id: Int64
        var deadline: Instant
        var exchange: Exchange
    }

    static let pollInterval = TimeSpan.milliseconds(100)
    /// Those who come within so long are asked about together; whoever comes alone is not kept waiting.
    static let gathering = TimeSpan.milliseconds(10)

    private var holder: DeskHolder<AdminDesk>
    private var waiters: [Waiter] = []
    /// Those of whom nothing was asked yet.
    private var arrivals: [Waiter] = []
    private var nextPoll = Instant(nanoseconds: .min)
    private var nextArrivals = Instant(nanoseconds: .min)

    init(
        openDesk: @escaping ConsoleSettings.OpenDesk, routes: @escaping @Sendable () -> [ConsoleRoute],
        notice: @escaping (ConsoleNotice) -> Void
    ) {
        holder = DeskHolder(name: "admin", notice: notice) { () throws(StoreError) in
            AdminDesk(desk: try openDesk(), routes: routes)
        }
    }

    /// How long there is nothing to do but for new requests; nil: for ever.
    var untilPoll: TimeSpan? {
        guard !waiters.isEmpty || !arrivals.isEmpty else { return nil }
        let next = arrivals.isEmpty ? nextPoll : waiters.isEmpty ? nextArrivals : min(nextPoll, nextArrivals)
        return max(next - ConsoleClock.now(), .zero)
    }

    mutating func work(_ jobs: [AdminJob]) {
        for job in jobs {
            if case .show(let id, let wait?) = job.operation {
                arrivals.append(Waiter(id: id, deadline: ConsoleClock.now() + wait, exchange: job.exchange))
            } else {
                job.exchange.finish(answer(job.operation))
            }
        }
        // Of those that came together some may have ended long ago: they are not to wait for the next turn.
        if !arrivals.isEmpty, ConsoleClock.now() >= nextArrivals {
            waiters += settle(arrivals)
            arrivals = []
            nextArrivals = ConsoleClock.now() + Self.gathering
        }
        guard !waiters.isEmpty, ConsoleClock.now() >= nextPoll else { return }
        waiters = settle(waiters)
        nextPoll = ConsoleClock.now() + Self.pollInterval
    }

    /// Answers everybody who still waits, and disconnects.
    mutating func stop() {
        for waiter in waiters + arrivals {
            waiter.exchange.finish(.problem(.unavailable, "the relay is stopping; ask again").adding("Retry-After", "1"))
        }
        waiters = []
        arrivals = []
        holder.close()
    }

    /// Answers those whose task has ended or whose time is over, and returns the rest.
    private mutating func settle(_ waiters: [Waiter]) -> [Waiter] {
        let ended = endedTasks(among: Array(Set(waiters.map(\.id))))
        let now = ConsoleClock.now()
        // Many may wait for one task: it is read once.
        var answers: [Int64: HTTPAnswer] = [:]
        return waiters.filter { waiter in
            guard ended.contains(waiter.id) || waiter.deadline <= now else { return true }
            let answer = answers[waiter.id] ?? self.answer(.show(waiter.id, wait: nil))
            answers[waiter.id] = answer
            waiter.exchange.finish(answer)
            return false
        }
    }

    private mutating func endedTasks(among ids: [Int64]) -> Set<Int64> {
        // While the database is away they go on waiting: it may come back in their time.
        (try? holder.ask(isReading: false) { desk throws(StoreError) in try desk.desk.ended(among: ids) }) ?? []
    }

    private mutating func answer(_ operation: AdminOperation) -> HTTPAnswer {
        do throws(StoreError) {
            return try holder.ask(isReading: operation.isReading) { desk throws(StoreError) in try desk.answer(operation) }
        } catch { return error.answer() }
    }
}
