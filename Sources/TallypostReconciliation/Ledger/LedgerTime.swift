import TallypostCore

/// How a ledger writes its times.
package enum LedgerTimeFormat: Sendable, Equatable {
    /// ISO 8601: a date alone, or with a time behind `T` or a space, with or without an offset.
    case iso
    /// Seconds since 1970, fractions allowed.
    case unix
    /// Milliseconds since 1970.
    case unixMilliseconds
    /// Letters stand for digits: `DD.MM.YYYY HH:mm:ss`.
    case pattern([UInt8])

    /// As a map writes it: `iso`, `unix`, `unix-ms`, or a pattern that has at least YYYY, MM and DD.
    package init?(configured text: String) {
        switch text {
        case "iso": self = .iso
        case "unix": self = .unix
        case "unix-ms": self = .unixMilliseconds
        default:
            guard ["YYYY", "MM", "DD"].allSatisfy(text.contains) else { return nil }
            let letters = text.utf8.filter { $0 | 0x20 &- UInt8(ascii: "a") < 26 || $0 >= 0x80 }
            guard letters.allSatisfy("YMDHmsT".utf8.contains) else { return nil }
            self = .pattern(Array(text.utf8))
        }
    }
}

/// Reads times as one ledger writes them. A value, with a small memory: neighbouring rows share their quarter of an hour.
struct LedgerClock {
    /// What a text says.
    enum Reading: Equatable {
        /// Microseconds since 1970, UTC.
        case time(Int64)
        /// It is no time of this format.
        case unreadable
        /// A local time that the zone's clocks skipped.
        case skipped
    }

    private let format: LedgerTimeFormat
    private let zone: Zone
    private let isUTC: Bool
    private var knownQuarter: Int64 = .min
    private var knownOffset: Int64?

    init(_ format: LedgerTimeFormat, zone: Zone) {
        self.format = format
        self.zone = zone
        isUTC = zone == .utc
    }

    /// A local time that comes twice, when clocks are set back, is taken to be the first of the two.
    mutating func read(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Reading {
        switch format {
        case .iso: return readISO(bytes, start, end)
        case .unix: return Self.number(bytes, start, end, digits: 6).map { .time($0) } ?? .unreadable
        case .unixMilliseconds: return Self.number(bytes, start, end, digits: 3).map { .time($0) } ?? .unreadable
        case .pattern(let pattern): return readPattern(pattern, bytes, start, end)
        }
    }

    private mutating func readISO(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Reading {
        guard end - start >= 10, bytes[start + 4] == UInt8(ascii: "-"), bytes[start + 7] == UInt8(ascii: "-"),
            let year = Self.digits(bytes, start, 4), let month = Self.digits(bytes, start + 5, 2),
            let day = Self.digits(bytes, start + 8, 2)
        else { return .unreadable }
        var (hour, minute, second, micros): (Int64, Int64, Int64, Int64) = (0, 0, 0, 0)
        var position = start + 10
        var offset: Int64?
        if position < end {
            guard bytes[position] | 0x20 == UInt8(ascii: "t") || bytes[position] == UInt8(ascii: " "), end - position >= 6,
                bytes[position + 3] == UInt8(ascii: ":"), let h = Self.digits(bytes, position + 1, 2),
                let m = Self.digits(bytes, position + 4, 2)
            else { return .unreadable }
            (hour, minute) = (h, m)
            position += 6
            if position < end, bytes[position] == UInt8(ascii: ":") {
                guard end - position >= 3, let s = Self.digits(bytes, position + 1, 2) else { return .unreadable }
                second = s
                position += 3
                guard let fraction = Self.fraction(bytes, &position, end) else { return .unreadable }
                micros = fraction
            }
            guard Self.readOffset(bytes, &position, end, &offset), position == end else { return .unreadable }
        }
        return moment(year, month, day, hour, minute, second, micros, offset)
    }

    /// Up to nine digits behind a point; nothing there is no fraction. Beyond microseconds they are cut.
    private static func fraction(_ bytes: Span<UInt8>, _ position: inout Int, _ end: Int) -> Int64? {
        guard position < end, bytes[position] == UInt8(ascii: ".") || bytes[position] == UInt8(ascii: ",") else { return 0 }
        position += 1
        var (value, count): (Int64, Int) = (0, 0)
        while position < end, bytes[position] &- 48 < 10 {
            if count < 6 { value = value * 10 + Int64(bytes[position] &- 48) }
            count += 1
            position += 1
        }
        guard count > 0, count <= 9 else { return nil }
        while count < 6 {
            value *= 10
            count += 1
        }
        return value
    }

    /// `Z`, ` UTC`, `+01:00`, `+0100`, `+01`, or nothing.
    private static func readOffset(_ bytes: Span<UInt8>, _ position: inout Int, _ end: Int, _ offset: inout Int64?) -> Bool {
        if position < end, bytes[position] == UInt8(ascii: " ") { position += 1 }
        guard position < end else { return true }
        let first = bytes[position]
        if first | 0x20 == UInt8(ascii: "z") {
            offset = 0
            position += 1
            return true
        }
        if end - position == 3, first == UInt8(ascii: "U"), bytes[position + 1] == UInt8(ascii: "T"),
            bytes[position + 2] == UInt8(ascii: "C")
        {
            offset = 0
            position += 3
            return true
        }
        guard first == UInt8(ascii: "+") || first == UInt8(ascii: "-"), end - position >= 3,
            let hours = digits(bytes, position + 1, 2), hours < 24
        else { return false }
        position += 3
        var minutes: Int64 = 0
        if position < end {
            if bytes[position] == UInt8(ascii: ":") { position += 1 }
            guard end - position == 2, let read = digits(bytes, position, 2), read < 60 else { return false }
            minutes = read
            position += 2
        }
        offset = (hours * 3_600 + minutes * 60) * (first == UInt8(ascii: "-") ? -1 : 1)
        return true
    }

    private mutating func readPattern(_ pattern: [UInt8], _ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Reading {
        guard end - start == pattern.count else { return .unreadable }
        var (year, month, day, hour, minute, second): (Int64, Int64, Int64, Int64, Int64, Int64) = (0, 0, 0, 0, 0, 0)
        for (index, letter) in pattern.enumerated() {
            let byte = bytes[start + index]
            let digit = Int64(byte &- 48)
            switch letter {
            case UInt8(ascii: "Y"): year = year * 10 + digit
            case UInt8(ascii: "M"): month = month * 10 + digit
            case UInt8(ascii: "D"): day = day * 10 + digit
            case UInt8(ascii: "H"): hour = hour * 10 + digit
            case UInt8(ascii: "m"): minute = minute * 10 + digit
            case UInt8(ascii: "s"): second = second * 10 + digit
            default:
                guard byte == letter else { return .unreadable }
                continue
            }
            guard byte &- 48 < 10 else { return .unreadable }
        }
        return moment(year, month, day, hour, minute, second, 0, nil)
    }

    private mutating func moment(
        _ year: Int64, _ month: Int64, _ day: Int64, _ hour: Int64, _ minute: Int64, _ second: Int64, _ micros: Int64,
        _ offset: Int64?
    ) -> Reading {
        // A leap second is the last one of its minute, as in every database.
        guard month >= 1, month <= 12, day >= 1, day <= 31, hour < 24, minute < 60, second <= 60 else { return .unreadable }
        let date = CivilDay(year: year, month: month, day: day)
        let days = date.daysSinceEpoch
        guard day <= 28 || date.exists else { return .unreadable }
        let local = days * 86_400 + hour * 3_600 + minute * 60 + min(second, 59)
        if let offset { return .time((local - offset) * 1_000_000 + micros) }
        if isUTC { return .time(local * 1_000_000 + micros) }
        let quarter = local / 900
        if quarter != knownQuarter {
            knownQuarter = quarter
            knownOffset = offsetOfZone(local: local)
        }
        guard let known = knownOffset else { return .skipped }
        return .time((local - known) * 1_000_000 + micros)
    }

    /// The offset that a local time stands in; the earlier of two; nil where clocks skipped it.
    private func offsetOfZone(local: Int64) -> Int64? {
        let candidates = [zone.offset(at: local - 108_000), zone.offset(at: local + 108_000)]
        return candidates.filter { zone.offset(at: local - $0) == $0 }.max()
    }

    /// A whole number with a fraction of so many digits.
    private static func number(_ bytes: Span<UInt8>, _ start: Int, _ end: Int, digits: Int) -> Int64? {
        var position = start
        let isNegative = position < end && bytes[position] == UInt8(ascii: "-")
        if isNegative { position += 1 }
        var (whole, count): (Int64, Int) = (0, 0)
        while position < end, bytes[position] &- 48 < 10, count < 15 {
            whole = whole * 10 + Int64(bytes[position] &- 48)
            count += 1
            position += 1
        }
        guard count > 0 else { return nil }
        var micros: Int64 = 0
        if digits == 6 {
            guard whole < 1_000_000_000_000, let fraction = fraction(bytes, &position, end) else { return nil }
            micros = whole * 1_000_000 + fraction
        } else {
            micros = whole * 1_000
        }
        return position == end ? (isNegative ? -micros : micros) : nil
    }

    private static func digits(_ bytes: Span<UInt8>, _ start: Int, _ count: Int) -> Int64? {
        var value: Int64 = 0
        for index in start..<(start + count) {
            let digit = bytes[index] &- 48
            guard digit < 10 else { return nil }
            value = value * 10 + Int64(digit)
        }
        return value
    }
}

extension LedgerClock {
    /// A time that a person wrote: `2026-11-01`, `2026-11-01T00:00:00Z`.
    static func read(_ text: String, zone: Zone) -> Reading {
        var clock = LedgerClock(.iso, zone: zone)
        let bytes = Array(text.utf8)
        return clock.read(bytes.span, 0, bytes.count)
    }
}
