/// Why a header cannot be sent. Names the header; never its value.
public struct HeaderError: Error, Sendable, Equatable {
    /// For a person.
    public let reason: String
}

/// One extra header of a request, checked when it is made: what stands here can be written to the wire as it is.
///
/// libcurl passes on whatever it is given, line breaks included, so this is the only place that keeps one header from
/// being two, or a request from being another.
public struct HeaderField: Sendable, Equatable, CustomStringConvertible {
    /// As written.
    public let name: String
    /// As written, without spaces and tabs at its ends.
    public let value: String
    /// Whether the value is a secret of the operator. It then goes to the route's own origin only, never to one from a row.
    public let isSecret: Bool

    /// Checks both by RFC 9110, sections 5.1 and 5.5, and the name against those that the relay writes itself.
    ///
    /// `Authorization`, `Cookie` and `Proxy-Authorization` count as secret whatever is said.
    public init(name: String, value: String, isSecret: Bool = false) throws(HeaderError) {
        try Self.check(name: name)
        let start = value.utf8.drop { $0 == 0x20 || $0 == 0x09 }
        let end = start.reversed().drop { $0 == 0x20 || $0 == 0x09 }.count
        let trimmed = Substring(start.prefix(end))
        guard trimmed.utf8.allSatisfy({ (0x20...0x7E).contains($0) || $0 == 0x09 }) else {
            throw HeaderError(
                reason: "header \(name): the value holds a control character, a line break or a character beyond ASCII")
        }
        guard trimmed.utf8.count <= Self.longestValue else {
            throw HeaderError(reason: "header \(name): the value is longer than \(Self.longestValue) bytes")
        }
        self.name = name
        self.value = String(trimmed)
        self.isSecret = isSecret || Self.alwaysSecret.contains(name.lowercased())
    }

    static let longestName = 128
    static let longestValue = 8_192
    private static let alwaysSecret: Set<String> = ["authorization", "cookie", "proxy-authorization"]

    /// What frames the message, what the relay writes, and what would change how the answer has to be read.
    static let reserved: Set<String> = [
        "host", "content-length", "content-type", "content-encoding", "transfer-encoding", "connection", "keep-alive",
        "proxy-connection", "te", "trailer", "upgrade", "http2-settings", "expect", "accept-encoding", "range", "idempotency-key",
        "traceparent", "user-agent",
    ]
    static let reservedPrefixes = ["webhook-", "tallypost-", "ce-"]

    private static func check(name: String) throws(HeaderError) {
        guard !name.isEmpty else { throw HeaderError(reason: "a header has no name") }
        guard name.utf8.count <= longestName else {
            throw HeaderError(reason: "a header's name is longer than \(longestName) bytes")
        }
        guard name.utf8.allSatisfy(isTokenByte) else {
            // The name may hold anything, a line break too: what is shown of it is printable.
            let shown = String(name.unicodeScalars.prefix(40).map { (0x20...0x7E).contains($0.value) ? Character($0) : "?" })
            throw HeaderError(reason: "“\(shown)” is no header name: letters, digits and !#$%&'*+-.^_`|~ only")
        }
        let lower = name.lowercased()
        guard !reserved.contains(lower), !reservedPrefixes.contains(where: lower.hasPrefix) else {
            throw HeaderError(
                reason: "header \(name) is reserved: the relay writes it itself, or it would change the request's framing")
        }
    }

    /// `tchar` of RFC 9110, section 5.6.2.
    static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    /// Without the value, which may be a secret.
    public var description: String { "\(name): …" }
}
