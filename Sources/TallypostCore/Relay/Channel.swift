/// What is isolated from what: the tasks of one type that go to one destination.
struct ChannelKey: Hashable {
    let type: String
    let origin: Origin
}

/// A task that this relay holds a lease of.
struct HeldTask {
    let fit: FitTask
    /// When the claim was asked for; the lease is at least this long from here.
    let claimedAt: Instant
    /// Not a moment after this may a request for it still be under way.
    let leaseEnd: Instant
    let channel: Int
    var sentAt: Instant?
    /// Its answer comes for a batch.
    var isInBatch = false
}

/// The places in flight of one channel, its rate, and who waits for one. A slow destination fills its own channel and no other.
struct Channel {
    let key: ChannelKey
    /// Its place in the relay's list of destinations; two routes to one destination share that.
    let destination: Int
    /// Where its type is counted (``RelayMetrics``).
    var series = RelayMetrics.other
    /// Requests at once.
    var limit: Int
    /// This relay's share of the route's rate; nil: the route has none.
    var bucket: TokenBucket?
    /// What its requests gather; nil: a task each.
    var batch: BatchPolicy?
    /// Whether it waits for its destination, a token or a batch, until then.
    var isAsleep = false
    /// It waits for a batch only: another task is a reason to look again.
    var isGathering = false
    var wakesAt = Instant(nanoseconds: .min)
    /// Tasks that were given back for want of tokens come back one by one; the last of them at this time.
    var promisedUntil = Instant(nanoseconds: .min)
    var inFlight = 0
    /// Tasks that wait for a place, oldest first, from `head` on.
    private var waiting: [Int64] = []
    private var head = 0
    /// Whether it stands in the relay's list of channels that can send.
    var isReady = false

    init(key: ChannelKey, destination: Int, limit: Int, bucket: TokenBucket?, batch: BatchPolicy?) {
        self.key = key
        self.destination = destination
        self.limit = limit
        self.bucket = bucket
        self.batch = batch
    }

    var queued: Int { waiting.count - head }
    var hasPlace: Bool { inFlight < limit }
    /// Full, with more waiting than one round of its places: claiming more for it would only hold leases.
    var isCrowded: Bool { !hasPlace && queued >= limit * perRequest }
    /// Tasks that one request carries, at most.
    var perRequest: Int { batch?.most ?? 1 }

    mutating func enqueue(_ id: Int64) { waiting.append(id) }

    mutating func dequeue() -> Int64? {
        guard head < waiting.count else { return nil }
        defer {
            head += 1
            // Keeps the array from growing for ever, at a constant cost per task.
            if head == waiting.count {
                waiting.removeAll(keepingCapacity: true)
                head = 0
            } else if head >= 1_024, head * 2 >= waiting.count {
                waiting.removeFirst(head)
                head = 0
            }
        }
        return waiting[head]
    }

    /// Tasks that wait, oldest first; some may have been given back since.
    var pending: ArraySlice<Int64> { waiting[head...] }

    /// Takes the first `count` out, and puts some of them back in front.
    mutating func dequeue(_ count: Int, keeping kept: [Int64]) {
        head += count - kept.count
        for (offset, id) in kept.enumerated() { waiting[head + offset] = id }
        if head == waiting.count {
            waiting.removeAll(keepingCapacity: true)
            head = 0
        } else if head >= 1_024, head * 2 >= waiting.count {
            waiting.removeFirst(head)
            head = 0
        }
    }
}
