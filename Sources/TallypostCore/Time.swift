/// A moment on this process's monotonic clock (CLOCK_BOOTTIME in the real relay, virtual in the simulator).
///
/// It counts through suspend, so a lease that ran out while the machine slept is seen as run out. It says nothing
/// about the time of day and is never compared with another process's.
public struct Instant: Comparable, Hashable, Sendable {
    /// Nanoseconds since an arbitrary start.
    public var nanoseconds: Int64

    /// - Parameter nanoseconds: since the clock's arbitrary start.
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// Later than every moment a clock can show.
    public static let distantFuture = Instant(nanoseconds: .max)

    /// Whether `a` comes first.
    public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }

    /// The moment `span` after `start`; saturates instead of overflowing.
    public static func + (start: Instant, span: TimeSpan) -> Instant {
        let (sum, overflow) = start.nanoseconds.addingReportingOverflow(span.nanoseconds)
        return overflow ? .distantFuture : Instant(nanoseconds: sum)
    }

    /// The time from `start` to `end`, negative if `end` came first; saturates instead of overflowing.
    public static func - (end: Instant, start: Instant) -> TimeSpan {
        let (difference, overflow) = end.nanoseconds.subtractingReportingOverflow(start.nanoseconds)
        return TimeSpan(nanoseconds: overflow ? (end < start ? .min : .max) : difference)
    }
}

/// A length of time. One machine word, where the standard library's `Duration` is two: it is compared for every task.
public struct TimeSpan: Comparable, Hashable, Sendable {
    /// Nanoseconds; may be negative.
    public var nanoseconds: Int64

    /// - Parameter nanoseconds: may be negative.
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// No time at all.
    public static let zero = TimeSpan(nanoseconds: 0)
    /// So many microseconds; saturates.
    public static func microseconds(_ count: Int64) -> TimeSpan { scaled(count, 1_000) }
    /// So many milliseconds; saturates.
    public static func milliseconds(_ count: Int64) -> TimeSpan { scaled(count, 1_000_000) }
    /// So many seconds; saturates.
    public static func seconds(_ count: Int64) -> TimeSpan { scaled(count, 1_000_000_000) }
    /// So many minutes; saturates.
    public static func minutes(_ count: Int64) -> TimeSpan { scaled(count, 60_000_000_000) }
    /// So many hours; saturates.
    public static func hours(_ count: Int64) -> TimeSpan { scaled(count, 3_600_000_000_000) }

    private static func scaled(_ count: Int64, _ unit: Int64) -> TimeSpan {
        let (product, overflow) = count.multipliedReportingOverflow(by: unit)
        return TimeSpan(nanoseconds: overflow ? (count < 0 ? .min : .max) : product)
    }

    /// Whole milliseconds, rounded towards zero.
    public var milliseconds: Int64 { nanoseconds / 1_000_000 }
    /// Seconds with their fraction.
    public var seconds: Double { Double(nanoseconds) / 1e9 }

    /// Whether `a` is shorter.
    public static func < (a: TimeSpan, b: TimeSpan) -> Bool { a.nanoseconds < b.nanoseconds }
    /// Saturating sum.
    public static func + (a: TimeSpan, b: TimeSpan) -> TimeSpan {
        let (sum, overflow) = a.nanoseconds.addingReportingOverflow(b.nanoseconds)
        return TimeSpan(nanoseconds: overflow ? (a.nanoseconds < 0 ? .min : .max) : sum)
    }
    /// Saturating difference.
    public static func - (a: TimeSpan, b: TimeSpan) -> TimeSpan {
        let (difference, overflow) = a.nanoseconds.subtractingReportingOverflow(b.nanoseconds)
        return TimeSpan(nanoseconds: overflow ? (a.nanoseconds < 0 ? .min : .max) : difference)
    }
}

/// A time of day as the database keeps it: microseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
public struct Timestamp: Comparable, Hashable, Sendable {
    /// Microseconds since the Unix epoch; negative before it.
    public var microseconds: Int64

    /// - Parameter microseconds: since the Unix epoch.
    public init(microseconds: Int64) { self.microseconds = microseconds }

    /// Whether `a` comes first.
    public static func < (a: Timestamp, b: Timestamp) -> Bool { a.microseconds < b.microseconds }
    /// The time `span` later, whole microseconds; saturates.
    public static func + (start: Timestamp, span: TimeSpan) -> Timestamp {
        let (sum, overflow) = start.microseconds.addingReportingOverflow(span.nanoseconds / 1_000)
        return Timestamp(microseconds: overflow ? (span < .zero ? .min : .max) : sum)
    }
    /// The time from `start` to `end`; saturates at 292 years.
    public static func - (end: Timestamp, start: Timestamp) -> TimeSpan {
        let (difference, overflow) = end.microseconds.subtractingReportingOverflow(start.microseconds)
        return overflow ? TimeSpan(nanoseconds: end < start ? .min : .max) : .microseconds(difference)
    }
}
