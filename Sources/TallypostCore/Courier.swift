/// One attempt to be made: what the relay's mind hands to the courier.
public struct Delivery: Sendable {
    /// The leased task; of a batch the first, under whose id and epoch the answer comes.
    public let task: ClaimedTask
    /// The other tasks of a batch, which all go in the one request; with the same `target_url` and `headers`.
    public let others: [ClaimedTask]
    /// Whether the route sends batches: then the body is an array even if it holds one task.
    public let isBatch: Bool
    /// Where it goes; also the key of the place in flight that it takes.
    public let origin: Origin
    /// Longest time of the request.
    public let timeout: TimeSpan
    /// When the task may not be sent any more, for the header that tells the receiver; nil: never.
    public let deadline: Timestamp?

    /// Memberwise.
    public init(
        task: ClaimedTask, others: [ClaimedTask] = [], isBatch: Bool = false, origin: Origin, timeout: TimeSpan,
        deadline: Timestamp?
    ) {
        self.task = task
        self.others = others
        self.isBatch = isBatch
        self.origin = origin
        self.timeout = timeout
        self.deadline = deadline
    }
}

/// How an attempt ended.
public struct Answer: Sendable {
    /// The task's `id`.
    public var id: Int64
    /// The epoch under which it was sent.
    public var epoch: Int64
    /// What came back.
    public var result: Result
    /// From the start of the request to the end of the answer.
    public var duration: TimeSpan
    /// No answer, because the request went out on a connection kept from before, which its receiver had closed: that is how kept
    /// connections end, and says nothing against the destination.
    public var wasOnClosedConnection: Bool

    /// What came back.
    public enum Result: Sendable {
        /// An HTTP answer, whole or with its body cut at the bound.
        case response(Response)
        /// No (whole) answer: DNS, connection, TLS, timeout, a broken stream. Worth another try. The text is for a person.
        case unanswered(String)
        /// The request was not sent and never may be: a forbidden address, a URL or header that cannot be sent.
        case refused(String)
    }

    /// An HTTP answer.
    public struct Response: Sendable {
        /// The HTTP status.
        public var status: Int
        /// `Retry-After`, already turned into a span; nil when absent or garbage.
        public var retryAfter: TimeSpan?
        /// `Tallypost-Retry: no`.
        public var forbidsRetry: Bool
        /// The body's first bytes, at most 64 KiB.
        public var body: [UInt8]
        /// Whether the body went on beyond them.
        public var bodyWasCut: Bool
        /// Of a batch: what a 2xx answer says against single items.
        public var failures: ItemFailures

        /// Memberwise.
        public init(
            status: Int, retryAfter: TimeSpan? = nil, forbidsRetry: Bool = false, body: [UInt8] = [], bodyWasCut: Bool = false,
            failures: ItemFailures = .none
        ) {
            self.failures = failures
            self.status = status
            self.retryAfter = retryAfter
            self.forbidsRetry = forbidsRetry
            self.body = body
            self.bodyWasCut = bodyWasCut
        }
    }

    /// Which items of a batch a 2xx answer fails (contract, section 8).
    public enum ItemFailures: Sendable, Equatable {
        /// None: all were taken.
        case none
        /// These, by idempotency key, with the reason.
        case named([String: String])
        /// It fails items and does not say which: for safety's sake all of them. The text is for a person.
        case unclear(String)

        /// Why an item failed; nil: it did not.
        func reason(for key: String) -> String? {
            switch self {
            case .none: nil
            case .named(let reasons): reasons[key]
            case .unclear(let reason): reason
            }
        }
    }

    /// Memberwise.
    public init(id: Int64, epoch: Int64, result: Result, duration: TimeSpan, wasOnClosedConnection: Bool = false) {
        self.wasOnClosedConnection = wasOnClosedConnection
        self.id = id
        self.epoch = epoch
        self.result = result
        self.duration = duration
    }
}

/// Makes attempts. One courier belongs to one thread, the dispatch loop's.
public protocol Courier: AnyObject {
    /// Starts the request; never blocks. Its answer comes out of a later ``collect(into:)``, always exactly one.
    func send(_ delivery: Delivery)

    /// Appends the answers that came since the last call.
    func collect(into answers: inout [Answer])

    /// Drops every request under way without an answer and closes the connections.
    func close()
}
