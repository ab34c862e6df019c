import TallypostCore

/// Whether the dispatch loop turns, and whether the relay is about to stop.
struct Health: Sendable {
    /// When the dispatch loop last turned.
    var lastTurn: @Sendable () -> Instant
    /// Whether the relay was told to stop.
    var isDraining: @Sendable () -> Bool

    /// A loop that has not turned for so long is stuck: it turns at least every 10 s.
    static let stuckAfter = TimeSpan.seconds(30)

    /// `/livez`: the loop alone. A database that is away is no reason to start us anew.
    func live(at now: Instant = ConsoleClock.now()) -> HTTPAnswer {
        let silence = now - lastTurn()
        guard silence > Self.stuckAfter else {
            return .json { json in
                json.name("status")
                json.string("live")
            }
        }
        return .problem(.unavailable, "the dispatch loop has not turned for \(silence.milliseconds / 1_000) s")
            .adding("Retry-After", "10")
    }
}
