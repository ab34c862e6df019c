import CLinux
import Glibc
import TallypostCore
import Testing

@testable import TallypostDelivery

@Suite struct CurlCourierTests {
    private func obliging() throws -> TestServer {
        try TestServer { connection in while connection.readRequest() != nil { connection.answer() } }
    }

    @Test func `a request arrives whole, and its answer comes back`() throws {
        let server = try TestServer { connection in
            connection.readRequest()
            connection.answer("201 Created", headers: ["Content-Type: application/json"], body: "{\"id\":7}")
        }
        defer { server.stop() }
        var sender = try TestCourier(server.url("/hook?x=1"), headers: [try HeaderField(name: "X-Tenant", value: "a")])
        let answer = try sender.deliver(payload: Array("{\"é\":1}".utf8), headers: #"{"X-Row":"b","X-Empty":""}"#)
        let response = try #require(answer.response)
        #expect(response.status == 201)
        #expect(response.body == Array("{\"id\":7}".utf8))
        #expect(!response.bodyWasCut && !response.forbidsRetry && response.retryAfter == nil)
        #expect(answer.duration > .zero && answer.duration < .seconds(10))
        let request = try #require(server.requests.first)
        #expect(request.head.first == "POST /hook?x=1 HTTP/1.1")
        #expect(request.body == Array("{\"é\":1}".utf8))
        #expect(
            request.head.dropFirst().map { String($0.prefix { $0 != ":" }) } == [
                "Host", "Content-Type", "User-Agent", "Tallypost-Task-Type", "X-Tenant", "Idempotency-Key", "webhook-id",
                "webhook-timestamp",
                "Tallypost-Task-Id", "Tallypost-Task-Attempt", "traceparent", "X-Empty", "X-Row", "Content-Length",
            ])
        #expect(request.value("Host") == "127.0.0.1:\(server.port)")
        #expect(request.value("X-Row") == "b")
    }

    @Test func `many in flight each get their own answer, over few connections`() throws {
        let server = try TestServer { connection in
            while let request = connection.readRequest() { connection.answer(body: request.value("Tallypost-Task-Id") ?? "?") }
        }
        defer { server.stop() }
        let sender = try TestCourier(server.url())
        let origin = try CurlTargetParser().origin(of: server.url())
        var answers: [Answer] = []
        for round in 0..<10 {
            for index in 0..<20 {
                let task = TestCourier.task(Int64(round * 20 + index))
                sender.courier.send(Delivery(task: task, origin: origin, timeout: .seconds(10), deadline: nil))
            }
            #expect(sender.courier.inFlight == 20)
            answers += try sender.courier.answers(20)
        }
        #expect(Set(answers.map(\.id)).count == 200)
        for answer in answers { #expect(answer.response?.body == Array(String(answer.id).utf8)) }
        #expect(server.connections <= 20)
        #expect(sender.courier.inFlight == 0)
    }

    @Test func `a large body is sent without waiting for a permission to go on`() throws {
        let server = try obliging()
        defer { server.stop() }
        var sender = try TestCourier(server.url())
        let payload = Array(("\"" + String(repeating: "x", count: 3_000_000) + "\"").utf8)
        let answer = try sender.deliver(payload: payload)
        #expect(answer.response?.status == 200)
        #expect(server.requests.first?.value("Expect") == nil)
        #expect(server.requests.first?.body == payload)
        #expect(try sender.deliver().response?.status == 200)
        #expect(server.requests.last?.body == Array("{}".utf8))
    }

    @Test func `chunked and long answers are read to their end`() throws {
        let server = try TestServer { connection in
            connection.readRequest()
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in 0..<60 { connection.send("3e8\r\n\(String(repeating: "y", count: 1_000))\r\n") }
            connection.send("0\r\n\r\n")
            connection.readRequest()
            connection.answer(body: String(repeating: "z", count: 65_536))
        }
        defer { server.stop() }
        var sender = try TestCourier(server.url())
        let chunked = try #require(try sender.deliver().response)
        #expect(chunked.body.count == 60_000 && !chunked.bodyWasCut)
        let long = try #require(try sender.deliver().response)
        #expect(long.body.count == 65_536 && !long.bodyWasCut)
        #expect(server.connections == 1)
    }

    @Test func `the answer's wishes about another try are read`() throws {
        let answers: [[String]] = [
            ["Retry-After: 120"], ["Retry-After: Sun, 06 Nov 1994 08:50:37 GMT", "Date: Sun, 06 Nov 1994 08:49:37 GMT"],
            ["Retry-After: soon"],
            ["tallypost-retry:  NO "], ["Tallypost-Retry: yes"], [],
        ]
        let server = try TestServer { connection in
            for headers in answers where connection.readRequest() != nil { connection.answer("503 Busy", headers: headers) }
        }
        defer { server.stop() }
        var sender = try TestCourier(server.url())
        var responses: [Answer.Response] = []
        for _ in answers { responses.append(try #require(try sender.deliver().response)) }
        #expect(responses.map(\.status) == Array(repeating: 503, count: 6))
        #expect(responses.map(\.retryAfter) == [.seconds(120), .seconds(60), nil, nil, nil, nil])
        #expect(responses.map(\.forbidsRetry) == [false, false, false, true, false, false])
    }

    @Test func `interim answers are not the answer`() throws {
        let server = try TestServer { connection in
            connection.readRequest()
            connection.send("HTTP/1.1 103 Early Hints\r\nTallypost-Retry: no\r\nLink: </x>\r\n\r\n")
            connection.answer("204 No Content", body: "")
        }
        defer { server.stop() }
        var sender = try TestCourier(server.url())
        let response = try #require(try sender.deliver().response)
        #expect(response.status == 204 && response.body.isEmpty && !response.forbidsRetry)
    }

    @Test func `a watched descriptor ends the wait until it is read, and is silent when ignored`() throws {
        let sender = try TestCourier("http://127.0.0.1:9/")
        let event = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
        try SystemFault.check(event, "eventfd")
        defer { Glibc.close(event) }
        sender.courier.watch(event)
        sender.courier.watch(event)
        #expect(sender.courier.wait(timeout: .zero) == [])
        eventfd_write(event, 1)
        #expect(sender.courier.wait(timeout: .seconds(10)) == [event])
        #expect(sender.courier.wait(timeout: .seconds(10)) == [event])
        var value: UInt64 = 0
        unsafe eventfd_read(event, &value)
        #expect(sender.courier.wait(timeout: .milliseconds(1)) == [])
        eventfd_write(event, 1)
        sender.courier.ignore(event)
        sender.courier.ignore(event)
        #expect(sender.courier.wait(timeout: .milliseconds(1)) == [])
    }

    @Test func `new settings serve what is sent from then on, and leave alone what is in flight`() throws {
        let old = try TestServer { connection in
            connection.readRequest()
            connection.waitForPeer(milliseconds: 200)
            connection.answer(body: "old")
        }
        let new = try TestServer { connection in while connection.readRequest() != nil { connection.answer(body: "new") } }
        defer {
            old.stop()
            new.stop()
        }
        let sender = try TestCourier(old.url())
        let origin = try CurlTargetParser().origin(of: old.url())
        sender.courier.send(Delivery(task: TestCourier.task(1), origin: origin, timeout: .seconds(10), deadline: nil))
        _ = sender.courier.wait(timeout: .zero)
        let broken = CourierSettings(routes: ["t": WireRoute(url: "nonsense")], version: "2")
        #expect(throws: CourierSettingsError.self) { try sender.courier.apply(broken) }
        try sender.courier.apply(CourierSettings(routes: ["t": WireRoute(url: new.url())], version: "2"))
        sender.courier.send(Delivery(task: TestCourier.task(2), origin: origin, timeout: .seconds(10), deadline: nil))
        let answers = try sender.courier.answers(2).sorted { $0.id < $1.id }
        #expect(answers.map { $0.response.map { String(decoding: $0.body, as: UTF8.self) } } == ["old", "new"])
        #expect(new.requests.first?.value("User-Agent") == "tallypost/2")
    }

    @Test func `what cannot be sent is refused, with the reason and without a connection`() throws {
        let server = try obliging()
        defer { server.stop() }
        var sender = try TestCourier(server.url(), allow: ["127.0.0.0/8"])
        #expect(try sender.deliver(type: "unknown").refused?.contains("no route") == true)
        #expect(try sender.deliver(headers: #"{"X":"a\r\nY: b"}"#).refused?.contains("header X") == true)
        #expect(try sender.deliver(headers: #"{"Host":"b"}"#).refused?.contains("Host") == true)
        #expect(try sender.deliver(headers: "[]").refused?.contains("JSON object") == true)
        for url in [
            "file:///etc/passwd", "http://u:p@127.0.0.1:\(server.port)/", "ftp://127.0.0.1/", "127.0.0.1:\(server.port)", "",
            "http:/127.0.0.1:\(server.port)/",
        ] {
            #expect(try sender.deliver(targetURL: url).refused?.hasPrefix("target_url: ") == true, "\(url)")
        }
        #expect(server.connections == 0)
        #expect(try sender.deliver().response?.status == 200)
    }

    @Test func `settings that cannot work are refused with the route's name`() throws {
        let faults: [(WireRoute, String)] = [
            (WireRoute(url: "ftp://a.example"), "http"), (WireRoute(url: "http://u:p@a.example"), "user information"),
            (WireRoute(url: "https://a.example", tls: WireRoute.TLS(ca: "/nowhere/ca.pem")), "tls.ca"),
            (WireRoute(url: "https://a.example", tls: WireRoute.TLS(key: "/nowhere/key.pem")), "tls.key"),
        ]
        for (route, reason) in faults {
            let error = #expect(throws: CourierSettingsError.self) {
                try CourierSettings(routes: ["broken": route], version: "1").check()
            }
            #expect(error?.route == "broken")
            #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
        }
        #expect(throws: CourierSettingsError.self) {
            try CourierSettings(routes: [:], version: "1", signalBaseURL: "tasks.example.com").check()
        }
        #expect(throws: Never.self) {
            try CourierSettings(routes: [:], version: "1", signalBaseURL: "https://tasks.example.com").check()
        }
    }

    @Test func `closing drops what is under way and closes its connections`() throws {
        let server = try TestServer { connection in
            connection.readRequest()
            connection.waitForPeer(milliseconds: 10_000)
        }
        defer { server.stop() }
        let sender = try TestCourier(server.url())
        let origin = try CurlTargetParser().origin(of: server.url())
        for id in 1...3 {
            sender.courier.send(Delivery(task: TestCourier.task(Int64(id)), origin: origin, timeout: .seconds(10), deadline: nil))
        }
        let end = MonotonicTime.now() + .seconds(10)
        while server.requests.count < 3 && MonotonicTime.now() < end { _ = sender.courier.wait(timeout: .milliseconds(20)) }
        #expect(server.requests.count == 3)
        sender.courier.close()
        var answers: [Answer] = []
        sender.courier.collect(into: &answers)
        #expect(answers.isEmpty && sender.courier.inFlight == 0)
        sender.courier.close()
    }
}
