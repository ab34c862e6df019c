/// When to try again, and which answers deserve it.
public struct RetryPolicy: Sendable, Equatable {
    /// The delays between attempts.
    public enum Schedule: Sendable, Equatable {
        /// Full jitter on an exponential: uniform in 0…min(cap, base · 2ⁿ⁻¹) after the n-th attempt
        /// (Brooker, "Exponential Backoff And Jitter", AWS 2015).
        case exponential(base: TimeSpan, cap: TimeSpan)
        /// The schedule that Standard Webhooks recommends, ±20 %.
        case standardWebhooks
        /// These delays in turn, the last one again and again; each as it stands.
        case delays([TimeSpan])
    }

    /// Of the Standard Webhooks specification, "Deliverability and reliability": the waits after the 1st, 2nd … attempt.
    static let standardWebhooksDelays: [TimeSpan] = [
        .seconds(5), .minutes(5), .minutes(30), .hours(2), .hours(5), .hours(10), .hours(14), .hours(20), .hours(24),
    ]

    /// The delays between attempts.
    public var schedule: Schedule
    /// HTTP statuses tried again beside 408, 409, 425, 429 and 5xx.
    public var alsoOn: Set<Int>

    /// Full jitter from 1 s to 1 h, unless told otherwise.
    public init(schedule: Schedule = .exponential(base: .seconds(1), cap: .hours(1)), alsoOn: Set<Int> = []) {
        self.schedule = schedule
        self.alsoOn = alsoOn
    }

    /// No answer, whatever it asks for, puts a task off for longer.
    public static let longestRetryAfter = TimeSpan.hours(24)

    /// How long to wait after attempt `attempt` (1 for the first) failed. `retryAfter` is a floor, itself capped at 24 h.
    public func delay(afterAttempt attempt: Int, retryAfter: TimeSpan?, using random: inout RandomSource) -> TimeSpan {
        let backoff: TimeSpan
        switch schedule {
        case .exponential(let base, let cap):
            let shift = min(max(attempt - 1, 0), 40)
            let (raised, overflow) = base.nanoseconds.multipliedReportingOverflow(by: 1 << Int64(shift))
            let ceiling = overflow ? cap.nanoseconds : min(cap.nanoseconds, raised)
            backoff = TimeSpan(nanoseconds: ceiling <= 0 ? 0 : Int64(random.next(upTo: UInt64(ceiling))))
        case .standardWebhooks:
            let delays = Self.standardWebhooksDelays
            let middle = delays[min(max(attempt, 1), delays.count) - 1].nanoseconds
            backoff = TimeSpan(nanoseconds: middle * 4 / 5 + Int64(random.next(upTo: UInt64(middle * 2 / 5))))
        case .delays(let delays):
            backoff = delays.isEmpty ? .zero : delays[min(max(attempt, 1), delays.count) - 1]
        }
        guard let retryAfter else { return backoff }
        return max(backoff, min(retryAfter, Self.longestRetryAfter))
    }
}
