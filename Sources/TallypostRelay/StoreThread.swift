public import TallypostCore
import TallypostThreads

/// The thread that owns the relay's connection to the database and makes its blocking calls.
///
/// One command at a time goes in, its event comes out: the dispatch loop never waits for a disk.
public final class StoreThread: Sendable {
    enum Command: Sendable {
        case open
        case order(StoreOrder)
        case listen(TimeSpan)
        case close
    }

    private let commands: Mailbox<Command>
    private let events: Mailbox<RelayEvent>
    private let thread: WorkerThread

    /// - Parameter makeStore: called once, on the new thread, which alone uses what it returns.
    public init(makeStore: @escaping @Sendable () -> any TaskStore) {
        // Never more than an order behind a listen, and its event: the bounds only catch a defect.
        let commands = Mailbox<Command>(capacity: 8)
        let events = Mailbox<RelayEvent>(capacity: 16)
        self.commands = commands
        self.events = events
        thread = WorkerThread(name: "store") {
            StoreThread.serve(makeStore(), commands: commands, events: events)
        }
    }

    /// Readable while events wait.
    public var descriptor: Int32 { events.descriptor }

    /// The events since the last call.
    public func takeEvents() -> [RelayEvent] { events.takeAll() }

    func post(_ command: Command) {
        precondition(commands.post(command), "more commands than the store thread can hold")
    }

    /// Asks the thread to close the store and end, and waits for it, at most so long: a call into a database that hangs must
    /// not keep the process from ending.
    public func close(within span: TimeSpan) {
        // A full box means that the thread hangs anyway.
        guard commands.post(.close) else { return }
        thread.join(within: span)
    }

    private static func serve(_ store: any TaskStore, commands: Mailbox<Command>, events: Mailbox<RelayEvent>) {
        func tell(_ event: RelayEvent) { precondition(events.post(event), "more events than the dispatch loop can hold") }
        while true {
            for command in commands.waitForAll() {
                switch command {
                case .open:
                    do throws(StoreError) {
                        try store.open()
                        tell(.storeOpened)
                    } catch {
                        tell(.storeUnreachable(error))
                    }
                case .order(let order): tell(store.carryOut(order))
                case .listen(let span):
                    do throws(StoreError) {
                        tell(.storeListened(try store.waitForWork(timeout: span, interrupt: commands.descriptor)))
                    } catch {
                        tell(.storeFailed(error, StoreOrder()))
                    }
                case .close:
                    store.close()
                    return
                }
            }
        }
    }
}

extension TaskStore {
    /// Carries out an order, in its sequence: pauses, inserts, settlement and claim, sweep, expired leases, survey, first lease's end, retention.
    ///
    /// What was done is reported even if a later part failed, so that no leased task is forgotten. Only an order of which
    /// nothing was done is given back as failed.
    public func carryOut(_ order: StoreOrder) -> RelayEvent {
        var report = StoreReport()
        var rest = order
        var done = false
        do throws(StoreError) {
            while let pause = rest.pauses.first {
                try self.pause(route: pause.type, reason: pause.reason)
                rest.pauses.removeFirst()
            }
            if !order.inserts.isEmpty { report.inserted = try attemptInsert(order.inserts) }
            if !order.outcomes.isEmpty, let claim = order.claim {
                let (settlement, batch) = try exchange(order.outcomes, claim)
                report.settlement = settlement
                report.batch = batch
                done = true
            } else if !order.outcomes.isEmpty {
                report.settlement = try settle(order.outcomes)
                done = true
            } else if let claim = order.claim {
                report.batch = try self.claim(claim)
                done = true
            }
            if order.sweepLimit > 0 { report.swept = try sweep(limit: order.sweepLimit) }
            if order.expiredLimit > 0 { report.expired = try expiredLeases(limit: order.expiredLimit) }
            if order.surveys { report.survey = try survey(order.sign) }
            if order.asksLeases { report.leaseEnd = try earliestLeaseEnd() }
            if let policy = order.retention { report.purge = try attemptPurge(policy) }
        } catch {
            guard done else { return .storeFailed(error, rest) }
            report.failure = error
        }
        return .storeDone(report)
    }

    /// A row that the database will not have, or a right that is missing, must not stand in the way of delivery, nor of the other
    /// schedules: only what ails the connection or the whole database is thrown.
    private func attemptInsert(_ drafts: [TaskDraft]) throws(StoreError) -> InsertReport {
        var report = InsertReport()
        do throws(StoreError) {
            report.inserted = try insert(drafts)
            return report
        } catch {
            if error.ailsTheWhole { throw error }
            guard drafts.count > 1 else {
                report.refused = drafts.map { ($0.idempotencyKey ?? "", error) }
                return report
            }
        }
        for draft in drafts {
            let one = try attemptInsert([draft])
            report.inserted += one.inserted
            report.refused += one.refused
        }
        return report
    }

    /// What stands in the way of retention (a right that is missing, a foreign key) must not stand in the way of delivery: only a
    /// connection that broke is thrown.
    private func attemptPurge(_ policy: RetentionPolicy) throws(StoreError) -> Result<Purge, StoreError> {
        do throws(StoreError) {
            return .success(try purge(policy))
        } catch {
            if error.kind == .connection || error.kind == .corrupt { throw error }
            return .failure(error)
        }
    }
}
