import Simulator
import TallypostCore
import Testing

@Suite struct RelayRetryTests {
    @Test func `a task that is answered 2xx is completed and its answer kept`() throws {
        let bench = RelayBench([.plain("mail")])
        let id = bench.insert(type: "mail")[0]
        bench.answer([id], Answer.Response(status: 201, body: Array(#"{"sent":true}"#.utf8)))
        bench.settle()
        let row = try #require(bench.database.row(id))
        #expect(row.image.status == .known(.completed) && row.responseStatus == 201 && row.result == #"{"sent":true}"#)
        #expect(row.image.attempts == 1 && row.finishedAt != nil && row.image.leaseEnd == nil)
        #expect(bench.database.attempts(of: id).isEmpty)
    }

    @Test func `a task that waits for a signal waits after its 2xx`() throws {
        let bench = RelayBench([.plain("mail")])
        let id = bench.insert(type: "mail") { $0.waitsForSignal = true }[0]
        bench.answer([id], Answer.Response(status: 202, body: Array("7".utf8)))
        bench.settle()
        let row = try #require(bench.database.row(id))
        #expect(row.image.status == .known(.waiting) && row.startResult == "7" && row.result == nil && row.finishedAt == nil)
    }

    @Test func `Retry-After is honoured`() {
        let bench = RelayBench([.plain("mail")])
        let id = bench.insert(type: "mail")[0]
        bench.answer([id], Answer.Response(status: 429, retryAfter: .seconds(7)))
        bench.pass(.milliseconds(6_990))
        #expect(bench.sent == [id])
        bench.pass(.milliseconds(50))
        #expect(bench.sent == [id, id])
    }

    @Test func `a failed attempt is tried again on schedule, to the last, and each is on record`() throws {
        let bench = RelayBench([.plain("mail", maxAttempts: 3)])
        let id = bench.insert(type: "mail")[0]
        for attempt in 1...3 {
            #expect(bench.sent.count == attempt)
            bench.answer([id], Answer.Response(status: 503, body: Array("busy".utf8)))
            bench.pass(.milliseconds(1_050))
        }
        bench.pass(.minutes(5))
        #expect(bench.sent.count == 3)
        let row = try #require(bench.database.row(id))
        #expect(row.image.status == .known(.failed) && row.image.attempts == 3)
        #expect(row.lastError == "answered 503; attempt 3 of 3 was the last")
        let attempts = bench.database.attempts(of: id)
        #expect(attempts.map(\.record.number) == [1, 2, 3])
        #expect(attempts.allSatisfy { $0.record.responseStatus == 503 && $0.record.responseStart == "busy" })
    }

    @Test func `a route without a last attempt tries for ever`() {
        let bench = RelayBench([.plain("mail", maxAttempts: 0)])
        let id = bench.insert(type: "mail")[0]
        for _ in 0..<200 {
            // Not a failure of the destination, or its breaker would space them out.
            bench.answer([id], status: 409)
            bench.pass(.milliseconds(1_050))
        }
        #expect(bench.sent.count == 201 && bench.status(id) == "processing")
    }

    @Test func `a row may set its own number of attempts`() {
        let bench = RelayBench([.plain("mail", maxAttempts: 3)])
        let id = bench.insert(type: "mail") { $0.maxAttempts = 1 }[0]
        bench.answer([id], status: 500)
        bench.settle()
        #expect(bench.status(id) == "failed" && bench.sent.count == 1)
    }

    @Test func `410 pauses the route, gives back what was not sent and ends its own task`() throws {
        let bench = RelayBench([.plain("mail"), .plain("other", to: RelayBench.slow)])
        let ids = bench.insert(6, type: "mail")
        bench.settle()
        bench.answer([ids[0]], status: 410)
        bench.settle()
        #expect(bench.status(ids[0]) == "failed")
        #expect(bench.sent == [ids[0], ids[1]])
        #expect(bench.database.pausedRoutes["mail"]?.contains("410") ?? false)
        #expect(bench.notices.contains { if case .routePaused("mail", _) = $0 { true } else { false } })
        for id in ids[2...] {
            let row = try #require(bench.database.row(id))
            #expect(row.image.status == .known(.pending) && row.image.attempts == 0)
        }
        // What is in flight ends as it ends, other routes go on, and nothing of this one is claimed.
        bench.answer([ids[1]], status: 200)
        bench.insert(type: "other")
        bench.pass(.seconds(20))
        #expect(bench.status(ids[1]) == "completed" && bench.sent.count == 3)

        bench.database.resume("mail")
        bench.pass(.seconds(2))
        #expect(bench.sent.count == 5)
    }

    @Test func `a task whose deadline has passed is not sent`() throws {
        let bench = RelayBench([.plain("mail", concurrency: 1)])
        let ids = bench.insert(2, type: "mail") { $0.deadlineAt = $0.image.runAt + .seconds(2) }
        bench.pass(.seconds(3))
        #expect(bench.sent == [ids[0]])
        bench.answer([ids[0]], status: 503)
        bench.pass(.seconds(2))
        #expect(bench.sent == [ids[0]])
        #expect(bench.statuses(ids) == ["timeout", "timeout"])
    }

    @Test func `a route's deadline counts from the task's creation`() {
        let bench = RelayBench([.plain("mail", concurrency: 1, maxAttempts: 0, deadline: .milliseconds(2_500))])
        let id = bench.insert(type: "mail")[0]
        for _ in 0..<6 {
            bench.answer([id], status: 503)
            bench.pass(.milliseconds(1_050))
        }
        #expect(bench.status(id) == "timeout" && bench.sent.count == 3)
    }

    @Test func `a bad row is set aside with its reason, and the rest go on`() throws {
        let bench = RelayBench([.plain("mail", concurrency: 20)])
        let bad = [
            bench.insert(type: "nobody")[0], bench.insert(type: "mail") { $0.payload = nil }[0],
            bench.insert(type: "mail") { $0.payload = Array("{oops".utf8) }[0],
            bench.insert(type: "mail") { $0.targetURL = "file:///etc/passwd" }[0],
            bench.insert(type: "mail") { $0.image.status = .stranger("lost") }[0],
            bench.insert(type: "mail") { $0.timeoutSeconds = 0 }[0], bench.insert(type: "mail") { $0.maxAttempts = -2 }[0],
        ]
        let good = bench.insert(3, type: "mail")
        bench.settle()
        bench.answer(good, status: 200)
        bench.pass(.seconds(3))
        #expect(bench.statuses(good).allSatisfy { $0 == "completed" })
        #expect(bench.statuses(bad).allSatisfy { $0 == "failed" })
        let words = ["route", "NULL", "not JSON", "target_url", "lost", "timeout_seconds", "max_attempts"]
        for (id, word) in zip(bad, words) {
            let error = try #require(bench.database.row(id)?.lastError)
            #expect(error.contains(word))
        }
        #expect(Set(bench.sent) == Set(good))
    }

    @Test func `a refused address ends the task at once`() {
        let bench = RelayBench([.plain("mail")])
        let id = bench.insert(type: "mail")[0]
        bench.answer([id], .refused("the address is loopback"))
        bench.settle()
        #expect(bench.status(id) == "failed" && bench.database.row(id)?.lastError == "the address is loopback")
    }
}
