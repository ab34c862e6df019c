import FoundationEssentials
import Glibc
import TallypostCore
import Testing

@testable import TallypostDelivery

/// The test vectors for authors of receivers, `deploy/receivers/vectors.json`: made by what makes the requests, and held to it.
@Suite struct ReceiverVectorTests {
    private struct Vectors: Codable {
        var about: String
        var requests: [Request]
        var idempotencyKeys: [Key]
        var noIdempotencyKeys: [String]
    }

    private struct Request: Codable {
        var name: String
        /// Each of them signs.
        var secrets: [String]
        /// The receiver's clock, at which the timestamp is good: seconds since 1970.
        var now: Int64
        var headers: [String: String]
        var body: String
        var idempotencyKey: String
    }

    private struct Key: Codable {
        var key: String
        var structured: String
        var bare: String?
    }

    private static let secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]
    /// 2026-01-02T03:04:05.678Z.
    private static let now = Timestamp(microseconds: 1_767_323_045_678_000)

    private static func request(
        _ name: String, key: String = "payment-o_1", payload: String = #"{"order":"o_1"}"#, secrets: [String] = [Self.secrets[0]],
        subject: String? = nil, _ edit: (inout WireRoute) -> Void = { _ in }
    ) throws -> Request {
        var route = WireRoute(url: "https://mail.example.com/receipts", secrets: try secrets.map(WebhookSecret.init(parsing:)))
        edit(&route)
        let task = ClaimedTask(
            id: 42, epoch: 1, type: "send-receipt", attempt: 1, payload: Array(payload.utf8), idempotencyKey: key,
            subject: subject,
            runAt: now, createdAt: now)
        let composer = RequestComposer(
            type: task.type, route: route, settings: CourierSettings(routes: [task.type: route], version: "1.0.0"))
        var head: [UInt8] = []
        let body = try composer.compose(
            task,
            RequestComposer.Circumstances(
                now: now, span: 0x0123_4567_89AB_CDEF, deadline: nil, isOwnOrigin: true, rowHeaders: try RowHeaders(parsing: "{}")
            ),
            digest: KeyDigest(), into: &head)
        var headers: [String: String] = [:]
        for line in String(decoding: head, as: UTF8.self).split(separator: "\r\n") {
            let colon = try #require(line.firstIndex(of: ":"))
            headers[String(line[..<colon])] = String(line[colon...].dropFirst(2))
        }
        return Request(
            name: name, secrets: secrets, now: now.microseconds / 1_000_000, headers: headers,
            body: String(decoding: body, as: UTF8.self), idempotencyKey: key)
    }

    private static func vectors() throws -> Vectors {
        let keys = [
            "payment-o_1", "schedule-nightly-2026-03-29T01:00:00Z", #"a "quoted" key"#, #"back\slash"#, #"\""#, "a;b=c,d e",
            " spaces ",
        ]
        return Vectors(
            about: "Requests as Tallypost makes them. Each of `secrets` has signed; `headers` hold what depends on the task.",
            requests: [
                try request("plain"), try request("two secrets, newest first", secrets: secrets),
                try request("a key with quotes and a backslash", key: #"say "no\yes""#),
                try request("a bare key") { $0.idempotencyKeyFormat = .bare },
                try request("a body beyond ASCII, as written", payload: "{ \"näme\" : \"Zoë 🎈\",\n\"n\":1e2 }"),
                try request("an empty object", payload: "{}"),
                try request("an envelope", subject: "o_1") { $0.body = .envelope },
                try request("CloudEvents, binary", subject: "Bestellung ü 1") { $0.format = .cloudEventsBinary },
                try request("CloudEvents, structured", subject: "Bestellung ü 1") { $0.format = .cloudEventsStructured },
            ],
            idempotencyKeys: try keys.map { key in
                var structured: [UInt8] = []
                try IdempotencyKeyFormat.structured.append(key, to: &structured)

                var bare: [UInt8] = []
                let isBare = (try? IdempotencyKeyFormat.bare.append(key, to: &bare)) != nil
                return Key(
                    key: key, structured: String(decoding: structured, as: UTF8.self),
                    bare: isBare ? String(decoding: bare, as: UTF8.self) : nil)
            },
            noIdempotencyKeys: [
                "", " ", "\"", "\"\"", "\"open", "\"a\"b\"", #""a\b""#, #""a\""#, "\"é\"", "\"a\u{7F}\"", "\"a\tb\"",
                "\"a\", \"b\"",
            ])
    }

    @Test func `the vectors that receivers are tested with are what this version sends`() throws {
        let path = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" } + "/deploy/receivers/vectors.json"
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let text = String(decoding: try encoder.encode(try Self.vectors()), as: UTF8.self) + "\n"
        if unsafe getenv("TALLYPOST_WRITE_VECTORS") != nil { try Data(text.utf8).write(to: URL(filePath: path)) }
        let written = String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
        #expect(written == text, "set TALLYPOST_WRITE_VECTORS=1 to write them anew, and tell the authors of receivers")
    }
}
