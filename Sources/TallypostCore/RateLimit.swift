/// How many requests a route may send to one destination in a stretch of time: `rate: "100/s"`, `burst: 50`.
public struct RateLimit: Sendable, Equatable {
    /// So many requests …
    public var count: Int
    /// … in this time.
    public var per: TimeSpan
    /// After a pause, so many at once.
    public var burst: Int

    /// The most that either may be.
    public static let most = 1_000_000

    /// - Parameter burst: nil: what one second brings, at least one.
    public init(count: Int, per: TimeSpan, burst: Int? = nil) {
        self.count = count
        self.per = per
        self.burst = burst ?? max(1, Int(Double(count) / max(per.seconds, 1e-9)))
    }

    /// As it is written in a configuration: `100/s`.
    public var text: String {
        let unit =
            switch per {
            case .minutes(1): "m"
            case .hours(1): "h"
            default: "s"
            }
        return "\(count)/\(unit)"
    }
}
