import Synchronization
import TallypostCore
import Testing

@testable import TallypostConsole

@Suite struct `Signals` {
    let bench: Bench
    init() throws { bench = try Bench() }

    @Test func `the first counts, the same again is answered the same, another is refused`() throws {
        let client = try bench.public()
        let path = "/v1/signals/\(bench.token(1))"
        let first = try client.ask("POST", path, #"{"status":"completed","result":{"n": 1.10}}"#)
        #expect(first.status == 200 && first.body == #"{"status":"completed"}"# && first.headers["idempotent-replayed"] == nil)
        let again = try client.ask("POST", path, #"{ "result" : {"n":1.10}, "status":"completed" }"#)
        #expect(again.status == 200 && again.body == first.body && again.headers["idempotent-replayed"] == "true")
        // A number keeps its digits, so this is another result.
        #expect(try client.ask("POST", path, #"{"status":"completed","result":{"n":1.1}}"#).status == 409)
        #expect(bench.database.state.withLock { $0.tokens.values.compactMap { $0 }.map(\.result) } == ["{\"n\":1.10}"])
    }

    @Test func `unknown and malformed tokens and paths that are not served are answered byte for byte the same`() throws {
        var answers: Set<String> = []
        let unknown = String(repeating: "x", count: 43)
        for path in [
            "/v1/signals/\(unknown)", "/v1/signals/short", "/v1/signals/\(unknown)/progress", "/v1/signals/", "/", "/v1/tasks",
        ] {
            let reply = try bench.public().ask("POST", path, path.hasSuffix("progress") ? "{}" : #"{"status":"completed"}"#)
            #expect(reply.status == 404)
            answers.insert(reply.bytes)
        }
        #expect(answers.count == 1)
        #expect(answers.first?.contains(unknown) == false)
    }

    @Test(arguments: [
        ("", "no JSON"), ("[]", "must be a JSON object"), (#"{"status":"done"}"#, "status must be"),
        (#"{"result":1}"#, "status is missing"),
        (#"{"status":"failed","status":"completed"}"#, "stands twice"), (#"{"status":"failed","reslt":1}"#, "reslt"),
        (#"{"status":"failed","result":01}"#, "no JSON"),
    ]) func `a malformed body is refused with the reason and touches nothing`(body: String, reason: String) throws {
        let reply = try bench.public().ask("POST", "/v1/signals/\(bench.token(1))", body)
        #expect(reply.status == 400 && reply.headers["content-type"] == "application/problem+json")
        #expect(reply.body.contains(reason))
        #expect(bench.database.state.withLock { $0.commits.isEmpty })
    }

    @Test func `a result that is too large is refused, one at the limit is taken`() throws {
        let path = "/v1/signals/\(bench.token(1))"
        let text = { (count: Int) in "\"" + String(repeating: "a", count: count - 2) + "\"" }
        #expect(try bench.public().ask("POST", path, #"{"status":"failed","result":\#(text(65_537))}"#).status == 413)
        #expect(try bench.public().ask("POST", path, #"{"status":"failed","result":\#(text(65_536))}"#).status == 200)
    }

    @Test func `each way a task can have ended has its answer`() throws {
        let (cancelled, over) = (bench.token(1), bench.token(2))
        bench.database.state.withLock {
            $0.cancelled = [cancelled]
            $0.over = [over]
        }
        let body = #"{"status":"completed"}"#
        #expect(try bench.public().ask("POST", "/v1/signals/\(cancelled)", body).status == 410)
        #expect(try bench.public().ask("POST", "/v1/signals/\(over)", body).status == 410)
        let heartbeat = try bench.public().ask("POST", "/v1/signals/\(cancelled)/progress", #"{"progress":{"current":3}}"#)
        #expect(heartbeat.status == 200 && heartbeat.body == #"{"cancelRequested":true}"#)
        #expect(try bench.public().ask("POST", "/v1/signals/\(over)/progress", "{}").status == 410)
    }

    @Test func `a heartbeat carries progress and checkpoint as they were written`() throws {
        let path = "/v1/signals/\(bench.token(1))/progress"
        let reply = try bench.public().ask("POST", path, #"{"progress": [1, 2], "checkpoint": "a  b"}"#)
        #expect(reply.status == 200 && reply.body == #"{"cancelRequested":false}"#)
        #expect(bench.database.state.withLock { $0.heartbeats.map(\.progress) } == ["[1,2]"])
        #expect(bench.database.state.withLock { $0.heartbeats.map(\.checkpoint) } == ["\"a  b\""])
    }

    @Test func `a database that is away is never answered with success, and what comes after it is back is taken`() throws {
        let token = bench.token(1)
        bench.database.state.withLock { $0.isAway = true }
        let body = #"{"status":"completed"}"#
        let refused = try bench.public().ask("POST", "/v1/signals/\(token)", body)
        #expect(refused.status == 503 && refused.headers["retry-after"] != nil)
        #expect(!refused.body.contains("10.0.0.7"))
        bench.database.state.withLock { $0.isAway = false }
        var status = 503
        while status == 503 { status = try bench.public().ask("POST", "/v1/signals/\(token)", body).status }
        #expect(status == 200)
    }

    @Test func `one value that the database refuses does not refuse the others`() throws {
        let clients = try (0..<20).map { _ in try bench.public() }
        let bodies = (0..<20).map { $0 == 7 ? #"{"status":"completed","result":"refused"}"# : #"{"status":"completed"}"# }
        for (index, client) in clients.enumerated() {
            client.send(
                "POST /v1/signals/\(bench.token(index)) HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                    + "Content-Length: \(bodies[index].utf8.count)\r\n\r\n\(bodies[index])")
        }
        #expect(clients.map { $0.reply()?.status } == (0..<20).map { $0 == 7 ? 400 : 200 })
    }

    @Test func `fifty parallel identical signals have one effect`() throws {
        let token = bench.token(1)
        let clients = try (0..<50).map { _ in try bench.public() }
        for client in clients {
            client.send(
                "POST /v1/signals/\(token) HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 22\r\n\r\n"
                    + #"{"status":"completed"}"#)
        }
        let replies = clients.map { $0.reply() }
        #expect(replies.allSatisfy { $0?.status == 200 })
        #expect(replies.filter { $0?.headers["idempotent-replayed"] == nil }.count == 1)
    }

    @Test func `guesses run out, for their address alone, and then ask the database no more`() throws {
        // No slowness of this machine fills the bucket again.
        let bench = try Bench(misses: MissLimit(interval: .hours(1), burst: 20))
        let statuses = try (0..<25).map { _ in
            try bench.public(from: "127.0.0.2")
                .ask("POST", "/v1/signals/\(String(repeating: "z", count: 43))", #"{"status":"completed"}"#).status
        }
        #expect(statuses == Array(repeating: 404, count: 20) + Array(repeating: 429, count: 5))
        #expect(bench.database.state.withLock { $0.commits.reduce(0, +) } == 20)
        #expect(
            try bench.public(from: "127.0.0.3").ask("POST", "/v1/signals/\(bench.token(1))", #"{"status":"failed"}"#).status
                == 200)
    }

    @Test func `what else is asked of the public listener is refused`() throws {
        let token = bench.token(1)
        let get = try bench.public().ask("GET", "/v1/signals/\(token)")
        #expect(get.status == 405 && get.headers["allow"] == "POST")
        #expect(
            try bench.public().ask("POST", "/v1/signals/\(token)", "x=1", headers: ["Content-Type: text/plain"]).status == 415)
        #expect(try bench.public().ask("GET", "/metrics").status == 404)
        #expect(try bench.public().ask("GET", "/livez").status == 200)
        #expect(try bench.public().ask("POST", "/livez", "{}").status == 405)
    }
}
