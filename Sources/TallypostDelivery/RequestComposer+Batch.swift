import TallypostCore

// Several tasks in one request: a JSON array, or a batch of CloudEvents (JSON format 1.0, section 4).
extension RequestComposer {
    /// Writes the head over what is in `head`, and returns the body. The tasks share their `headers`.
    func composeBatch(
        _ tasks: [ClaimedTask], _ circumstances: Circumstances, digest: KeyDigest, into head: inout [UInt8]
    ) throws(Refusal) -> [UInt8] {
        var body: [UInt8] = [UInt8(ascii: "[")]
        body.reserveCapacity(tasks.reduce(2) { $0 + $1.footprint })
        for task in tasks {
            guard let payload = task.payload else { throw Refusal("payload is NULL") }
            if body.count > 1 { body.append(UInt8(ascii: ",")) }
            if route.format == .cloudEventsStructured {
                body.append(contentsOf: self.body(of: task, payload: payload))
            } else {
                writeItem(task, payload: payload, to: &body)
            }
        }
        body.append(UInt8(ascii: "]"))

        let key = Self.batchKey(of: tasks, digest)
        writeStart(circumstances, ofBatch: true, into: &head)
        head.append(text: "\r\nIdempotency-Key: ")
        try route.idempotencyKeyFormat.append(key, to: &head)
        writeSignature(id: key, body: body, at: circumstances.now, into: &head)
        head.append(text: "\r\ntraceparent: ")
        // Each of the tasks may belong to a trace of its own; the request begins one for all.
        TraceContext(keyDigest: digest(key)).append(span: circumstances.span, to: &head)
        for field in circumstances.rowHeaders.fields { Self.write(field, to: &head) }
        return body
    }

    /// One for the same tasks, in whatever order: each key is hashed with its length before it, so that no two sets look alike.
    static func batchKey(of tasks: [ClaimedTask], _ digest: KeyDigest) -> String {
        let keys = tasks.map(\.idempotencyKey).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        var key = Array("batch_".utf8)
        for byte in digest(keys.map { "\($0.utf8.count):\($0)" }.joined()) { key.append(hexByte: byte) }
        return String(decoding: key, as: UTF8.self)
    }

    private func writeItem(_ task: ClaimedTask, payload: [UInt8], to body: inout [UInt8]) {
        body.append(text: "{\"idempotency_key\":")
        body.append(jsonString: task.idempotencyKey)
        body.append(UInt8(ascii: ","))
        Self.writeDescription(of: task, payload: payload, to: &body)
        // What a request for one task says in headers.
        if let previous = task.previousTask {
            body.append(text: ",\"previousTask\":")
            body.append(decimal: previous)
        }
        if let url = signalURL(of: task) {
            body.append(text: ",\"signalURL\":")
            body.append(jsonString: url)
        }
        if route.body == .envelope { Self.writeHistory(of: task, to: &body) }
        body.append(UInt8(ascii: "}"))
    }

    private func writeSignature(id: String, body: [UInt8], at now: Timestamp, into head: inout [UInt8]) {
        let seconds = now.microseconds.flooredDivision(by: 1_000_000).quotient
        head.append(text: "\r\nwebhook-id: \(id)\r\nwebhook-timestamp: \(seconds)")
        guard !signer.isSilent else { return }
        signedPrefix = Array("\(id).\(seconds).".utf8)
        head.append(text: "\r\nwebhook-signature: ")
        signer.appendSignatures(prefix: signedPrefix, body: body, to: &head)
    }
}
