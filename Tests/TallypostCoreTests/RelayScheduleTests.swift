import Simulator
import Testing

@testable import TallypostCore

@Suite struct RelayScheduleTests {
    /// 2025-10-09T08:53:20Z, as the bench's database begins.
    private let start: Int64 = 1_760_000_000

    private func schedule(
        _ name: String = "s", every span: Int64 = 600, type: String = "report", _ catchUp: Schedule.CatchUp = .skip
    ) -> Schedule {
        Schedule(name: name, times: .every(span), task: TaskDraft(type: type, payload: "{\"n\":1}"), catchUp: catchUp)
    }

    private func bench(
        _ schedules: [Schedule], database: MemoryDatabase = MemoryDatabase(), name: String = "relay-a", drains: Bool = false,
        retention: RetentionPolicy = RetentionPolicy()
    ) -> RelayBench {
        RelayBench(
            [.plain("report", concurrency: 1_000)], database: database, name: name, drains: drains, retention: retention,
            schedules: schedules)
    }

    /// Ticks that were inserted, in seconds after the bench's start.
    private func ticks(_ database: MemoryDatabase, of name: String = "s") -> [Int64] {
        database.rows.compactMap { row in
            guard let key = row.idempotencyKey, key.hasPrefix("schedule-\(name)-") else { return nil }
            return seconds(String(key.dropFirst("schedule-\(name)-".count).dropLast(4))) + (Int64(key.suffix(3).prefix(2)) ?? 0)
                - start
        }
    }

    @Test func `each tick inserts one task, when it comes and not before`() {
        let bench = bench([schedule(every: 90)])
        // 1,760,000,000 is 10 s before a multiple of 90, less or more.
        let first = 90 - start % 90
        bench.pass(.seconds(first) + .milliseconds(-2))
        #expect(ticks(bench.database) == [])
        bench.pass(.seconds(181))
        #expect(ticks(bench.database) == [first, first + 90, first + 180])
        #expect(bench.sent.count == 3, "and the tasks are sent")
        #expect(bench.database.rows.map(\.payload) == Array(repeating: Array("{\"n\":1}".utf8), count: 3))
    }

    @Test func `two relays insert a tick once, whichever comes first`() {
        let database = MemoryDatabase()
        let one = bench([schedule(every: 30)], database: database)
        let two = bench([schedule(every: 30)], database: database, name: "relay-b")
        for step in 0..<20 {
            // Each goes first in turn, and the other lives through the same half minute.
            let (leader, follower) = step % 2 == 0 ? (one, two) : (two, one)
            let before = database.now
            leader.pass(.seconds(30))
            database.now = before
            follower.pass(.seconds(30))
        }
        let found = ticks(database)
        #expect(found.count >= 19 && Set(found).count == found.count)
        #expect(zip(found, found.dropFirst()).allSatisfy { $1 - $0 == 30 })
    }

    @Test func `what came before the start is left alone by skip, and its last is made up for by latest`() {
        let skipping = bench([schedule()])
        skipping.pass(.seconds(1))
        #expect(ticks(skipping.database) == [])
        let catching = bench([schedule("s", .latest)])
        catching.pass(.seconds(1))
        #expect(ticks(catching.database) == [-(start % 600)])
        // Another one that starts finds it there.
        let later = bench([schedule("s", .latest)], database: catching.database, name: "relay-b")
        later.pass(.seconds(1))
        #expect(ticks(catching.database).count == 1)
        #expect(later.relay.scheduleTally.known == 1 && later.relay.scheduleTally.inserted == 0)
    }

    @Test func `no tick is made up for that is older than a day, or than retention is sure to have kept`() {
        let daily: Int64 = 86_400
        let rare = bench([schedule("s", every: 4 * daily, .latest)])
        rare.pass(.seconds(1))
        // The last multiple of four days was more than a day ago, or this says nothing.
        #expect(start % (4 * daily) > daily)
        #expect(ticks(rare.database) == [])
        #expect(start % 600 > 100)
        let short = bench([schedule("s", .latest)], retention: RetentionPolicy(completed: .seconds(150)))
        short.pass(.seconds(1))
        #expect(ticks(short.database) == [])
        let long = bench([schedule("s", .latest)], retention: RetentionPolicy(completed: .seconds(3_000)))
        long.pass(.seconds(1))
        #expect(ticks(long.database).count == 1)
    }

    @Test func `a tick while the database is away is inserted when it is back, if that is within a minute`() {
        let bench = bench([schedule(every: 100)])
        let first = 100 - start % 100
        bench.pass(.seconds(first - 5))
        bench.database.goAway()
        bench.pass(.seconds(40))
        #expect(ticks(bench.database) == [])
        bench.database.comeBack()
        bench.pass(.seconds(10))
        #expect(ticks(bench.database) == [first])
    }

    @Test(arguments: [Schedule.CatchUp.skip, .latest])
    func `after a long absence skip goes on, and latest makes up for the last`(catchUp: Schedule.CatchUp) {
        let bench = bench([schedule("s", every: 100, catchUp)])
        let first = catchUp == .latest ? 1 : 0
        bench.pass(.seconds(1))
        #expect(ticks(bench.database).count == first)
        let due = 100 - start % 100
        bench.database.goAway()
        // Away until 70 s after the fourth tick.
        bench.pass(.seconds(due + 3 * 100 + 70 - 1))
        bench.database.comeBack()
        bench.pass(.seconds(10))
        #expect(Array(ticks(bench.database).dropFirst(first)) == (catchUp == .latest ? [due + 300] : []))
        #expect(bench.notices.contains { if case .ticksMissed = $0 { true } else { false } })
        bench.pass(.seconds(100))
        #expect(ticks(bench.database).last == due + 400)
    }

    @Test func `a machine that slept through many ticks inserts those of the last minute`() {
        let bench = bench([schedule(every: 10)])
        bench.pass(.seconds(1))
        bench.holdsStore = true
        bench.pass(.seconds(3))
        bench.freeze(.hours(3))
        bench.releaseStore()
        bench.pass(.seconds(1))
        let end = 3 * 3_600 + 5 as Int64
        let found = ticks(bench.database)
        #expect(found.count >= 6 && found.count <= 7 && found.allSatisfy { end - $0 <= 63 }, "\(found)")
    }

    @Test func `an insert whose answer is lost is tried again and makes no double`() {
        let bench = bench([schedule(every: 100)])
        let first = 100 - start % 100
        bench.losesInserts = true
        bench.pass(.seconds(first + 5))
        #expect(ticks(bench.database) == [first])
        bench.losesInserts = false
        bench.pass(.seconds(10))
        #expect(ticks(bench.database) == [first])
        #expect(bench.relay.scheduleTally.known == 1)
        bench.pass(.seconds(100))
        #expect(ticks(bench.database) == [first, first + 100])
    }

    @Test func `a task that the database will not have holds nothing else up`() {
        let bench = bench([schedule("bad", every: 100, type: "refused"), schedule("s", every: 100)])
        bench.refusedTypes = ["refused"]
        let first = 100 - start % 100
        bench.pass(.seconds(first + 1))
        #expect(ticks(bench.database) == [first])
        let orders = bench.orders.count
        bench.pass(.seconds(10))
        #expect(bench.orders.dropFirst(orders).allSatisfy { $0.inserts.isEmpty }, "not again at once")
        bench.refusedTypes = []
        bench.pass(.seconds(10))
        #expect(ticks(bench.database, of: "bad") == [first], "but soon, for somebody may have mended it")
        let refusals = bench.notices.filter { if case .tickRefused = $0 { true } else { false } }
        #expect(refusals.count == 1)
    }

    @Test func `a clock that is put back a day does not silence a schedule`() {
        let bench = bench([schedule(every: 100)])
        bench.pass(.hours(1))
        bench.database.now = bench.database.now + .hours(-24)
        bench.database.goAway()
        bench.pass(.seconds(1))
        bench.database.comeBack()
        bench.pass(.seconds(205))
        #expect(ticks(bench.database).filter { $0 < -80_000 }.count == 2)
    }

    @Test func `a drain and a stop insert nothing`() {
        let database = MemoryDatabase()
        let hanging = Array(database.takeIDs(1))
        database.commit(hanging.map { MemoryRow(id: $0, type: "report", now: database.now) })
        let draining = bench([schedule(every: 2)], database: database, drains: true)
        draining.pass(.seconds(4))
        #expect(draining.sent == hanging && !draining.hasFinished)
        #expect(ticks(draining.database) == [])
        draining.answer(hanging)
        draining.pass(.seconds(2))
        #expect(draining.hasFinished && ticks(draining.database) == [])
        let stopping = bench([schedule(every: 2)])
        stopping.insert(type: "report")
        stopping.settle()
        stopping.stop()
        let before = ticks(stopping.database)
        stopping.pass(.seconds(10))
        #expect(!stopping.hasFinished && ticks(stopping.database) == before)
    }

    @Test func `a reload changes schedules from now on and leaves the others where they are`() {
        let bench = bench([schedule(every: 100)])
        let first = 100 - start % 100
        bench.pass(.seconds(first - 1))
        var renamed = schedule(every: 100)
        renamed.task.payload = "[]"
        bench.reschedule([renamed, schedule("new", every: 600, .latest)])
        bench.pass(.seconds(2))
        #expect(ticks(bench.database) == [first])
        #expect(bench.database.rows.first?.payload == Array("[]".utf8))
        #expect(ticks(bench.database, of: "new") == [], "what came before it was written is not caught up with")
        bench.reschedule([])
        bench.pass(.seconds(300))
        #expect(bench.database.rows.count == 1)
    }

    @Test func `a schedule of a paused route is told of, and its tasks wait`() {
        let bench = bench([schedule(every: 100)])
        bench.settle()
        bench.database.pause("report", reason: "a person")
        bench.pass(.seconds(210))
        #expect(ticks(bench.database).count == 2 && bench.sent.isEmpty)
        let told = bench.notices.filter { if case .scheduleOfPausedRoute = $0 { true } else { false } }
        #expect(told.count == 1)
    }

    @Test func `a relay without schedules wakes no more often than before, and one with them only when a tick comes`() {
        let with = bench([schedule(every: 3_600)])
        let without = bench([])
        with.pass(.seconds(100))
        without.pass(.seconds(100))
        #expect(with.orders.count == without.orders.count)
    }
}
