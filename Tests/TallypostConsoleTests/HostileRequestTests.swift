import TallypostCore
import Testing

@testable import TallypostConsole

@Suite struct `Hostile requests` {
    let bench: Bench
    init() throws { bench = try Bench() }

    @Test(arguments: [
        "GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET /livez HTTP/1.1\r\n\r\n",
        "GET /livez%00 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /livez%0a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /livez%zz HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /livez%ff HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /livez\u{1} HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /livez#x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/livez HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length : 0\r\n\r\n",
        "POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
        "POST /livez HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST /livez HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /livez HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ]) func `is answered 400, or not at all, and the connection ends`(text: String) throws {
        let client = try bench.public()
        client.send(text + "GET /livez HTTP/1.1\r\nHost: smuggled\r\n\r\n")
        let all = client.everything()
        #expect(all.isEmpty || all.hasPrefix("HTTP/1.1 400") || all.hasPrefix("HTTP/1.0 400"))
        #expect(!all.contains(" 200 OK"))
        // It goes on for everybody else.
        #expect(try bench.public().ask("GET", "/livez").status == 200)
    }

    @Test func `a body beyond the limit is read to its end and refused`() throws {
        let body = String(repeating: " ", count: 256 << 10)
        let path = "/v1/signals/\(bench.token(1))"
        #expect(try bench.public().ask("POST", path, body + " ").status == 413)
        #expect(try bench.public().ask("POST", path, body).status == 400)
    }

    @Test func `a body that says it is far too long is refused before it comes`() throws {
        let client = try bench.public()
        client.send(
            "POST /v1/signals/x HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
                + "Content-Length: 99999999\r\n\r\n")
        #expect(client.reply()?.status == 413)
        #expect(client.isClosed)
    }

    @Test func `a chunked body without end is cut off`() throws {
        let client = try bench.public()
        client.send(
            "POST /v1/signals/x HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        let chunk = "8000\r\n" + String(repeating: " ", count: 0x8000) + "\r\n"
        for _ in 0..<64 { client.send(chunk) }
        #expect(client.reply() == nil)
    }

    @Test func `a chunked body is read like any other`() throws {
        let client = try bench.public()
        let path = "/v1/signals/\(bench.token(1))"
        client.send(
            "POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "b\r\n{\"status\":\"\r\nb\r\ncompleted\"}\r\n0\r\n\r\n")
        #expect(client.reply()?.status == 200)
    }

    @Test func `too many headers are refused`() throws {
        let headers = (0..<70).map { "X-\($0): 1" }
        #expect(try bench.public().ask("GET", "/livez", headers: headers).status == 431)
    }

    @Test func `every answer carries the security headers`() throws {
        for path in ["/livez", "/nowhere"] {
            let headers = try bench.public().ask("GET", path).headers
            #expect(headers["cache-control"] == "no-store" && headers["x-content-type-options"] == "nosniff")
            #expect(headers["content-security-policy"]?.contains("default-src 'none'") == true)
        }
    }

    @Test func `several requests on one connection are answered in order`() throws {
        let client = try bench.public()
        for _ in 0..<3 { client.send("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n") }
        #expect((0..<3).map { _ in client.reply()?.status } == [200, 200, 200])
    }

    @Test func `what is overdue is shut down though it sends, what waits for us is not`() throws {
        let table = ConnectionTable(perAddress: 2)
        let (drip, waiting) = (try bench.public(), try bench.public())
        let peer = try #require(PeerAddress(parsing: "192.0.2.1"))
        let (now, later) = (ConsoleClock.now(), ConsoleClock.now() + .seconds(15))
        let slot = table.add(drip.descriptor, peer, deadline: later)
        let other = table.add(waiting.descriptor, peer, deadline: later)
        #expect(!table.admits(peer))
        #expect(table.admits(try #require(PeerAddress(parsing: "192.0.2.2"))))
        table.setDeadline(other, nil)
        #expect(table.sweep(at: now) == 0)
        #expect(table.sweep(at: later) == 1)
        #expect(drip.isClosed)
        #expect(try waiting.ask("GET", "/livez").status == 200)
        table.remove(slot)
        #expect(table.admits(peer))
    }
}
