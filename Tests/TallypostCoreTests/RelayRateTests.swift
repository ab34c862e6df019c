import Simulator
import Testing

@testable import TallypostCore

@Suite struct RelayRateTests {
    static let ten = RateLimit(count: 10, per: .seconds(1), burst: 5)

    @Test func `a route sends its burst and then what the rate lets through`() {
        let bench = RelayBench([.plain("mail", concurrency: 64, rate: Self.ten)])
        bench.insert(100, type: "mail")
        #expect(bench.sent.count == 5)
        bench.serve(.seconds(1))
        #expect((14...15).contains(bench.sent.count))
        bench.serve(.seconds(4))
        #expect((54...55).contains(bench.sent.count))
        bench.serve(.seconds(6))
        #expect(bench.database.rows.allSatisfy { $0.image.status == .known(.completed) && $0.image.attempts == 1 })
    }

    @Test func `what a rate holds back stays in the database`() {
        let bench = RelayBench([.plain("mail", concurrency: 64, rate: RateLimit(count: 6, per: .minutes(1)))])
        bench.insert(1_000, type: "mail")
        bench.serve(.minutes(2))
        #expect((12...13).contains(bench.sent.count))
        #expect(bench.relay.heldCount <= 1 && bench.relay.tally.released == 0)
        let before = bench.orders.count
        bench.serve(.minutes(1))
        // Chores, and a claim and a settlement for each task: it does not ask again and again.
        #expect(bench.orders.count - before <= 60 * 3)
    }

    @Test func `a rate holds neither other types nor the other route to its destination`() {
        let bench = RelayBench([
            .plain("limited", rate: RateLimit(count: 1, per: .minutes(1))), .plain("free"),
            .plain("other", rate: RateLimit(count: 100, per: .seconds(1))),
        ])
        bench.insert(50, type: "limited")
        let free = bench.insert(50, type: "free") + bench.insert(50, type: "other")
        bench.serve(.seconds(3))
        #expect(bench.statuses(free).allSatisfy { $0 == "completed" })
        #expect(bench.sent.count == 101)
    }

    @Test func `each destination that rows name has the rate for itself, and tasks beyond it come back one by one`() {
        let bench = RelayBench([.plain("hook", concurrency: 8, rate: RateLimit(count: 60, per: .minutes(1)))])
        let one = bench.insert(30, type: "hook") { $0.targetURL = "http://one" }
        let two = bench.insert(3, type: "hook") { $0.targetURL = "http://two" }
        let own = bench.insert(2, type: "hook")
        bench.serve(.seconds(4))
        #expect((two + own).allSatisfy { bench.status($0) == "completed" })
        #expect((4...6).contains(bench.statuses(one).count { $0 == "completed" }))
        bench.serve(.seconds(30))
        #expect(bench.statuses(one).allSatisfy { $0 == "completed" })
        #expect(one.allSatisfy { bench.database.row($0)?.image.attempts == 1 }, "what was put off was not counted")
        #expect(bench.relay.tally.released <= 60)
    }

    @Test func `relays share a rate, and one that comes waits until the others reckon with it`() {
        let database = MemoryDatabase()
        let rate = RateLimit(count: 20, per: .seconds(1), burst: 4)
        let first = RelayBench([.plain("mail", concurrency: 64, rate: rate)], database: database)
        first.insert(2_000, type: "mail")
        first.serve(.seconds(2))
        #expect((43...44).contains(first.sent.count))
        let second = RelayBench([.plain("mail", concurrency: 64, rate: rate)], database: database, name: "relay-b")
        func both(_ seconds: Int) -> (Int, Int) {
            let before = (first.sent.count, second.sent.count)
            for _ in 0..<(seconds * 50) {
                first.serve(.milliseconds(20))
                second.serve(.milliseconds(20))
            }
            return (first.sent.count - before.0, second.sent.count - before.1)
        }
        let whileJoining = both(4)
        #expect(whileJoining.0 + whileJoining.1 <= 4 * 20 + 4)
        let shared = both(10)
        #expect((98...104).contains(shared.0) && (98...104).contains(shared.1), "\(shared)")
        // It dies; when it has not signed for long, the first has the rate for itself again.
        first.serve(.seconds(20))
        let before = first.sent.count
        first.serve(.seconds(5))
        #expect((98...102).contains(first.sent.count - before))
    }

    @Test func `a relay that was cut off for long sends nothing before it has signed again`() {
        let bench = RelayBench([.plain("mail", concurrency: 64, timeout: .minutes(1), rate: Self.ten)])
        bench.insert(40, type: "mail")
        bench.settle()
        let before = bench.sent.count
        bench.holdsStore = true
        bench.pass(.seconds(2))
        bench.freeze(.seconds(14))
        bench.serve(.milliseconds(500))
        #expect(bench.sent.count <= before + 6, "no more than was in hand")
        let stalled = bench.sent.count
        bench.serve(.seconds(3))
        #expect(bench.sent.count == stalled)
        bench.releaseStore()
        bench.serve(.seconds(10))
        #expect(bench.database.rows.allSatisfy { $0.image.status == .known(.completed) })
    }

    @Test func `a reload changes, adds and takes away rates`() {
        let bench = RelayBench([.plain("mail", concurrency: 64)])
        bench.insert(10, type: "mail")
        bench.serve(.seconds(1))
        #expect(bench.sent.count == 10)
        bench.reconfigure([.plain("mail", concurrency: 64, rate: RateLimit(count: 1, per: .seconds(1)))])
        bench.serve(.seconds(3))
        bench.insert(100, type: "mail")
        bench.serve(.seconds(10))
        #expect((19...22).contains(bench.sent.count))
        bench.reconfigure([.plain("mail", concurrency: 64)])
        bench.serve(.seconds(1))
        #expect(bench.sent.count == 110)
    }

    @Test func `a drain waits for the rate, and sends all`() {
        let database = MemoryDatabase()
        database.commit(database.takeIDs(30).map { MemoryRow(id: $0, type: "mail", now: database.now) })
        let bench = RelayBench([.plain("mail", concurrency: 64, rate: Self.ten)], database: database, drains: true)
        bench.serve(.seconds(2))
        #expect(!bench.hasFinished)
        bench.serve(.seconds(4))
        #expect(bench.hasFinished && bench.database.rows.allSatisfy { $0.image.status == .known(.completed) })
    }

    @Test func `without a rate nothing is signed`() {
        let bench = RelayBench([.plain("mail")])
        bench.insert(20, type: "mail")
        bench.serve(.seconds(20))
        #expect(bench.orders.allSatisfy { $0.sign == nil } && bench.database.signs.isEmpty)
    }

    @Test func `places are counted for each route and each destination`() {
        let bench = RelayBench([.plain("mail", concurrency: 3), .plain("post", concurrency: 2)])
        bench.insert(20, type: "mail") { $0.targetURL = "http://other" }
        bench.insert(20, type: "mail")
        bench.insert(20, type: "post")
        bench.settle()
        #expect(bench.opened(to: RelayBench.fast).count == 5, "two routes to one destination add up")
        #expect(bench.opened(to: Origin(scheme: "http", host: "other", port: 80)).count == 3)
    }
}
