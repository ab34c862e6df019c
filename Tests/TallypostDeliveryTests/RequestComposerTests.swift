import TallypostCore
import Testing

@testable import TallypostDelivery

@Suite struct RequestComposerTests {
    private static let secret = "whsec_MfKQ9r8GKYqTwUPD8ILPZIo2LaLaSw"
    /// 2026-01-02T03:04:05.678Z.
    private static let now = Timestamp(microseconds: 1_767_323_045_678_999)

    private struct Composed {
        var head: [String]
        var body: String
        func value(_ name: String) -> String? {
            let found = head.filter { $0.lowercased().hasPrefix(name.lowercased() + ": ") }
            return found.count == 1 ? String(found[0].dropFirst(name.utf8.count + 2)) : nil
        }
    }

    private func task(
        type: String = "send-receipt", payload: String = #"{"order":"o_1"}"#, key: String = "payment-o_1", subject: String? = nil,
        waits: Bool = false, token: String? = nil, traceparent: String? = nil, checkpoint: String? = nil, previous: Int64? = nil,
        previousResult: String? = nil
    ) -> ClaimedTask {
        ClaimedTask(
            id: 42, epoch: 3, type: type, attempt: 2, payload: Array(payload.utf8), idempotencyKey: key, subject: subject,
            runAt: Self.now, createdAt: Timestamp(microseconds: 0), waitsForSignal: waits, signalToken: token,
            traceparent: traceparent,
            checkpoint: checkpoint, previousTask: previous, previousResult: previousResult)
    }

    private func compose(
        _ task: ClaimedTask, _ route: WireRoute = WireRoute(url: "http://a.example/"), deadline: Timestamp? = nil,
        ownOrigin: Bool = true,
        rowHeaders: String = "{}", signalBase: String? = "https://tasks.example.com"
    ) throws -> Composed {
        let settings = CourierSettings(routes: [task.type: route], version: "1.2.3", signalBaseURL: signalBase)
        let composer = RequestComposer(type: task.type, route: route, settings: settings)
        var head: [UInt8] = Array("what the last request left".utf8)
        let body = try composer.compose(
            task,
            RequestComposer.Circumstances(
                now: Self.now, span: 0x0123_4567_89AB_CDEF, deadline: deadline, isOwnOrigin: ownOrigin,
                rowHeaders: try RowHeaders(parsing: rowHeaders)),
            digest: KeyDigest(), into: &head)
        let lines = String(decoding: head, as: UTF8.self).split(separator: "\r\n", omittingEmptySubsequences: false).map(
            String.init)
        return Composed(head: lines, body: String(decoding: body, as: UTF8.self))
    }

    @Test func `a plain request has exactly the contract's headers and the payload byte for byte`() throws {
        let composed = try compose(
            task(payload: " {\"b\" : 1e2,\n\"a\":\"é\"} "),
            WireRoute(url: "http://a.example/", secrets: [try WebhookSecret(parsing: Self.secret)]),
            deadline: Timestamp(microseconds: 1_767_323_105_000_000))
        #expect(composed.body == " {\"b\" : 1e2,\n\"a\":\"é\"} ")
        #expect(
            composed.head.map { String($0.prefix { $0 != ":" }) } == [
                "Content-Type", "User-Agent", "Tallypost-Task-Type", "Idempotency-Key", "webhook-id", "webhook-timestamp",
                "webhook-signature",
                "Tallypost-Task-Id", "Tallypost-Task-Attempt", "Tallypost-Task-Deadline", "traceparent",
            ])
        #expect(composed.value("Content-Type") == "application/json")
        #expect(composed.value("User-Agent") == "tallypost/1.2.3")
        #expect(composed.value("Idempotency-Key") == "\"payment-o_1\"")
        #expect(composed.value("webhook-id") == "task_42")
        #expect(composed.value("webhook-timestamp") == "1767323045")
        #expect(composed.value("Tallypost-Task-Id") == "42")
        #expect(composed.value("Tallypost-Task-Type") == "send-receipt")
        #expect(composed.value("Tallypost-Task-Attempt") == "2")
        #expect(composed.value("Tallypost-Task-Deadline") == "2026-01-02T03:05:05.000Z")
        #expect(composed.value("traceparent") == "00-30e8e0266a7d2ab8a6d934854bdfa24e-0123456789abcdef-01")
    }

    @Test func `the signature covers id, timestamp and body as sent`() throws {
        let composed = try compose(
            task(), WireRoute(url: "http://a.example/", secrets: [try WebhookSecret(parsing: Self.secret)]))
        // Computed with Python's hmac over task_42.1767323045.{"order":"o_1"}
        #expect(composed.value("webhook-signature") == "v1,SNl42hArEJhvLa3ieCoZhCTw3CYQ5109AIIQq2bkoVM=")
        #expect(try compose(task()).value("webhook-signature") == nil)
    }

    @Test(arguments: [("a\"b\\c", #""a\"b\\c""#), (" ", #"" ""#), ("~!", #""~!""#)])
    func `the key is a structured-field string`(key: String, written: String) throws {
        #expect(try compose(task(key: key)).value("Idempotency-Key") == written)
    }

    @Test func `a bare key is written as it is`() throws {
        let route = WireRoute(url: "http://a.example/", idempotencyKeyFormat: .bare)
        #expect(try compose(task(key: #"a"b\ c"#), route).value("Idempotency-Key") == #"a"b\ c"#)
        #expect(throws: Refusal.self) { try compose(task(key: " a"), route) }
        #expect(throws: Refusal.self) { try compose(task(key: "a "), route) }
    }

    @Test(arguments: [
        ("é", "U+00E9"), ("a\r\nX: y", "U+000D"), ("a\0", "U+0000"), ("😀", "U+1F600"), ("\u{7F}", "U+007F"), ("", "empty"),
    ])
    func `a key that no header can carry is refused with what is wrong`(key: String, reason: String) {
        for format in IdempotencyKeyFormat.allCases {
            let refusal = #expect(throws: Refusal.self) {
                try compose(task(key: key), WireRoute(url: "http://a.example/", idempotencyKeyFormat: format))
            }
            #expect(refusal?.reason.contains(reason) == true, "\(String(describing: refusal))")
        }
    }

    @Test func `no text of a row can break a line of the head`() throws {
        let composed = try compose(
            task(type: "a\r\nX: y é", subject: "b\r\nX: y", traceparent: "00-\r\nX: y"),
            WireRoute(url: "http://a.example/", format: .cloudEventsBinary))
        #expect(composed.value("Tallypost-Task-Type") == "a%0D%0AX:%20y%20%C3%A9")
        #expect(composed.value("ce-subject") == "b%0D%0AX:%20y")
        #expect(!composed.head.contains { $0.hasPrefix("X:") })
    }

    @Test func `a task that waits is told where to signal`() throws {
        let waiting = task(waits: true, token: "Ab-_09xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")
        #expect(
            try compose(waiting).value("Tallypost-Signal-URL")
                == "https://tasks.example.com/v1/signals/Ab-_09xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")
        #expect(
            try compose(waiting, signalBase: "https://t.example/base/").value("Tallypost-Signal-URL")
                == "https://t.example/base/v1/signals/Ab-_09xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")
        #expect(
            try compose(waiting, signalBase: "https://t.example//").value("Tallypost-Signal-URL")
                == "https://t.example/v1/signals/Ab-_09xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")
        #expect(try compose(waiting, signalBase: nil).value("Tallypost-Signal-URL") == nil)
        #expect(try compose(task(token: "Ab-_09xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")).value("Tallypost-Signal-URL") == nil)
        for token in [nil, "", "a b", "a\r\nb", "a/b", "approval-o_1"] {
            #expect(throws: Refusal.self) { try compose(task(waits: true, token: token)) }
        }
    }

    @Test func `a checkpoint is sent as one line of ASCII, if it fits`() throws {
        #expect(try compose(task(checkpoint: "{\n\"at\":\"é\"}")).value("Tallypost-Checkpoint") == #"{"at":"\u00e9"}"#)
        let fits = "\"" + String(repeating: "x", count: 4_094) + "\""
        #expect(try compose(task(checkpoint: fits)).value("Tallypost-Checkpoint") == fits)
        #expect(try compose(task(checkpoint: " " + fits + " ")).value("Tallypost-Checkpoint") == fits)
        #expect(try compose(task(checkpoint: "[" + fits + "]")).value("Tallypost-Checkpoint") == nil)
        #expect(
            try compose(task(checkpoint: "\"" + String(repeating: "é", count: 700) + "\"")).value("Tallypost-Checkpoint") == nil)
    }

    @Test func `an envelope holds the task, the payload as written and the checkpoint`() throws {
        let route = WireRoute(url: "http://a.example/", body: .envelope)
        #expect(
            try compose(task(payload: "{ \"x\":1 }"), route).body
                == #"{"task":{"id":42,"type":"send-receipt","attempt":2},"payload":{ "x":1 }}"#)
        #expect(
            try compose(task(type: "a\"b", payload: "[]", subject: "o\n1", checkpoint: "{\"at\":3}"), route).body
                == #"{"task":{"id":42,"type":"a\"b","subject":"o\u000a1","attempt":2},"payload":[],"checkpoint":{"at":3}}"#)
        #expect(
            try compose(task(payload: "1", checkpoint: "no json"), route).body
                == #"{"task":{"id":42,"type":"send-receipt","attempt":2},"payload":1}"#)
    }

    @Test func `a successor names its predecessor, and its envelope holds what that one left`() throws {
        let route = WireRoute(url: "http://a.example/", body: .envelope)
        let next = task(payload: "1", checkpoint: "[2]", previous: 41, previousResult: #"{"charge":"ch_1"}"#)
        #expect(
            try compose(next, route).body
                == #"{"task":{"id":42,"type":"send-receipt","attempt":2},"payload":1,"previousResult":{"charge":"ch_1"},"checkpoint":[2]}"#
        )
        #expect(try compose(next, route).value("Tallypost-Previous-Task") == "41")
        let without = try compose(task(previous: 41, previousResult: "no json"), route)
        #expect(without.value("Tallypost-Previous-Task") == "41" && !without.body.contains("previousResult"))
        let plain = try compose(next)
        #expect(plain.body == "1" && plain.value("Tallypost-Previous-Task") == "41")
        #expect(try compose(task()).value("Tallypost-Previous-Task") == nil)
    }

    @Test func `CloudEvents in binary mode are headers beside the payload`() throws {
        let composed = try compose(
            task(key: "key 1%", subject: "o_1 é"), WireRoute(url: "http://a.example/", format: .cloudEventsBinary))
        #expect(composed.value("ce-specversion") == "1.0")
        #expect(composed.value("ce-id") == "key%201%25")
        #expect(composed.value("ce-source") == "tallypost")
        #expect(composed.value("ce-type") == "send-receipt")
        #expect(composed.value("ce-time") == "1970-01-01T00:00:00.000Z")
        #expect(composed.value("ce-subject") == "o_1%20%C3%A9")
        #expect(composed.value("ce-datacontenttype") == nil)
        #expect(composed.value("Content-Type") == "application/json")
        #expect(composed.body == #"{"order":"o_1"}"#)
    }

    @Test func `CloudEvents in structured mode are one object, and that is what is signed`() throws {
        let route = WireRoute(
            url: "http://a.example/", secrets: [try WebhookSecret(parsing: Self.secret)], format: .cloudEventsStructured)
        let composed = try compose(task(key: "k\"1", subject: "o_1"), route)
        #expect(composed.value("Content-Type") == "application/cloudevents+json")
        #expect(composed.value("ce-id") == nil)
        #expect(
            composed.body
                == #"{"specversion":"1.0","id":"k\"1","source":"tallypost","type":"send-receipt","subject":"o_1","time":"1970-01-01T00:00:00.000Z","datacontenttype":"application/json","data":{"order":"o_1"}}"#
        )
        #expect(JSONSyntax.isValid(Array(composed.body.utf8)))
        var signed: [UInt8] = []
        WebhookSigner(secrets: route.secrets).appendSignatures(
            prefix: Array("task_42.1767323045.".utf8), body: Array(composed.body.utf8), to: &signed)
        #expect(composed.value("webhook-signature") == String(decoding: signed, as: UTF8.self))
    }

    @Test func `an envelope in a structured event is its data`() throws {
        let composed = try compose(
            task(payload: "1"), WireRoute(url: "http://a.example/", body: .envelope, format: .cloudEventsStructured))
        #expect(composed.body.hasSuffix(#""data":{"task":{"id":42,"type":"send-receipt","attempt":2},"payload":1}}"#))
    }

    @Test func `the operator's secret headers go to the route's own origin only`() throws {
        let route = WireRoute(
            url: "http://a.example/",
            headers: [try HeaderField(name: "Authorization", value: "Bearer t"), try HeaderField(name: "X-Tenant", value: "a")])
        let own = try compose(task(), route)
        #expect(own.value("Authorization") == "Bearer t")
        #expect(own.value("X-Tenant") == "a")
        let foreign = try compose(task(), route, ownOrigin: false)
        #expect(foreign.value("Authorization") == nil)
        #expect(foreign.value("X-Tenant") == "a")
        let foreignWithHeaders = try compose(task(), route, ownOrigin: false, rowHeaders: #"{"X-More":"b"}"#)
        #expect(foreignWithHeaders.value("Authorization") == nil)
        #expect(foreignWithHeaders.value("X-Tenant") == "a")
        #expect(foreignWithHeaders.value("X-More") == "b")
    }

    @Test func `a row's header takes the place of the route's of the same name`() throws {
        let route = WireRoute(
            url: "http://a.example/",
            headers: [try HeaderField(name: "X-Tenant", value: "a"), try HeaderField(name: "X-B", value: "b")])
        let composed = try compose(task(), route, rowHeaders: #"{"x-tenant":"c"}"#)
        #expect(composed.value("X-Tenant") == "c")
        #expect(composed.value("X-B") == "b")
    }

    @Test func `a payload that is NULL is refused`() throws {
        let route = WireRoute(url: "http://a.example/")
        let composer = RequestComposer(type: "t", route: route, settings: CourierSettings(routes: ["t": route], version: "1"))
        let task = ClaimedTask(
            id: 1, epoch: 1, type: "t", attempt: 1, payload: nil, idempotencyKey: "k", runAt: Self.now, createdAt: Self.now)
        var head: [UInt8] = []
        #expect(throws: Refusal("payload is NULL")) {
            try composer.compose(
                task, RequestComposer.Circumstances(now: Self.now, span: 1, deadline: nil, isOwnOrigin: true, rowHeaders: .none),
                digest: KeyDigest(), into: &head)
        }
    }
}
