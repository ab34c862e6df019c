import TallypostCore

/// A time of day as HTTP headers write it (RFC 9110, section 5.6.7): IMF-fixdate, and the two older forms that a recipient
/// must still read.
///
///     Sun, 06 Nov 1994 08:49:37 GMT
///     Sunday, 06-Nov-94 08:49:37 GMT
///     Sun Nov  6 08:49:37 1994
struct HTTPDate: Equatable {
    /// Since 1970-01-01T00:00:00Z.
    var seconds: Int64

    init(seconds: Int64) { self.seconds = seconds }

    /// - Parameter now: seconds since 1970, for the two-digit year of the second form: one that would lie more than 50 years
    ///   ahead is of the century before.
    init?(parsing text: Substring, now: Int64) {
        let words = text.split(whereSeparator: { $0 == " " })
        if words.count == 6, words[0].utf8.last == UInt8(ascii: ",") {
            guard Self.days.contains(words[0].dropLast()), words[5] == "GMT", words[3].utf8.count == 4,
                let year = Self.number(words[3])
            else { return nil }
            self.init(year: year, month: words[2], day: words[1], time: words[4])
        } else if words.count == 4, words[0].utf8.last == UInt8(ascii: ",") {
            let date = words[1].split(separator: "-", omittingEmptySubsequences: false)
            guard Self.longDays.contains(words[0].dropLast()), words[3] == "GMT", date.count == 3, date[2].utf8.count == 2,
                let short = Self.number(date[2])
            else { return nil }
            let thisYear = CivilDay(daysSinceEpoch: now.flooredDivision(by: 86_400).quotient).year
            var year = thisYear - thisYear % 100 + short
            if year > thisYear + 50 { year -= 100 }
            self.init(year: year, month: date[1], day: date[0], time: words[2])
        } else if words.count == 5 {
            guard Self.days.contains(words[0]), words[4].utf8.count == 4, let year = Self.number(words[4]) else { return nil }
            self.init(year: year, month: words[1], day: words[2], time: words[3])
        } else {
            return nil
        }
    }

    private init?(year: Int64, month: Substring, day: Substring, time: Substring) {
        let clock = time.split(separator: ":", omittingEmptySubsequences: false)
        guard let index = Self.months.firstIndex(of: month), let day = Self.number(day), clock.count == 3,
            clock.allSatisfy({ $0.utf8.count == 2 }), let hour = Self.number(clock[0]), let minute = Self.number(clock[1]),
            let second = Self.number(clock[2]), hour < 24, minute < 60, second <= 60
        else { return nil }
        let date = CivilDay(year: year, month: Int64(index) + 1, day: day)
        guard date.exists else { return nil }
        seconds = date.daysSinceEpoch * 86_400 + hour * 3_600 + minute * 60 + second
    }

    /// One to four digits.
    private static func number(_ text: Substring) -> Int64? {
        guard (1...4).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int64(text)
    }

    private static let days: [Substring] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    private static let longDays: [Substring] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    private static let months: [Substring] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
}
