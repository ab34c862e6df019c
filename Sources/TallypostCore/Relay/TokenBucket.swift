/// One relay's share of a rate: a token bucket, kept as the moment when it will be full again, so that nothing has to be
/// refilled and a send costs one addition (the generic cell rate algorithm of ITU-T I.371).
struct TokenBucket {
    let limit: RateLimit
    /// Nanoseconds from one token to the next, for this relay.
    private(set) var interval: Int64
    /// The most tokens that it holds.
    private(set) var capacity: Int
    private var fullAt: Instant

    /// - Parameters:
    ///   - relays: how many share the rate.
    ///   - tokens: what it holds at `start`; it fills from then on.
    init(_ limit: RateLimit, among relays: Int, tokens: Int, at start: Instant) {
        self.limit = limit
        (interval, capacity) = Self.share(of: limit, among: relays)
        fullAt = start
        set(tokens, at: start)
    }

    /// Rounded so that all shares together are never more than the whole; but each relay must be able to send one.
    private static func share(of limit: RateLimit, among relays: Int) -> (interval: Int64, capacity: Int) {
        let relays = Int64(max(1, relays))
        let (product, overflow) = limit.per.nanoseconds.multipliedReportingOverflow(by: relays)
        let count = Int64(max(1, limit.count))
        let interval = max(1, ((overflow ? Int64.max / 2 : product) + count - 1) / count)
        let capacity = max(1, limit.burst / Int(relays))
        // A bucket that takes 36 years to fill is as good as a larger one, and its times do not overflow.
        return (interval, max(1, min(capacity, Int((Int64(1) << 60) / interval))))
    }

    private mutating func set(_ tokens: Int, at moment: Instant) {
        fullAt = moment + TimeSpan(nanoseconds: Int64(capacity - min(tokens, capacity)) * interval)
    }

    /// When there is a token to take: now or earlier if there is one already.
    var ready: Instant { fullAt + TimeSpan(nanoseconds: -Int64(capacity - 1) * interval) }

    /// Whether nothing was taken that has not come back.
    func isFull(at now: Instant) -> Bool { fullAt <= now }

    /// Whole tokens in it.
    func tokens(at now: Instant) -> Int {
        guard fullAt > now else { return capacity }
        return max(0, capacity - Int(((fullAt - now).nanoseconds + interval - 1) / interval))
    }

    /// Whole tokens that it holds and that come within a span, if all are taken as they come.
    func tokens(at now: Instant, and span: TimeSpan) -> Int {
        guard ready > now else { return tokens(at: now) + income(in: span) }
        let rest = (now + span - ready).nanoseconds
        return rest < 0 ? 0 : Int(rest / interval) + 1
    }

    /// Tokens that come within a span.
    func income(in span: TimeSpan) -> Int { Int(span.nanoseconds / interval) }

    /// Takes one; the caller has looked at ``ready``.
    mutating func take(at now: Instant) { fullAt = max(fullAt, now) + TimeSpan(nanoseconds: interval) }

    /// Relays came or went: what it holds stays, as far as there is room for it.
    mutating func share(among relays: Int, at now: Instant) {
        let held = tokens(at: now)
        (interval, capacity) = Self.share(of: limit, among: relays)
        set(held, at: now)
    }
}
