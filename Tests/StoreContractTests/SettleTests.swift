import StoreContract
import TallypostCore
import Testing

@Suite struct SettleTests {
    private func claimOne(_ store: any TaskStore, _ database: any StoreFixture, _ row: ColumnValues = [:]) throws -> ClaimedTask {
        try database.insert(row.merging(["type": "mail"]) { own, _ in own })
        return try #require(try store.claim("mail").first)
    }

    @Test(arguments: Engine.allCases)
    func `completed: the answer is kept, the lease is gone`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let task = try claimOne(store, database)
            let result = #"{"text":"Ünïcödé ' \" \\ 🐎"}"#
            let settlement = try store.settle(task.outcome(.completed(responseStatus: 201, result: result)))
            #expect(settlement == Settlement(written: 1, late: []))
            let row = try database.row(task.id)
            #expect(row["status"] == "completed")
            #expect(row["response_status"] == 201)
            #expect(row["result"] == .text(result))
            #expect(row["attempts"] == 1)
            #expect(row["lease_epoch"] == 1)
            #expect(row["lease_expires_at"] == .null)
            #expect(time(row["finished_at"]) != nil)
            #expect(try database.attempts(of: task.id).isEmpty)
        }
    }

    @Test(arguments: Engine.allCases)
    func `waiting: the start result is kept, and nothing has finished`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let task = try claimOne(store, database, ["wait_for_signal": true])
            try store.settle(
                task.outcome(.waiting(responseStatus: 202, startResult: #"{"job":7}"#, longestWait: nil, heartbeat: nil)))
            let row = try database.row(task.id)
            #expect(row["status"] == "waiting")
            #expect(row["response_status"] == 202)
            #expect(row["start_result"] == #"{"job":7}"#)
            #expect(row["result"] == .null)
            #expect(row["lease_expires_at"] == .null)
            #expect(row["finished_at"] == .null)
        }
    }

    @Test(arguments: Engine.allCases)
    func `retry: pending again, due after the delay, with the attempt on record`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let task = try claimOne(store, database)
            let attempt = AttemptRecord(
                number: 1, duration: .milliseconds(1_234), responseStatus: 503, error: "503 Service Unavailable",
                responseStart: "<html>é")
            try store.settle(task.outcome(.retry(after: .seconds(90), responseStatus: 503, error: "503"), attempt: attempt))
            let now = try store.survey().now
            let row = try database.row(task.id)
            #expect(row["status"] == "pending")
            #expect(near(try #require(time(row["run_at"])) - now, .seconds(90)))
            #expect(row["attempts"] == 1)
            #expect(row["response_status"] == 503)
            #expect(row["last_error"] == "503")
            #expect(row["lease_expires_at"] == .null)
            #expect(row["leased_by"] == .null)
            #expect(row["finished_at"] == .null)
            let attempts = try database.attempts(of: task.id)
            #expect(attempts.count == 1)
            let kept = try #require(attempts.first)
            #expect(kept["attempt"] == 1)
            #expect(kept["lease_epoch"] == 1)
            #expect(kept["relay"] == "relay-1")
            #expect(kept["duration_ms"] == 1_234)
            #expect(kept["response_status"] == 503)
            #expect(kept["error"] == "503 Service Unavailable")
            #expect(kept["response_start"] == "<html>é")
            #expect(near(try #require(time(kept["ended_at"])) - now, .zero))
        }
    }

    @Test(arguments: Engine.allCases)
    func `a retry without an answer forgets the one before`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let task = try claimOne(store, database, ["response_status": 500])
            try store.settle(task.outcome(.retry(after: .zero, responseStatus: nil, error: "connection refused")))
            #expect(try database.value("response_status", of: task.id) == .null)
            let again = try #require(try store.claim("mail", thorough: true).first)
            #expect(again.attempt == 2)
            #expect(again.epoch == 2)
        }
    }

    @Test(arguments: Engine.allCases)
    func `a retry is due no later than the deadline`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let task = try claimOne(store, database, ["deadline_at": .fromNow(.minutes(10))])
            try store.settle(task.retried(after: .hours(24)))
            let row = try database.row(task.id)
            #expect(row["run_at"] == row["deadline_at"])
        }
    }

    @Test(arguments: Engine.allCases)
    func `failed and timed out: final, with the reason`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let failed = try claimOne(store, database)
            try store.settle(
                failed.outcome(
                    .failed(responseStatus: 404, error: "404 Not Found"),
                    attempt: AttemptRecord(number: 1, duration: .zero, responseStatus: 404, error: "404 Not Found")))
            let late = try claimOne(store, database)
            try store.settle(late.outcome(.timedOut(error: "the deadline passed")))
            for (task, status, error) in [(failed, "failed", "404 Not Found"), (late, "timeout", "the deadline passed")] {
                let row = try database.row(task.id)
                #expect(row["status"] == .text(status))
                #expect(row["last_error"] == .text(error))
                #expect(row["lease_expires_at"] == .null)
                #expect(time(row["finished_at"]) != nil)
            }
            #expect(try database.value("response_status", of: failed.id) == 404)
            #expect(try database.attempts(of: failed.id).count == 1)
            #expect(try database.attempts(of: late.id).isEmpty)
        }
    }

    @Test(arguments: Engine.allCases)
    func `released: the attempt is refunded, the epoch is not`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let task = try claimOne(store, database, ["attempts": 3, "last_error": "500"])
            #expect(task.attempt == 4)
            try store.settle(task.outcome(.released(after: .zero)))
            let row = try database.row(task.id)
            #expect(row["status"] == "pending")
            #expect(row["attempts"] == 3)
            #expect(row["lease_epoch"] == 1)
            #expect(row["last_error"] == "500")
            #expect(row["leased_by"] == .null)
            let again = try #require(try store.claim("mail", thorough: true).first)
            #expect(again.attempt == 4)
            #expect(again.epoch == 2)
            try store.settle(again.outcome(.released(after: .hours(1))))
            #expect(try store.claim("mail", thorough: true).isEmpty)
        }
    }

    @Test(arguments: Engine.allCases, Outcome.Change.examples)
    func `a late outcome changes nothing`(engine: Engine, change: Outcome.Change) throws {
        try engine.withFixture { database in
            let (slow, quick) = (try database.makeStore(), try database.makeStore())
            let lost = try claimOne(slow, database)
            // The lease runs out; another relay puts the task back and takes it.
            try database.expireLeases(of: [lost.id])
            let expired = try #require(try quick.expiredLeases(limit: 10).first)
            try quick.settle(
                Outcome(
                    id: expired.id, epoch: expired.epoch, change: .retry(after: .zero, responseStatus: nil, error: "lease lost")))
            let held = try #require(try quick.claim("mail", relay: "relay-2", thorough: true).first)
            #expect(held.epoch == 2)
            let before = try database.row(lost.id)
            let attempt = AttemptRecord(number: 1, duration: .zero, responseStatus: nil, error: "late")
            #expect(try slow.settle(lost.outcome(change, attempt: attempt)) == Settlement(written: 0, late: [lost.id]))
            #expect(try database.row(lost.id) == before)
            #expect(try database.attempts(of: lost.id).isEmpty)
            #expect(try quick.settle(held.completed) == Settlement(written: 1, late: []))
            #expect(try slow.settle(lost.outcome(.failed(responseStatus: nil, error: "later still"))).late == [lost.id])
            #expect(try database.value("status", of: lost.id) == "completed")
        }
    }

    @Test(arguments: Engine.allCases, Outcome.Change.examples)
    func `an outcome that was written counts as written again, and is written once`(engine: Engine, change: Outcome.Change) throws
    {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let task = try claimOne(store, database)
            let attempt = AttemptRecord(number: 1, duration: .zero, responseStatus: nil, error: "once")
            #expect(try store.settle(task.outcome(change, attempt: attempt)) == Settlement(written: 1, late: []))
            let row = try database.row(task.id)
            let other = try database.makeStore()
            #expect(try other.settle(task.outcome(change, attempt: attempt)) == Settlement(written: 1, late: []))
            #expect(try database.row(task.id) == row)
            #expect(try database.attempts(of: task.id).count == 1)
        }
    }

    @Test(arguments: Engine.allCases)
    func `a different outcome of the same epoch is late`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let task = try claimOne(store, database)
            try store.settle(task.completed)
            #expect(try store.settle(task.retried()) == Settlement(written: 0, late: [task.id]))
            #expect(try store.settle(task.outcome(.failed(responseStatus: 500, error: "500"))).late == [task.id])
            #expect(try database.value("status", of: task.id) == "completed")
        }
    }

    @Test(arguments: Engine.allCases)
    func `what a person called off meanwhile stays called off`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let task = try claimOne(store, database)
            try database.update([task.id], ["status": "cancelled"])
            #expect(try store.settle(task.completed).late == [task.id])
            #expect(
                try store.settle(Outcome(id: task.id + 1_000, epoch: 1, change: .released(after: .zero))).late == [
                    task.id + 1_000
                ])
            #expect(try database.value("status", of: task.id) == "cancelled")
        }
    }

    @Test(arguments: Engine.allCases)
    func `five hundred outcomes of every kind in one call, late ones among them`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            try database.insert((0..<500).map { _ in ["type": "mail"] })
            let tasks = try store.claim("mail", limit: 500)
            #expect(tasks.count == 500)
            let changes = Outcome.Change.examples
            var outcomes: [Outcome] = []
            for (index, task) in tasks.enumerated() {
                let attempt = AttemptRecord(number: 1, duration: .milliseconds(5), responseStatus: 500, error: "e")
                var outcome = task.outcome(changes[index % changes.count], attempt: index % 2 == 0 ? attempt : nil)
                if index % 50 == 49 { outcome.epoch += 1 }
                outcomes.append(outcome)
            }
            let settlement = try store.settle(outcomes)
            #expect(settlement.written == 490)
            #expect(settlement.late.sorted() == tasks.enumerated().filter { $0.offset % 50 == 49 }.map(\.element.id).sorted())
            for (index, outcome) in outcomes.enumerated() {
                let isLate = index % 50 == 49
                let status = isLate ? "processing" : outcome.status.rawValue
                #expect(try database.value("status", of: outcome.id) == .text(status))
                #expect(try database.attempts(of: outcome.id).count == (index % 2 == 0 && !isLate ? 1 : 0))
            }
            #expect(try store.settle([]) == Settlement(written: 0, late: []))
        }
    }
}
