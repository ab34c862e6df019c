public import TallypostCore

/// A timestamp as people and programs read it: `2026-03-01T09:30:00.000Z`, whole milliseconds, rounded down.
public struct UTCText: CustomStringConvertible, Sendable {
    /// What is shown.
    public let timestamp: Timestamp

    /// - Parameter timestamp: years 0 to 9999 are written with four digits.
    public init(_ timestamp: Timestamp) { self.timestamp = timestamp }

    /// Date and time.
    public var description: String {
        var text: [UInt8] = []
        text.reserveCapacity(24)
        append(to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Only the time of day: `09:30:00.000`.
    public var timeOfDay: String { String(description.dropFirst(description.count - 13).dropLast()) }

    /// Civil date from days: Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
    func append(to text: inout [UInt8]) {
        let milliseconds = Self.floor(timestamp.microseconds, 1_000)
        let days = Self.floor(milliseconds, 86_400_000)
        let ofDay = milliseconds - days * 86_400_000
        let shifted = days + 719_468
        let era = Self.floor(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthIndex = (5 * dayOfYear + 2) / 153
        let month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        Self.append(year, width: 4, to: &text)
        text.append(UInt8(ascii: "-"))
        Self.append(month, width: 2, to: &text)
        text.append(UInt8(ascii: "-"))
        Self.append(dayOfYear - (153 * monthIndex + 2) / 5 + 1, width: 2, to: &text)
        text.append(UInt8(ascii: "T"))
        Self.append(ofDay / 3_600_000, width: 2, to: &text)
        text.append(UInt8(ascii: ":"))
        Self.append(ofDay / 60_000 % 60, width: 2, to: &text)
        text.append(UInt8(ascii: ":"))
        Self.append(ofDay / 1_000 % 60, width: 2, to: &text)
        text.append(UInt8(ascii: "."))
        Self.append(ofDay % 1_000, width: 3, to: &text)
        text.append(UInt8(ascii: "Z"))
    }

    private static func floor(_ value: Int64, _ divisor: Int64) -> Int64 {
        let quotient = value / divisor
        return value % divisor < 0 ? quotient - 1 : quotient
    }

    private static func append(_ value: Int64, width: Int, to text: inout [UInt8]) {
        let digits = Array(String(value.magnitude).utf8)
        if value < 0 { text.append(UInt8(ascii: "-")) }
        for _ in digits.count..<max(width, digits.count) { text.append(UInt8(ascii: "0")) }
        text.append(contentsOf: digits)
    }
}
