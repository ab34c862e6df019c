import Synchronization
import TallypostCore
import Testing

@testable import TallypostConsole

@Suite struct `The admin API` {
    let bench: Bench
    init() throws { bench = try Bench() }

    @Test func `a list has pages, and the last one says so`() throws {
        for id in 1...3 { bench.database.addTask(Int64(id), ["type": "a", "status": "failed", "payload": "{\"n\": 1.10}"]) }
        let first = try bench.admin().ask("GET", "/v1/tasks?limit=2&type=a&status=failed")
        #expect(first.status == 200 && first.body.hasSuffix(#""next":"2"}"#))
        #expect(first.body.hasPrefix(#"{"tasks":[{"id":1,"type":"a","status":"failed","payload":{"n": 1.10}},{"id":2"#))
        #expect(try bench.admin().ask("GET", "/v1/tasks?limit=2&cursor=2").body.hasSuffix(#""next":null}"#))
    }

    @Test(arguments: [
        "limit=0", "limit=501", "limit=x", "limit=1&limit=1", "cursor=x", "cursor=01", "status=done", "nope=1", "type=%00",
        "type=%",
    ]) func `a query that cannot be is refused`(query: String) throws {
        let reply = try bench.admin().ask("GET", "/v1/tasks?\(query)")
        #expect(reply.status == 400 && reply.body.contains("\"status\":400"))
    }

    @Test func `a row is shown with its types, and without its secrets`() throws {
        bench.database.addTask(
            7,
            [
                "type": "a", "amount_minor": "9007199254740993", "wait_for_signal": "t", "subject": nil, "result": "no json",
                "signal_token": "sesame", "headers": #"{"Authorization":"Bearer sesame","X-Api-Key":"sesame","Accept":"*/*"}"#,
            ])
        let body = try bench.admin().ask("GET", "/v1/tasks/7").body
        #expect(
            body
                == #"{"task":{"id":7,"type":"a","amount_minor":9007199254740993,"wait_for_signal":true,"subject":null,"result":"no json","#
                + #""headers":{"Authorization":"***","X-Api-Key":"***","Accept":"*/*"}},"attempts":[],"events":[]}"#)
        #expect(try bench.admin().ask("GET", "/v1/tasks/8").status == 404)
        #expect(try bench.admin().ask("GET", "/v1/tasks/7x").status == 404)
    }

    @Test func `a task is inserted once under its key, as a structured string or bare`() throws {
        let body = #"{"type":"a","payload":{"n": 1.10},"amount_minor":5,"currency":"EUR","wait_for_signal":true}"#
        let first = try bench.admin().ask("POST", "/v1/tasks", body, headers: [#"Idempotency-Key: "k 1""#])
        #expect(
            first.status == 201 && first.headers["location"] == "/v1/tasks/1" && first.body == #"{"id":1,"signal_token":"tok"}"#)
        let again = try bench.admin().ask("POST", "/v1/tasks", body, headers: ["Idempotency-Key: k 1"])
        #expect(again.status == 200 && again.headers["idempotent-replayed"] == "true" && again.body == #"{"id":1}"#)
        let other = try bench.admin().ask("POST", "/v1/tasks", #"{"type":"a"}"#, headers: ["Idempotency-Key: k 1"])
        #expect(other.status == 422)
        // Byte for byte, the space included.
        #expect(bench.database.state.withLock { $0.rows[1]?["payload"] } == #"{"n": 1.10}"#)
    }

    @Test(arguments: [
        ("{}", "type"), ("[]", "object"), (#"{"type":""}"#, "empty"), (#"{"type":"a","nope":1}"#, "nope"),
        (#"{"type":"a\u0000"}"#, "NUL"),
        (#"{"type":"a","priority":1.5}"#, "whole number"), (#"{"type":"a","amount_minor":1}"#, "belong together"),
        (#"{"type":"a","run_at":"tomorrow"}"#, "time such as"), (#"{"type":"a","headers":{"a":1}}"#, "string"),
        (#"{"type":"a","status":"completed"}"#, "status"), (#"{"type":"a","wait_for_signal":1}"#, "true or false"),
        (#"{"type":"a","target_url":"file:///etc/passwd"}"#, "http"),
    ]) func `a draft that cannot be is refused with the reason`(body: String, reason: String) throws {
        let reply = try bench.admin().ask("POST", "/v1/tasks", body)
        #expect(reply.status == 400 && reply.body.contains(reason))
        #expect(bench.database.state.withLock { $0.rows.isEmpty })
    }

    @Test func `tasks are retried and cancelled where their status allows it, with who and why`() throws {
        bench.database.addTask(1, ["status": "failed"])
        bench.database.addTask(2, ["status": "processing"])
        #expect(try bench.admin().ask("POST", "/v1/tasks/1/retry", #"{"why":"back again","by":"ana"}"#).status == 200)
        #expect(try bench.admin().ask("POST", "/v1/tasks/2/cancel", "").status == 409)
        #expect(try bench.admin().ask("POST", "/v1/tasks/3/cancel", "").status == 404)
        #expect(
            bench.database.state.withLock { $0.performed } == ["retry by ana: back again", "cancel by api: ", "cancel by api: "])
        // A page of another site cannot say that it sends JSON.
        #expect(try bench.admin().ask("POST", "/v1/tasks/1/retry").status == 415)
    }

    @Test func `a bulk retry counts first, and changes no more than it counted`() throws {
        bench.database.state.withLock { $0.matching = 1_200 }
        let filter = #""filter":{"status":"failed","type":"a"}"#
        #expect(try bench.admin().ask("POST", "/v1/tasks/retry", #"{\#(filter),"dryRun":true}"#).body == #"{"count":1200}"#)
        #expect(bench.database.state.withLock { $0.performed.isEmpty })
        #expect(try bench.admin().ask("POST", "/v1/tasks/retry", "{\(filter)}").body == #"{"count":1200}"#)
        #expect(bench.database.state.withLock { $0.performed.count } == 3)
        for body in ["{}", #"{"filter":{}}"#, #"{"filter":{"status":"pending"}}"#, #"{"filter":{"type":"a"},"dryRun":1}"#] {
            #expect(try bench.admin().ask("POST", "/v1/tasks/retry", body).status == 400)
        }
    }

    @Test func `routes are listed, paused and resumed, also under names that need escaping`() throws {
        let paused = try bench.admin().ask("POST", "/v1/routes/send%2Freceipt/pause", #"{"why":"moving"}"#)
        #expect(paused.body == #"{"type":"send/receipt","paused":true,"changed":true}"#)
        #expect(
            try bench.admin().ask("GET", "/v1/routes").body.contains(
                #""paused":{"since":"1970-01-01T00:00:00.000Z","by":"api","reason":"moving"}"#))
        #expect(
            try bench.admin().ask("POST", "/v1/routes/send%2Freceipt/resume", "").body.contains(#""paused":false,"changed":true"#)
        )
        #expect(try bench.admin().ask("POST", "/v1/routes/nope/pause", "").status == 404)
    }

    @Test func `a group is shown with its counts and a page of its members`() throws {
        let members = (1...3).map { TaskRow(id: $0, columns: [("id", "\($0)")]) }
        bench.database.state.withLock {
            $0.group = GroupPage(
                group: [("key", "g/1"), ("fail_fast", "f")], counts: ["failed": 1, "completed": 2], members: members)
        }
        let body = try bench.admin().ask("GET", "/v1/groups/g%2F1?limit=2").body
        #expect(
            body
                == #"{"group":{"key":"g/1","fail_fast":false},"counts":{"completed":2,"failed":1},"members":[{"id":1},{"id":2}],"next":"2"}"#
        )
        #expect(try bench.admin().ask("GET", "/v1/groups/nope").status == 404)
    }

    @Test func `methods that are not there are refused with those that are`() throws {
        for (path, allowed) in [
            ("/v1/tasks", "GET, HEAD, POST"), ("/v1/tasks/1", "GET, HEAD"), ("/v1/tasks/1/retry", "POST"),
            ("/v1/tasks/retry", "POST"),
            ("/v1/routes", "GET, HEAD"), ("/metrics", "GET, HEAD"),
        ] {
            let reply = try bench.admin().ask("DELETE", path)
            #expect(reply.status == 405 && reply.headers["allow"] == allowed)
        }
        for path in [
            "/v1", "/v1/nope", "/v1/tasks/1/explode", "/v1/findings/nope", "/dashboard", "/dashboard/nope.js", "/dashboard/a/b",
        ] {
            #expect(try bench.admin().ask("GET", path).status == 404)
        }
        let head = try bench.admin().ask("HEAD", "/v1/tasks")
        #expect(head.status == 200 && head.body.isEmpty)
    }

    @Test func `metrics go on while the database is away`() throws {
        bench.database.state.withLock { $0.gauges = [PendingGauge(type: "a\"b", pending: 3, oldestAge: .milliseconds(1_500))] }
        var text = ""
        while !text.contains("pending") { text = try bench.admin().ask("GET", "/metrics").body }
        #expect(text.contains("tallypost_database_up 1\n"))
        #expect(text.contains("tallypost_tasks_pending{type=\"a\\\"b\"} 3\n"))
        #expect(text.contains("tallypost_oldest_pending_age_seconds{type=\"a\\\"b\"} 1.5\n"))
        bench.database.state.withLock { $0.isAway = true }
        while !text.contains("tallypost_database_up 0") {
            let reply = try bench.admin().ask("GET", "/metrics")
            #expect(reply.status == 200)
            text = reply.body
        }
        #expect(!text.contains("tasks_pending"))
    }

    @Test func `health tells the loop from the database`() throws {
        #expect(try bench.admin().ask("GET", "/readyz").status == 200)
        bench.database.state.withLock { $0.isAway = true }
        #expect(try bench.admin().ask("GET", "/readyz").status == 503)
        #expect(try bench.admin().ask("GET", "/livez").status == 200)
        bench.database.state.withLock { $0.isAway = false }
        while try bench.admin().ask("GET", "/healthz").status != 200 {}
        bench.flags.isDraining.withLock { $0 = true }
        #expect(try bench.admin().ask("GET", "/readyz").status == 503)
        bench.flags.lastTurn.withLock { $0 = ConsoleClock.now() + .seconds(-31) }
        #expect(try bench.admin().ask("GET", "/livez").status == 503)
        #expect(try bench.public().ask("GET", "/livez").status == 503)
    }

    @Test func `a database that is away is an error that names no host, and a read after it is back succeeds`() throws {
        bench.database.state.withLock { $0.isAway = true }
        let reply = try bench.admin().ask("GET", "/v1/tasks")
        #expect(reply.status == 503 && !reply.body.contains("10.0.0.7"))
        bench.database.state.withLock { $0.isAway = false }
        while try bench.admin().ask("GET", "/v1/tasks").status != 200 {}
    }
}

@Suite struct `Access to the admin listener` {
    @Test func `needs the token, and health does not`() throws {
        let bench = try Bench(token: "sesame")
        let refused = try bench.admin().ask("GET", "/v1/tasks")
        #expect(refused.status == 401 && refused.headers["www-authenticate"]?.hasPrefix("Bearer") == true)
        for header in [
            "Authorization: Bearer sesam", "Authorization: Bearer", "Authorization: Basic sesame", "Authorization: sesame",
        ] {
            #expect(try bench.admin().ask("GET", "/metrics", headers: [header]).status == 401)
        }
        #expect(try bench.admin().ask("GET", "/v1/tasks", headers: ["Authorization: bearer sesame"]).status == 200)
        #expect(try bench.admin().ask("GET", "/readyz").status == 200)
    }

    @Test func `refuses a host that is not its own`() throws {
        let bench = try Bench()
        for (host, status) in [
            ("localhost", 200), ("127.0.0.1:\(bench.adminPort)", 200), ("[::1]", 200), ("evil.example", 421),
            ("localhost:1", 421),
        ] {
            let client = try bench.admin()
            client.send("GET /livez HTTP/1.1\r\nHost: \(host)\r\n\r\n")
            #expect(client.reply()?.status == status)
        }
    }

    @Test func `keys come quoted or bare`() {
        #expect(IdempotencyKeyHeader.key(#""a \"b\" \\""#) == #"a "b" \"#)
        #expect(IdempotencyKeyHeader.key("bare-1") == "bare-1")
        for bad in ["", "\"", #""a"b"#, #""\n""#, "é", String(repeating: "a", count: 256)] {
            #expect(IdempotencyKeyHeader.key(bad) == nil)
        }
    }
}
