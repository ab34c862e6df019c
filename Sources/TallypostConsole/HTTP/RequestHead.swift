/// The head of a request, checked: what libmicrohttpd 0.9.75 lets through, strict or not, is refused here.
struct RequestHead: Sendable, Equatable {
    /// A fault that ends the request. The connection is closed after it.
    struct Fault: Error, Equatable {
        var problem: Problem
        var detail: String

        static func bad(_ detail: String) -> Fault { Fault(problem: .badRequest, detail: detail) }
    }

    /// As written.
    var method: String
    /// The path as written, for a problem's `instance`.
    var path: String
    /// The path's parts, percent-decoded: `/v1/tasks` has two.
    var segments: [String]
    /// Names and values, percent-decoded, in order.
    var query: [(name: String, value: String)]
    /// Lower-case name to value; a header that came twice is joined by commas, but those that must not are refused.
    var headers: [String: String]
    /// Of `Content-Length`; nil: there is none.
    var contentLength: Int?
    var isChunked: Bool

    /// More headers than any client of ours sends.
    static let mostHeaders = 64
    /// Headers that may come once at most: of two, one hop might believe the first and the next the second.
    private static let single: Set<String> = [
        "authorization", "content-length", "content-type", "expect", "host", "idempotency-key", "transfer-encoding",
    ]

    init(method: String, target: String, version: String, fields: [(name: String, value: String)]) throws(Fault) {
        self.method = method
        guard method.utf8.allSatisfy(Self.isTokenByte), !method.isEmpty else { throw .bad("the method is no token") }
        guard version == "HTTP/1.1" || version == "HTTP/1.0" else { throw .bad("only HTTP/1.1 and HTTP/1.0 are spoken here") }
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = String(parts[0])
        guard target.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "#") }) else {
            throw .bad("the request target holds a character that must be percent-encoded")
        }
        guard path.hasPrefix("/") else { throw .bad("the request target must be a path") }
        segments = []
        for part in path.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            segments.append(try Self.decoded(part, plusIsSpace: false))
        }
        query = []
        if parts.count == 2 {
            for pair in parts[1].split(separator: "&") {
                let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                let value = halves.count == 2 ? try Self.decoded(halves[1], plusIsSpace: true) : ""
                query.append((try Self.decoded(halves[0], plusIsSpace: true), value))
            }
        }
        headers = try Self.collected(fields)
        contentLength = nil
        isChunked = false
        try checkFraming(version)
    }

    private static func collected(_ fields: [(name: String, value: String)]) throws(Fault) -> [String: String] {
        guard fields.count <= mostHeaders else {
            throw Fault(problem: .tooManyHeaders, detail: "send at most \(mostHeaders) headers")
        }
        var headers: [String: String] = [:]
        for (name, value) in fields {
            // A space before the colon ends up in the name.
            guard !name.isEmpty, name.utf8.allSatisfy(isTokenByte) else { throw .bad("a header's name is no token") }
            guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else {
                throw .bad("the value of a header holds a control character")
            }
            let key = name.lowercased()
            if let before = headers[key] {
                guard !single.contains(key) else { throw .bad("\(key) stands twice; send it once") }
                headers[key] = "\(before), \(value)"
            } else {
                headers[key] = value
            }
        }
        return headers
    }

    private mutating func checkFraming(_ version: String) throws(Fault) {
        if version == "HTTP/1.1" && headers["host"] == nil { throw .bad("there is no Host header") }
        if let encoding = headers["transfer-encoding"] {
            guard headers["content-length"] == nil else { throw .bad("Content-Length and Transfer-Encoding exclude each other") }
            guard version == "HTTP/1.1", encoding.lowercased() == "chunked" else {
                throw .bad("the only Transfer-Encoding is chunked, in HTTP/1.1")
            }
            isChunked = true
        }
        if let text = headers["content-length"] {
            guard !text.isEmpty, text.utf8.count <= 15, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                let length = Int(text)
            else { throw .bad("Content-Length is no number") }
            contentLength = length
        }
        if let coding = headers["content-encoding"], coding.lowercased() != "identity" {
            throw Fault(problem: .unsupportedMediaType, detail: "send the body without Content-Encoding")
        }
    }

    /// RFC 9110, section 5.6.2.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    /// Percent-decoded; refuses control characters, NUL above all, and what is no UTF-8.
    private static func decoded(_ text: Substring, plusIsSpace: Bool) throws(Fault) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "+") && plusIsSpace {
                bytes.append(0x20)
            } else if byte == UInt8(ascii: "%") {
                guard let high = rest.popFirst().flatMap(hexValue), let low = rest.popFirst().flatMap(hexValue) else {
                    throw .bad("a percent sign in the request target is followed by no two hexadecimal digits")
                }
                bytes.append(high << 4 | low)
            } else {
                bytes.append(byte)
            }
        }
        guard bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            throw .bad("the request target holds a control character")
        }
        guard let decoded = String(validating: bytes, as: UTF8.self) else { throw .bad("the request target is no UTF-8") }
        return decoded
    }

    private static func hexValue(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 0x30...0x39: digit - 0x30
        case 0x41...0x46, 0x61...0x66: (digit | 0x20) - 0x57
        default: nil
        }
    }

    /// Whether the body is said to be JSON: `application/json`, parameters allowed.
    var isJSON: Bool {
        guard let type = headers["content-type"] else { return false }
        let essence = type.split(separator: ";", maxSplits: 1, omittingEmptySubsequences: false)[0]
        return String(essence).lowercased().filter { $0 != " " && $0 != "\t" } == "application/json"
    }

    static func == (a: RequestHead, b: RequestHead) -> Bool {
        a.method == b.method && a.path == b.path && a.headers == b.headers && a.contentLength == b.contentLength
            && a.isChunked == b.isChunked && a.query.elementsEqual(b.query) { $0.name == $1.name && $0.value == $1.value }
    }
}

/// A whole request.
struct HTTPRequest: Sendable {
    var head: RequestHead
    var body: [UInt8]
    var peer: PeerAddress
}
