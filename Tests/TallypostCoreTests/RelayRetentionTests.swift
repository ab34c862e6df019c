import Simulator
import Testing

@testable import TallypostCore

/// Retention as the relay's chore: on by default, light while there is work, quick while there is none.
@Suite struct RelayRetentionTests {
    /// Tasks that ended so many days ago.
    private func insertEnded(_ count: Int, days: Int64, _ bench: RelayBench, status: TaskStatus = .completed) {
        bench.insert(count, type: "mail") { row in
            row.image.status = .known(status)
            row.finishedAt = bench.database.now + .hours(-24 * days)
        }
    }

    private func steps(_ bench: RelayBench) -> Int { bench.orders.count { $0.retention != nil } }

    private func told(_ bench: RelayBench) -> [Int] {
        bench.notices.compactMap { if case .purged(let count) = $0 { count } else { nil } }
    }

    @Test func `it is on by default: completed tasks go after 30 days, others after 90`() {
        let bench = RelayBench([.plain("mail")])
        insertEnded(1, days: 31, bench)
        insertEnded(1, days: 29, bench)
        insertEnded(1, days: 91, bench, status: .failed)
        insertEnded(1, days: 89, bench, status: .failed)
        bench.pass(.seconds(30))
        #expect(bench.database.rows.map(\.id) == [2, 4])
        #expect(bench.relay.tally.purged == 2)
        // Two more days, and the others are old enough.
        bench.freeze(.hours(48))
        bench.pass(.minutes(11))
        #expect(bench.database.rows.isEmpty)
    }

    @Test func `turned off, it never asks`() {
        let bench = RelayBench([.plain("mail")], retention: .never)
        insertEnded(1, days: 4_000, bench)
        bench.pass(.hours(1))
        #expect(steps(bench) == 0 && bench.database.rows.count == 1)
    }

    @Test func `while the store is busy all the time, no more than one step goes with each chore`() {
        let bench = RelayBench([.plain("mail", concurrency: 1)])
        bench.pass(.seconds(2))
        insertEnded(3_000, days: 31, bench)
        bench.holdsStore = true
        let before = steps(bench)
        // Every order takes half a second, and another is due when it is done.
        for _ in 0..<20 {
            bench.insert(type: "mail")
            bench.freeze(.milliseconds(499))
            bench.releaseStore(andHold: true)
            bench.pass(.milliseconds(1))
            bench.answer(Array(bench.open.keys), status: 200)
        }
        #expect((5...11).contains(steps(bench) - before), "ten seconds, a chore a second")
        #expect(bench.orders.suffix(20).allSatisfy { $0.retention == nil || $0.sweepLimit > 0 })
    }

    @Test func `with nothing else to do, step follows step`() {
        let bench = RelayBench([.plain("mail")])
        insertEnded(2_000, days: 31, bench)
        bench.pass(.seconds(2))
        #expect(bench.database.rows.isEmpty, "twenty steps")
        // And then it rests.
        let before = steps(bench)
        bench.pass(.milliseconds(900))
        #expect(steps(bench) - before <= 1)
    }

    @Test func `a backlog behind a slow destination does not keep the store from it`() {
        let bench = RelayBench([.plain("mail", concurrency: 1, timeout: .minutes(5))])
        bench.insert(100, type: "mail")
        insertEnded(2_000, days: 31, bench)
        bench.pass(.seconds(2))
        #expect(bench.sent.count == 1 && bench.database.rows.count == 100)
    }

    @Test(arguments: [(0.0, 9.0), (0.2, 9), (0.6, 19), (0.92, 99), (1, 999)])
    func `a step rests longer the busier the store is`(load: Double, rests: Double) {
        var state = RetentionState(policy: RetentionPolicy())
        state.measureLoad(at: Instant(nanoseconds: 0))
        state.busy = TimeSpan(nanoseconds: Int64(load * 1e9))
        state.measureLoad(at: Instant(nanoseconds: 1_000_000_000))
        let rest = state.rest(after: .microseconds(1_000)).seconds
        #expect(abs(rest - min(1, rests / 1_000)) < 0.002)
    }

    @Test func `what was removed is told once a minute at most, and nothing is left untold`() {
        let bench = RelayBench([.plain("mail")])
        insertEnded(1_000, days: 31, bench)
        bench.pass(.seconds(50))
        #expect(told(bench) == [100])
        bench.pass(.seconds(20))
        #expect(told(bench) == [100, 900])
        bench.pass(.minutes(10))
        #expect(told(bench).count == 2)
    }

    @Test func `a fault of retention is told, tried again later, and keeps no task waiting`() {
        let bench = RelayBench([.plain("mail")])
        bench.purgeFault = StoreError(kind: .permission, code: "42501", operation: "purge_final", message: "permission denied")
        insertEnded(1, days: 31, bench)
        bench.pass(.seconds(30))
        let faults = bench.notices.count { if case .purgeFailed = $0 { true } else { false } }
        #expect(faults == 1 && bench.relay.reachesStore)
        #expect(!bench.notices.contains { if case .storeAway = $0 { true } else { false } })
        let id = bench.insert(type: "mail")[0]
        #expect(bench.sent == [id])
        bench.purgeFault = nil
        bench.pass(.minutes(11))
        #expect(bench.database.row(1) == nil)
    }

    @Test func `a passing lock is nothing to tell of`() {
        let bench = RelayBench([.plain("mail")])
        bench.purgeFault = StoreError(kind: .busy, code: "5", operation: "purge_final", message: "locked")
        bench.pass(.seconds(30))
        #expect(!bench.notices.contains { if case .purgeFailed = $0 { true } else { false } })
        insertEnded(1, days: 31, bench)
        bench.purgeFault = nil
        bench.pass(.seconds(3))
        #expect(bench.database.rows.isEmpty)
    }

    @Test func `a reload changes it at once`() {
        let bench = RelayBench([.plain("mail")], retention: .never)
        insertEnded(1, days: 2, bench)
        bench.pass(.seconds(5))
        bench.retain(RetentionPolicy(completed: .hours(24)))
        bench.pass(.seconds(3))
        #expect(bench.database.rows.isEmpty)
    }

    @Test func `the database going away in the middle is got over`() {
        let bench = RelayBench([.plain("mail")])
        bench.pass(.seconds(2))
        bench.database.goAway()
        bench.pass(.seconds(20))
        insertEnded(1, days: 31, bench)
        bench.database.comeBack()
        bench.pass(.seconds(20))
        #expect(bench.database.rows.isEmpty)
    }

    @Test func `a stop asks for no more of it`() {
        let bench = RelayBench([.plain("mail")])
        bench.insert(type: "mail")
        insertEnded(10_000, days: 31, bench)
        bench.settle()
        let before = steps(bench)
        bench.stop()
        bench.pass(.seconds(5))
        #expect(steps(bench) == before && !bench.hasFinished)
    }

    @Test func `a drain is not kept from its end by old rows`() {
        let database = MemoryDatabase()
        let ids = database.takeIDs(5_000)
        database.commit(
            ids.map { id in
                var row = MemoryRow(id: id, type: "mail", now: database.now)
                row.image.status = .known(.completed)
                row.finishedAt = database.now + .hours(-24 * 31)
                return row
            })
        let bench = RelayBench([.plain("mail")], database: database, drains: true)
        bench.pass(.seconds(2))
        #expect(bench.hasFinished)
    }
}

@Suite struct PurgeWalkTests {
    @Test func `steps that take too long get shorter, and quick ones longer, within bounds`() {
        var walk = PurgeWalk(most: 1_000, target: .milliseconds(20))
        let first = walk.rows
        walk.took(.milliseconds(5), removed: first, looked: first, upTo: 1)
        #expect(walk.rows > first)
        for _ in 0..<50 { walk.took(.milliseconds(1), removed: walk.rows, looked: walk.rows, upTo: 1) }
        #expect(walk.rows == 1_000)
        walk.took(.milliseconds(40), removed: 1_000, looked: 1_000, upTo: 1)
        #expect(walk.rows == 500)
        for _ in 0..<50 { walk.took(.seconds(1), removed: walk.rows, looked: walk.rows, upTo: 1) }
        #expect(walk.rows == 10)
    }

    @Test func `a step that removed little says nothing of how long a full one takes`() {
        var walk = PurgeWalk(most: 1_000, target: .milliseconds(20))
        let first = walk.rows
        for _ in 0..<50 { walk.took(.microseconds(10), removed: 0, looked: walk.looked, upTo: 1) }
        #expect(walk.rows == first)
    }

    @Test func `where nearly every row goes, no more are looked at than may go`() {
        var walk = PurgeWalk(most: 100, target: .milliseconds(20))
        #expect(walk.looked > walk.rows)
        walk.took(.milliseconds(15), removed: 100, looked: 110, upTo: 1)
        #expect(walk.looked == walk.rows)
        walk.took(.milliseconds(15), removed: 0, looked: 100, upTo: 1)
        #expect(walk.looked > walk.rows)
    }

    @Test func `a step broken off is halved, until it cannot be shorter, and ten of those in a row are told`() {
        var walk = PurgeWalk(most: 100, target: .milliseconds(20))
        func triesUntilTold() -> Int { (1...100).first { _ in !walk.brokeOff(after: .milliseconds(40)) } ?? 0 }
        #expect(triesUntilTold() == 14 && walk.rows == 10)
        #expect(triesUntilTold() == 10)
        for _ in 0..<9 { _ = walk.brokeOff(after: .milliseconds(40)) }
        walk.took(.milliseconds(30), removed: 1, looked: 10, upTo: 1)
        #expect(triesUntilTold() == 10)
    }

    @Test(arguments: [
        (RetentionPolicy(), TimeSpan.milliseconds(1), TimeSpan.minutes(10)),
        (RetentionPolicy(), .seconds(60), .seconds(3_000)), (RetentionPolicy(), .hours(10), .hours(24)),
        (RetentionPolicy(completed: .seconds(1), final: nil), .milliseconds(1), .seconds(1)),
        (RetentionPolicy(completed: .hours(1), final: nil), .milliseconds(1), .seconds(36)),
    ])
    func `a walk takes no more than a fiftieth of the time`(policy: RetentionPolicy, cost: TimeSpan, rest: TimeSpan) {
        var walk = PurgeWalk(most: 100, target: .milliseconds(20))
        walk.took(cost, removed: 0, looked: 1, upTo: 5)
        #expect(walk.ended(policy) == rest)
        #expect(walk.cursor == nil)
        #expect(walk.ended(policy) <= .minutes(10), "what the last one cost is forgotten")
    }

    @Test(arguments: [
        (TimeSpan.hours(720), "30d"), (.hours(36), "36h"), (.minutes(90), "90m"), (.seconds(1), "1s"),
        (.milliseconds(1_500), "1500ms"), (.zero, "0ms"),
    ])
    func `a length of time is written as a configuration has it`(span: TimeSpan, text: String) {
        #expect(span.configured == text)
    }
}
