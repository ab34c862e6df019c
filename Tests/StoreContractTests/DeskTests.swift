import StoreContract
import TallypostCore
import Testing

/// What people do, on real databases.
@Suite struct DeskTests {
    @Test(arguments: Engine.databases)
    func `a list filters and goes page by page in id order`(engine: Engine) throws {
        try engine.withDatabase { database in
            let desk = try database.makeDesk()
            let ids = try database.insert([
                ["type": "mail", "subject": "o_1"], ["type": "mail", "status": "failed"], ["type": "invoice", "subject": "o_1"],
                ["type": "invoice", "status": "failed", "subject": "o_2"], ["type": "mail", "status": "completed"],
            ])
            func list(_ filter: TaskFilter, after: Int64? = nil, limit: Int = 10) throws -> [Int64] {
                try desk.list(filter, after: after, limit: limit).map(\.id)
            }
            #expect(try list(TaskFilter()) == ids)
            #expect(try list(TaskFilter(), limit: 2) == Array(ids[..<2]))
            #expect(try list(TaskFilter(), after: ids[1], limit: 2) == Array(ids[2..<4]))
            #expect(try list(TaskFilter(), after: ids[4]).isEmpty)
            #expect(try list(TaskFilter(status: .failed)) == [ids[1], ids[3]])
            #expect(try list(TaskFilter(status: .failed), after: ids[1]) == [ids[3]])
            #expect(try list(TaskFilter(status: .pending, type: "mail")) == [ids[0]])
            #expect(try list(TaskFilter(type: "invoice")) == [ids[2], ids[3]])
            #expect(try list(TaskFilter(subject: "o_1")) == [ids[0], ids[2]])
            #expect(try list(TaskFilter(ids: [ids[4], ids[0], 999_999])) == [ids[0], ids[4]])
            #expect(try list(TaskFilter(ids: [])).isEmpty)
            #expect(try list(TaskFilter(type: "mail' OR 'a' = 'a")).isEmpty)
        }
    }

    @Test(arguments: Engine.databases)
    func `a row is shown whole, but for its signal token, with attempts and events`(engine: Engine) throws {
        try engine.withDatabase { database in
            let (store, desk) = (try database.makeStore(), try database.makeDesk())
            let runAt = Timestamp(microseconds: 1_767_225_600_120_000)
            let id = try database.insert([
                "type": "mail", "payload": #"{"a": 1}"#, "subject": "o_1", "amount_minor": 1999, "currency": "EUR",
                "run_at": .time(runAt), "wait_for_signal": true,
            ])
            let task = try #require(try store.claim("mail").first)
            try store.settle(
                task.outcome(
                    .failed(responseStatus: 400, error: "400 Bad Request"),
                    attempt: AttemptRecord(number: 1, duration: .milliseconds(9), responseStatus: 400, error: "400 Bad Request")))
            #expect(try desk.perform(.retry, on: TaskFilter(ids: [id]), by: "ada", why: "fixed", limit: 10) == 1)
            let dossier = try #require(try desk.show(id: id))
            #expect(dossier.task.id == id)
            #expect(dossier.task.columns.first?.name == "id")
            #expect(dossier.task["payload"] == #"{"a": 1}"#)
            #expect(dossier.task["amount_minor"] == "1999")
            #expect(dossier.task["wait_for_signal"] == "true")
            #expect(dossier.task["blocks_key"] == "false")
            #expect(dossier.task["deadline_at"] == nil)
            #expect(!dossier.task.columns.contains { $0.name == "signal_token" })
            let names = dossier.task.columns.map(\.name)
            #expect(names.contains("run_after") && names.contains("checkpoint"))
            // What is derived for the indexes is no business of the reader's.
            #expect(Set(names).isDisjoint(with: ["lane", "is_open", "run_at_ms", "dispatchable", "holds_key", "in_flight_key"]))
            #expect(dossier.attempts.count == 1)
            #expect(dossier.attempts.first?["error"] == "400 Bad Request")
            #expect(dossier.events.count == 1)
            #expect(dossier.events.first?["event"] == "retry")
            #expect(dossier.events.first?["by"] == "ada")
            #expect(dossier.events.first?["why"] == "fixed")
            #expect(try desk.show(id: id + 1) == nil)

            let other = try database.insert(["type": "mail", "run_at": .time(runAt)])
            #expect(try desk.list(TaskFilter(ids: [other]), after: nil, limit: 1).first?["run_at"] == "2026-01-01T00:00:00.120Z")
        }
    }

    @Test(arguments: Engine.databases)
    func `the event of a settled task that is retried says what it was and when it ended`(engine: Engine) throws {
        try engine.withDatabase { database in
            let ended = Timestamp(microseconds: 1_767_225_600_123_000)
            func task(_ status: String, _ time: ColumnValue) -> ColumnValues {
                ["type": "mail", "status": .text(status), "finished_at": time]
            }
            let ids = try database.insert([
                task("completed", .time(ended)), task("cancelled", .null), task("failed", .time(ended)),
            ])
            #expect(try database.makeDesk().perform(.retry, on: TaskFilter(), by: "ada", why: "again", limit: 10) == 3)
            let details = try database.query("SELECT detail FROM task_events ORDER BY task_id").map { $0[0] }
            #expect(details.count == ids.count)
            #expect(details[0]?.hasPrefix(#"{"was":"completed","finished_at":"2026-01-01T00:00:00.123"#) == true)
            #expect(details[1] == #"{"was":"cancelled","finished_at":null}"#)
            #expect(details[2] == nil)
        }
    }

    @Test(arguments: Engine.databases)
    func `retry gives final tasks their attempts anew, and nothing else`(engine: Engine) throws {
        try engine.withDatabase { database in
            let (store, desk) = (try database.makeStore(), try database.makeDesk())
            let ids = try database.insert(
                TaskStatus.allCases.map {
                    [
                        "type": "mail", "status": .text($0.rawValue), "attempts": 8, "run_at": .fromNow(.hours(-3)),
                        "lease_epoch": 8,
                    ]
                })
            let final = zip(ids, TaskStatus.allCases).filter(\.1.isFinal).map(\.0)
            #expect(try desk.count(TaskFilter(), for: .retry) == 4)
            #expect(try desk.count(TaskFilter(status: .failed), for: .retry) == 1)
            #expect(try desk.count(TaskFilter(status: .pending), for: .retry) == 0)
            #expect(try desk.perform(.retry, on: TaskFilter(), by: "ada", why: "again", limit: 3) == 3)
            #expect(try desk.perform(.retry, on: TaskFilter(), by: "ada", why: "again", limit: 10) == 1)
            #expect(try desk.perform(.retry, on: TaskFilter(), by: "ada", why: "again", limit: 10) == 0)
            for (id, status) in zip(ids, TaskStatus.allCases) {
                let row = try database.row(id)
                #expect(row["status"] == .text(status.isFinal ? "pending" : status.rawValue))
                #expect(row["attempts"] == (status.isFinal ? 0 : 8))
                #expect(row["lease_epoch"] == 8, "epochs never go back")
                #expect(row["finished_at"] == .null)
                #expect(try desk.show(id: id)?.events.count == (status.isFinal ? 1 : 0))
            }
            let claimed = try store.claim("mail", thorough: true)
            #expect(Set(claimed.map(\.id)).isSuperset(of: final))
            #expect(claimed.filter { final.contains($0.id) }.allSatisfy { $0.attempt == 1 && $0.epoch == 9 })
        }
    }

    @Test(arguments: Engine.databases)
    func `cancel ends what has not ended and is not being sent`(engine: Engine) throws {
        try engine.withDatabase { database in
            let (store, desk) = (try database.makeStore(), try database.makeDesk())
            let ids = try database.insert(TaskStatus.allCases.map { ["type": "mail", "status": .text($0.rawValue)] })
            let open: Set<TaskStatus> = [.blocked, .pending, .waiting]
            #expect(try desk.count(TaskFilter(type: "mail"), for: .cancel) == 3)
            #expect(try desk.perform(.cancel, on: TaskFilter(type: "mail"), by: "ada", why: "wrong price", limit: 100) == 3)
            #expect(try desk.perform(.cancel, on: TaskFilter(type: "mail"), by: "ada", why: "wrong price", limit: 100) == 0)
            for (id, status) in zip(ids, TaskStatus.allCases) {
                #expect(try database.value("status", of: id) == .text(open.contains(status) ? "cancelled" : status.rawValue))
                let events = try #require(try desk.show(id: id)).events
                #expect(events.map { $0["event"] } == (open.contains(status) ? ["cancel"] : []))
                if open.contains(status) { #expect(time(try database.value("finished_at", of: id)) != nil) }
            }
            #expect(try store.claim("mail", thorough: true).isEmpty)
        }
    }

    @Test(arguments: Engine.databases)
    func `a failed head that blocks its key goes first when it is retried, and lets go when it is cancelled from there`(
        engine: Engine
    ) throws {
        try engine.withDatabase { database in
            let (store, desk) = (try database.makeStore(), try database.makeDesk())
            let ids = try database.insert([["type": "mail", "ordering_key": "c-1"], ["type": "mail", "ordering_key": "c-1"]])
            let head = try #require(try store.claim("mail").first)
            try store.settle(head.outcome(.failed(responseStatus: 400, error: "400"), blocksKey: true))
            #expect(try store.claim("mail", thorough: true).isEmpty)
            #expect(try desk.perform(.retry, on: TaskFilter(ids: [head.id]), by: "ada", why: "fixed", limit: 1) == 1)
            #expect(try desk.perform(.cancel, on: TaskFilter(ids: [head.id]), by: "ada", why: "not wanted", limit: 1) == 1)
            #expect(try store.claim("mail", thorough: true).map(\.id) == [ids[1]])
        }
    }

    @Test(arguments: Engine.databases)
    func `an overview counts what is open, leased, due and just finished`(engine: Engine) throws {
        try engine.withDatabase { database in
            let (store, desk) = (try database.makeStore(), try database.makeDesk())
            try database.insert([
                ["type": "mail", "run_at": .fromNow(.minutes(-7))], ["type": "mail", "run_at": .fromNow(.minutes(-3))],
                ["type": "mail", "run_at": .fromNow(.hours(1))], ["type": "mail", "ordering_key": "c-1"], ["type": "invoice"],
                ["type": "invoice"], ["type": "old", "status": "completed", "finished_at": .fromNow(.hours(-1))],
            ])
            let invoices = try store.claim("invoice", relay: "relay-3")
            try store.settle(try #require(invoices.first).completed)
            let overview = try desk.overview()
            func line(_ type: String, _ status: String) -> Overview.Line? {
                overview.lines.first { $0.type == type && $0.status == status }
            }
            #expect(line("mail", "pending")?.count == 4)
            let oldest = try #require(line("mail", "pending")?.oldestRunAt)
            #expect(near(overview.now - oldest, .minutes(7)))
            #expect(line("invoice", "processing")?.count == 1)
            #expect(line("invoice", "completed")?.count == 1)
            #expect(line("old", "completed")?.count == 1)
            #expect(overview.due == 3)
            #expect(overview.finishedLastMinute == ["completed": 1])
            #expect(overview.holders.map(\.relay) == ["relay-3"])
            let holder = try #require(overview.holders.first)
            #expect(holder.count == 1)
            #expect(near(try #require(holder.earliestExpiry) - overview.now, .seconds(60)))
        }
    }

    @Test(arguments: Engine.databases)
    func `an explanation says what a task waits for`(engine: Engine) throws {
        try engine.withDatabase { database in
            let (store, desk) = (try database.makeStore(), try database.makeDesk())
            let ids = try database.insert([
                ["type": "mail", "ordering_key": "c-1", "run_at": .fromNow(.minutes(-30))],
                ["type": "mail", "ordering_key": "c-1"],
                ["type": "mail", "run_at": .fromNow(.minutes(-5))], ["type": "mail", "run_at": .fromNow(.minutes(-4))],
                ["type": "mail", "run_at": .fromNow(.minutes(-3)), "priority": 9],
                ["type": "mail", "run_at": .fromNow(.hours(1))],
            ])
            let behind = try #require(try desk.explain(id: ids[1]))
            #expect(behind.keyHolder?.id == ids[0])
            #expect(behind.keyHolder?.status == "pending")
            #expect(try desk.explain(id: ids[0])?.keyHolder == nil)
            let third = try #require(try desk.explain(id: ids[3]))
            #expect(third.dueBefore == 2, "the one due earlier, and the one of higher priority")
            #expect(third.pausedBecause == nil)
            #expect(near(third.now - third.runAt, .minutes(4)))
            let head = try #require(try store.claim("mail", limit: 1).first)
            #expect(head.id == ids[0])
            let leased = try #require(try desk.explain(id: ids[0]))
            #expect(near(try #require(leased.leaseExpiresAt) - leased.now, .seconds(60)))
            #expect(try desk.explain(id: ids[1])?.keyHolder?.status == "processing")
            try store.pause(route: "mail", reason: "410 Gone")
            #expect(try desk.explain(id: ids[5])?.pausedBecause == "410 Gone")
            #expect(try desk.explain(id: 999_999) == nil)
        }
    }

    @Test(arguments: Engine.databases)
    func `routes are paused and resumed, each time with an event`(engine: Engine) throws {
        try engine.withDatabase { database in
            let (store, desk) = (try database.makeStore(), try database.makeDesk())
            let id = try database.insert(["type": "mail"])
            #expect(try desk.setPaused(true, route: "mail", by: "ada", why: "maintenance"))
            #expect(try desk.setPaused(true, route: "mail", by: "bob", why: "me too") == false)
            let paused = try desk.pausedRoutes()
            #expect(paused.map(\.type) == ["mail"])
            #expect(paused.first?.by == "ada")
            #expect(paused.first?.reason == "maintenance")
            #expect(near(try #require(paused.first).since - (try store.survey().now), .zero))
            #expect(try store.claim("mail", thorough: true).isEmpty)
            #expect(try desk.setPaused(false, route: "mail", by: "ada", why: "done"))
            #expect(try desk.setPaused(false, route: "mail", by: "ada", why: "done") == false)
            #expect(try store.claim("mail", thorough: true).map(\.id) == [id])
            try store.pause(route: "mail", reason: "410 Gone")
            let events = try database.query("SELECT event, why, detail FROM task_events ORDER BY id")
            #expect(events == [["pause", "maintenance", "mail"], ["resume", "done", "mail"], ["pause", "410 Gone", "mail"]])
        }
    }
}
