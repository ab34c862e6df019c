import TallypostCore

/// Makes the requests of one route: pure, given the time and a span id.
///
/// The head is one block of header lines, without the last line break: libcurl appends what it is handed as one header byte by
/// byte, and goes through the list of headers a dozen times, so one entry costs less than fifteen. What is the same for every
/// request of the route is written once, here.
final class RequestComposer {
    let route: WireRoute
    let signer: WebhookSigner
    private let signalPrefix: String?
    private let eventSource: String
    /// Lines before the route's own headers.
    private let opening: [UInt8]
    /// The same for a batch.
    private let batchOpening: [UInt8]
    /// ``opening`` and the route's headers: all of them, for its own origin.
    private let wholeStart: [UInt8]
    /// ``opening`` and those of the route's headers that are no secret, for an origin that a row named.
    private let openStart: [UInt8]
    var signedPrefix: [UInt8] = []

    static let longestCheckpoint = 4_096

    init(type: String, route: WireRoute, settings: CourierSettings) {
        self.route = route
        signer = WebhookSigner(secrets: route.secrets)
        signalPrefix = settings.signalBaseURL.map { base in
            "\(String(base.reversed().drop { $0 == "/" }.reversed()))/v1/signals/"
        }
        eventSource = settings.eventSource
        let isStructured = route.format == .cloudEventsStructured
        opening = Self.opening(
            isStructured ? "application/cloudevents+json" : "application/json", type: type, route: route, settings: settings)
        batchOpening = Self.opening(
            isStructured ? "application/cloudevents-batch+json" : "application/json", type: type, route: route, settings: settings
        )
        wholeStart = opening + Self.lines(of: route.headers)
        openStart = opening + Self.lines(of: route.headers.filter { !$0.isSecret })
    }

    private static func opening(_ contentType: String, type: String, route: WireRoute, settings: CourierSettings) -> [UInt8] {
        var opening: [UInt8] = []
        // Content-Type comes first: libcurl looks for it at the start of an entry, and would add its own.
        opening.append(text: "Content-Type: \(contentType)\r\nUser-Agent: tallypost/")
        opening.append(headerEncoded: settings.version)
        opening.append(text: "\r\nTallypost-Task-Type: ")
        opening.append(headerEncoded: type)
        if route.format == .cloudEventsBinary {
            opening.append(text: "\r\nce-specversion: 1.0\r\nce-source: ")
            opening.append(headerEncoded: settings.eventSource)
            opening.append(text: "\r\nce-type: ")
            opening.append(headerEncoded: type)
        }
        return opening
    }

    /// What a request depends on beside its task.
    struct Circumstances {
        /// The time of day.
        var now: Timestamp
        /// The new span's id.
        var span: UInt64
        /// When the task may not be sent any more.
        var deadline: Timestamp?
        /// Whether the request goes to the origin of the route's URL, and so may carry the operator's secrets.
        var isOwnOrigin: Bool
        /// The row's headers.
        var rowHeaders: RowHeaders
    }

    /// Writes the head over what is in `head`, and returns the body.
    func compose(
        _ task: ClaimedTask, _ circumstances: Circumstances, digest: KeyDigest, into head: inout [UInt8]
    ) throws(Refusal) -> [UInt8] {
        guard let payload = task.payload else { throw Refusal("payload is NULL") }
        let body = body(of: task, payload: payload)
        writeStart(circumstances, into: &head)
        head.append(text: "\r\nIdempotency-Key: ")
        try route.idempotencyKeyFormat.append(task.idempotencyKey, to: &head)
        writeSignature(task, body: body, at: circumstances.now, into: &head)
        head.append(text: "\r\nTallypost-Task-Id: ")
        head.append(decimal: task.id)
        head.append(text: "\r\nTallypost-Task-Attempt: ")
        head.append(decimal: Int64(task.attempt))
        if let deadline = circumstances.deadline {
            head.append(text: "\r\nTallypost-Task-Deadline: ")
            head.append(iso8601: deadline)
        }
        if task.waitsForSignal, let signalPrefix { try writeSignalURL(signalPrefix, task, into: &head) }
        if let previous = task.previousTask {
            head.append(text: "\r\nTallypost-Previous-Task: ")
            head.append(decimal: previous)
        }
        if let checkpoint = task.checkpoint { writeCheckpoint(checkpoint, into: &head) }
        head.append(text: "\r\ntraceparent: ")
        let trace = task.traceparent.flatMap { TraceContext(parsing: $0) } ?? TraceContext(keyDigest: digest(task.idempotencyKey))
        trace.append(span: circumstances.span, to: &head)
        if route.format == .cloudEventsBinary { writeEventHeaders(task, into: &head) }
        for field in circumstances.rowHeaders.fields { Self.write(field, to: &head) }
        return body
    }

    func writeStart(_ circumstances: Circumstances, ofBatch: Bool = false, into head: inout [UInt8]) {
        head.removeAll(keepingCapacity: true)
        let names = circumstances.rowHeaders.names
        guard ofBatch || !names.isEmpty else {
            head.append(contentsOf: circumstances.isOwnOrigin ? wholeStart : openStart)
            return
        }
        head.append(contentsOf: ofBatch ? batchOpening : opening)
        for field in route.headers where circumstances.isOwnOrigin || !field.isSecret {
            if !names.contains(field.name.lowercased()) { Self.write(field, to: &head) }
        }
    }

    /// `webhook-id`, `-timestamp` and `-signature`. The first two are of use without a secret too.
    private func writeSignature(_ task: ClaimedTask, body: [UInt8], at now: Timestamp, into head: inout [UInt8]) {
        let seconds = now.microseconds.flooredDivision(by: 1_000_000).quotient
        head.append(text: "\r\nwebhook-id: task_")
        head.append(decimal: task.id)
        head.append(text: "\r\nwebhook-timestamp: ")
        head.append(decimal: seconds)
        guard !signer.isSilent else { return }
        signedPrefix.removeAll(keepingCapacity: true)
        signedPrefix.append(text: "task_")
        signedPrefix.append(decimal: task.id)
        signedPrefix.append(UInt8(ascii: "."))
        signedPrefix.append(decimal: seconds)
        signedPrefix.append(UInt8(ascii: "."))
        head.append(text: "\r\nwebhook-signature: ")
        signer.appendSignatures(prefix: signedPrefix, body: body, to: &head)
    }

    private func writeSignalURL(_ prefix: String, _ task: ClaimedTask, into head: inout [UInt8]) throws(Refusal) {
        guard let token = Self.token(of: task) else {
            throw Refusal(
                "signal_token is no token: it must be 32 bytes, in base64url (43 characters) or hexadecimal (64), or nobody could signal this task"
            )
        }
        head.append(text: "\r\nTallypost-Signal-URL: ")
        head.append(text: prefix)
        head.append(text: token)
    }

    private static func token(of task: ClaimedTask) -> String? {
        task.signalToken.flatMap { TaskSignal.isToken($0) ? $0 : nil }
    }

    /// Where to signal a task that waits; nil: it does not, or nobody can.
    func signalURL(of task: ClaimedTask) -> String? {
        guard task.waitsForSignal, let signalPrefix, let token = Self.token(of: task) else { return nil }
        return signalPrefix + token
    }

    private func writeCheckpoint(_ checkpoint: String, into head: inout [UInt8]) {
        var line: [UInt8] = []
        line.append(asciiJSON: checkpoint, atMost: Self.longestCheckpoint)
        guard line.count <= Self.longestCheckpoint else { return }
        head.append(text: "\r\nTallypost-Checkpoint: ")
        head.append(contentsOf: line)
    }

    /// The id is the idempotency key: by `source` and `id` a consumer of CloudEvents knows a double, as others do by the key.
    private func writeEventHeaders(_ task: ClaimedTask, into head: inout [UInt8]) {
        head.append(text: "\r\nce-id: ")
        head.append(headerEncoded: task.idempotencyKey)
        head.append(text: "\r\nce-time: ")
        head.append(iso8601: task.createdAt)
        if let subject = task.subject, !subject.isEmpty {
            head.append(text: "\r\nce-subject: ")
            head.append(headerEncoded: subject)
        }
    }

    func body(of task: ClaimedTask, payload: [UInt8]) -> [UInt8] {
        let inner = route.body == .envelope ? Self.envelope(of: task, payload: payload) : payload
        return route.format == .cloudEventsStructured ? structuredEvent(of: task, data: inner) : inner
    }

    private static func envelope(of task: ClaimedTask, payload: [UInt8]) -> [UInt8] {
        var body: [UInt8] = []
        body.reserveCapacity(payload.count + 256)
        body.append(UInt8(ascii: "{"))
        writeDescription(of: task, payload: payload, to: &body)
        writeHistory(of: task, to: &body)
        body.append(UInt8(ascii: "}"))
        return body
    }

    /// The members `task` and `payload`.
    static func writeDescription(of task: ClaimedTask, payload: [UInt8], to body: inout [UInt8]) {
        body.append(text: "\"task\":{\"id\":")
        body.append(decimal: task.id)
        body.append(text: ",\"type\":")
        body.append(jsonString: task.type)
        if let subject = task.subject {
            body.append(text: ",\"subject\":")
            body.append(jsonString: subject)
        }
        body.append(text: ",\"attempt\":")
        body.append(decimal: Int64(task.attempt))
        body.append(text: "},\"payload\":")
        body.append(contentsOf: payload)
    }

    /// The members `previousResult` and `checkpoint`, where there are any.
    static func writeHistory(of task: ClaimedTask, to body: inout [UInt8]) {
        // Relays wrote both, but an adopted table may hold anything, and one bad member would spoil the whole.
        for (name, text) in [("previousResult", task.previousResult), ("checkpoint", task.checkpoint)] {
            guard let text, JSONSyntax.isValid(Array(text.utf8)) else { continue }
            body.append(text: ",\"\(name)\":")
            body.append(text: text)
        }
    }

    func structuredEvent(of task: ClaimedTask, data: [UInt8]) -> [UInt8] {
        var body: [UInt8] = []
        body.reserveCapacity(data.count + 512)
        body.append(text: "{\"specversion\":\"1.0\",\"id\":")
        body.append(jsonString: task.idempotencyKey)
        body.append(text: ",\"source\":")
        body.append(jsonString: eventSource)
        body.append(text: ",\"type\":")
        body.append(jsonString: task.type)
        if let subject = task.subject, !subject.isEmpty {
            body.append(text: ",\"subject\":")
            body.append(jsonString: subject)
        }
        body.append(text: ",\"time\":\"")
        body.append(iso8601: task.createdAt)
        body.append(text: "\",\"datacontenttype\":\"application/json\",\"data\":")
        body.append(contentsOf: data)
        body.append(UInt8(ascii: "}"))
        return body
    }

    private static func lines(of fields: [HeaderField]) -> [UInt8] {
        var lines: [UInt8] = []
        for field in fields { write(field, to: &lines) }
        return lines
    }

    static func write(_ field: HeaderField, to head: inout [UInt8]) {
        head.append(text: "\r\n")
        head.append(text: field.name)
        head.append(text: ": ")
        head.append(text: field.value)
    }
}
