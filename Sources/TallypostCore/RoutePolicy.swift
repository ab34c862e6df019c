/// What the relay's mind knows of a route. How a request looks on the wire (URL, secrets, headers, TLS) is the courier's.
public struct RoutePolicy: Sendable, Equatable {
    /// What a failed head does to the tasks behind it on its ordering key. A head that will be retried always blocks.
    public enum WhenFailed: String, Sendable, CaseIterable {
        /// They wait until a person retries or cancels it.
        case block
        /// They go on.
        case skip
    }

    /// The task type it serves.
    public var type: String
    /// Where its tasks go, unless a row has its own `target_url`; nil: only where rows say (``noticeType``), or to subscribers.
    public var origin: Origin?
    /// Longest time of one request, from the first byte of the connection to the last of the answer.
    public var timeout: TimeSpan
    /// Attempts at most; 0: for ever.
    public var maxAttempts: Int
    /// When to try again.
    public var retry: RetryPolicy
    /// A task not sent so long after `created_at` ends as `timeout`; nil: never. A row's own `deadline_at` goes first.
    public var deadline: TimeSpan?
    /// How long a claim holds a task. At least `timeout` and a margin.
    public var lease: TimeSpan
    /// Requests in flight at once to one destination.
    public var concurrency: Int
    /// Requests in a stretch of time to one destination, over all relays; nil: as many as there are places.
    public var rate: RateLimit?
    /// What a failed head does to its ordering key.
    public var whenFailed: WhenFailed
    /// A task that waits for a signal and whose worker has not been heard of for so long has failed its attempt; nil: silence is fine.
    public var heartbeat: TimeSpan?
    /// A task waits for its signal no longer, unless its row says otherwise (`max_wait_seconds`); nil: for ever.
    public var longestWait: TimeSpan?
    /// Several tasks in one request; nil: one each.
    public var batch: BatchPolicy?
    /// Names of subscribers, sorted: a task of this type is not sent itself, but becomes one delivery for each of them, a task of
    /// type ``subscription(of:to:)``. Empty: it is sent.
    public var subscribers: [String]

    /// The type of the notices that tell how a task or a group ended. Their rows say where they go.
    public static let noticeType = "tallypost.notice"

    /// How the types of alerts begin; the alert's name follows. Their routes are made of the configuration's `alerts`.
    public static let alertPrefix = "tallypost.alert/"

    /// The type of the deliveries to one subscriber of `type`.
    public static func subscription(of type: String, to subscriber: String) -> String { "\(type)/\(subscriber)" }

    /// How long a claim really holds a task: time to gather a batch comes on top of ``lease``.
    public var wholeLease: TimeSpan { batch.map { lease + $0.wait } ?? lease }

    /// Time beyond the request's own that a lease leaves for waiting in memory and for the settlement.
    public static let leaseMargin = TimeSpan.seconds(30)

    /// The least that a lease must have beyond the request's time, or tasks would be given back unsent for ever.
    public static let leastLeaseMargin = TimeSpan.seconds(3)

    /// The contract's defaults: 30 s, 8 attempts, full jitter from 1 s to 1 h, a lease of the timeout and 30 s.
    public init(
        type: String, origin: Origin?, timeout: TimeSpan = .seconds(30), maxAttempts: Int = 8, retry: RetryPolicy = RetryPolicy(),
        deadline: TimeSpan? = nil, lease: TimeSpan? = nil, concurrency: Int = 64, rate: RateLimit? = nil,
        whenFailed: WhenFailed = .skip, heartbeat: TimeSpan? = nil, longestWait: TimeSpan? = nil, batch: BatchPolicy? = nil,
        subscribers: [String] = []
    ) {
        self.type = type
        self.origin = origin
        self.timeout = timeout
        self.maxAttempts = maxAttempts
        self.retry = retry
        self.deadline = deadline
        self.lease = lease ?? (timeout + Self.leaseMargin)
        self.concurrency = concurrency
        self.rate = rate
        self.whenFailed = whenFailed
        self.heartbeat = heartbeat
        self.longestWait = longestWait
        self.batch = batch
        self.subscribers = subscribers
    }
}

/// Several tasks in one request.
public struct BatchPolicy: Sendable, Equatable {
    /// At most so many.
    public var most: Int
    /// The first of them waits no longer for company.
    public var wait: TimeSpan

    /// Memberwise.
    public init(most: Int, wait: TimeSpan) {
        self.most = most
        self.wait = wait
    }
}
