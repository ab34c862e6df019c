import Simulator
import TallypostCore
import Testing

@Suite struct RelayStopTests {
    @Test func `a stop gives back what was not sent, waits for what was, and finishes`() throws {
        let bench = RelayBench([.plain("mail", concurrency: 2)])
        let ids = bench.insert(10, type: "mail")
        bench.settle()
        bench.stop()
        bench.settle()
        #expect(!bench.hasFinished && bench.relay.heldCount == 2)
        for id in ids[2...] {
            let row = try #require(bench.database.row(id))
            #expect(row.image.status == .known(.pending) && row.image.attempts == 0)
        }
        bench.answer([ids[0]], status: 200)
        bench.settle()
        #expect(!bench.hasFinished)
        bench.answer([ids[1]], status: 503)
        bench.settle()
        #expect(bench.hasFinished)
        #expect(bench.status(ids[0]) == "completed" && bench.status(ids[1]) == "pending")
        #expect(bench.sent == Array(ids[..<2]))
    }

    @Test func `a stop ends in time though a receiver never answers`() {
        let bench = RelayBench([.plain("mail", timeout: .minutes(5))])
        bench.insert(type: "mail")
        bench.stop(within: .seconds(10))
        bench.pass(.milliseconds(9_990))
        #expect(!bench.hasFinished)
        bench.pass(.milliseconds(20))
        #expect(bench.hasFinished)
    }

    @Test func `what a claim brings after the stop is given back`() throws {
        let bench = RelayBench([.plain("mail")])
        bench.pass(.seconds(2))
        bench.holdsStore = true
        let id = bench.insert(type: "mail")[0]
        bench.stop()
        bench.releaseStore()
        bench.settle()
        #expect(bench.hasFinished && bench.sent.isEmpty)
        let row = try #require(bench.database.row(id))
        #expect(row.image.status == .known(.pending) && row.image.attempts == 0)
    }

    @Test func `an idle relay stops at once`() {
        let bench = RelayBench([.plain("mail")])
        bench.pass(.seconds(5))
        bench.stop()
        #expect(bench.hasFinished)
    }

    @Test func `a stop waits for the database to take the last outcomes`() {
        let bench = RelayBench([.plain("mail")])
        let id = bench.insert(type: "mail")[0]
        bench.database.goAway()
        bench.answer([id], status: 200)
        bench.stop()
        bench.pass(.seconds(5))
        #expect(!bench.hasFinished)
        bench.database.comeBack()
        bench.pass(.seconds(11))
        #expect(bench.hasFinished && bench.status(id) == "completed")
    }

    @Test func `a drain delivers what is due and finishes; what is due later stays`() {
        let database = MemoryDatabase()
        let early = (1...8).map { MemoryRow(id: $0, type: "mail", now: database.now) }
        var later = MemoryRow(id: 9, type: "mail", now: database.now)
        later.image.runAt = database.now + .minutes(5)
        database.commit(early + [later])
        let bench = RelayBench([.plain("mail")], database: database, drains: true)
        for _ in 0..<20 where !bench.hasFinished {
            bench.answer(bench.open.keys.sorted(), status: 200)
            bench.settle()
        }
        #expect(bench.hasFinished)
        #expect(bench.statuses(early.map(\.id)).allSatisfy { $0 == "completed" })
        #expect(bench.status(9) == "pending")
    }

    @Test func `a drain of an empty database finishes at once`() {
        let bench = RelayBench([.plain("mail")], drains: true)
        bench.settle()
        #expect(bench.hasFinished)
    }

    @Test func `a drain waits for another relay's lease and takes it up when it runs out`() {
        let database = MemoryDatabase()
        let other = RelayBench([.plain("mail")], database: database, name: "relay-b")
        let id = other.insert(type: "mail")[0]
        #expect(other.sent == [id])
        let drain = RelayBench([.plain("mail")], database: database, drains: true)
        drain.pass(.seconds(9))
        #expect(!drain.hasFinished && drain.sent.isEmpty)
        drain.pass(.seconds(3))
        #expect(drain.sent == [id])
        drain.answer([id], status: 200)
        drain.pass(.seconds(2))
        #expect(drain.hasFinished && drain.status(id) == "completed")
    }

    @Test func `a drain finishes when another relay settles what it holds`() {
        let database = MemoryDatabase()
        let other = RelayBench([.plain("mail")], database: database, name: "relay-b")
        let id = other.insert(type: "mail")[0]
        let drain = RelayBench([.plain("mail")], database: database, drains: true)
        drain.pass(.seconds(2))
        #expect(!drain.hasFinished)
        other.answer([id], status: 200)
        other.settle()
        drain.pass(.seconds(2))
        #expect(drain.hasFinished)
    }

    @Test func `a drain finishes though every route is paused`() {
        let database = MemoryDatabase()
        database.pause("mail", reason: "somebody says so")
        database.commit([MemoryRow(id: 1, type: "mail", now: database.now)])
        let bench = RelayBench([.plain("mail")], database: database, drains: true)
        bench.settle()
        #expect(bench.hasFinished && bench.status(1) == "pending")
    }
}
