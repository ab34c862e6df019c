import StoreContract
import TallypostCore
import Testing

@Suite struct ClaimTests {
    @Test(arguments: Engine.allCases)
    func `a claim leases the task: one attempt and one epoch more, by the database's clock`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let id = try database.insert(["type": "mail", "payload": #"{"order":"o_1"}"#])
            let demand = ClaimRequest.Demand(type: "mail", limit: 5, lease: .seconds(60))
            let batch = try store.claim(ClaimRequest(relay: "relay-7", demands: [demand], limit: 5))
            let task = try #require(batch.tasks.first)
            #expect(batch.tasks.count == 1)
            #expect(!batch.mayHaveMore)
            #expect(task.id == id)
            #expect(task.epoch == 1)
            #expect(task.attempt == 1)
            #expect(task.statusBefore == "pending")
            let row = try database.row(id)
            #expect(row["status"] == "processing")
            #expect(row["attempts"] == 1)
            #expect(row["lease_epoch"] == 1)
            #expect(row["leased_by"] == "relay-7")
            let end = try #require(time(row["lease_expires_at"]))
            #expect(near(end - batch.now, .seconds(60)))
            #expect(near(try #require(time(row["started_at"])) - batch.now, .zero))
        }
    }

    @Test(arguments: Engine.allCases)
    func `what the application wrote arrives as it was written`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let runAt = Timestamp(microseconds: 1_767_225_600_123_000)
            let deadline = Timestamp(microseconds: 4_102_444_800_456_000)
            try database.insert([
                "type": "mail", "payload": #"{"a":1}"#, "idempotency_key": "payment-o_1", "subject": "o_1",
                "target_url": "https://example.com/hook", "headers": #"{"X-Shop":"1"}"#, "run_at": .time(runAt),
                "deadline_at": .time(deadline), "priority": -3, "ordering_key": "customer-9", "max_attempts": 4,
                "timeout_seconds": 17, "wait_for_signal": true, "signal_token": "a-token-of-the-application's-own",
                "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "checkpoint": #"{"page":3}"#,
            ])
            let task = try #require(try store.claim("mail").first)
            #expect(task.type == "mail")
            #expect(task.payload == Array(#"{"a":1}"#.utf8))
            #expect(task.idempotencyKey == "payment-o_1")
            #expect(task.subject == "o_1")
            #expect(task.targetURL == "https://example.com/hook")
            #expect(task.headers == #"{"X-Shop":"1"}"#)
            #expect(task.runAt == runAt)
            #expect(task.deadlineAt == deadline)
            #expect(task.priority == -3)
            #expect(task.orderingKey == "customer-9")
            #expect(task.maxAttempts == 4)
            #expect(task.timeoutSeconds == 17)
            #expect(task.waitsForSignal)
            #expect(task.signalToken == "a-token-of-the-application's-own")
            #expect(task.traceparent == "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
            #expect(task.checkpoint == #"{"page":3}"#)
        }
    }

    @Test(arguments: Engine.allCases)
    func `the shortest insert gets its defaults`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            try database.insert([["type": "mail", "wait_for_signal": true], ["type": "mail", "wait_for_signal": true]])
            let tasks = try store.claim("mail")
            #expect(tasks.count == 2)
            #expect(Set(tasks.map(\.idempotencyKey)).count == 2)
            for task in tasks {
                #expect(task.payload == Array("{}".utf8))
                #expect(task.idempotencyKey.utf8.count >= 32)
                #expect(near(task.createdAt - task.runAt, .zero))
                #expect(task.deadlineAt == nil && task.orderingKey == nil && task.maxAttempts == nil)
                #expect((task.signalToken ?? "").utf8.count >= 43)
            }
        }
    }

    static let payloads = [
        #"{"name":"Žluťoučký kůň 🐎 \u0000 \ud83d\ude00"}"#, "  {\n\t\"spaced\" : [ 1.0, 1e3 ]\r\n}  ", "[]", "\"just text\"",
        "{\"text\":\"e\u{301} is not é\"}", "no JSON at all ' \" \\", "",
        "{\"big\":\"" + String(repeating: "0123456789abcdef", count: 65_536) + "\"}",
    ]

    @Test(arguments: Engine.allCases)
    func `a payload arrives byte for byte`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let ids = try database.insert(Self.payloads.map { ["type": "mail", "payload": .text($0)] })
            let tasks = try store.claim("mail", limit: ids.count)
            #expect(tasks.count == ids.count)
            for task in tasks {
                let index = try #require(ids.firstIndex(of: task.id))
                #expect(task.payload == Array(Self.payloads[index].utf8))
            }
        }
    }

    @Test(arguments: Engine.allCases)
    func `tasks go by run_at, then by id`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let moment = Timestamp(microseconds: 1_767_225_600_000_000)
            let offsets: [Int64] = [30, 10, 10, 20, 0]
            let ids = try database.insert(offsets.map { ["type": "mail", "run_at": .time(moment + .seconds($0))] })
            let expected = [ids[4], ids[1], ids[2], ids[3], ids[0]]
            #expect(try store.claim("mail", limit: 2).map(\.id) == Array(expected[..<2]))
            #expect(try store.claim("mail", limit: 9).map(\.id) == Array(expected[2...]))
        }
    }

    @Test(arguments: Engine.allCases)
    func `higher priority goes first, and waiting makes up for it at a minute a step`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            func task(_ priority: Int64, waiting minutes: Int64) -> ColumnValues {
                ["type": "mail", "priority": .integer(priority), "run_at": .fromNow(.minutes(-minutes))]
            }
            let ids = try database.insert([
                task(0, waiting: 10), task(5, waiting: 1), task(20, waiting: 1), task(-5, waiting: 60), task(0, waiting: 1),
            ])
            // Their worth in minutes: 10, 6, 21, 55, 1.
            let expected = [ids[3], ids[2], ids[0], ids[1], ids[4]]
            var claimed: [Int64] = []
            for _ in expected { claimed += try store.claim("mail", limit: 1).map(\.id) }
            #expect(claimed == expected)
        }
    }

    @Test(arguments: Engine.allCases)
    func `a batch is in the order in which its tasks should be sent`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let ids = try database.insert([
                ["type": "mail", "run_at": .fromNow(.minutes(-1))],
                ["type": "mail", "run_at": .fromNow(.minutes(-1)), "priority": 9],
                ["type": "mail", "run_at": .fromNow(.minutes(-5))],
            ])
            #expect(try store.claim("mail").map(\.id) == [ids[1], ids[2], ids[0]])
        }
    }

    @Test(arguments: Engine.allCases)
    func `nothing is claimed before its time`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let id = try database.insert(["type": "mail", "run_at": .fromNow(.hours(1))])
            #expect(try store.claim("mail", thorough: true).isEmpty)
            #expect(try database.value("status", of: id) == "pending")
            try database.update([id], ["run_at": .fromNow(.seconds(-1))])
            #expect(try store.claim("mail", thorough: true).map(\.id) == [id])
        }
    }

    @Test(arguments: Engine.allCases)
    func `no more is claimed than each demand and all together allow`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            try database.insert((0..<20).map { ["type": $0 % 2 == 0 ? "mail" : "invoice"] })
            func claim(_ mail: Int, _ invoice: Int, _ limit: Int) throws -> ClaimBatch {
                let demands = [
                    ClaimRequest.Demand(type: "mail", limit: mail, lease: .seconds(60)),
                    ClaimRequest.Demand(type: "invoice", limit: invoice, lease: .seconds(60)),
                ]
                return try store.claim(ClaimRequest(relay: "relay-1", demands: demands, limit: limit))
            }
            let first = try claim(3, 2, 10)
            #expect(first.tasks.count { $0.type == "mail" } == 3)
            #expect(first.tasks.count { $0.type == "invoice" } == 2)
            #expect(first.mayHaveMore)
            let second = try claim(10, 10, 4)
            #expect(second.tasks.count == 4)
            #expect(second.mayHaveMore)
            #expect(try claim(0, 0, 10).tasks.isEmpty)
            #expect(try claim(5, 5, 0).tasks.isEmpty)
            let rest = try claim(10, 10, 50)
            #expect(rest.tasks.count == 11)
            #expect(!(try claim(10, 10, 50).mayHaveMore))
        }
    }

    @Test(arguments: Engine.allCases)
    func `types that are not asked for are not touched`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let ids = try database.insert([["type": "mail"], ["type": "invoice"], ["type": "mail2"]])
            #expect(try store.claim("mail").map(\.id) == [ids[0]])
            #expect(try database.value("status", of: ids[1]) == "pending")
            #expect(try database.value("lease_epoch", of: ids[2]) == 0)
            #expect(try store.claim([String]()).isEmpty)
        }
    }

    @Test(arguments: Engine.allCases)
    func `only what is pending is claimed`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let statuses = TaskStatus.allCases.filter { $0 != .pending }
            let ids = try database.insert(statuses.map { ["type": "mail", "status": .text($0.rawValue)] })
            #expect(try store.claim("mail", limit: 50, thorough: true).isEmpty)
            for (id, status) in zip(ids, statuses) { #expect(try database.value("status", of: id) == .text(status.rawValue)) }
        }
    }

    @Test(arguments: Engine.allCases)
    func `a status that no relay wrote is claimed, with the word it was`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let ids = try database.insert([["type": "mail", "status": "queued"], ["type": "mail", "status": "PENDING"]])
            let tasks = try store.claim("mail")
            #expect(tasks.map(\.id).sorted() == ids)
            #expect(Set(tasks.map(\.statusBefore)) == ["queued", "PENDING"])
            #expect(try database.value("status", of: ids[0]) == "processing")
        }
    }

    @Test(arguments: Engine.allCases)
    func `what is leased is not leased again while its lease lasts or is unclaimed`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let id = try database.insert(["type": "mail"])
            #expect(try store.claim("mail").count == 1)
            #expect(try store.claim("mail", thorough: true).isEmpty)
            try database.expireLeases(of: [id])
            #expect(try store.claim("mail", thorough: true).isEmpty, "an expired lease costs its attempt first: expiredLeases")
        }
    }

    @Test(arguments: Engine.allCases)
    func `a row's own timeout stretches its lease`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let ids = try database.insert([
                ["type": "mail", "timeout_seconds": 600], ["type": "mail", "timeout_seconds": 1], ["type": "mail"],
            ])
            let demand = ClaimRequest.Demand(type: "mail", limit: 5, lease: .seconds(60))
            let batch = try store.claim(ClaimRequest(relay: "relay-1", demands: [demand], limit: 5))
            #expect(batch.tasks.count == 3)
            for (id, seconds) in zip(ids, [630, 60, 60] as [Int64]) {
                let end = try #require(time(try database.value("lease_expires_at", of: id)))
                #expect(near(end - batch.now, .seconds(seconds)))
            }
        }
    }

    @Test(arguments: Engine.allCases)
    func `a long backlog comes out whole, each task once`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let ids = try database.insert((0..<730).map { ["type": "mail", "priority": .integer(Int64($0 % 3))] })
            let tasks = try store.claim("mail", limit: 2_000)
            #expect(tasks.count == ids.count)
            #expect(Set(tasks.map(\.id)) == Set(ids))
            #expect(try store.claim("mail", thorough: true).isEmpty)
        }
    }

    @Test(arguments: Engine.allCases)
    func `what was rolled back is never seen`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            try database.insertAndRollBack([["type": "mail"], ["type": "mail"]])
            let id = try database.insert(["type": "mail"])
            #expect(try store.claim("mail", thorough: true).map(\.id) == [id])
        }
    }

    @Test(arguments: Engine.allCases)
    func `two stores share the work, and no task is in both`(engine: Engine) throws {
        try engine.withFixture { database in
            let ids = try database.insert((0..<600).map { _ in ["type": "mail"] })
            let relays = (1...2).map { number in
                InBackground {
                    let store = try database.makeStore()
                    var claimed: [Int64] = []
                    while true {
                        let tasks = try store.claim("mail", limit: 17, relay: "relay-\(number)", thorough: true)
                        if tasks.isEmpty { return claimed }
                        claimed += tasks.map(\.id)
                        _ = try store.settle(tasks.map(\.completed))
                    }
                }
            }
            let claimed = try relays.map { try $0.wait() }
            #expect(claimed.flatMap { $0 }.sorted() == ids)
            for id in ids { #expect(try database.value("attempts", of: id) == 1) }
        }
    }
}

/// The moment in a time column.
func time(_ value: ColumnValue?) -> Timestamp? {
    if case .time(let time) = value { time } else { nil }
}

/// Equal within two seconds: what lies between two readings of a clock on a busy machine.
func near(_ span: TimeSpan, _ expected: TimeSpan) -> Bool {
    let difference = span - expected
    return difference < .seconds(2) && difference > .seconds(-2)
}
