import Synchronization
import TallypostCore
import TallypostReconciliation
import Testing

@testable import TallypostConsole

@Suite struct `Findings over the API` {
    let bench: Bench
    init() throws { bench = try Bench() }

    @Test func `a finding has the members of reconcile --json, its amount as text`() throws {
        let id = bench.findings.add(.doneTwice, key: "o_1", amount: 9_007_199_254_740_993)
        let body = try bench.admin().ask("GET", "/v1/findings/\(id)").body
        #expect(
            body
                == #"{"finding":{"id":"\#(id)","class":"done_twice","severity":"high","type":"charge","subject":"o_1","idempotencyKey":null,"#
                + #""taskId":7,"amountMinor":"9007199254740993","currency":"GBP","rule":"done_twice","owner":"payments","state":"open","change":"new","#
                + #""since":"1970-01-01T00:00:00.000Z","firstSeen":"1970-01-01T00:00:00.000Z","lastSeen":"1970-01-01T00:01:00.000Z","#
                + #""detail":"so","by":null,"reason":null,"until":null}}"#)
        #expect(try bench.admin().ask("GET", "/v1/findings/F-0000000000000000").status == 404)
        for bad in ["F-1", "F-000000000000000G", "f-0000000000000000", "17"] {
            #expect(try bench.admin().ask("GET", "/v1/findings/\(bad)").status == 404)
        }
    }

    @Test func `a list has pages, and hands its filter on`() throws {
        let ids = (1...3).map { bench.findings.add(.missing, key: "\($0)") }.sorted()
        let first = try bench.admin().ask(
            "GET", "/v1/findings?limit=2&state=open,acknowledged&severity=high&class=missing&type=a&owner=&rule=r")
        #expect(first.body.hasSuffix(#""next":"\#(ids[1])"}"#))
        let second = try bench.admin().ask("GET", "/v1/findings?cursor=\(ids[1])").body
        #expect(second.contains(ids[2]) && !second.contains(ids[1]) && second.hasSuffix(#""next":null}"#))
        var wanted = FindingFilter()
        wanted.states = [.open, .acknowledged]
        (wanted.severity, wanted.kind, wanted.type, wanted.owner, wanted.rule) = (.high, .missing, "a", "", "r")
        #expect(bench.findings.state.withLock { $0.filters } == [wanted, FindingFilter()])
    }

    @Test(arguments: [
        "state=done", "state=", "state=open,", "severity=bad", "class=dead", "limit=0", "limit=501", "cursor=17", "nope=1",
        "type=%00",
    ]) func `a query that cannot be is refused`(query: String) throws {
        #expect(try bench.admin().ask("GET", "/v1/findings?\(query)").status == 400)
    }

    @Test func `acknowledging wants who and why, and a time to come`() throws {
        let id = bench.findings.add(.missing, key: "o_1")
        let path = "/v1/findings/\(id)/ack"
        for (body, status, reason) in [
            ("", 400, "by is missing"), (#"{"by":"ana"}"#, 400, "reason is missing"),
            (#"{"by":" ","reason":"x"}"#, 400, "by is empty"),
            (#"{"by":"ana","reason":""}"#, 400, "reason is empty"), (#"{"by":"ana","reason":"x","nope":1}"#, 400, "nope"),
            (#"{"by":"ana","reason":"x","until":"tomorrow"}"#, 400, "time such as"),
            (#"{"by":"ana","reason":"x","until":"2020-01-01T00:00:00Z"}"#, 422, "over"),
        ] {
            let reply = try bench.admin().ask("POST", path, body)
            #expect(reply.status == status && reply.body.contains(reason), "\(body): \(reply.body)")
        }
        #expect(bench.findings.state.withLock { $0.done.isEmpty })
        let done = try bench.admin().ask("POST", path, #"{"by":"ana","reason":"bank knows","until":"2999-01-01T01:00:00+01:00"}"#)
        #expect(done.status == 200 && done.body.contains(#""state":"acknowledged""#))
        #expect(done.body.contains(#""by":"ana","reason":"bank knows","until":"2999-01-01T00:00:00.000Z""#))
        // A page of another site cannot say that it sends JSON.
        #expect(try bench.admin().ask("POST", path).status == 415)
        #expect(try bench.admin().ask("GET", path).headers["allow"] == "POST")
    }

    @Test func `resolving is refused where the state does not allow it`() throws {
        let body = #"{"by":"ana","reason":"refunded"}"#
        let id = bench.findings.add(.doneTwice, key: "o_1")
        #expect(try bench.admin().ask("POST", "/v1/findings/\(id)/resolve", body).status == 200)
        let again = try bench.admin().ask("POST", "/v1/findings/\(id)/resolve", body)
        #expect(again.status == 409 && again.body.contains("is resolved"))
        #expect(try bench.admin().ask("POST", "/v1/findings/\(id)/ack", body).status == 409)
        #expect(try bench.admin().ask("POST", "/v1/findings/F-0000000000000000/resolve", body).status == 404)
        #expect(
            try bench.admin().ask("POST", "/v1/findings/\(id)/resolve", #"{"by":"a","reason":"b","until":null}"#).status == 400)
        #expect(bench.findings.state.withLock { $0.done } == ["resolved by ana: refunded"])
    }

    @Test func `runs are listed with their breaks by severity`() throws {
        bench.findings.state.withLock {
            $0.runs = [
                ConsoleRun(
                    run: 4, asOf: Timestamp(microseconds: 0), finishedAt: Timestamp(microseconds: 1_000_000), madeBy: "relay a",
                    status: .breaks, bySeverity: [.critical: 2])
            ]
        }
        #expect(
            try bench.admin().ask("GET", "/v1/runs").body
                == #"{"runs":[{"run":4,"asOf":"1970-01-01T00:00:00.000Z","finishedAt":"1970-01-01T00:00:01.000Z","madeBy":"relay a","#
                + #""status":"breaks","breaks":{"low":0,"medium":0,"high":0,"critical":2}}]}"#)
    }

    @Test func `a relay without reconciliation says so`() throws {
        let bench = try Bench(hasFindings: false)
        for path in ["/v1/findings", "/v1/runs", "/v1/reports"] {
            let reply = try bench.admin().ask("GET", path)
            #expect(reply.status == 503 && reply.body.contains("does not reconcile"))
        }
        #expect(try bench.admin().ask("GET", "/v1/overview").body.contains(#""reconciliation":null"#))
    }

    @Test func `a database that is away is an error that names no host, and a read after it is back succeeds`() throws {
        _ = try bench.admin().ask("GET", "/v1/findings")
        bench.database.state.withLock { $0.isAway = true }
        let reply = try bench.admin().ask("GET", "/v1/findings")
        #expect(reply.status == 503 && !reply.body.contains("10.0.0.7"))
        bench.database.state.withLock { $0.isAway = false }
        while try bench.admin().ask("GET", "/v1/findings").status != 200 {}
    }
}

@Suite struct `The front page's figures` {
    @Test func `come from the relay, the database and reconciliation in one answer`() throws {
        let bench = try Bench(families: [
            MetricFamily("tallypost_in_flight", .gauge, "", [.init(.count(3), labels: [("destination", "https://a")])]),
            MetricFamily("tallypost_breaker_open", .gauge, "", [.init(.count(1), labels: [("destination", "https://a")])]),
            MetricFamily(
                "tallypost_tasks_finished_total", .counter, "",
                [.init(.count(9), labels: [("type", "a"), ("status", "completed")])]),
        ])
        bench.database.state.withLock {
            $0.gauges = [PendingGauge(type: "a", pending: 3, oldestAge: .milliseconds(1_500))]
            $0.overview = Overview(
                lines: [.init(type: "a", status: "failed", count: 2, oldestRunAt: nil)], holders: [],
                finishedLastMinute: ["failed": 1],
                due: 1, now: Timestamp(microseconds: 0))
        }
        var body = ""
        while !body.contains(#""statuses":{"#) { body = try bench.admin().ask("GET", "/v1/overview").body }
        #expect(body.contains(#""destinations":[{"destination":"https://a","inFlight":3,"breakerOpen":true}]"#))
        #expect(body.contains(#""types":[{"type":"a","finished":{"completed":9},"attempts":{}}]"#))
        #expect(body.contains(#""database":{"up":true,"problem":null}"#))
        #expect(body.contains(#""waiting":[{"type":"a","pending":3,"oldestAgeSeconds":1.5}]"#))
        #expect(body.contains(#""finishedLastMinute":{"failed":1},"types":[{"type":"a","counts":{"failed":2}}]"#))
        #expect(body.hasSuffix(#""reconciliation":{"lastRun":null,"everySeconds":null}}"#))
    }

    @Test func `are answered while the database is away, which they say`() throws {
        let bench = try Bench()
        bench.database.state.withLock { $0.isAway = true }
        let reply = try bench.admin().ask("GET", "/v1/overview")
        #expect(
            reply.status == 200 && reply.body.contains(#""database":{"up":false,"problem":"The database cannot be reached."}"#))
        #expect(!reply.body.contains("10.0.0.7"))
        bench.database.state.withLock { $0.isAway = false }
        while try !bench.admin().ask("GET", "/v1/overview").body.contains(#""up":true"#) {}
    }

    @Test func `are counted at a pace, however often they are asked for`() throws {
        let bench = try Bench()
        let start = ConsoleClock.now()
        for _ in 1...50 { _ = try bench.admin().ask("GET", "/v1/overview") }
        let span = ConsoleClock.now() - start
        // Once, and again for each rest that those requests took.
        #expect(
            bench.database.state.withLock { $0.counts } <= 1 + Int(span.milliseconds / OverviewReader.shortestRest.milliseconds)
                + 1)
    }
}
