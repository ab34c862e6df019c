import Glibc
public import TallypostCore

/// This machine's clocks.
public enum MonotonicClock {
    /// CLOCK_BOOTTIME: never set back, and counting through suspend.
    public static func now() -> Instant {
        let time = read(CLOCK_BOOTTIME)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// CLOCK_REALTIME: for log lines and messages, never for leases.
    public static func timeOfDay() -> Timestamp {
        let time = read(CLOCK_REALTIME)
        return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000)
    }

    static func read(_ clock: Int32) -> timespec {
        var time = timespec()
        let status = unsafe clock_gettime(clock, &time)
        precondition(status == 0, "clock_gettime: clock \(clock) is not there")
        return time
    }
}
