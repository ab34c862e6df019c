import Glibc
import TallypostCore

/// When something whose cost is not known beforehand may be done again: not before fifty times as long as it took.
struct Pace {
    private var notBefore = Instant(nanoseconds: .min)
    /// What the last looks cost. The cheapest of them counts: one that took long may have waited for a processor.
    private var costs: [Int64] = []

    /// What a row costs that is claimed or listed; time beyond that was spent looking.
    private static let costOfRow = TimeSpan.microseconds(20)
    /// What a look may always cost.
    private static let allowance = TimeSpan.milliseconds(5)
    /// Never put off for longer.
    private static let longest = TimeSpan.seconds(30)

    func allows(_ now: Instant) -> Bool { now >= notBefore }

    /// - Parameter span: how long it took, the way to the server and back not counted.
    mutating func took(_ span: TimeSpan, rows: Int, at now: Instant) {
        costs.append(max(0, span.nanoseconds - Self.costOfRow.nanoseconds * Int64(rows) - Self.allowance.nanoseconds))
        if costs.count > 3 { costs.removeFirst() }
        let cost = costs.count == 3 ? costs.min() ?? 0 : 0
        notBefore = now + min(TimeSpan(nanoseconds: cost * 50), Self.longest)
    }
}

/// This machine's clocks.
enum Moment {
    static func now() -> Instant {
        var time = timespec()
        unsafe clock_gettime(CLOCK_BOOTTIME, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    static func timeOfDay() -> Timestamp {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000)
    }
}

extension Timestamp {
    /// As PostgreSQL reads it, to the microsecond: a timestamptz literal.
    var literal: String {
        if microseconds == .min { return "-infinity" }
        if microseconds == .max { return "infinity" }
        let seconds = microseconds >= 0 ? microseconds / 1_000_000 : (microseconds - 999_999) / 1_000_000
        let fraction = String(microseconds - seconds * 1_000_000)
        let day = seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400
        let date = CivilDay(daysSinceEpoch: day)
        // Beyond four digits, or before the year 1, PostgreSQL wants other words; no mark lies there.
        guard (1...9_999).contains(date.year) else { return date.year > 0 ? "infinity" : "-infinity" }
        let rest = seconds - day * 86_400
        // Four digits, or a year is taken for one of this century.
        let year = String(repeating: "0", count: 4 - String(date.year).count) + String(date.year)
        return "\(year)-\(date.month)-\(date.day) \(rest / 3_600):\(rest / 60 % 60):\(rest % 60)"
            + ".\(String(repeating: "0", count: 6 - fraction.count))\(fraction)+00"
    }
}
