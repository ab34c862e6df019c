import Simulator
import TallypostCore
import Testing

@Suite struct RelayStoreTests {
    @Test func `with the database away nothing new is sent, and what was found out is kept`() {
        let bench = RelayBench([.plain("mail", concurrency: 2)])
        let ids = bench.insert(5, type: "mail")
        bench.settle()
        bench.database.goAway()
        // It learns so when it wants to write the first answer; until then the place is filled again.
        bench.answer([ids[0]], status: 200)
        bench.pass(.milliseconds(10))
        #expect(!bench.relay.reachesStore && bench.sent == Array(ids[..<3]))
        bench.answer([ids[1], ids[2]], status: 200)
        bench.pass(.seconds(1))
        #expect(bench.sent == Array(ids[..<3]) && bench.relay.unsettledCount == 3)
        #expect(bench.notices.contains { if case .storeAway = $0 { true } else { false } })

        bench.database.comeBack()
        bench.pass(.seconds(3))
        #expect(bench.statuses(Array(ids[..<3])).allSatisfy { $0 == "completed" })
        #expect(bench.sent == ids)
        #expect(bench.notices.contains { if case .storeBack = $0 { true } else { false } })
    }

    @Test func `tries to reach the database come ever more rarely, never more than the longest wait apart`() {
        let bench = RelayBench([.plain("mail")])
        bench.database.goAway()
        bench.insert(type: "mail")
        bench.pass(.minutes(10))
        let waits = bench.notices.compactMap { notice -> TimeSpan? in
            if case .storeAway(_, let wait) = notice { wait } else { nil }
        }
        #expect(waits.allSatisfy { $0 > .zero && $0 <= RelayLimits().longestBackoff + .milliseconds(1) })
        // Ten minutes of waits that are uniform up to three seconds, once they have grown.
        #expect((200...700).contains(waits.count))
    }

    @Test func `outcomes that come together are written together`() {
        let bench = RelayBench([.plain("mail", concurrency: 10)])
        let ids = bench.insert(10, type: "mail")
        bench.settle()
        let before = bench.orders.count
        for id in ids {
            bench.answer([id], status: 200)
            bench.freeze(.microseconds(200))
        }
        bench.settle()
        let settlements = bench.orders[before...].filter { !$0.outcomes.isEmpty }
        #expect(settlements.map(\.outcomes.count) == [10])
    }

    @Test func `a late answer changes nothing and is counted`() throws {
        let database = MemoryDatabase()
        let slow = RelayBench([.plain("mail")], database: database, name: "relay-slow")
        let id = slow.insert(type: "mail")[0]
        #expect(slow.sent == [id])
        // It stands still beyond its lease; another relay takes the task up and completes it.
        slow.freeze(.seconds(11))
        let other = RelayBench([.plain("mail")], database: database, name: "relay-other")
        other.pass(.seconds(2))
        #expect(other.notices.contains { if case .leaseRecovered(id, "mail", "relay-slow") = $0 { true } else { false } })
        #expect(other.sent == [id])
        other.answer([id], status: 200)
        other.settle()
        let completed = try #require(database.row(id))
        slow.answer([id], status: 400)
        slow.settle()
        let after = try #require(database.row(id))
        #expect(after.image == completed.image && after.image.status == .known(.completed))
        #expect(slow.relay.tally.late == 1)
        #expect(slow.notices.contains { if case .lateOutcomes([id]) = $0 { true } else { false } })
        #expect(slow.relay.inFlightCount == 0 && slow.relay.heldCount == 0)
    }

    @Test func `a task whose holder dies on every attempt ends as failed`() throws {
        let database = MemoryDatabase()
        var relays: [RelayBench] = []
        for number in 1...4 {
            let relay = RelayBench([.plain("mail", maxAttempts: 3)], database: database, name: "relay-\(number)")
            relays.append(relay)
            if number == 1 { relay.insert(type: "mail") }
            relay.pass(.seconds(2))
            // And dies: nobody tells it anything any more, and its lease runs out.
            database.now = database.now + .seconds(11)
        }
        #expect(relays.map(\.sent.count) == [1, 1, 1, 0])
        let row = try #require(database.row(1))
        #expect(row.image.status == .known(.failed))
        #expect(row.lastError?.contains("attempt 3 of 3 was the last") ?? false)
        #expect(database.attempts(of: 1).count == 3)
    }

    @Test func `an outcome whose row is locked waits aside, holds up no other, and is written once the row is free`() {
        let bench = RelayBench([.plain("mail", concurrency: 3)])
        let ids = bench.insert(3, type: "mail")
        bench.settle()
        bench.database.lockedRows = [ids[1]]
        bench.answer(ids, status: 200)
        bench.pass(.milliseconds(100))
        #expect(bench.statuses(ids) == ["completed", "processing", "completed"])
        #expect(bench.relay.unsettledCount == 1)
        // Beyond its lease too: what became of it is known, and it is not sent again.
        bench.pass(.seconds(30))
        #expect(bench.sent == ids && bench.relay.tally.recovered == 0)
        let told = bench.notices.filter { if case .rowsLocked = $0 { true } else { false } }
        #expect(told.count == 1, "once for a row, not with every try")
        bench.database.lockedRows = []
        bench.pass(.seconds(2))
        #expect(bench.statuses(ids) == ["completed", "completed", "completed"] && bench.relay.unsettledCount == 0)
    }

    @Test func `a stop waits for a locked row, and not beyond its time`() {
        let bench = RelayBench([.plain("mail")])
        let ids = bench.insert(1, type: "mail")
        bench.settle()
        bench.database.lockedRows = [ids[0]]
        bench.answer(ids, status: 200)
        bench.settle()
        bench.stop(within: .seconds(30))
        bench.pass(.seconds(10))
        #expect(!bench.hasFinished)
        bench.pass(.seconds(25))
        #expect(bench.hasFinished && bench.status(ids[0]) == "processing")
    }

    @Test func `a task that waited too long in memory is given back, not sent beyond its lease`() throws {
        let bench = RelayBench([.plain("mail", concurrency: 1)])
        let ids = bench.insert(2, type: "mail")
        bench.settle()
        bench.freeze(.seconds(6))
        bench.answer([ids[0]], status: 200)
        // Given back, claimed anew with a whole lease, and sent.
        #expect(bench.sent == ids)
        let row = try #require(bench.database.row(ids[1]))
        #expect(row.image.attempts == 1 && row.image.epoch == 2)
    }

    @Test func `a lease asked for before a reload is not taken to be as long as the reload says`() throws {
        var short = RoutePolicy.plain("mail", timeout: .seconds(1))
        short.lease = .seconds(4)
        let bench = RelayBench([short])
        bench.settle()
        bench.holdsStore = true
        bench.insert(type: "mail")
        bench.settle()
        var long = short
        long.timeout = .seconds(60)
        long.lease = .seconds(90)
        bench.reconfigure([long])
        bench.releaseStore()
        bench.settle()
        let row = try #require(bench.database.row(1))
        let end = try #require(row.image.leaseEnd)
        #expect(bench.sent == [1] && end - bench.database.now > .seconds(60))
        #expect(row.image.attempts == 1)
    }

    @Test func `a missed word of news costs no more than the poll interval`() {
        let bench = RelayBench([.plain("mail")])
        bench.pass(.seconds(30))
        bench.database.commit([MemoryRow(id: 1, type: "mail", now: bench.database.now)])
        bench.pass(RelayLimits().pollInterval + .milliseconds(20))
        #expect(bench.sent == [1])
    }

    @Test func `an idle relay asks its database a few times a second at most`() {
        let bench = RelayBench([.plain("mail"), .plain("post")])
        bench.pass(.seconds(5))
        let before = bench.orders.count
        bench.pass(.seconds(60))
        #expect(bench.orders.count - before <= 4 * 60)
    }
}

@Suite struct RelayStrayTests {
    @Test func `the answer to a lost lease frees its place, though the task has been leased again by the same relay`() throws {
        let bench = RelayBench([.plain("mail", concurrency: 2)])
        let id = bench.insert(type: "mail")[0]
        bench.freeze(.seconds(11))
        let other = MemoryStore(bench.database)
        try other.open()
        let expired = try #require(try other.expiredLeases(limit: 1).first)
        let lost = Outcome(id: id, epoch: expired.epoch, change: .retry(after: .zero, responseStatus: nil, error: "lease lost"))
        #expect(try other.settle([lost]).written == 1)
        bench.pass(.seconds(2))
        // The first request still hangs, the second is under way: both take a place.
        #expect(bench.sent == [id, id] && bench.relay.inFlightCount == 2)
        bench.answerLate(id, epoch: 1)
        bench.settle()
        #expect(bench.relay.inFlightCount == 1 && bench.relay.tally.late == 1 && bench.status(id) == "processing")
        bench.answer([id], status: 200)
        bench.settle()
        #expect(bench.relay.inFlightCount == 0 && bench.status(id) == "completed")
        // And the place can be filled again.
        bench.insert(2, type: "mail")
        bench.settle()
        #expect(bench.relay.inFlightCount == 2)
    }
}
