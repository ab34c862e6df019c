import TallypostCore

/// Tells from a counter of requests whether there is a rush.
struct RushWatch {
    /// From so many requests a second on.
    private static let rate = 100.0
    /// How long it is remembered: what lets up for a moment has mostly not ended.
    private static let memory = TimeSpan.seconds(5)

    private var last: (sent: Int, at: Instant)?
    private var until = Instant(nanoseconds: .min)

    /// - Parameter sent: requests since the relay began.
    mutating func note(sent: Int, at now: Instant) {
        if let last, now > last.at, Double(sent - last.sent) / (now - last.at).seconds >= Self.rate { until = now + Self.memory }
        last = (sent, now)
    }

    func isRushed(at now: Instant) -> Bool { now < until }
}
