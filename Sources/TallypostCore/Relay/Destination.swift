/// What a relay knows of one destination (scheme, host, port), whichever routes lead to it: its breaker, and until when it asked
/// to be left alone. Places in flight and rates are each route's own (``Channel``).
struct Destination {
    let origin: Origin
    var breaker = Breaker()
    /// A `Retry-After`: nothing is sent before.
    var heldUntil = Instant(nanoseconds: .min)
    /// When people last heard of that: a receiver that asks for a second each second is not told of each time.
    var toldAt: Instant?
    /// Whether requests flow with no further look. False: ask ``gate(at:)``.
    var isFree = true
    /// The channels that lead here.
    var channels: [Int] = []

    /// What may be sent.
    enum Gate: Equatable {
        case free
        /// Nothing before that.
        case closed(until: Instant)
        /// One request, to see whether the destination is back.
        case probe
        /// Nothing until that one has its answer.
        case probing
    }

    func gate(at now: Instant) -> Gate {
        switch breaker.state {
        case .closed: return heldUntil > now ? .closed(until: heldUntil) : .free
        case .open(let until):
            let end = max(until, heldUntil)
            return end > now ? .closed(until: end) : .probe
        case .probing: return .probing
        }
    }

    /// Whether there is nothing to remember of it.
    func isQuiet(at now: Instant, _ limits: RelayLimits) -> Bool {
        heldUntil <= now && breaker.isQuiet(at: now, limits)
    }
}
