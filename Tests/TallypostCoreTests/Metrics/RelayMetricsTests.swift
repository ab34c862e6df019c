import Simulator
import Testing

@testable import TallypostCore

@Suite struct RelayMetricsTests {
    private func value(_ bench: RelayBench, _ line: String) -> Double? {
        let text = MetricsText.prometheus.render(bench.relay.snapshot().families)
        let found = text.split(separator: "\n").first { $0.hasPrefix("\(line) ") }
        return found.flatMap { $0.split(separator: " ").last }.flatMap { Double($0) }
    }

    @Test func `attempts and ends are counted by type, with what followed`() {
        let bench = RelayBench([.plain("a", maxAttempts: 2), .plain("b")])
        let tasks = bench.insert(2, type: "a")
        bench.answer([tasks[0]], status: 200)
        bench.answer([tasks[1]], status: 503)
        bench.pass(.seconds(2))
        bench.answer([tasks[1]], status: 503)
        let refused = bench.insert(type: "b")
        bench.answer(refused, status: 400)
        bench.settle()
        #expect(value(bench, "tallypost_attempts_total{type=\"a\",outcome=\"success\"}") == 1)
        #expect(value(bench, "tallypost_attempts_total{type=\"a\",outcome=\"retry\"}") == 1)
        #expect(value(bench, "tallypost_attempts_total{type=\"a\",outcome=\"failed\"}") == 1)
        #expect(value(bench, "tallypost_tasks_finished_total{type=\"a\",status=\"completed\"}") == 1)
        #expect(value(bench, "tallypost_tasks_finished_total{type=\"a\",status=\"failed\"}") == 1)
        #expect(value(bench, "tallypost_tasks_finished_total{type=\"b\",status=\"failed\"}") == 1)
        #expect(value(bench, "tallypost_attempt_duration_seconds_count{type=\"a\"}") == 3)
        #expect(value(bench, "tallypost_attempt_duration_seconds_sum{type=\"a\"}") == 0.015)
        #expect(value(bench, "tallypost_outcomes_written_total") == 4)
        #expect(value(bench, "tallypost_unwritten_outcomes") == 0)
    }

    @Test func `the delay of a dispatch is what the task waited since it was due, by the database's clock`() {
        let bench = RelayBench([.plain("a", concurrency: 1)])
        let tasks = bench.insert(2, type: "a")
        bench.pass(.seconds(3))
        bench.answer([tasks[0]])
        bench.settle()
        #expect(bench.sent == tasks)
        #expect(value(bench, "tallypost_dispatch_delay_seconds_count{type=\"a\"}") == 2)
        #expect(value(bench, "tallypost_dispatch_delay_seconds_bucket{type=\"a\",le=\"2.5\"}") == 1)
        #expect(value(bench, "tallypost_dispatch_delay_seconds_bucket{type=\"a\",le=\"5.0\"}") == 2)
    }

    @Test func `types without a route and destinations that rows name are counted together`() {
        let bench = RelayBench([.plain("a")])
        bench.insert(3, type: "stranger")
        bench.insert(type: "a") { $0.targetURL = "http://elsewhere/" }
        bench.insert(type: "a")
        bench.settle()
        #expect(value(bench, "tallypost_tasks_finished_total{type=\"(other)\",status=\"failed\"}") == 3)
        #expect(value(bench, "tallypost_in_flight{destination=\"http://fast:80\"}") == 1)
        #expect(value(bench, "tallypost_in_flight{destination=\"(other)\"}") == 1)
        let text = MetricsText.prometheus.render(bench.relay.snapshot().families)
        #expect(!text.contains("elsewhere") && !text.contains("stranger"))
    }

    @Test func `a breaker that opens shows at its destination and at no other`() {
        let bench = RelayBench([.plain("a", to: RelayBench.slow, concurrency: 20), .plain("b")])
        let tasks = bench.insert(20, type: "a")
        bench.answer(tasks, status: 500)
        bench.settle()
        #expect(value(bench, "tallypost_breaker_open{destination=\"http://slow:80\"}") == 1)
        #expect(value(bench, "tallypost_breaker_open{destination=\"http://fast:80\"}") == 0)
    }

    @Test func `a reload adds types and keeps what was counted`() {
        let bench = RelayBench([.plain("a")])
        bench.answer(bench.insert(type: "a"))
        bench.reconfigure([.plain("b")])
        bench.answer(bench.insert(type: "b"))
        bench.settle()
        #expect(value(bench, "tallypost_tasks_finished_total{type=\"a\",status=\"completed\"}") == 1)
        #expect(value(bench, "tallypost_tasks_finished_total{type=\"b\",status=\"completed\"}") == 1)
    }

    @Test func `ever new types cost no memory`() {
        var metrics = RelayMetrics(["a"])
        for number in 0..<5_000 { metrics.know(["type-\(number)"]) }
        #expect(metrics.types.count == RelayMetrics.mostTypes + 1)
        #expect(metrics.place(of: "type-4999") == RelayMetrics.other)
    }

    @Test func `late outcomes, lost attempts and failures of the database are counted`() {
        let bench = RelayBench([.plain("a")])
        bench.database.goAway()
        bench.pass(.seconds(1))
        bench.database.comeBack()
        bench.pass(.seconds(5))
        #expect(value(bench, "tallypost_store_failures_total").map { $0 > 0 } == true)
        let other = RelayBench([.plain("a")], database: bench.database, name: "relay-b")
        let tasks = other.insert(type: "a")
        other.settle()
        #expect(other.sent == tasks)
        bench.pass(.seconds(20))
        #expect(value(bench, "tallypost_attempts_total{type=\"a\",outcome=\"lost\"}") == 1)
        #expect(value(bench, "tallypost_leases_recovered_total") == 1)
        other.answer(tasks)
        other.settle()
        #expect(value(other, "tallypost_late_outcomes_total") == 1)
    }
}
