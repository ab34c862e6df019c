import Testing

@testable import TallypostDelivery

@Suite struct HeaderFieldTests {
    @Test func `a good header is kept as written, without white space at its ends`() throws {
        let field = try HeaderField(name: "X-Tenant", value: " \ta b\tc ~ \t")
        #expect(field.name == "X-Tenant")
        #expect(field.value == "a b\tc ~")
        #expect(try HeaderField(name: "X-Empty", value: " ").value == "")
    }

    @Test(arguments: ["b\r\nInjected: 1", "b\nc", "b\rc", "b\0c", "b\u{7F}", "é", "😀", "b\u{85}c"])
    func `a value that could be more than a value is refused`(value: String) {
        let error = #expect(throws: HeaderError.self) { try HeaderField(name: "X-A", value: value) }
        #expect(error?.reason.contains("X-A") == true)
        #expect(error?.reason.contains(value) == false)
    }

    @Test(arguments: ["", "X A", "X:A", "X\r\nY", "X-Ä", "X\0", "(X)", "\"X\"", "X/Y", "X,Y", "X;Y", "X=Y", "X{", "X@Y"])
    func `a name that is no token is refused`(name: String) {
        let error = #expect(throws: HeaderError.self) { try HeaderField(name: name, value: "v") }
        #expect(error?.reason.utf8.allSatisfy { $0 >= 0x20 } == true)
    }

    @Test(arguments: [
        "Host", "content-length", "Content-Type", "TRANSFER-ENCODING", "Connection", "Keep-Alive", "TE", "Trailer", "Upgrade",
        "Expect",
        "Idempotency-Key", "webhook-id", "Webhook-Anything", "Tallypost-Task-Id", "tallypost-x", "traceparent", "User-Agent",
        "ce-id",
        "Accept-Encoding", "Proxy-Connection",
    ])
    func `a reserved name is refused in any case`(name: String) {
        let error = #expect(throws: HeaderError.self) { try HeaderField(name: name, value: "v") }
        #expect(error?.reason.contains("reserved") == true)
        #expect(error?.reason.contains(name) == true)
    }

    @Test func `names and values have a longest length`() {
        #expect(throws: HeaderError.self) { try HeaderField(name: String(repeating: "a", count: 129), value: "") }
        #expect(throws: HeaderError.self) { try HeaderField(name: "a", value: String(repeating: "a", count: 8_193)) }
        #expect(throws: Never.self) { try HeaderField(name: "a", value: String(repeating: "a", count: 8_192)) }
    }

    @Test func `credentials count as secret, and no header shows its value`() throws {
        #expect(try HeaderField(name: "authorization", value: "Bearer t0p").isSecret)
        #expect(try HeaderField(name: "X-Key", value: "t0p", isSecret: true).isSecret)
        let field = try HeaderField(name: "X-Key", value: "t0p")
        #expect(!field.isSecret)
        #expect(!"\(field)".contains("t0p"))
    }

    @Test func `the headers of a row are an object of strings, in a fixed order`() throws {
        let headers = try RowHeaders(parsing: #" {"X-B": "2", "X-A": "1", "x-c": "\u0041"} "#)
        #expect(headers.fields.map(\.name) == ["X-A", "X-B", "x-c"])
        #expect(headers.fields.map(\.value) == ["1", "2", "A"])
        #expect(headers.names == ["x-a", "x-b", "x-c"])
        #expect(try RowHeaders(parsing: "{}") == .none)
    }

    @Test(arguments: [
        "", "null", "[]", "\"X: 1\"", "{\"X\":1}", "{\"X\":null}", "{\"X\":[\"1\"]}", "{\"X\":{\"y\":\"1\"}}", "{\"X\":\"1\"",
        "{\"X\":\"1\"} x",
        #"{"X":"a\r\nY: b"}"#, #"{"X\r\nY":"a"}"#, #"{"Host":"a"}"#, #"{"X-A":"1","x-a":"2"}"#,
    ])
    func `anything else in a row's headers is refused`(text: String) {
        #expect(throws: HeaderError.self) { try RowHeaders(parsing: text) }
    }

    @Test func `a row has a bounded number of headers`() {
        func object(_ count: Int) -> String { "{" + (0..<count).map { "\"X-\($0)\":\"v\"" }.joined(separator: ",") + "}" }
        #expect(throws: Never.self) { try RowHeaders(parsing: object(RowHeaders.mostFields)) }
        #expect(throws: HeaderError.self) { try RowHeaders(parsing: object(RowHeaders.mostFields + 1)) }
        #expect(throws: HeaderError.self) { try RowHeaders(parsing: "{\"X\":\"\(String(repeating: " ", count: 33_000))\"}") }
    }

    @Test func `the cache answers as the reader does, beyond its size too`() throws {
        var cache = RowHeadersCache()
        for round in 0..<600 {
            let text = "{\"X-A\":\"\(round % 300)\"}"
            #expect(try cache.headers(of: text).fields.first?.value == "\(round % 300)")
        }
        #expect(throws: HeaderError.self) { try cache.headers(of: "[]") }
    }
}
