/// Why a text names no times.
public struct ScheduleError: Error, Sendable, Equatable {
    /// For a person.
    public let reason: String

    /// - Parameter reason: for a person.
    public init(_ reason: String) { self.reason = reason }
}

/// Five fields as crontab(5) writes them: which minutes of which days.
///
/// The two fields for days are joined as Vixie cron does it: when both are restricted, a day that fits either counts; a field that
/// begins with `*` does not restrict.
public struct CronPattern: Sendable, Equatable {
    /// Bit n: the minute n.
    let minutes: UInt64
    /// Bit n: the hour n.
    let hours: UInt64
    /// Bit n: the day n of the month.
    let days: UInt64
    /// Bit n: the month n.
    let months: UInt64
    /// Bit n: the day n of the week, 0 being Sunday.
    let weekdays: UInt64
    /// Whether a day that fits one of the two fields is enough.
    let eitherDay: Bool

    /// Whether it fits every hour of the day, so that it goes by elapsed time where others go by the clock on the wall.
    var isEveryHour: Bool { hours == (1 << 24) - 1 }

    private struct Field {
        let name: String
        let range: ClosedRange<Int>
        var words: [String] = []
    }

    private static let fields = [
        Field(name: "minute", range: 0...59), Field(name: "hour", range: 0...23), Field(name: "day of the month", range: 1...31),
        Field(
            name: "month", range: 1...12,
            words: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
        Field(name: "day of the week", range: 0...7, words: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
    ]

    private static let nicknames = [
        "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
        "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
    ]

    /// Reads five fields, or one of crontab's nicknames.
    public init(parsing text: String) throws(ScheduleError) {
        if text == "@reboot" { throw ScheduleError("a schedule has times; a start of the relay is none") }
        let parts = (Self.nicknames[text.lowercased()] ?? text).split { $0 == " " || $0 == "\t" }
        guard parts.count == Self.fields.count else {
            throw ScheduleError(
                "neither five fields (\"0 2 * * *\"), nor @hourly, @daily, @weekly, @monthly or @yearly, nor \"@every 5m\"")
        }
        var masks: [UInt64] = []
        for (part, field) in zip(parts, Self.fields) {
            var mask: UInt64 = 0
            for item in part.split(separator: ",", omittingEmptySubsequences: false) {
                guard let bits = Self.bits(of: item, field) else {
                    throw ScheduleError(
                        "“\(item)” is no \(field.name): a number from \(field.range.lowerBound) to \(field.range.upperBound), "
                            + "a range 1-5, a step */10, * or a list of these")
                }
                mask |= bits
            }
            masks.append(mask)
        }
        (minutes, hours, days, months) = (masks[0], masks[1], masks[2], masks[3])
        // 7 is Sunday too.
        weekdays = (masks[4] | masks[4] >> 7) & 0x7F
        eitherDay = !parts[2].hasPrefix("*") && !parts[4].hasPrefix("*")
        guard next(from: 0) != nil else { throw ScheduleError("there is no such day: it would never run") }
    }

    /// `*`, `5`, `1-5`, `mon-fri`, each but a lone number perhaps with a step.
    private static func bits(of item: Substring, _ field: Field) -> UInt64? {
        let parts = item.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2 else { return nil }
        let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false)
        var step = 1
        if parts.count == 2 {
            guard let told = number(parts[1]), (1...field.range.upperBound).contains(told), parts[0] == "*" || ends.count == 2
            else { return nil }
            step = told
        }
        if parts[0] == "*" { return mask(field.range.lowerBound, field.range.upperBound, step) }
        guard ends.count <= 2, let first = value(ends[0], field), var last = value(ends[ends.count - 1], field) else {
            return nil
        }
        // "fri-sun" ends with the Sunday that follows.
        if last == 0, first > 0, field.range.upperBound == 7 { last = 7 }
        return first <= last ? mask(first, last, step) : nil
    }

    private static func mask(_ first: Int, _ last: Int, _ step: Int) -> UInt64 {
        stride(from: first, through: last, by: step).reduce(0) { $0 | 1 << UInt64($1) }
    }

    private static func value(_ text: Substring, _ field: Field) -> Int? {
        let found =
            number(text) ?? field.words.firstIndex(of: text.lowercased()).map { $0 + (field.range.lowerBound == 1 ? 1 : 0) }
        return found.flatMap { field.range.contains($0) ? $0 : nil }
    }

    private static func number(_ text: Substring) -> Int? {
        guard !text.isEmpty, text.utf8.count <= 4, text.utf8.allSatisfy({ $0 &- 0x30 < 10 }) else { return nil }
        return Int(text)
    }

    // MARK: The calendar

    /// Days looked at before it is said that none comes: the 29th of February as a Monday, around 2100, takes 40 years.
    private static let horizon: Int64 = 50 * 366

    /// The first minute that fits, at `local` or later: seconds since 1970 by the clock on the wall, as if that were UTC.
    func next(from local: Int64) -> Int64? {
        let minute = local.dividedUp(by: 60)
        var day = minute.dividedDown(by: 1_440)
        var start = Int(minute - day * 1_440)
        for _ in 0..<Self.horizon {
            if contains(day: day), let found = minuteOfDay(from: start) { return day * 86_400 + Int64(found) * 60 }
            day += 1
            start = 0
        }
        return nil
    }

    private func contains(day number: Int64) -> Bool {
        let date = CivilDay(daysSinceEpoch: number)
        guard months >> UInt64(date.month) & 1 == 1 else { return false }
        let fitsMonth = days >> UInt64(date.day) & 1 == 1
        // 1970-01-01 was a Thursday.
        let weekday = (number + 4) - (number + 4).dividedDown(by: 7) * 7
        let fitsWeek = weekdays >> UInt64(weekday) & 1 == 1
        return eitherDay ? fitsMonth || fitsWeek : fitsMonth && fitsWeek
    }

    private func minuteOfDay(from start: Int) -> Int? {
        var (hour, minute) = (start / 60, start % 60)
        while hour < 24 {
            if hours >> UInt64(hour) & 1 == 1 {
                let left = minutes >> UInt64(minute)
                if left != 0 { return hour * 60 + minute + left.trailingZeroBitCount }
            }
            hour += 1
            minute = 0
        }
        return nil
    }
}

extension Int64 {
    /// Rounded towards the past, where `/` rounds towards zero.
    func dividedDown(by divisor: Int64) -> Int64 {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }

    /// Rounded towards the future.
    func dividedUp(by divisor: Int64) -> Int64 { -(-self).dividedDown(by: divisor) }
}
