import TallypostCore
import TallypostThreads

/// A signal or a heartbeat on its way into the database.
struct SignalJob: Sendable {
    enum Message: Sendable {
        case signal(TaskSignal)
        case heartbeat(Heartbeat)
    }
    var message: Message
    /// Whom a miss is charged to.
    var network: PeerAddress.Network?
    var exchange: Exchange
}

/// The thread that owns the ``SignalBox``: takes whatever has gathered while the last commit was under way, and commits it at once.
///
/// Under load a commit so serves hundreds of signals, and without load one signal waits for nobody.
final class SignalWorker: Sendable {
    private let queue = JobQueue<SignalJob>(capacity: 8_192)
    private let thread: WorkerThread

    /// The most that one transaction takes in.
    static let batch = 1_000

    init(
        makeBox: @escaping @Sendable () -> any SignalBox, misses: MissLimit, notice: @escaping @Sendable (ConsoleNotice) -> Void
    ) {
        let queue = queue
        thread = WorkerThread(name: "tp-signals") {
            var loop = SignalLoop(box: makeBox(), misses: misses, notice: notice)
            loop.open()
            while let jobs = queue.take(Self.batch, within: loop.untilRetry) { loop.work(jobs) }
            loop.close()
        }
    }

    /// Takes it in; false when too many wait.
    func post(_ job: SignalJob) -> Bool { queue.post(job) }

    /// Answers what waits, and ends.
    func stop() {
        queue.close()
        thread.join()
    }
}

/// What that thread does.
private struct SignalLoop {
    let box: any SignalBox
    let misses: MissLimit
    let notice: (ConsoleNotice) -> Void
    private var link = DatabaseLink()
    private var isOpen = false
    private var isAwayTold = false

    init(box: any SignalBox, misses: MissLimit, notice: @escaping (ConsoleNotice) -> Void) {
        self.box = box
        self.misses = misses
        self.notice = notice
    }

    /// How long to wait for work before the database is tried again; nil: it is there.
    var untilRetry: TimeSpan? { isOpen ? nil : link.retryAt.map { max($0 - ConsoleClock.now(), .zero) } }

    mutating func open() {
        do throws(StoreError) {
            try box.open()
            isOpen = true
            link.succeeded()
            if isAwayTold { notice(.databaseBack("signals")) }
            isAwayTold = false
        } catch {
            lost(error)
        }
    }

    func close() { if isOpen { box.close() } }

    private mutating func lost(_ error: StoreError) {
        box.close()
        isOpen = false
        link.failed(at: ConsoleClock.now())
        if !isAwayTold { notice(.databaseAway("signals", error)) }
        isAwayTold = true
    }

    mutating func work(_ jobs: [SignalJob]) {
        if !isOpen && link.mayTry(at: ConsoleClock.now()) { open() }
        var signals: [(job: SignalJob, signal: TaskSignal)] = []
        var heartbeats: [(job: SignalJob, heartbeat: Heartbeat)] = []
        for job in jobs {
            switch job.message {
            case .signal(let signal): signals.append((job, signal))
            case .heartbeat(let heartbeat): heartbeats.append((job, heartbeat))
            }
        }
        // Heartbeats first: one that came before its task's signal is then not too late.
        let box = box
        deliver(heartbeats.map(\.job), heartbeats.map(\.heartbeat)) { heartbeats throws(StoreError) in try box.report(heartbeats)
        }
        deliver(signals.map(\.job), signals.map(\.signal)) { signals throws(StoreError) in try box.deliver(signals) }
    }

    private mutating func deliver<Message>(
        _ jobs: [SignalJob], _ messages: [Message], _ send: ([Message]) throws(StoreError) -> [SignalVerdict]
    ) {
        guard !jobs.isEmpty else { return }
        guard isOpen else { return jobs.forEach { $0.exchange.finish(StoreError.away()) } }
        do throws(StoreError) {
            let verdicts = try send(messages)
            precondition(verdicts.count == jobs.count, "verdicts and signals do not agree")
            for (job, verdict) in zip(jobs, verdicts) { answer(job, verdict) }
        } catch {
            // One value that the database refuses must not refuse the others: each is then asked alone.
            if error.kind == .data && jobs.count > 1 {
                for (job, message) in zip(jobs, messages) { deliver([job], [message], send) }
                return
            }
            if error.kind == .connection {
                lost(error)
            } else if error.kind != .data {
                notice(.requestFailed("signals", error))
            }
            jobs.forEach { $0.exchange.finish(error.answer()) }
        }
    }

    private func answer(_ job: SignalJob, _ verdict: SignalVerdict) {
        if verdict == .unknown { misses.charge(job.network, at: ConsoleClock.now()) }
        job.exchange.finish(SignalAnswer.of(verdict, job.message))
    }
}

/// What a verdict is answered with.
enum SignalAnswer {
    /// Of an unknown token, a malformed one, and any path that is not served: byte for byte the same.
    static let notFound = HTTPAnswer.problem(.notFound, "there is nothing here; check the URL")

    static func of(_ verdict: SignalVerdict, _ message: SignalJob.Message) -> HTTPAnswer {
        switch message {
        case .signal(let signal): of(verdict, signal)
        case .heartbeat: ofHeartbeat(verdict)
        }
    }

    private static func of(_ verdict: SignalVerdict, _ signal: TaskSignal) -> HTTPAnswer {
        let taken = HTTPAnswer.json { json in
            json.name("status")
            json.string(signal.isCompleted ? "completed" : "failed")
        }
        switch verdict {
        case .taken: return taken
        case .repeated: return taken.adding("Idempotent-Replayed", "true")
        case .conflicting: return .problem(.conflict, "another signal came first, and it counts")
        case .ended: return .problem(.gone, "the task has ended without this signal")
        case .cancelled: return .problem(.gone, "the task was cancelled")
        case .unknown: return notFound
        }
    }

    private static func ofHeartbeat(_ verdict: SignalVerdict) -> HTTPAnswer {
        switch verdict {
        case .taken, .repeated, .cancelled:
            .json { json in
                json.name("cancelRequested")
                json.truth(verdict == .cancelled)
            }
        case .conflicting, .ended: .problem(.gone, "the task has ended; stop the work")
        case .unknown: notFound
        }
    }
}
