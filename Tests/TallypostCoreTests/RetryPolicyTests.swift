import TallypostCore
import Testing

@Suite struct RetryPolicyTests {
    static let seed: UInt64 = 20_260_101

    private func delays(_ policy: RetryPolicy, attempt: Int, retryAfter: TimeSpan? = nil, count: Int = 400) -> [TimeSpan] {
        var random = RandomSource(seed: Self.seed &+ UInt64(attempt))
        return (0..<count).map { _ in policy.delay(afterAttempt: attempt, retryAfter: retryAfter, using: &random) }
    }

    @Test(arguments: [1, 2, 3, 8, 11, 12, 13, 40, 41, 64, 1_000])
    func `the exponential delay is anywhere from nothing to base times two to the n, up to the cap`(attempt: Int) throws {
        let drawn = delays(RetryPolicy(), attempt: attempt)
        let ceiling = attempt < 13 ? min(TimeSpan.hours(1), .seconds(1 << Int64(attempt - 1))) : .hours(1)
        let least = try #require(drawn.min())
        let most = try #require(drawn.max())
        #expect(least >= .zero && most <= ceiling, "seed \(Self.seed)")
        // Full jitter: the whole range is used.
        #expect(least.seconds < ceiling.seconds * 0.1 && most.seconds > ceiling.seconds * 0.9, "seed \(Self.seed)")
    }

    @Test func `a base so long that it overflows stays at the cap`() {
        let policy = RetryPolicy(schedule: .exponential(base: TimeSpan(nanoseconds: .max / 2), cap: .hours(1)))
        #expect(delays(policy, attempt: 7).allSatisfy { $0 >= .zero && $0 <= .hours(1) })
    }

    @Test func `no base, no cap and no delays mean no delay`() {
        for schedule in [
            RetryPolicy.Schedule.exponential(base: .zero, cap: .hours(1)), .exponential(base: .seconds(1), cap: .zero),
            .delays([]),
        ] {
            #expect(delays(RetryPolicy(schedule: schedule), attempt: 3).allSatisfy { $0 == .zero })
        }
    }

    @Test func `the standard schedule is that of Standard Webhooks, a fifth to either side`() throws {
        let seconds: [Double] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400, 86_400, 86_400]
        for (index, middle) in seconds.enumerated() {
            let drawn = delays(RetryPolicy(schedule: .standardWebhooks), attempt: index + 1).map(\.seconds)
            let least = try #require(drawn.min())
            let most = try #require(drawn.max())
            #expect(least >= middle * 0.8 && least < middle * 0.85, "attempt \(index + 1), seed \(Self.seed)")
            #expect(most <= middle * 1.2 && most > middle * 1.15, "attempt \(index + 1), seed \(Self.seed)")
        }
    }

    @Test func `listed delays are taken in turn, the last one again and again`() {
        let policy = RetryPolicy(schedule: .delays([.seconds(5), .minutes(5)]))
        #expect(
            [0, 1, 2, 3, 9].map { delays(policy, attempt: $0, count: 1)[0] } == [
                .seconds(5), .seconds(5), .minutes(5), .minutes(5), .minutes(5),
            ])
    }

    @Test func `Retry-After is a floor, capped at a day`() {
        let policy = RetryPolicy(schedule: .delays([.seconds(30)]))
        #expect(delays(policy, attempt: 1, retryAfter: .seconds(10))[0] == .seconds(30))
        #expect(delays(policy, attempt: 1, retryAfter: .seconds(90))[0] == .seconds(90))
        #expect(delays(policy, attempt: 1, retryAfter: .hours(500))[0] == .hours(24))
        #expect(delays(policy, attempt: 1, retryAfter: .seconds(-5))[0] == .seconds(30))
        let long = RetryPolicy(schedule: .delays([.hours(48)]))
        #expect(delays(long, attempt: 1, retryAfter: .hours(30))[0] == .hours(48))
    }
}
