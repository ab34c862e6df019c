import Glibc
import TallypostCore

/// The one timer that a multi handle asks for.
final class CurlTimer {
    private var due = Instant.distantFuture

    /// - Parameter milliseconds: from now; negative: none.
    func set(milliseconds: Int) {
        due = milliseconds < 0 ? .distantFuture : MonotonicTime.now() + .milliseconds(Int64(milliseconds))
    }

    /// Whether it has run out. It then counts as never set: libcurl sets it anew.
    func takeIfDue(at now: Instant) -> Bool {
        guard due <= now else { return false }
        due = .distantFuture
        return true
    }

    /// Time until it runs out, at most `longest`; never negative.
    func remaining(at now: Instant, atMost longest: TimeSpan) -> TimeSpan {
        max(.zero, due == .distantFuture ? longest : min(longest, due - now))
    }
}

/// The kernel's clocks.
enum MonotonicTime {
    /// CLOCK_MONOTONIC, by which libcurl counts too.
    static func now() -> Instant {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// The time of day.
    static func timeOfDay() -> Timestamp {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000)
    }
}
