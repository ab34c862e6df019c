/// The circuit breaker of one destination, as one relay sees it; in memory only (Nygard, "Release It!", 2007).
///
/// It looks at the last 64 answers, and forgets them after a minute without one. When 70 % of at least 10 failed it opens; of as
/// many as are still under way, when those are more, because failures come back sooner than answers that took work: the first ten
/// of sixty-four that left together say little. Then nothing is sent until its time is up, then a single request, the probe. An
/// answer that shows the destination alive closes it; a failure opens it again, for twice the time.
struct Breaker {
    /// What an answer says about the destination, whatever it says about the task.
    enum Word { case alive, failing, nothing }

    enum State: Equatable {
        case closed
        /// Nothing is sent before that; then a probe is due.
        case open(until: Instant)
        /// This request is under way, and no other.
        case probing(Relay.LeaseKey)
    }

    /// What an answer changed.
    enum Change: Equatable {
        case opened(failures: Int, attempts: Int, wait: TimeSpan)
        case staysOpen(wait: TimeSpan)
        case closed
    }

    private(set) var state = State.closed
    /// The latest answer in the lowest bit; 1: failed.
    private var history: UInt64 = 0
    private var count = 0
    private var lastAt = Instant(nanoseconds: .min)
    /// How often in a row it opened without having been well for a while.
    private var openings = 0
    /// What it opened on.
    private(set) var seen = (failures: 0, attempts: 0)

    static let longestHistory = 64

    /// Whether it remembers nothing that matters.
    func isQuiet(at now: Instant, _ limits: RelayLimits) -> Bool {
        state == .closed && (count == 0 || now - lastAt > limits.breakerMemory)
    }

    /// Takes in an answer. Says what changed, for people.
    mutating func record(
        _ word: Word, of key: @autoclosure () -> Relay.LeaseKey, underWay: Int = 0, at now: Instant,
        _ limits: RelayLimits, _ random: inout RandomSource
    ) -> Change? {
        switch state {
        case .closed:
            guard word != .nothing else { return nil }
            return count(word, underWay: underWay, at: now, limits, &random)
        case .open:
            // It was sent before the breaker opened.
            return nil
        case .probing(let probe):
            guard probe == key() else { return nil }
            switch word {
            case .alive:
                state = .closed
                (history, count) = (0, 0)
                return .closed
            case .failing: return .staysOpen(wait: open(at: now, limits, &random))
            case .nothing:
                // It never got there, or was told to come later: another one may try.
                state = .open(until: now)
                return nil
            }
        }
    }

    private mutating func count(
        _ word: Word, underWay: Int, at now: Instant, _ limits: RelayLimits, _ random: inout RandomSource
    ) -> Change? {
        if now - lastAt > limits.breakerMemory { (history, count) = (0, 0) }
        lastAt = now
        history = history << 1 | (word == .failing ? 1 : 0)
        if count < Self.longestHistory { count += 1 }
        guard count >= limits.breakerAttempts else { return nil }
        let failures = history.nonzeroBitCount
        guard failures * 100 >= count * limits.breakerPercent else {
            openings = 0
            return nil
        }
        guard word == .failing, count >= min(underWay, Self.longestHistory) else { return nil }
        seen = (failures, count)
        return .opened(failures: failures, attempts: count, wait: open(at: now, limits, &random))
    }

    /// The wait doubles from opening to opening. Half of it is added at random, so that relays that lost the same destination
    /// do not all come back at once; it stays between the shortest and the longest.
    private mutating func open(at now: Instant, _ limits: RelayLimits, _ random: inout RandomSource) -> TimeSpan {
        let longest = max(limits.breakerLongest.nanoseconds / 3 * 2, limits.breakerShortest.nanoseconds)
        var nominal = limits.breakerShortest.nanoseconds
        for _ in 0..<min(openings, 40) where nominal < longest { nominal = min(nominal * 2, longest) }
        openings += 1
        let wait = min(nominal + Int64(random.next(upTo: UInt64(nominal / 2))), limits.breakerLongest.nanoseconds)
        state = .open(until: now + TimeSpan(nanoseconds: wait))
        (history, count) = (0, 0)
        return TimeSpan(nanoseconds: wait)
    }

    /// The probe has left.
    mutating func probe(with key: Relay.LeaseKey) { state = .probing(key) }
}

extension Answer.Result {
    /// What it says about the destination: failing when nothing or 5xx, 408 or 429 came back. A `Retry-After` on 429 and 503 is a
    /// promise, which is kept for the whole destination and counts neither way; so does a request that never left. Every other
    /// answer, a refusal of the row too, shows a destination that works.
    var aboutDestination: Breaker.Word {
        switch self {
        case .unanswered: return .failing
        case .refused: return .nothing
        case .response(let response):
            if (200...299).contains(response.status) || response.forbidsRetry { return .alive }
            switch response.status {
            case 429, 503: return response.hold == nil ? .failing : .nothing
            case 408, 500...599: return .failing
            default: return .alive
            }
        }
    }
}

extension Answer.Response {
    /// How long the destination asks to be left alone; nil: it does not.
    var hold: TimeSpan? {
        guard status == 429 || status == 503, let retryAfter, retryAfter > .zero else { return nil }
        return retryAfter
    }
}
