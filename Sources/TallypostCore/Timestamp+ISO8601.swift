extension Timestamp {
    /// ISO 8601 in UTC with milliseconds, as the contract writes every time: `2026-11-21T04:05:06.789Z`. Years 0 to 9999.
    public var iso8601: String {
        // Rounded down, before 1970 too.
        let total = microseconds >= 0 ? microseconds / 1_000 : (microseconds - 999) / 1_000
        let day = total >= 0 ? total / 86_400_000 : (total - 86_399_999) / 86_400_000
        let rest = total - day * 86_400_000
        let date = CivilDay(daysSinceEpoch: day)
        return "\(digits(date.year, 4))-\(digits(date.month, 2))-\(digits(date.day, 2))"
            + "T\(digits(rest / 3_600_000, 2)):\(digits(rest / 60_000 % 60, 2)):\(digits(rest / 1_000 % 60, 2))"
            + ".\(digits(rest % 1_000, 3))Z"
    }

    private func digits(_ number: Int64, _ width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }
}

/// A day of the proleptic Gregorian calendar.
///
/// Arithmetic of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": the year is taken to begin in March, so that
/// the leap day is its last.
public struct CivilDay: Sendable, Equatable {
    /// The year; 0 is 1 BC.
    public var year: Int64
    /// 1 to 12.
    public var month: Int64
    /// 1 to 31.
    public var day: Int64

    /// The day that many days after 1970-01-01.
    public init(daysSinceEpoch: Int64) {
        let shifted = daysSinceEpoch + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    /// - Parameters:
    ///   - year: 0 is 1 BC.
    ///   - month: 1 to 12.
    ///   - day: 1 to 31.
    public init(year: Int64, month: Int64, day: Int64) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// Whether there is such a day: not the 30th of February.
    public var exists: Bool {
        (1...12).contains(month) && day >= 1 && CivilDay(daysSinceEpoch: daysSinceEpoch) == self
    }

    /// Days from 1970-01-01 to this day, negative before it; a day beyond its month's end counts into the next month.
    public var daysSinceEpoch: Int64 {
        let marchYear = month <= 2 ? year - 1 : year
        let era = (marchYear >= 0 ? marchYear : marchYear - 399) / 400
        let yearOfEra = marchYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}
