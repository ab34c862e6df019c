import TallypostCore
import Testing

@Suite struct TimeTests {
    @Test func `spans saturate instead of overflowing`() {
        #expect(TimeSpan.hours(.max) == TimeSpan(nanoseconds: .max))
        #expect(TimeSpan.seconds(.min) == TimeSpan(nanoseconds: .min))
        #expect(TimeSpan(nanoseconds: .max) + .seconds(1) == TimeSpan(nanoseconds: .max))
        #expect(TimeSpan(nanoseconds: .min) + .seconds(-1) == TimeSpan(nanoseconds: .min))
        #expect(TimeSpan(nanoseconds: .min) - .seconds(1) == TimeSpan(nanoseconds: .min))
        #expect(TimeSpan(nanoseconds: .max) - .seconds(-1) == TimeSpan(nanoseconds: .max))
    }

    @Test func `units agree`() {
        #expect(TimeSpan.hours(1) == .minutes(60) && TimeSpan.minutes(1) == .seconds(60))
        #expect(TimeSpan.seconds(1) == .milliseconds(1_000) && TimeSpan.milliseconds(1) == .microseconds(1_000))
        #expect(TimeSpan.milliseconds(-1_999).milliseconds == -1_999 && TimeSpan(nanoseconds: -1_999_999).milliseconds == -1)
        #expect(TimeSpan.milliseconds(2_500).seconds == 2.5)
    }

    @Test func `an instant never goes beyond the distant future`() {
        let now = Instant(nanoseconds: 5)
        #expect(now + TimeSpan(nanoseconds: .max) == .distantFuture)
        #expect(.distantFuture + .seconds(1) == Instant.distantFuture)
        #expect(
            Instant(nanoseconds: 9) - now == TimeSpan(nanoseconds: 4)
                && now - Instant(nanoseconds: 9) == TimeSpan(nanoseconds: -4))
    }

    @Test func `an instant far in the past is long ago and not ahead`() {
        let start = Instant(nanoseconds: .min)
        #expect(Instant(nanoseconds: 5) - start > .zero)
        #expect(start - Instant(nanoseconds: 5) < .zero)
    }

    @Test func `a timestamp saturates at its ends`() {
        let last = Timestamp(microseconds: .max)
        let first = Timestamp(microseconds: .min)
        #expect(last + .seconds(1) == last && first + .seconds(-1) == first)
        #expect(last - first == TimeSpan(nanoseconds: .max) && first - last == TimeSpan(nanoseconds: .min))
        #expect(Timestamp(microseconds: 10) + .microseconds(5) == Timestamp(microseconds: 15))
        #expect(Timestamp(microseconds: 10) - Timestamp(microseconds: 15) == .microseconds(-5))
    }
}
