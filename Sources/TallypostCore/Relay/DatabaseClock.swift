/// What a relay knows of the database's clock: two bounds, because nobody knows when, on an answer's way, the clock was read
/// (Cristian, "Probabilistic clock synchronization", 1989).
struct DatabaseClock: Sendable {
    private let reading: Timestamp
    /// The clock was read between these two moments of ours.
    private let askedAt: Instant
    private let heardAt: Instant

    /// - Parameters:
    ///   - reading: what the clock showed.
    ///   - askedAt: when the question left.
    ///   - heardAt: when the answer was here.
    init(reading: Timestamp, askedAt: Instant, heardAt: Instant) {
        self.reading = reading
        self.askedAt = askedAt
        self.heardAt = heardAt
    }

    /// It is at least this late there.
    func earliest(at now: Instant) -> Timestamp { reading + (now - heardAt) }
    /// It is at most this late there.
    func latest(at now: Instant) -> Timestamp { reading + (now - askedAt) }

    /// A newer reading, unless it is so much vaguer that this one, grown old, still says more. Clocks may run apart by 200
    /// millionths.
    func refined(by newer: DatabaseClock) -> DatabaseClock {
        let grown = (heardAt - askedAt) + TimeSpan(nanoseconds: (newer.heardAt - heardAt).nanoseconds / 5_000)
        return newer.heardAt - newer.askedAt <= grown ? newer : self
    }
}
