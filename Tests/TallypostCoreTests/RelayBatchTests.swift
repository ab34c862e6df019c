import Simulator
import Testing

@testable import TallypostCore

@Suite struct RelayBatchTests {
    private static let three = BatchPolicy(most: 3, wait: .seconds(2))

    private static func items(_ delivery: Delivery) -> [Int64] { ([delivery.task] + delivery.others).map(\.id) }

    private static func sent(_ bench: RelayBench) -> [[Int64]] { bench.deliveries.map(items) }

    @Test func `a full batch leaves at once, and what is left over waits for company`() {
        let bench = RelayBench([.plain("mail", concurrency: 8, batch: Self.three)])
        let ids = bench.insert(7, type: "mail")
        bench.settle()
        #expect(Self.sent(bench) == [Array(ids[0..<3]), Array(ids[3..<6])])
        #expect(bench.deliveries.allSatisfy { $0.isBatch })
        bench.pass(.milliseconds(1_900))
        #expect(bench.deliveries.count == 2)
        bench.pass(.milliseconds(200))
        #expect(Self.sent(bench).last == [ids[6]])
        #expect(bench.deliveries.last?.isBatch == true, "one task makes a batch too: the body is an array")
    }

    @Test func `company that comes in time fills the batch, and the first one's wait is what counts`() {
        let bench = RelayBench([.plain("mail", concurrency: 8, batch: Self.three)])
        let first = bench.insert(type: "mail")
        bench.pass(.milliseconds(1_500))
        let second = bench.insert(type: "mail")
        bench.pass(.milliseconds(400))
        #expect(bench.deliveries.isEmpty)
        bench.pass(.milliseconds(200))
        #expect(Self.sent(bench) == [first + second])
        let filled = bench.insert(2, type: "mail")
        bench.pass(.milliseconds(500))
        #expect(bench.deliveries.count == 1)
        let third = bench.insert(type: "mail")
        #expect(Self.sent(bench).last == filled + third)
    }

    @Test func `a batch takes one place in flight, and its answer ends every item`() {
        let bench = RelayBench([.plain("mail", concurrency: 1, batch: Self.three)])
        let ids = bench.insert(6, type: "mail")
        bench.settle()
        #expect(bench.relay.inFlightCount == 1 && bench.deliveries.count == 1)
        bench.answer([ids[0]], Answer.Response(status: 200, body: Array("{\"ok\":1}".utf8)))
        bench.settle()
        #expect(bench.statuses(Array(ids[0..<3])) == ["completed", "completed", "completed"])
        #expect(bench.database.row(ids[1])?.result == "{\"ok\":1}")
        #expect(Self.sent(bench).last == Array(ids[3..<6]))
    }

    @Test func `items keep only the start of a long answer`() {
        let bench = RelayBench([.plain("mail", batch: BatchPolicy(most: 1, wait: .zero))])
        let ids = bench.insert(type: "mail")
        bench.answer(ids, Answer.Response(status: 200, body: Array("\"\(String(repeating: "x", count: 5_000))\"".utf8)))
        bench.settle()
        let result = bench.database.row(ids[0])?.result ?? ""
        #expect(result.hasPrefix("\"[cut] ") && result.utf8.count < 1_100)
    }

    @Test func `an item that the answer fails is tried again, under its own attempts, and the others are done`() {
        let bench = RelayBench([.plain("mail", maxAttempts: 2, batch: Self.three)])
        let ids = bench.insert(3, type: "mail")
        let failing = Answer.Response(status: 200, failures: .named(["key-\(ids[1])": "failed by the batch's answer: full"]))
        bench.answer([ids[0]], failing)
        bench.settle()
        #expect(bench.statuses(ids) == ["completed", "pending", "completed"])
        #expect(bench.database.row(ids[1])?.lastError == "failed by the batch's answer: full")
        #expect(bench.database.attempts(of: ids[1]).map(\.record.responseStatus) == [200])
        let fresh = bench.insert(2, type: "mail")
        bench.pass(.seconds(2))
        let again = bench.deliveries.last.map(Self.items)
        #expect(again?.sorted() == [ids[1]] + fresh)
        bench.answer([again?.first ?? 0], failing)
        bench.settle()
        #expect(bench.statuses([ids[1]] + fresh) == ["failed", "completed", "completed"])
        #expect(bench.database.row(ids[1])?.lastError?.contains("attempt 2 of 2 was the last") == true)
    }

    @Test func `an answer whose failures are unclear fails all items`() {
        let bench = RelayBench([.plain("mail", batch: Self.three)])
        let ids = bench.insert(3, type: "mail")
        bench.answer([ids[0]], Answer.Response(status: 200, failures: .unclear("who knows")))
        bench.settle()
        #expect(bench.statuses(ids) == ["pending", "pending", "pending"])
        #expect(ids.allSatisfy { bench.database.row($0)?.lastError == "who knows" })
    }

    @Test func `any other answer is every item's answer`() {
        let bench = RelayBench([.plain("mail", maxAttempts: 2, batch: Self.three)])
        let ids = bench.insert(3, type: "mail")
        bench.answer([ids[0]], status: 503)
        bench.settle()
        #expect(bench.statuses(ids) == ["pending", "pending", "pending"])
        #expect(ids.allSatisfy { bench.database.row($0)?.image.attempts == 1 })
        bench.pass(.seconds(1))
        #expect(bench.deliveries.count == 2)
        bench.answer([ids[0]], status: 422)
        bench.settle()
        #expect(bench.statuses(ids) == ["failed", "failed", "failed"])
    }

    @Test func `410 fails all items and pauses the route once`() {
        let bench = RelayBench([.plain("mail", batch: Self.three)])
        let ids = bench.insert(3, type: "mail")
        bench.answer([ids[0]], status: 410)
        bench.settle()
        #expect(bench.statuses(ids) == ["failed", "failed", "failed"])
        #expect(bench.notices.count { if case .routePaused = $0 { true } else { false } } == 1)
    }

    @Test func `a row that cannot be sent does not spoil the batch`() {
        let bench = RelayBench([.plain("mail", batch: Self.three)])
        let bad = bench.insert(type: "mail") { $0.payload = Array("{oops".utf8) }
        let late = bench.insert(type: "mail") { $0.deadlineAt = $0.image.runAt + .milliseconds(-1) }
        let good = bench.insert(3, type: "mail")
        bench.settle()
        #expect(bench.deliveries.flatMap(Self.items) == good)
        #expect(bench.status(bad[0]) == "failed" && bench.status(late[0]) == "timeout")
    }

    @Test func `a deadline that comes while a batch gathers sends it early`() {
        let bench = RelayBench([.plain("mail", batch: BatchPolicy(most: 10, wait: .minutes(10)))])
        let patient = bench.insert(type: "mail")
        let urgent = bench.insert(type: "mail") { $0.deadlineAt = $0.image.runAt + .seconds(3) }
        bench.pass(.milliseconds(2_500))
        #expect(bench.deliveries.isEmpty)
        bench.pass(.milliseconds(480))
        #expect(Self.sent(bench) == [patient + urgent])
    }

    @Test func `the lease covers the wait, and a row that may take longer than its lease leaves does not wait for it`() {
        let bench = RelayBench([.plain("mail", batch: BatchPolicy(most: 10, wait: .minutes(1)))])
        bench.insert(type: "mail")
        let lease = bench.orders.compactMap { $0.claim?.demands.first?.lease }.first
        #expect(lease == .seconds(70))
        bench.pass(.seconds(61))
        #expect(bench.deliveries.count == 1 && bench.relay.tally.released == 0)
        // Its own time-out makes its lease 40 + 30 s, no longer than the others' and with less room to wait.
        bench.insert(type: "mail") { $0.timeoutSeconds = 40 }
        bench.pass(.seconds(27))
        #expect(bench.deliveries.count == 1)
        bench.pass(.seconds(2))
        #expect(bench.deliveries.count == 2 && bench.relay.tally.released == 0)
    }

    @Test func `tasks of another URL, other headers or another time-out go in a request of their own`() {
        let bench = RelayBench([.plain("mail", concurrency: 8, batch: BatchPolicy(most: 4, wait: .seconds(1)))])
        let plain = bench.insert(type: "mail")
        let headers = bench.insert(type: "mail") { $0.headers = #"{"X-A":"b"}"# }
        let slow = bench.insert(type: "mail") { $0.timeoutSeconds = 3 }
        let more = bench.insert(type: "mail")
        bench.settle()
        #expect(Self.sent(bench) == [plain + more])
        bench.pass(.seconds(2))
        #expect(Set(Self.sent(bench)) == [plain + more, headers, slow])
    }

    @Test func `a batch goes early when it has reached its bytes, and is never larger`() {
        var limits = RelayLimits()
        limits.batchBytes = 25_000
        let bench = RelayBench([.plain("mail", concurrency: 8, batch: BatchPolicy(most: 100, wait: .minutes(1)))], limits: limits)
        let ids = bench.insert(5, type: "mail") { $0.payload = Array("\"\(String(repeating: "x", count: 10_000))\"".utf8) }
        bench.settle()
        #expect(Self.sent(bench) == [Array(ids[0..<2]), Array(ids[2..<4])])
        let huge = bench.insert(type: "mail") { $0.payload = Array("\"\(String(repeating: "x", count: 40_000))\"".utf8) }
        bench.settle()
        #expect(Self.sent(bench).dropFirst(2) == [[ids[4]], huge])
    }

    @Test func `memory at its bound sends what has gathered`() {
        var limits = RelayLimits()
        limits.heldTasks = 4
        let bench = RelayBench([.plain("mail", batch: BatchPolicy(most: 10, wait: .minutes(1)))], limits: limits)
        let ids = bench.insert(6, type: "mail")
        bench.settle()
        #expect(Self.sent(bench) == [Array(ids[0..<4])])
    }

    @Test func `what gathers is given back when the relay stops or the route is paused`() {
        let bench = RelayBench([.plain("mail", batch: Self.three)])
        let ids = bench.insert(2, type: "mail")
        bench.settle()
        #expect(bench.relay.heldCount == 2)
        bench.database.pause("mail", reason: "enough")
        bench.pass(.milliseconds(1_500))
        #expect(bench.relay.heldCount == 0 && bench.statuses(ids) == ["pending", "pending"])
        bench.database.resume("mail")
        bench.pass(.milliseconds(1_500))
        #expect(bench.relay.heldCount == 2)
        bench.stop()
        bench.settle()
        #expect(bench.hasFinished)
        #expect(bench.deliveries.isEmpty)
        #expect(ids.map { bench.database.row($0)?.image.attempts } == [0, 0])
    }

    @Test func `a drain does not wait for company that cannot come`() {
        let database = MemoryDatabase()
        let ids = Array(database.takeIDs(3))
        database.commit(ids.map { MemoryRow(id: $0, type: "mail", now: database.now) })
        let bench = RelayBench(
            [.plain("mail", batch: BatchPolicy(most: 10, wait: .minutes(10)))], database: database, drains: true)
        bench.serve(.seconds(4))
        #expect(Self.sent(bench).flatMap { $0 } == ids)
        #expect(bench.hasFinished && bench.statuses(ids).allSatisfy { $0 == "completed" })
    }

    @Test func `a batch takes one token of a rate`() {
        let rate = RateLimit(count: 2, per: .seconds(1), burst: 1)
        let bench = RelayBench([
            .plain("mail", concurrency: 8, rate: rate, batch: BatchPolicy(most: 10, wait: .milliseconds(100)))
        ])
        let ids = bench.insert(200, type: "mail")
        bench.serve(.seconds(5))
        #expect((10...11).contains(bench.deliveries.count))
        #expect(bench.statuses(ids).count { $0 == "completed" } >= 90)
    }

    @Test func `a batch counts once for the breaker, and is the probe that closes it`() {
        let bench = RelayBench([
            .plain("mail", concurrency: 1, maxAttempts: 0, batch: BatchPolicy(most: 5, wait: .milliseconds(100)))
        ])
        bench.insert(5, type: "mail")
        for _ in 0..<9 {
            bench.pass(.milliseconds(1_500))
            bench.answer(bench.open.keys.sorted(), status: 500)
        }
        #expect(!bench.notices.contains { if case .breakerOpened = $0 { true } else { false } })
        bench.pass(.milliseconds(1_500))
        bench.answer(bench.open.keys.sorted(), status: 500)
        #expect(bench.notices.contains { if case .breakerOpened(_, 10, 10, _) = $0 { true } else { false } })
        bench.serve(.minutes(2))
        #expect(bench.notices.contains { if case .breakerClosed = $0 { true } else { false } })
        #expect(bench.database.rows.allSatisfy { $0.image.status == .known(.completed) })
    }

    @Test func `an item whose lease was lost meanwhile is late, and the others are written`() {
        let bench = RelayBench([.plain("mail", timeout: .seconds(2), batch: Self.three)])
        let ids = bench.insert(3, type: "mail")
        let other = RelayBench([.plain("mail", timeout: .seconds(2))], database: bench.database, name: "relay-b")
        bench.database.edit(ids[1]) { $0.image.leaseEnd = $0.image.runAt }
        other.pass(.seconds(3))
        other.answer([ids[1]], status: 200)
        other.settle()
        bench.answer([ids[0]], status: 200)
        bench.settle()
        #expect(bench.statuses(ids) == ["completed", "completed", "completed"])
        #expect(bench.relay.tally.late == 1 && bench.relay.inFlightCount == 0)
    }

    @Test func `tasks of one ordering key never share a batch`() {
        let bench = RelayBench([.plain("mail", concurrency: 8, batch: BatchPolicy(most: 10, wait: .milliseconds(50)))])
        let ids = bench.insert(4, type: "mail") { $0.orderingKey = "k" }
        bench.serve(.seconds(2))
        #expect(Self.sent(bench) == ids.map { [$0] })
    }

    @Test func `a reload that changes the batch is obeyed by what gathers`() {
        let bench = RelayBench([.plain("mail", batch: BatchPolicy(most: 10, wait: .minutes(5)))])
        let ids = bench.insert(2, type: "mail")
        bench.settle()
        #expect(bench.deliveries.isEmpty)
        bench.reconfigure([.plain("mail")])
        #expect(Self.sent(bench) == ids.map { [$0] } && bench.deliveries.allSatisfy { !$0.isBatch })
    }
}
