import StoreContract
import TallypostCore
import Testing

@Suite struct OrderingKeyTests {
    @Test(arguments: Engine.allCases)
    func `of the tasks of a key one is in flight, in id order, and its successor follows at once`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            // Neither priority nor run_at overtakes.
            let ids = try database.insert([
                ["type": "mail", "ordering_key": "c-1"], ["type": "mail", "ordering_key": "c-1", "priority": 100],
                ["type": "mail", "ordering_key": "c-1", "run_at": .fromNow(.hours(-5))],
            ])
            for id in ids {
                let tasks = try store.claim("mail")
                #expect(tasks.map(\.id) == [id])
                #expect(try store.claim("mail", thorough: true).isEmpty)
                try store.settle(try #require(tasks.first).completed)
            }
            #expect(try store.claim("mail", thorough: true).isEmpty)
        }
    }

    @Test(arguments: Engine.allCases)
    func `the successor is in the same exchange that settles the one before`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let ids = try database.insert([["type": "mail", "ordering_key": "c-1"], ["type": "mail", "ordering_key": "c-1"]])
            let first = try #require(try store.claim("mail").first)
            let demand = ClaimRequest.Demand(type: "mail", limit: 5, lease: .seconds(60))
            let (settlement, batch) = try store.exchange(
                [first.completed], ClaimRequest(relay: "relay-1", demands: [demand], limit: 5))
            #expect(settlement == Settlement(written: 1, late: []))
            #expect(batch.tasks.map(\.id) == [ids[1]])
        }
    }

    @Test(arguments: Engine.allCases)
    func `one key does not hold another, nor tasks without a key`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let ids = try database.insert([
                ["type": "mail", "ordering_key": "c-1"], ["type": "mail", "ordering_key": "c-2"], ["type": "mail"],
                ["type": "mail", "ordering_key": "c-1"], ["type": "mail", "ordering_key": ""],
            ])
            #expect(try store.claim("mail").map(\.id).sorted() == [ids[0], ids[1], ids[2], ids[4]])
        }
    }

    @Test(arguments: Engine.allCases)
    func `a key holds across types`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let ids = try database.insert([
                ["type": "invoice", "ordering_key": "c-1"], ["type": "mail", "ordering_key": "c-1"],
            ])
            #expect(try store.claim("mail", thorough: true).isEmpty)
            let first = try #require(try store.claim(["invoice", "mail"]).first)
            #expect(first.id == ids[0])
            try store.settle(first.completed)
            #expect(try store.claim("mail").map(\.id) == [ids[1]])
        }
    }

    @Test(arguments: Engine.allCases)
    func `a head that is not due yet holds back those behind it`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let ids = try database.insert([
                ["type": "mail", "ordering_key": "c-1", "run_at": .fromNow(.hours(1))], ["type": "mail", "ordering_key": "c-1"],
            ])
            #expect(try store.claim("mail", thorough: true).isEmpty)
            try database.update([ids[0]], ["run_at": .fromNow(.seconds(-1))])
            #expect(try store.claim("mail", thorough: true).map(\.id) == [ids[0]])
        }
    }

    @Test(arguments: Engine.allCases)
    func `a head that will be retried holds its key`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let ids = try database.insert([["type": "mail", "ordering_key": "c-1"], ["type": "mail", "ordering_key": "c-1"]])
            let first = try #require(try store.claim("mail").first)
            try store.settle(first.retried(after: .hours(1)))
            #expect(try store.claim("mail", thorough: true).isEmpty)
            try database.update([ids[0]], ["run_at": .fromNow(.seconds(-1))])
            let again = try #require(try store.claim("mail", thorough: true).first)
            #expect(again.id == ids[0])
            #expect(again.attempt == 2)
        }
    }

    @Test(arguments: Engine.allCases, [false, true])
    func `a failed head lets its key go, unless it is told to block it`(engine: Engine, blocks: Bool) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let ids = try database.insert([["type": "mail", "ordering_key": "c-1"], ["type": "mail", "ordering_key": "c-1"]])
            let first = try #require(try store.claim("mail").first)
            try store.settle(first.outcome(.failed(responseStatus: 400, error: "400"), blocksKey: blocks))
            #expect(try database.value("blocks_key", of: ids[0]) == .boolean(blocks))
            #expect(try store.claim("mail", thorough: true).map(\.id) == (blocks ? [] : [ids[1]]))
        }
    }

    @Test(arguments: Engine.allCases)
    func `a head that waits for its signal holds its key, and so does one that is blocked`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            try database.insert([
                ["type": "mail", "ordering_key": "c-1"], ["type": "mail", "ordering_key": "c-1"],
                ["type": "mail", "ordering_key": "c-2", "status": "blocked"], ["type": "mail", "ordering_key": "c-2"],
            ])
            let tasks = try store.claim("mail")
            #expect(tasks.count == 1)
            try store.settle(
                try #require(tasks.first).outcome(
                    .waiting(responseStatus: 202, startResult: nil, longestWait: nil, heartbeat: nil)))
            #expect(try store.claim("mail", thorough: true).isEmpty)
        }
    }

    @Test(arguments: Engine.allCases, [TaskStatus.completed, .failed, .timeout, .cancelled])
    func `what has ended holds no key`(engine: Engine, status: TaskStatus) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let ids = try database.insert([
                ["type": "mail", "ordering_key": "c-1", "status": .text(status.rawValue)],
                ["type": "mail", "ordering_key": "c-1"],
            ])
            #expect(try store.claim("mail").map(\.id) == [ids[1]])
        }
    }

    @Test(arguments: Engine.allCases)
    func `a reopened task of a key waits for the one in flight, then goes first`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let ids = try database.insert([
                ["type": "mail", "ordering_key": "c-1", "status": "failed"], ["type": "mail", "ordering_key": "c-1"],
                ["type": "mail", "ordering_key": "c-1"],
            ])
            let second = try #require(try store.claim("mail").first)
            #expect(second.id == ids[1])
            try database.update([ids[0]], ["status": "pending"])
            #expect(try store.claim("mail", thorough: true).isEmpty)
            try store.settle(second.completed)
            #expect(try store.claim("mail", thorough: true).map(\.id) == [ids[0]])
        }
    }

    @Test(arguments: Engine.allCases)
    func `more keys than one look takes in all have their turn`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let ids = try database.insert(
                (0..<1_500).map { ["type": "mail", "ordering_key": .text("customer-\($0 % 1_400)")] })
            var claimed: Set<Int64> = []
            var keys: Set<String> = []
            let first = try store.claim("mail", limit: 5_000)
            for task in first {
                claimed.insert(task.id)
                #expect(keys.insert(try #require(task.orderingKey)).inserted)
            }
            #expect(first.count == 1_400)
            _ = try store.settle(first.map(\.completed))
            claimed.formUnion(try store.claim("mail", limit: 5_000).map(\.id))
            #expect(claimed == Set(ids))
        }
    }

    @Test(arguments: Engine.allCases)
    func `tasks with a key and without share a batch`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let old = try database.insert([["type": "mail", "run_at": .fromNow(.minutes(-9))]])
            try database.insert((0..<40).map { _ in ["type": "mail", "run_at": .fromNow(.minutes(-2))] })
            let keyed = try database.insert(["type": "mail", "ordering_key": "c-1", "run_at": .fromNow(.minutes(-5))])
            let ids = try store.claim("mail", limit: 5).map(\.id)
            #expect(ids.count == 5)
            #expect(ids.contains(keyed))
            #expect(ids.contains(old[0]))
        }
    }

    @Test(arguments: Engine.allCases)
    func `stores that race for the same keys keep every key in order, one at a time`(engine: Engine) throws {
        try engine.withFixture { database in
            let ids = try database.insert((0..<240).map { ["type": "mail", "ordering_key": .text("k\($0 % 8)")] })
            let relays = (1...2).map { number in
                InBackground {
                    let store = try database.makeStore()
                    var sent: [(key: String, id: Int64)] = []
                    var empty = 0
                    // The other may hold every key just now; an empty look is not the end until all has ended.
                    while empty < 500 {
                        let tasks = try store.claim("mail", limit: 5, relay: "relay-\(number)", thorough: true)
                        if tasks.isEmpty {
                            empty += 1
                            let open = try ids.contains { try database.value("status", of: $0) != "completed" }
                            if !open { break }
                            continue
                        }
                        empty = 0
                        for task in tasks {
                            let key = task.orderingKey ?? ""
                            let ahead = zip(ids, 0...).filter { "k\($0.1 % 8)" == key && $0.0 < task.id }.map(\.0)
                            for id in ahead where try database.value("status", of: id) != "completed" {
                                throw FixtureError("task \(task.id) overtook \(id)")
                            }
                            sent.append((key, task.id))
                        }
                        _ = try store.settle(tasks.map(\.completed))
                    }
                    return sent.map(\.id)
                }
            }
            let sent = try relays.flatMap { try $0.wait() }
            #expect(sent.sorted() == ids)
            for id in ids { #expect(try database.value("attempts", of: id) == 1) }
        }
    }
}
