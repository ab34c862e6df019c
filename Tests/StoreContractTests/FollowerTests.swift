import Foundation
import StoreContract
import TallypostCore
import Testing

/// What follows from a task's end: notices, successors, groups, deliveries.
@Suite struct FollowerTests {
    private func statuses(_ database: any DatabaseFixture, _ ids: [Int64]) throws -> [ColumnValue?] {
        try ids.map { try database.row($0)["status"] }
    }

    private func notices(_ database: any DatabaseFixture) throws -> [(url: String, body: [String: Any])] {
        try database.query("SELECT target_url, payload FROM pending_tasks WHERE type = 'tallypost.notice' ORDER BY id").map {
            row in
            let body = try JSONSerialization.jsonObject(with: Data((row[1] ?? "").utf8))
            return (row[0] ?? "", try #require(body as? [String: Any]))
        }
    }

    /// Claims and settles until nothing of the type is due.
    private func drain(_ type: String, _ store: any TaskStore, _ end: (ClaimedTask) -> Outcome) throws {
        while true {
            let tasks = try store.claim(type, limit: 100)
            if tasks.isEmpty { return }
            #expect(try store.settle(tasks.map(end)).late.isEmpty)
        }
    }

    // MARK: Notices

    @Test(arguments: Engine.databases)
    func `a notice tells how the task ended, and is there in the transaction that ended it`(engine: Engine) throws {
        try engine.withDatabase { database in
            let row: ColumnValues = [
                "type": "mail", "payload": #"{"total":12345678901234567890.10,"note":"Ünï \"q\""}"#, "idempotency_key": "k-1",
                "subject": "o_1",
                "on_complete_url": "http://192.0.2.9/done", "on_failure_url": "http://192.0.2.9/bad",
                "headers": #"{"Authorization":"secret"}"#,
            ]
            let good = try database.insert(row)
            let store = try database.makeStore()
            let task = try #require(try store.claim("mail").first)
            #expect(task.hasFollowers)
            let settlement = try store.settle(task.outcome(.completed(responseStatus: 200, result: #"{"ok":[1,2]}"#)))
            #expect(settlement.written == 1 && settlement.madeDue)
            let told = try notices(database)
            #expect(told.map(\.url) == ["http://192.0.2.9/done"])
            let body = told[0].body
            #expect(body["event"] as? String == "task.completed")
            #expect((body["result"] as? [String: Any])?["ok"] as? [Int] == [1, 2])
            let shown = try #require(body["task"] as? [String: Any])
            #expect(
                shown["id"] as? Int64 == good && shown["idempotency_key"] as? String == "k-1"
                    && shown["status"] as? String == "completed")
            #expect(shown["signal_token"] == nil && shown["headers"] == nil)
            #expect((shown["payload"] as? [String: Any])?["note"] as? String == #"Ünï "q""#)
            let text = try #require(try database.query("SELECT payload FROM pending_tasks WHERE type = 'tallypost.notice'")[0][0])
            #expect(text.contains("12345678901234567890.10"))
        }
    }

    @Test(arguments: Engine.databases)
    func `a failure is told to both, a cancellation to the one, and a notice causes no notice`(engine: Engine) throws {
        try engine.withDatabase { database in
            let row: ColumnValues = [
                "type": "mail", "on_complete_url": "http://192.0.2.9/done", "on_failure_url": "http://192.0.2.9/bad",
            ]
            try database.insert(row)
            let store = try database.makeStore()
            try drain("mail", store) { $0.failed }
            #expect(try notices(database).map(\.url) == ["http://192.0.2.9/done", "http://192.0.2.9/bad"])
            let cancelled = try database.insert(row)
            _ = try database.makeDesk().perform(.cancel, on: TaskFilter(ids: [cancelled]), by: "me", why: "so", limit: 1)
            let late = try database.insert(row.merging(["deadline_at": .fromNow(.hours(-1))]) { own, _ in own })
            #expect(try store.sweep(limit: 10) == 1)
            #expect(try database.row(late)["status"] == "timeout")
            #expect(
                try notices(database).map { $0.body["event"] as? String } == [
                    "task.failed", "task.failed", "task.cancelled", "task.timeout", "task.timeout",
                ])
            try drain("tallypost.notice", store) { $0.failed }
            #expect(try notices(database).count == 5)
        }
    }

    @Test(arguments: Engine.databases)
    func `an outcome that is written again tells once, and a task that ends again tells again`(engine: Engine) throws {
        try engine.withDatabase { database in
            let id = try database.insert(["type": "mail", "on_complete_url": "http://192.0.2.9/done"])
            let store = try database.makeStore()
            let task = try #require(try store.claim("mail").first)
            #expect(try store.settle(task.completed).written == 1)
            #expect(try store.settle(task.completed) == Settlement(written: 1, late: []))
            #expect(try notices(database).count == 1)
            _ = try database.makeDesk().perform(.retry, on: TaskFilter(ids: [id]), by: "me", why: "so", limit: 1)
            _ = try database.makeDesk().perform(.cancel, on: TaskFilter(ids: [id]), by: "me", why: "so", limit: 1)
            #expect(try notices(database).map { $0.body["event"] as? String } == ["task.completed", "task.cancelled"])
        }
    }

    // MARK: Chains

    @Test(arguments: Engine.databases, ["completed", "failed"])
    func `successors are released or called off with their predecessor, down the chain`(engine: Engine, ending: String) throws {
        try engine.withDatabase { database in
            let first = try database.insert(["type": "mail"])
            let second = try database.insert(["type": "next", "run_after": .integer(first)])
            let undo = try database.insert(["type": "undo", "run_after": .integer(first), "run_if": "failed"])
            let always = try database.insert(["type": "log", "run_after": .integer(first), "run_if": "finished"])
            let third = try database.insert([
                "type": "next", "run_after": .integer(second), "on_complete_url": "http://192.0.2.9/done",
            ])
            #expect(try statuses(database, [second, undo, always, third]) == Array(repeating: "blocked", count: 4))
            let store = try database.makeStore()
            let task = try #require(try store.claim("mail").first)
            let settlement = try store.settle(
                ending == "completed" ? task.outcome(.completed(responseStatus: 200, result: "[1]")) : task.failed)
            #expect(settlement.madeDue && settlement.written == 1)
            if ending == "completed" {
                #expect(try statuses(database, [second, undo, always, third]) == ["pending", "cancelled", "pending", "blocked"])
                let next = try #require(try store.claim("next").first)
                #expect(next.id == second && next.previousTask == first && next.previousResult == "[1]")
                #expect(try notices(database).isEmpty)
            } else {
                #expect(
                    try statuses(database, [second, undo, always, third]) == ["cancelled", "pending", "pending", "cancelled"])
                #expect(
                    try database.value("last_error", of: third)
                        == .text("not run: task \(second), which it runs after, ended as cancelled"))
                // What is called off by this tells its own end.
                #expect(try notices(database).map { $0.body["event"] as? String } == ["task.cancelled"])
            }
        }
    }

    @Test(arguments: Engine.databases)
    func `a successor that comes while its predecessor is being sent is released all the same`(engine: Engine) throws {
        try engine.withDatabase { database in
            let first = try database.insert(["type": "mail"])
            let store = try database.makeStore()
            let task = try #require(try store.claim("mail").first)
            #expect(!task.hasFollowers)
            let second = try database.insert(["type": "next", "run_after": .integer(first)])
            #expect(try store.settle(task.completed) == Settlement(written: 1, late: [], madeDue: true))
            #expect(try statuses(database, [first, second]) == ["completed", "pending"])
        }
    }

    @Test(arguments: Engine.databases)
    func `a successor of what has ended runs or is called off at once`(engine: Engine) throws {
        try engine.withDatabase { database in
            let first = try database.insert(["type": "mail"])
            let store = try database.makeStore()
            try drain("mail", store) { $0.completed }
            let next = try database.insert(["type": "next", "run_after": .integer(first)])
            let undo = try database.insert([
                "type": "undo", "run_after": .integer(first), "run_if": "failed", "on_complete_url": "http://192.0.2.9/done",
            ])
            _ = try store.sweep(limit: 10)
            #expect(try statuses(database, [next, undo]) == ["pending", "cancelled"])
            #expect(try notices(database).map { $0.body["event"] as? String } == ["task.cancelled"])
            _ = try store.sweep(limit: 10)
            #expect(try notices(database).count == 1)
        }
    }

    @Test(arguments: Engine.databases)
    func `a predecessor that is not there and a run_if that means nothing are refused`(engine: Engine) throws {
        try engine.withDatabase { database in
            let first = try database.insert(["type": "mail"])
            for row: ColumnValues in [
                ["type": "next", "run_after": 999_999], ["id": 77, "type": "next", "run_after": 77],
                ["type": "next", "run_after": .integer(first), "run_if": "sometimes"],
            ] {
                #expect(throws: (any Error).self) { try database.insert(row) }
            }
            #expect(try database.query("SELECT count(*) FROM pending_tasks") == [["1"]])
        }
    }

    // MARK: Groups

    @Test(arguments: Engine.databases)
    func `a group ends once, with its last member, and its notice lists the results in member order`(engine: Engine) throws {
        try engine.withDatabase { database in
            try database.execute("INSERT INTO task_groups (key, on_complete_url) VALUES ('g \"1\"', 'http://192.0.2.9/group')")
            let ids = try database.insert((0..<5).map { _ in ["type": "mail", "group_key": .text("g \"1\"")] })
            let store = try database.makeStore()
            let tasks = try store.claim("mail")
            for task in tasks.reversed().dropLast() {
                try store.settle(task.outcome(.completed(responseStatus: 200, result: "\(task.id)")))
            }
            #expect(try notices(database).isEmpty)
            #expect(try store.settle(tasks[0].failed).madeDue)
            let told = try notices(database)
            #expect(told.count == 1 && told[0].url == "http://192.0.2.9/group")
            let body = told[0].body
            #expect(body["event"] as? String == "group.failed")
            let results = try #require(body["results"] as? [[String: Any]])
            #expect(results.map { $0["id"] as? Int64 } == ids)
            #expect(results.dropFirst().map { $0["result"] as? Int64 } == Array(ids.dropFirst()))
            #expect(results[0]["status"] as? String == "failed" && results[0]["error"] as? String == "400 Bad Request")
            #expect(body["next"] is NSNull)
            let group = try #require(body["group"] as? [String: Any])
            #expect(group["key"] as? String == "g \"1\"" && (group["counts"] as? [String: Int]) == ["completed": 4, "failed": 1])
            _ = try store.sweep(limit: 100)
            #expect(try notices(database).count == 1)
            #expect(throws: (any Error).self) { try database.insert(["type": "mail", "group_key": .text("g \"1\"")]) }
            let page = try #require(try database.makeConsole().group(key: "g \"1\"", after: ids[1], limit: 2))
            #expect(page.members.map(\.id) == [ids[2], ids[3]] && page.counts == ["completed": 4, "failed": 1])
        }
    }

    @Test(arguments: Engine.databases)
    func `stores that end the last members at the same moment end the group once`(engine: Engine) throws {
        try engine.withDatabase { database in
            for round in 0..<5 {
                try database.execute(
                    "INSERT INTO task_groups (key, on_complete_url) VALUES ('g-\(round)', 'http://192.0.2.9/group')")
                try database.insert((0..<4).map { _ in ["type": "mail", "group_key": .text("g-\(round)")] })
                let racers = (0..<2).map { _ in
                    InBackground {
                        let store = try database.makeStore()
                        let tasks = try store.claim("mail", limit: 2)
                        for task in tasks { try store.settle(task.completed) }
                        return tasks.count
                    }
                }
                var done = 0
                for racer in racers { done += try racer.wait() }
                try drain("mail", try database.makeStore()) { $0.completed }
                #expect(done > 0)
                #expect(try notices(database).count == round + 1)
            }
        }
    }

    @Test(arguments: Engine.databases)
    func `a group that fails fast calls off what has not started, but not what runs because something failed`(engine: Engine)
        throws
    {
        try engine.withDatabase { database in
            try database.execute(
                "INSERT INTO task_groups (key, on_complete_url, fail_fast) VALUES ('g', 'http://192.0.2.9/group', \(engine == .sqlite ? "1" : "true"))"
            )
            let members = try database.insert((0..<4).map { _ in ["type": "mail", "group_key": "g"] })
            let undo = try database.insert([
                "type": "undo", "group_key": "g", "run_after": .integer(members[0]), "run_if": "failed",
            ])
            let store = try database.makeStore()
            let tasks = try store.claim("mail", limit: 2)
            #expect(tasks.map(\.id) == [members[0], members[1]])
            try store.settle(tasks[0].failed)
            #expect(try statuses(database, members + [undo]) == ["failed", "processing", "cancelled", "cancelled", "pending"])
            try store.settle(tasks[1].completed)
            #expect(try notices(database).isEmpty)
            try drain("undo", store) { $0.completed }
            #expect(try notices(database).map { $0.body["event"] as? String } == ["group.failed"])
        }
    }

    @Test(arguments: Engine.databases)
    func `a group without members ends by itself, and so does one whose members were inserted before it`(engine: Engine) throws {
        try engine.withDatabase { database in
            let store = try database.makeStore()
            try database.insert(["type": "mail", "group_key": "late"])
            try drain("mail", store) { $0.completed }
            try database.execute(
                "INSERT INTO task_groups (key, on_complete_url) VALUES ('empty', 'http://192.0.2.9/e'), ('late', 'http://192.0.2.9/l')"
            )
            #expect(try store.sweep(limit: 100) == 2)
            #expect(try notices(database).map { $0.body["event"] as? String } == ["group.completed", "group.completed"])
            #expect(try store.sweep(limit: 100) == 0)
        }
    }

    @Test(arguments: Engine.databases)
    func `results past a megabyte are left to the pages of the API`(engine: Engine) throws {
        try engine.withDatabase { database in
            try database.execute("INSERT INTO task_groups (key, on_complete_url) VALUES ('g', 'http://192.0.2.9/group')")
            let ids = try database.insert((0..<30).map { _ in ["type": "mail", "group_key": "g"] })
            let store = try database.makeStore()
            let result = "\"" + String(repeating: "x", count: 60_000) + "\""
            try drain("mail", store) { $0.outcome(.completed(responseStatus: 200, result: result)) }
            let body = try #require(try notices(database).first).body
            let results = try #require(body["results"] as? [[String: Any]])
            #expect(results.count == 16)
            #expect(body["next"] as? String == "\(ids[15])")
        }
    }

    // MARK: Subscribers

    @Test(arguments: Engine.databases)
    func `one row becomes a delivery for each subscriber, and tells the whole when all have ended`(engine: Engine) throws {
        try engine.withDatabase { database in
            let id = try database.insert([
                "type": "paid", "payload": "[1]", "idempotency_key": "k", "ordering_key": "c",
                "on_complete_url": "http://192.0.2.9/done",
            ])
            let store = try database.makeStore()
            let task = try #require(try store.claim("paid", thorough: true).first)
            let settlement = try store.settle(task.outcome(.fannedOut(subscribers: ["a", "b-2"])))
            #expect(settlement.written == 1 && settlement.madeDue)
            #expect(try database.row(id)["status"] == "waiting")
            #expect(try store.settle(task.outcome(.fannedOut(subscribers: ["a", "b-2"]))).late.isEmpty)
            let first = try #require(try store.claim("paid/a").first)
            #expect(first.idempotencyKey == "k/a" && first.payload == Array("[1]".utf8) && first.hasFollowers)
            let second = try #require(try store.claim("paid/b-2").first)
            try store.settle(first.completed)
            #expect(try database.row(id)["status"] == "waiting")
            try store.settle(second.failed)
            #expect(try database.row(id)["status"] == "failed")
            #expect(try database.row(id)["last_error"] == "deliveries that did not succeed: b-2 failed")
            #expect(try notices(database).map { $0.body["event"] as? String } == ["task.failed"])
            // A delivery that a person retries, and that succeeds, mends the whole.
            _ = try database.makeDesk().perform(.retry, on: TaskFilter(ids: [second.id]), by: "me", why: "so", limit: 1)
            try drain("paid/b-2", store) { $0.completed }
            #expect(try database.row(id)["status"] == "completed")
        }
    }

    @Test(arguments: Engine.databases)
    func `a fanned-out task that is retried opens only what did not succeed, and one that is cancelled calls its deliveries off`(
        engine: Engine
    ) throws {
        try engine.withDatabase { database in
            let id = try database.insert(["type": "paid", "idempotency_key": "k"])
            let store = try database.makeStore()
            let fanOut = { (task: ClaimedTask) in task.outcome(.fannedOut(subscribers: ["a", "b"])) }
            try drain("paid", store, fanOut)
            try drain("paid/a", store) { $0.completed }
            try drain("paid/b", store) { $0.failed }
            let desk = try database.makeDesk()
            _ = try desk.perform(.retry, on: TaskFilter(ids: [id]), by: "me", why: "so", limit: 1)
            try drain("paid", store, fanOut)
            #expect(try store.claim("paid/a").isEmpty)
            #expect(
                try database.query("SELECT type, status FROM pending_tasks ORDER BY id") == [
                    ["paid", "waiting"], ["paid/a", "completed"], ["paid/b", "pending"],
                ])
            _ = try desk.perform(.cancel, on: TaskFilter(ids: [id]), by: "me", why: "so", limit: 1)
            #expect(
                try database.query("SELECT type, status FROM pending_tasks ORDER BY id") == [
                    ["paid", "cancelled"], ["paid/a", "completed"], ["paid/b", "cancelled"],
                ])
            // One more time: that a delivery which was settled is opened again, its event says. The books go by it.
            _ = try desk.perform(.retry, on: TaskFilter(ids: [id]), by: "me", why: "so", limit: 1)
            try drain("paid", store, fanOut)
            let opened = "event = 'redrive' AND detail LIKE '{\"was\":\"cancelled\",\"finished_at\":\"2%'"
            #expect(try database.query("SELECT task_id FROM task_events WHERE \(opened)") == [[String(id + 2)]])
        }
    }

    @Test(arguments: Engine.databases)
    func `a delivery whose key another task has is made all the same`(engine: Engine) throws {
        try engine.withDatabase { database in
            let ids = try database.insert([
                ["type": "paid", "idempotency_key": "o"], ["type": "other", "idempotency_key": "o/a"],
            ])
            let store = try database.makeStore()
            try drain("paid", store) { $0.outcome(.fannedOut(subscribers: ["a", "b"])) }
            #expect(try database.row(ids[0])["status"] == "waiting")
            #expect(try store.claim("paid/a").map(\.idempotencyKey) == ["o/a/\(ids[0])"])
            #expect(try store.claim("paid/b").map(\.idempotencyKey) == ["o/b"])
        }
    }

    // MARK: Drafts

    @Test(arguments: Engine.databases)
    func `a draft is inserted once by its key, and bad values are refused`(engine: Engine) throws {
        try engine.withDatabase { database in
            let console = try database.makeConsole()
            let draft = TaskDraft(
                type: "mail", payload: #"{"a": 1}"#, idempotencyKey: "k",
                others: [
                    "amount_minor": "4200", "currency": "EUR", "run_at": "2027-01-02T03:04:05Z", "wait_for_signal": "true",
                    "priority": "-3",
                ])
            let made = try console.insert(draft)
            #expect(made.isNew && made.signalToken != nil)
            #expect(try console.insert(draft) == InsertedTask(id: made.id, isNew: false, signalToken: nil))
            let row = try database.row(made.id)
            #expect(
                row["payload"] == #"{"a": 1}"# && row["amount_minor"] == 4_200 && row["priority"] == -3
                    && row["wait_for_signal"] == true)
            #expect(try database.makeStore().insert([draft, TaskDraft(type: "mail", idempotencyKey: "k2")]) == 1)
            for others in [
                ["amount_minor": "12.5"], ["run_at": "tomorrow-ish"], ["status": "completed"], ["wait_for_signal": "perhaps"],
            ] {
                #expect(throws: StoreError.self) { try console.insert(TaskDraft(type: "mail", others: others)) }
            }
            #expect(try console.gauges().map { [$0.type, "\($0.pending)"] } == [["mail", "2"]])
            #expect(try console.ended(among: [made.id, 999]) == [999])
        }
    }
}
