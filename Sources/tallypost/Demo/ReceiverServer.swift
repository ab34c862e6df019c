import CMicrohttpd

/// One destination: a port of its own, for one kind of task.
@safe final class ReceiverServer {
    /// The port that it listens on.
    let port: UInt16
    private let daemon: OpaquePointer
    private let desk: ReceiverDesk

    /// Starts it on a free port of 127.0.0.1.
    init(task: DemoTask, ledger: ReceiverLedger) throws(DemoError) {
        desk = ReceiverDesk(task: task, ledger: ledger)
        // The desk outlives the daemon: both end in deinit, the daemon first.
        let context = unsafe Unmanaged.passUnretained(desk).toOpaque()
        guard let started = unsafe mhd_start_on_loopback(receiverAnswers, receiverIsDone, context) else {
            throw .process("the receiver's HTTP server does not start")
        }
        unsafe daemon = started
        port = unsafe mhd_port(daemon)
    }

    deinit { unsafe MHD_stop_daemon(daemon) }
}

/// What the callbacks of one server share. Called on the threads of its connections.
final class ReceiverDesk: Sendable {
    private let task: DemoTask
    private let ledger: ReceiverLedger

    /// One desk for a task type.
    init(task: DemoTask, ledger: ReceiverLedger) {
        self.task = task
        self.ledger = ledger
    }

    /// Deals with one whole request: writes it down, and then says which answer it gets.
    func answer(keyHeader: String?, attempt: String?) -> ReceiverAnswer {
        guard let keyHeader, let key = IdempotencyKeyHeader.key(keyHeader) else {
            return ReceiverAnswer(status: 400, body: #"{"error":"no Idempotency-Key"}"#)
        }
        let entry: ReceiverLedger.Entry
        do {
            entry = try ledger.record(key: key, task: task, attempt: attempt.flatMap { Int64($0) })
        } catch {
            // Nothing was committed: the relay asks again.
            return ReceiverAnswer(status: 500, body: #"{"error":"the receiver's database refused"}"#)
        }
        return ReceiverAnswer(entry: entry, task: task)
    }
}

/// An answer of the receiver.
struct ReceiverAnswer: Sendable, Equatable {
    /// The HTTP status.
    var status: UInt32
    /// JSON.
    var body: String
    /// How long to think before it is sent: after the commit, so that a relay that dies meanwhile has to ask again.
    var delayMicroseconds: UInt32 = 0

    /// As it stands.
    init(status: UInt32, body: String) {
        self.status = status
        self.body = body
    }

    /// What a request that was written down is told.
    init(entry: ReceiverLedger.Entry, task: DemoTask) {
        status = UInt32(entry.status)
        body =
            switch entry.status {
            case 200: #"{"done":true,"repeat":\#(entry.isRepeat)}"#
            case 400: #"{"error":"there is no fax machine here"}"#
            default: #"{"error":"busy, ask again"}"#
            }
        if task == .bookCourier && !entry.isRepeat { delayMicroseconds = 1_000_000 }
    }
}

/// The value of an `Idempotency-Key` header, a structured-field string (RFC 8941, section 3.3.3).
enum IdempotencyKeyHeader {
    /// Without its quotes and escapes; nil when it is no such string.
    static func key(_ header: String) -> String? {
        guard header.count >= 2, header.first == "\"", header.last == "\"" else { return nil }
        var key = ""
        var isEscaped = false
        for character in header.dropFirst().dropLast() {
            if character == "\\" && !isEscaped {
                isEscaped = true
            } else {
                key.append(character)
                isEscaped = false
            }
        }
        return isEscaped ? nil : key
    }
}
