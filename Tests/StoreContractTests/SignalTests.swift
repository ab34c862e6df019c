import StoreContract
import TallypostCore
import Testing

/// Waiting for a word from outside.
@Suite struct SignalTests {
    private func token(of id: Int64, _ database: any DatabaseFixture) throws -> String {
        try #require(try database.query("SELECT signal_token FROM pending_tasks WHERE id = \(id)")[0][0])
    }

    private func signal(_ token: String, _ isCompleted: Bool = true, _ result: String? = #"{"n":1}"#) -> TaskSignal {
        TaskSignal(token: token, isCompleted: isCompleted, result: result, sender: "192.0.2.1")
    }

    /// A task that waits, and its token.
    private func waitingTask(
        _ database: any DatabaseFixture, _ row: ColumnValues = [:], longest: TimeSpan? = nil, heartbeat: TimeSpan? = nil
    )
        throws -> (id: Int64, token: String)
    {
        let id = try database.insert(row.merging(["type": "mail", "wait_for_signal": true]) { own, _ in own })
        let store = try database.makeStore()
        try store.settle(try #require(try store.claim("mail").first).waiting(longest: longest, heartbeat: heartbeat))
        return (id, try token(of: id, database))
    }

    @Test(arguments: Engine.databases)
    func `the first signal ends the wait; the same again is a repetition, another conflicts`(engine: Engine) throws {
        try engine.withDatabase { database in
            let (id, token) = try waitingTask(database)
            let box = try database.makeSignalBox()
            #expect(try box.deliver([signal(token)]) == [.taken])
            let row = try database.row(id)
            #expect(row["status"] == "completed" && row["result"] == #"{"n":1}"# && row["start_result"] == #"{"job":1}"#)
            #expect(time(row["finished_at"]) != nil)
            #expect(
                try box.deliver([signal(token), signal(token, false), signal(token, true, nil)]) == [
                    .repeated, .conflicting, .conflicting,
                ])
            #expect(try database.query("SELECT event, by FROM task_events WHERE task_id = \(id)") == [["signal", "192.0.2.1"]])
            #expect(try database.row(id)["result"] == #"{"n":1}"#)
        }
    }

    @Test(arguments: Engine.databases)
    func `of many in one call the first counts`(engine: Engine) throws {
        try engine.withDatabase { database in
            let (id, token) = try waitingTask(database)
            let other = try waitingTask(database)
            let unknown = String(repeating: "0", count: 64)
            let verdicts = try database.makeSignalBox().deliver([
                signal(unknown), signal(token, false, nil), signal(other.token), signal(token, false, nil), signal(token),
                signal(unknown),
            ])
            #expect(verdicts == [.unknown, .taken, .taken, .repeated, .conflicting, .unknown])
            #expect(try database.row(id)["status"] == "failed")
            #expect(try database.row(id)["last_error"] == "signalled as failed")
            #expect(try database.row(other.id)["status"] == "completed")
        }
    }

    @Test(arguments: Engine.databases)
    func `boxes that race with the same signal have one effect`(engine: Engine) throws {
        try engine.withDatabase { database in
            let (id, token) = try waitingTask(database, ["on_complete_url": "http://192.0.2.9/n"])
            let racers = (0..<6).map { _ in InBackground { try database.makeSignalBox().deliver([signal(token)]) } }
            let verdicts = try racers.flatMap { try $0.wait() }
            #expect(verdicts.filter { $0 == .taken }.count == 1)
            #expect(verdicts.filter { $0 == .repeated }.count == 5)
            #expect(try database.query("SELECT count(*) FROM task_events WHERE task_id = \(id)") == [["1"]])
            #expect(try database.query("SELECT count(*) FROM pending_tasks WHERE type = 'tallypost.notice'") == [["1"]])
        }
    }

    @Test(arguments: Engine.databases, ["pending", "processing"])
    func `a signal that comes before the callback has answered is kept, and ends the task when it would wait`(
        engine: Engine, status: String
    ) throws {
        try engine.withDatabase { database in
            let id = try database.insert(["type": "mail", "wait_for_signal": true])
            let store = try database.makeStore()
            let token = try token(of: id, database)
            let box = try database.makeSignalBox()
            var task: ClaimedTask?
            if status == "processing" { task = try store.claim("mail").first }
            #expect(try box.deliver([signal(token)]) == [.taken])
            #expect(try database.row(id)["status"] == .text(status))
            if task == nil { task = try store.claim("mail").first }
            try store.settle(try #require(task).waiting())
            let row = try database.row(id)
            #expect(row["status"] == "completed" && row["result"] == #"{"n":1}"#)
            #expect(try box.deliver([signal(token)]) == [.repeated])
        }
    }

    @Test(arguments: Engine.databases)
    func `a kept signal goes before an attempt that got no answer, not before a refusal`(engine: Engine) throws {
        try engine.withDatabase { database in
            let ids = try database.insert([
                ["type": "mail", "wait_for_signal": true], ["type": "mail", "wait_for_signal": true],
            ])
            let store = try database.makeStore()
            let tasks = try store.claim("mail")
            _ = try database.makeSignalBox().deliver(try ids.map { signal(try token(of: $0, database)) })
            _ = try store.settle([tasks[0].retried(after: .hours(1)), tasks[1].failed])
            #expect(try database.row(ids[0])["status"] == "completed")
            #expect(try database.row(ids[1])["status"] == "failed")
            let again = try database.makeSignalBox().deliver(try ids.map { signal(try token(of: $0, database)) })
            #expect(again == [.repeated, .ended])
        }
    }

    @Test(arguments: Engine.databases)
    func `a wait that is too long ends as timeout, and a signal after it is too late`(engine: Engine) throws {
        try engine.withDatabase { database in
            let (short, long) = (
                try waitingTask(database, ["max_wait_seconds": 0]), try waitingTask(database, longest: .hours(1))
            )
            let store = try database.makeStore()
            var swept = 0
            while swept == 0 { swept = try store.sweep(limit: 10) }
            #expect(swept == 1)
            #expect(try database.row(short.id)["status"] == "timeout")
            #expect(try database.row(long.id)["status"] == "waiting")
            #expect(try database.makeSignalBox().deliver([signal(short.token), signal(long.token)]) == [.ended, .taken])
        }
    }

    @Test(arguments: Engine.databases)
    func `a heartbeat puts the silence off and keeps progress and checkpoint; a worker that falls silent fails its attempt`(
        engine: Engine
    ) throws {
        try engine.withDatabase { database in
            let (id, token) = try waitingTask(database, heartbeat: .milliseconds(1))
            let store = try database.makeStore()
            let box = try database.makeSignalBox()
            #expect(
                try box.report([
                    Heartbeat(token: token, progress: #"{"current":3}"#, checkpoint: "[7]"),
                    Heartbeat(token: token, progress: nil, checkpoint: "[8]"),
                ]) == [.taken, .taken])
            #expect(try database.row(id)["progress"] == #"{"current":3}"#)
            #expect(try database.row(id)["checkpoint"] == "[8]")
            var silent: [ExpiredLease] = []
            while silent.isEmpty { silent = try store.expiredLeases(limit: 10) }
            let lease = try #require(silent.first)
            #expect(silent.count == 1 && lease.id == id && lease.silence == .worker && lease.attempts == 1)
            let attempt = AttemptRecord(number: 1, duration: .zero, responseStatus: nil, error: "no heartbeat")
            let outcome = Outcome(
                id: id, epoch: lease.epoch, change: .retry(after: .zero, responseStatus: nil, error: "no heartbeat"),
                attempt: attempt)
            #expect(try store.settle([outcome]).written == 1)
            #expect(try database.attempts(of: id).count == 1)
            let next = try #require(try store.claim("mail").first)
            #expect(next.attempt == 2 && next.checkpoint == "[8]")
            // The wait that was given up is over: a late word on it changes nothing.
            #expect(try store.settle([outcome]).late == [id])
        }
    }

    @Test(arguments: Engine.databases)
    func `a worker that is heard of in time is not silent`(engine: Engine) throws {
        try engine.withDatabase { database in
            let (id, token) = try waitingTask(database, longest: .hours(2), heartbeat: .hours(1))
            #expect(try database.makeSignalBox().report([Heartbeat(token: token, progress: nil, checkpoint: nil)]) == [.taken])
            let store = try database.makeStore()
            #expect(try store.expiredLeases(limit: 10).isEmpty)
            // Found silent a moment ago, heard of since: the outcome of the silence is late.
            let epoch = 1
            let outcome = Outcome(
                id: id, epoch: Int64(epoch), change: .retry(after: .zero, responseStatus: nil, error: "no heartbeat"))
            #expect(try store.settle([outcome]).late == [id])
            #expect(try database.row(id)["status"] == "waiting")
        }
    }

    @Test(arguments: Engine.databases)
    func `a heartbeat tells the worker of a cancelled task, and of one that has ended`(engine: Engine) throws {
        try engine.withDatabase { database in
            let (cancelled, ended) = (try waitingTask(database), try waitingTask(database))
            _ = try database.makeDesk().perform(.cancel, on: TaskFilter(ids: [cancelled.id]), by: "me", why: "so", limit: 1)
            let box = try database.makeSignalBox()
            #expect(try box.deliver([signal(ended.token)]) == [.taken])
            let verdicts = try box.report(
                [cancelled.token, ended.token, String(repeating: "f", count: 64)].map {
                    Heartbeat(token: $0, progress: "1", checkpoint: nil)
                })
            #expect(verdicts == [.cancelled, .ended, .unknown])
            #expect(try box.deliver([signal(cancelled.token)]) == [.ended])
        }
    }

    @Test(arguments: Engine.databases)
    func `a task that a person retries waits for a new signal`(engine: Engine) throws {
        try engine.withDatabase { database in
            let (id, token) = try waitingTask(database)
            let box = try database.makeSignalBox()
            #expect(try box.deliver([signal(token, false)]) == [.taken])
            _ = try database.makeDesk().perform(.retry, on: TaskFilter(ids: [id]), by: "me", why: "so", limit: 1)
            let store = try database.makeStore()
            try store.settle(try #require(try store.claim("mail").first).waiting())
            #expect(try database.row(id)["status"] == "waiting")
            #expect(try box.deliver([signal(token)]) == [.taken])
            #expect(try database.row(id)["status"] == "completed")
        }
    }
}
