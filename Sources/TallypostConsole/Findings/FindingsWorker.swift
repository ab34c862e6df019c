import TallypostCore
import TallypostThreads

/// A thread with a ``FindingsDesk`` of its own, connected when it is first needed: nobody who looks at tasks waits for findings, or for a
/// large file to be checked.
final class FindingsWorker: Sendable {
    struct Job: Sendable {
        var operation: FindingsOperation
        var exchange: Exchange
    }

    private let queue = JobQueue<Job>(capacity: 1_024)
    private let thread: WorkerThread

    init(openDesk: @escaping ConsoleSettings.OpenFindings, notice: @escaping @Sendable (ConsoleNotice) -> Void) {
        let queue = queue
        thread = WorkerThread(name: "tp-findings") {
            var holder = DeskHolder(name: "findings", notice: notice) { () throws(StoreError) in
                FindingsAnswers(desk: try openDesk())
            }
            while let jobs = queue.take(64, within: nil) {
                for job in jobs { job.exchange.finish(Self.answer(job.operation, &holder)) }
            }
        }
    }

    private static func answer(_ operation: FindingsOperation, _ holder: inout DeskHolder<FindingsAnswers>) -> HTTPAnswer {
        do throws(StoreError) {
            return try holder.ask(isReading: operation.isReading) { desk throws(StoreError) in try desk.answer(operation) }
        } catch { return error.answer() }
    }

    /// Takes it in; false when too many wait.
    func post(_ job: Job) -> Bool { queue.post(job) }

    /// Answers what waits, and ends.
    func stop() {
        queue.close()
        thread.join()
    }
}
