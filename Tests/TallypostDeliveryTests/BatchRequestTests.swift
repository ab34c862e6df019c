import FoundationEssentials
import TallypostCore
import Testing

@testable import TallypostDelivery

@Suite struct BatchRequestTests {
    private static let secret = "whsec_MfKQ9r8GKYqTwUPD8ILPZIo2LaLaSw"
    private static let now = Timestamp(microseconds: 1_767_323_045_678_999)

    private func task(
        _ id: Int64, payload: String = "{}", key: String? = nil, subject: String? = nil, waits: Bool = false,
        checkpoint: String? = nil,
        previous: Int64? = nil, previousResult: String? = nil
    ) -> ClaimedTask {
        ClaimedTask(
            id: id, epoch: 1, type: "t", attempt: 2, payload: Array(payload.utf8), idempotencyKey: key ?? "key-\(id)",
            subject: subject,
            runAt: Self.now, createdAt: Timestamp(microseconds: 0), waitsForSignal: waits,
            signalToken: waits ? "Ab-_09xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" : nil,
            checkpoint: checkpoint, previousTask: previous, previousResult: previousResult)
    }

    private func compose(
        _ tasks: [ClaimedTask], _ route: WireRoute = WireRoute(url: "http://a.example/"), headers: String = "{}"
    ) throws -> (head: [String], body: String) {
        let settings = CourierSettings(routes: ["t": route], version: "1", signalBaseURL: "https://tasks.example.com")
        let composer = RequestComposer(type: "t", route: route, settings: settings)
        var head: [UInt8] = Array("what the last request left".utf8)
        let body = try composer.composeBatch(
            tasks,
            .init(now: Self.now, span: 1, deadline: Self.now, isOwnOrigin: true, rowHeaders: try RowHeaders(parsing: headers)),
            digest: KeyDigest(), into: &head)
        let lines = String(decoding: head, as: UTF8.self).split(separator: "\r\n").map(String.init)
        return (lines, String(decoding: body, as: UTF8.self))
    }

    private func value(_ name: String, _ head: [String]) -> String? {
        head.first { $0.hasPrefix(name + ": ") }.map { String($0.dropFirst(name.utf8.count + 2)) }
    }

    @Test func `the body is an array of items, payloads byte for byte`() throws {
        let (_, body) = try compose([task(1, payload: "{ \"x\":1 }", subject: "o_1"), task(2, payload: "[]", key: "a\"b")])
        #expect(
            body
                == #"[{"idempotency_key":"key-1","task":{"id":1,"type":"t","subject":"o_1","attempt":2},"payload":{ "x":1 }},"#
                + #"{"idempotency_key":"a\"b","task":{"id":2,"type":"t","attempt":2},"payload":[]}]"#)
        #expect(try compose([task(1)]).body.hasPrefix("[{"), "one task makes an array too")
    }

    @Test func `what one task's request says in headers, an item says for itself`() throws {
        let rich = task(1, waits: true, checkpoint: "[2]", previous: 9, previousResult: "{\"a\":1}")
        let plain = try compose([rich]).body
        #expect(
            plain.hasSuffix(
                #""payload":{},"previousTask":9,"signalURL":"https://tasks.example.com/v1/signals/Ab-_09xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}]"#
            ))
        let envelope = try compose([rich], WireRoute(url: "http://a.example/", body: .envelope)).body
        #expect(envelope.hasSuffix(#"/Ab-_09xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx","previousResult":{"a":1},"checkpoint":[2]}]"#))
        #expect(JSONSyntax.isValid(Array(envelope.utf8)))
    }

    @Test func `the head has no task's own headers, and one key, id and signature for all`() throws {
        let route = WireRoute(url: "http://a.example/", secrets: [try WebhookSecret(parsing: Self.secret)])
        let (head, body) = try compose([task(1), task(2)], route, headers: #"{"X-A":"b"}"#)
        #expect(
            head.map { String($0.prefix { $0 != ":" }) } == [
                "Content-Type", "User-Agent", "Tallypost-Task-Type", "Idempotency-Key", "webhook-id", "webhook-timestamp",
                "webhook-signature", "traceparent", "X-A",
            ])
        let id = try #require(value("webhook-id", head))
        #expect(value("Idempotency-Key", head) == "\"\(id)\"" && !id.contains("."))
        var signed: [UInt8] = []
        WebhookSigner(secrets: route.secrets).appendSignatures(
            prefix: Array("\(id).1767323045.".utf8), body: Array(body.utf8), to: &signed)
        #expect(value("webhook-signature", head) == String(decoding: signed, as: UTF8.self))
    }

    @Test func `the key is the same for the same tasks in any order, and for no others`() {
        let digest = KeyDigest()
        func key(_ keys: [String]) -> String { RequestComposer.batchKey(of: keys.map { task(1, key: $0) }, digest) }
        // SHA-256 of "1:a1:b", as sha256sum says it.
        #expect(key(["b", "a"]) == "batch_facdde7abf1eac5b301273ab2e282f79bab0100f058833a7b8bdf9f80741e149")
        #expect(key(["a", "b"]) == key(["b", "a"]))
        #expect(Set([key(["a", "b"]), key(["ab"]), key(["a"]), key(["a", "b", "c"]), key(["a1:b"])]).count == 5)
    }

    @Test func `structured CloudEvents go as a batch of events`() throws {
        let (head, body) = try compose([task(1), task(2)], WireRoute(url: "http://a.example/", format: .cloudEventsStructured))
        #expect(value("Content-Type", head) == "application/cloudevents-batch+json")
        #expect(body.hasPrefix(#"[{"specversion":"1.0","id":"key-1","#) && JSONSyntax.isValid(Array(body.utf8)))
        #expect(body.contains(#""id":"key-2","#))
    }

    @Test(arguments: [
        ("", Answer.ItemFailures.none), ("fine", .none), ("[1]", .none), ("{\"ok\":3}", .none), ("{\"failed\":[]}", .none),
        ("{\"failed\":0}", .none), ("{\"failed\":null}", .none), ("{\"failed\":false}", .none),
        (#"{"failed":[{"idempotency_key":"a","error":"full"}]}"#, .named(["a": "failed by the batch's answer: full"])),
        (
            #"{"failed":[{"idempotency_key":"a"},{"idempotency_key":"b","error":7}]}"#,
            .named(["a": "failed by the batch's answer", "b": "failed by the batch's answer"])
        ),
        (#"{"failed":[{"idempotency_key":"a","error":"x\u0000\ny"}]}"#, .named(["a": "failed by the batch's answer: x  y"])),
    ])
    func `an answer fails the items that it names, and none when it names none`(body: String, failures: Answer.ItemFailures) {
        #expect(BatchAnswer.failures(in: Array(body.utf8), wasCut: false, of: ["a", "b"]) == failures)
    }

    @Test(arguments: [
        (#"{"failed":[{"idempotency_key":"z"}]}"#, "none of its items"), (#"{"failed":3}"#, "no list"),
        (#"{"failed":["a"]}"#, "no list"),
        (#"{"failed":[{"key":"a"}]}"#, "no list"), (#"{"failed":true}"#, "no list"),
        (#"{"failed":[{"idempotency_key":"a"#, "cannot be read"),
    ])
    func `an answer that fails items and does not say which fails all`(body: String, word: String) {
        guard case .unclear(let reason) = BatchAnswer.failures(in: Array(body.utf8), wasCut: false, of: ["a", "b"]) else {
            Issue.record("it is clear")
            return
        }
        #expect(reason.contains(word), "\(reason)")
    }

    @Test func `a list of failures that was cut fails all, and any other long answer none`() {
        let cut = Array(#"{"failed":[{"idempotency_key":"a"}],"x":"#.utf8)
        guard case .unclear(let reason) = BatchAnswer.failures(in: cut, wasCut: true, of: ["a"]) else {
            Issue.record("it is clear")
            return
        }
        #expect(reason.contains("64 KiB"))
        #expect(BatchAnswer.failures(in: Array(#"[{"failed":1},"#.utf8), wasCut: true, of: ["a"]) == .none)
        #expect(BatchAnswer.failures(in: Array(#"{"ok":1,"x":"#.utf8), wasCut: true, of: ["a"]) == .none)
    }

    @Test func `the courier sends one request for all and hands back what its answer fails`() throws {
        let answer = #"{"failed":[{"idempotency_key":"key-2","error":"full"}]}"#
        let server = try TestServer { connection in while connection.readRequest() != nil { connection.answer(body: answer) } }
        defer { server.stop() }
        let sender = try TestCourier(server.url())
        let origin = try CurlTargetParser().origin(of: server.url())
        sender.courier.send(
            Delivery(
                task: TestCourier.task(1), others: [TestCourier.task(2), TestCourier.task(3)], isBatch: true, origin: origin,
                timeout: .seconds(10), deadline: nil))
        let answers = try sender.courier.answers(1)
        #expect(answers.map(\.id) == [1] && server.requests.count == 1)
        #expect(answers[0].response?.failures == .named(["key-2": "failed by the batch's answer: full"]))
        // A plain request's answer is not searched for failures.
        sender.courier.send(Delivery(task: TestCourier.task(2), origin: origin, timeout: .seconds(10), deadline: nil))
        #expect(try sender.courier.answers(1)[0].response?.failures == Answer.ItemFailures.none)
    }

    @Test func `a route without a URL sends to the row's, and refuses a row that has none`() throws {
        let server = try TestServer { connection in while connection.readRequest() != nil { connection.answer() } }
        defer { server.stop() }
        let courier = try CurlCourier(
            CourierSettings(
                routes: ["t": WireRoute(url: nil)], allow: try AllowList(parsing: ["127.0.0.0/8"]), version: "1"))
        defer { courier.close() }
        let origin = try CurlTargetParser().origin(of: server.url())
        for task in [TestCourier.task(1, targetURL: server.url()), TestCourier.task(2)] {
            courier.send(Delivery(task: task, origin: origin, timeout: .seconds(10), deadline: nil))
        }
        let answers = try courier.answers(2).sorted { $0.id < $1.id }
        #expect(answers[0].response?.status == 200)
        #expect(answers[1].refused == "its route has no url, and the row no target_url")
    }
}
