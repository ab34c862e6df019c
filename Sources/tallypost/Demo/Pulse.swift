import TallypostCore

/// Turns a growing count, read now and then, into a rate for each half second.
struct Pulse: Sendable {
    /// Per second; the newest last.
    private(set) var rates: [Double] = []
    private var countBefore = 0
    private var readAt: Instant?

    private static let step = TimeSpan.milliseconds(500)
    /// More than the widest screen shows.
    private static let kept = 60

    /// The count at a moment. Readings closer than half a second are taken together.
    mutating func note(completed count: Int, at now: Instant) {
        guard let readAt else {
            self.readAt = now
            countBefore = count
            return
        }
        let span = now - readAt
        guard span >= Self.step else { return }
        rates.append(Double(count - countBefore) / span.seconds)
        if rates.count > Self.kept { rates.removeFirst(rates.count - Self.kept) }
        countBefore = count
        self.readAt = now
    }
}
