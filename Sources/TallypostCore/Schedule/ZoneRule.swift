/// A zone's rule for the future as POSIX writes it in TZ, with the extensions of RFC 8536, section 3.3.1: `GMT0BST,M3.5.0/1,M10.5.0`.
struct ZoneRule {
    /// One of the year's two changes.
    struct Change: Equatable {
        enum Day: Equatable {
            /// 1 to 365, the 29th of February never counted.
            case julian(Int64)
            /// 0 to 365, the 29th of February counted.
            case ordinal(Int64)
            /// The week, 5 being the last, of a month, on that weekday, 0 being Sunday.
            case weekday(month: Int64, week: Int64, day: Int64)
        }
        var day: Day
        /// Seconds after midnight by the clock before the change; may be negative, or more than a day.
        var time: Int64

        /// Seconds since 1970 by the clock before the change.
        func moment(in year: Int64) -> Int64 { dayNumber(in: year) * 86_400 + time }

        private func dayNumber(in year: Int64) -> Int64 {
            let newYear = CivilDay(year: year, month: 1, day: 1).daysSinceEpoch
            switch day {
            case .ordinal(let number): return newYear + number
            case .julian(let number):
                let isLeap = CivilDay(year: year, month: 2, day: 29).exists
                return newYear + number - 1 + (isLeap && number >= 60 ? 1 : 0)
            case .weekday(let month, let week, let weekday):
                let first = CivilDay(year: year, month: month, day: 1).daysSinceEpoch
                let next =
                    month == 12
                    ? CivilDay(year: year + 1, month: 1, day: 1).daysSinceEpoch
                    : CivilDay(year: year, month: month + 1, day: 1).daysSinceEpoch
                let firstWeekday = (first + 4) - (first + 4).dividedDown(by: 7) * 7
                var found = first + (weekday - firstWeekday + 7) % 7 + (week - 1) * 7
                while found >= next { found -= 7 }
                return found
            }
        }
    }

    var standardOffset: Int64
    var summer: (offset: Int64, start: Change, end: Change)?

    init(parsing text: String) throws(ScheduleError) {
        var reader = Reader(rest: text.utf8[...])
        guard reader.name(), let west = reader.time(hours: 24) else { throw Self.fault(text) }
        // POSIX counts west of Greenwich.
        standardOffset = -west
        guard !reader.rest.isEmpty else { return }
        guard reader.name() else { throw Self.fault(text) }
        var offset = standardOffset + 3_600
        if reader.rest.first != UInt8(ascii: ",") {
            guard let west = reader.time(hours: 24) else { throw Self.fault(text) }
            offset = -west
        }
        guard let start = reader.change(), let end = reader.change(), reader.rest.isEmpty else { throw Self.fault(text) }
        summer = (offset, start, end)
    }

    private static func fault(_ text: String) -> ScheduleError {
        ScheduleError("its file's rule for the future cannot be read: \"\(text)\"")
    }

    private struct Reader {
        var rest: Substring.UTF8View

        mutating func take(_ character: Character) -> Bool {
            guard let byte = character.asciiValue, rest.first == byte else { return false }
            rest.removeFirst()
            return true
        }

        mutating func number(_ range: ClosedRange<Int64>) -> Int64? {
            var value: Int64?
            while let byte = rest.first, byte &- 0x30 < 10, value ?? 0 < 1_000 {
                value = (value ?? 0) * 10 + Int64(byte - 0x30)
                rest.removeFirst()
            }
            return value.flatMap { range.contains($0) ? $0 : nil }
        }

        /// `GMT`, or `<+0545>`; what it says is of no use here.
        mutating func name() -> Bool {
            if take("<") {
                guard let end = rest.firstIndex(of: UInt8(ascii: ">")) else { return false }
                rest = rest[rest.index(after: end)...]
                return true
            }
            let length = rest.prefix { ($0 | 0x20) &- UInt8(ascii: "a") < 26 }.count
            rest = rest.dropFirst(length)
            return length >= 3
        }

        /// `[+-]hh[:mm[:ss]]`.
        mutating func time(hours: Int64) -> Int64? {
            let isNegative = take("-")
            if !isNegative { _ = take("+") }
            guard var total = number(0...hours).map({ $0 * 3_600 }) else { return nil }
            for unit in [Int64(60), 1] where take(":") {
                guard let part = number(0...59) else { return nil }
                total += part * unit
            }
            return isNegative ? -total : total
        }

        /// `,M3.5.0/1`, `,J60`, `,59/2`.
        mutating func change() -> Change? {
            guard take(",") else { return nil }
            let day: Change.Day
            if take("M") {
                guard let month = number(1...12), take("."), let week = number(1...5), take("."), let weekday = number(0...6)
                else { return nil }
                day = .weekday(month: month, week: week, day: weekday)
            } else if take("J") {
                guard let number = number(1...365) else { return nil }
                day = .julian(number)
            } else {
                guard let number = number(0...365) else { return nil }
                day = .ordinal(number)
            }
            guard take("/") else { return Change(day: day, time: 7_200) }
            return time(hours: 167).map { Change(day: day, time: $0) }
        }
    }
}
