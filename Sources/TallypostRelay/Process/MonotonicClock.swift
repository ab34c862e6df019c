import Glibc
public import TallypostCore

/// CLOCK_BOOTTIME: it goes on while the machine sleeps, so that leases that ran out meanwhile are known to have.
public enum MonotonicClock {
    /// This moment.
    public static func now() -> Instant {
        var time = timespec()
        unsafe clock_gettime(CLOCK_BOOTTIME, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}
