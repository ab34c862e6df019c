package import TallypostCore

/// A period that cannot be: what was asked for, and how to ask.
package struct PeriodError: Error, Sendable, Equatable, CustomStringConvertible {
    /// One sentence with the text as given and the mend.
    package var description: String
}

extension Period {
    /// What a period may look like, for help and errors.
    package static let forms =
        "2026-11, 2026-11-19, 2026-11-01..2026-11-15 (both days within), today, yesterday, this-month or last-month"

    /// A period as a person asks for it, cut at the zone's midnights.
    ///
    /// - Parameters:
    ///   - text: one of ``forms``. A range is of days or of months, and both its ends lie within.
    ///   - zone: whose midnights.
    ///   - zoneName: the zone's name.
    ///   - now: what is today; a period that has not begun is refused.
    package init(parsing text: String, zone: Zone, zoneName: String, now: Timestamp) throws(PeriodError) {
        let days = LocalDays(zone: zone)
        let stretch = try Self.stretch(text, today: days.day(of: now))
        let (from, to) = (days.start(of: stretch.first), days.start(of: stretch.next))
        guard from < to else { throw PeriodError(description: "period \(text): there was no such day in \(zoneName)") }
        guard from <= now else {
            throw PeriodError(
                description: "period \(text) has not begun: in \(zoneName) today is \(LocalDays.name(of: days.day(of: now)))")
        }
        self.init(from: from, to: to, zone: zoneName, label: stretch.label)
    }

    /// Whole days, the last one not within, and what files are named by.
    private typealias Stretch = (first: Int64, next: Int64, label: String)

    private static func stretch(_ text: String, today: Int64) throws(PeriodError) -> Stretch {
        let month = CivilDay(daysSinceEpoch: today)
        switch text {
        case "today": return day(today)
        case "yesterday": return day(today - 1)
        case "this-month": return Self.month(month.year, month.month)
        case "last-month": return month.month == 1 ? Self.month(month.year - 1, 12) : Self.month(month.year, month.month - 1)
        default: break
        }
        guard text.contains("..") else { return try single(text[...], text) }
        let ends = text.split(separator: "..", omittingEmptySubsequences: false)
        guard ends.count == 2 else { throw misread(text) }
        let (first, last) = (try single(ends[0], text), try single(ends[1], text))
        guard (ends[0].utf8.count == 7) == (ends[1].utf8.count == 7) else {
            throw PeriodError(description: "period \(text): its ends are a month and a day; give two days or two months")
        }
        guard first.first <= last.first else {
            throw PeriodError(description: "period \(text) ends before it begins; say \(ends[1])..\(ends[0])")
        }
        return (first.first, last.next, first.label == last.label ? first.label : "\(first.label)..\(last.label)")
    }

    /// A day or a month.
    private static func single(_ part: Substring, _ text: String) throws(PeriodError) -> Stretch {
        let fields = part.split(separator: "-", omittingEmptySubsequences: false)
        let numbers = fields.compactMap { $0.utf8.allSatisfy { (48...57).contains($0) } ? Int64($0) : nil }
        guard numbers.count == fields.count, (2...3).contains(fields.count),
            fields.map(\.utf8.count) == Array([4, 2, 2].prefix(fields.count))
        else {
            throw misread(text)
        }
        let date = CivilDay(year: numbers[0], month: numbers[1], day: numbers.count == 3 ? numbers[2] : 1)
        guard date.exists else {
            throw PeriodError(description: "period \(text): there is no \(fields.count == 3 ? "day" : "month") \(part)")
        }
        return fields.count == 3 ? day(date.daysSinceEpoch) : month(numbers[0], numbers[1])
    }

    private static func day(_ day: Int64) -> Stretch { (day, day + 1, LocalDays.name(of: day)) }

    private static func month(_ year: Int64, _ month: Int64) -> Stretch {
        let first = CivilDay(year: year, month: month, day: 1).daysSinceEpoch
        let next = month == 12 ? CivilDay(year: year + 1, month: 1, day: 1) : CivilDay(year: year, month: month + 1, day: 1)
        return (first, next.daysSinceEpoch, String(LocalDays.name(of: first).prefix(7)))
    }

    private static func misread(_ text: String) -> PeriodError {
        PeriodError(description: "period \(text.debugDescription) is none; say \(forms)")
    }
}
