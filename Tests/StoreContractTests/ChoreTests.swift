import StoreContract
import TallypostCore
import Testing

/// Leases that ran out, sweeps, surveys and pauses.
@Suite struct ChoreTests {
    @Test(arguments: Engine.allCases)
    func `leases that ran out are told, the oldest first`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let ids = try database.insert([
                ["type": "mail", "max_attempts": 3], ["type": "mail"], ["type": "mail"], ["type": "mail"],
            ])
            #expect(try store.claim("mail", relay: "relay-9").count == 4)
            #expect(try store.expiredLeases(limit: 10).isEmpty)
            try database.update([ids[0]], ["lease_expires_at": .fromNow(.minutes(-1))])
            try database.update([ids[1]], ["lease_expires_at": .fromNow(.minutes(-5))])
            try database.update([ids[2]], ["lease_expires_at": .null])
            let expired = try store.expiredLeases(limit: 10)
            #expect(Set(expired.map(\.id)) == Set(ids[0...2]))
            #expect(expired.map(\.id).filter { $0 != ids[2] } == [ids[1], ids[0]])
            let first = try #require(expired.first { $0.id == ids[0] })
            #expect(first == ExpiredLease(id: ids[0], epoch: 1, type: "mail", attempts: 1, maxAttempts: 3, relay: "relay-9"))
            #expect(try store.expiredLeases(limit: 2).count == 2)
            #expect(try database.value("status", of: ids[0]) == "processing", "a look changes nothing")
        }
    }

    @Test(arguments: Engine.allCases)
    func `the first end of a lease is known while any is held`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            #expect(try store.earliestLeaseEnd() == nil)
            let ids = try database.insert([["type": "mail"], ["type": "mail"], ["type": "mail", "run_at": .fromNow(.hours(1))]])
            let tasks = try store.claim("mail", limit: 2, lease: .minutes(5))
            try database.update([ids[1]], ["lease_expires_at": .fromNow(.minutes(2))])
            let end = try #require(try store.earliestLeaseEnd())
            #expect(near(end - (try store.survey().now), .minutes(2)))
            _ = try store.settle(tasks.map(\.completed))
            #expect(try store.earliestLeaseEnd() == nil)
        }
    }

    @Test(arguments: Engine.allCases)
    func `a sweep ends what is past its deadline, and only that`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            func task(_ minutes: Int64, _ status: String, key: ColumnValue = .null) -> ColumnValues {
                ["type": "mail", "deadline_at": .fromNow(.minutes(minutes)), "status": .text(status), "ordering_key": key]
            }
            let ids = try database.insert([
                task(-1, "pending"), task(-2, "pending", key: "c-1"), task(5, "pending"), task(-1, "completed"),
                task(-1, "processing"), ["type": "mail"],
            ])
            #expect(try store.sweep(limit: 100) == 2)
            #expect(try store.sweep(limit: 100) == 0)
            let statuses = try ids.map { try database.value("status", of: $0) }
            #expect(statuses == ["timeout", "timeout", "pending", "completed", "processing", "pending"])
            let row = try database.row(ids[0])
            #expect(time(row["finished_at"]) != nil)
            #expect(row["last_error"] != .null)
            #expect(row["attempts"] == 0)
        }
    }

    @Test(arguments: Engine.allCases)
    func `a sweep changes no more than it may`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            try database.insert((0..<230).map { _ in ["type": "mail", "deadline_at": .fromNow(.minutes(-1))] })
            #expect(try store.sweep(limit: 7) == 7)
            #expect(try store.sweep(limit: 210) == 210)
            #expect(try store.sweep(limit: 100) == 13)
        }
    }

    @Test(arguments: Engine.allCases)
    func `a survey tells the open types, with a key and without, and when the next task falls due`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            #expect(try store.survey().types.isEmpty)
            #expect(try store.survey().nextDue == nil)
            try database.insert([
                ["type": "due"], ["type": "later", "run_at": .fromNow(.minutes(30))],
                ["type": "keyed", "ordering_key": "c-1", "run_at": .fromNow(.minutes(10))],
                ["type": "done", "status": "completed"], ["type": "odd", "status": "queued"],
                ["type": "due", "priority": 7, "run_at": .fromNow(.minutes(20))],
            ])
            let survey = try store.survey()
            #expect(Set(survey.types) == ["due", "later", "keyed", "odd"])
            #expect(survey.types.count == 4)
            #expect(survey.paused.isEmpty)
            #expect(near(try #require(survey.nextDue) - survey.now, .minutes(10)))
            let tasks = try store.claim(["due", "odd"])
            #expect(tasks.count == 2)
            _ = try store.settle(tasks.map(\.completed))
            #expect(Set(try store.survey().types) == ["due", "later", "keyed"])
        }
    }

    @Test(arguments: Engine.allCases)
    func `a relay that signs is counted until it has not signed for its life`(engine: Engine) throws {
        try engine.withFixture { database in
            let (store, other) = (try database.makeStore(), try database.makeStore())
            let life = TimeSpan.minutes(1)
            #expect(try store.survey().liveRelays == nil, "no sign, no count")
            #expect(try store.survey(RelaySign(relay: "a", state: nil, life: life)).liveRelays == 1)
            #expect(try store.survey(RelaySign(relay: "a", state: #"{"n":"é"}"#, life: life)).liveRelays == 1)
            #expect(try other.survey(RelaySign(relay: "b", state: nil, life: life)).liveRelays == 2)
            #expect(try store.survey(RelaySign(relay: "a", state: nil, life: life)).liveRelays == 2)
            // With a life of less than nothing everybody else is dead, and is deleted.
            #expect(try store.survey(RelaySign(relay: "a", state: nil, life: .seconds(-5))).liveRelays == 1)
            #expect(try store.survey(RelaySign(relay: "a", state: nil, life: life)).liveRelays == 1)
            #expect(try other.survey(RelaySign(relay: "b", state: nil, life: life)).liveRelays == 2)
        }
    }

    @Test(arguments: Engine.databases)
    func `what a relay says of itself is read by people`(engine: Engine) throws {
        try engine.withDatabase { database in
            let (store, desk) = (try database.makeStore(), try database.makeDesk())
            #expect(try desk.signedRelays().isEmpty)
            let now = try store.survey(RelaySign(relay: "b", state: #"{"é":1}"#, life: .minutes(1))).now
            _ = try store.survey(RelaySign(relay: "a", state: nil, life: .minutes(1)))
            let relays = try desk.signedRelays()
            #expect(relays.map(\.name) == ["a", "b"] && relays.map(\.state) == [nil, #"{"é":1}"#])
            #expect(relays.allSatisfy { near($0.seenAt - now, .zero) })
        }
    }

    @Test(arguments: Engine.allCases)
    func `a paused type is not claimed by any store, and its first reason is kept`(engine: Engine) throws {
        try engine.withFixture { database in
            let (store, other) = (try database.makeStore(), try database.makeStore())
            let ids = try database.insert([["type": "mail"], ["type": "invoice"], ["type": "mail", "ordering_key": "c-1"]])
            try store.pause(route: "mail", reason: "410 Gone")
            try store.pause(route: "mail", reason: "another reason")
            #expect(try other.survey().paused == ["mail"])
            #expect(try other.claim(["mail", "invoice"], thorough: true).map(\.id) == [ids[1]])
            #expect(try store.claim("mail", thorough: true).isEmpty)
        }
    }

    @Test(arguments: Engine.allCases)
    func `a store that was closed opens again and goes on`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let ids = try database.insert([["type": "mail"], ["type": "mail"]])
            let first = try #require(try store.claim("mail", limit: 1).first)
            store.close()
            try store.open()
            #expect(try store.settle(first.completed).written == 1)
            #expect(try store.claim("mail").map(\.id) == [ids[1]])
        }
    }
}
