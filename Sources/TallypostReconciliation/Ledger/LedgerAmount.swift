/// Amounts as ledgers write them, into minor units. Nothing is ever coerced: what cannot be read says why.
enum LedgerAmount {
    /// What a text says.
    enum Reading: Equatable {
        /// Minor units.
        case minor(Int64)
        /// It is no amount.
        case unreadable
        /// More digits behind the mark than the currency has.
        case tooFine
        /// Beyond 64 bits.
        case tooLarge
    }

    /// How amounts are written.
    struct Style {
        var isMinor: Bool
        var decimalMark: UInt8
        var groupMark: UInt8?

        init(_ map: LedgerMap) {
            isMinor = map.amountUnit == .minor
            decimalMark = map.decimalMark
            groupMark = map.groupMark
        }
    }

    /// `[+-]digits[mark digits]`, digits grouped by threes where the style has a group mark. Zeros beyond the currency's digits are no
    /// fault: `12.3400`.
    static func read(_ bytes: Span<UInt8>, _ start: Int, _ end: Int, style: Style, digits: Int) -> Reading {
        var position = start
        var isNegative = false
        if position < end, bytes[position] == UInt8(ascii: "-") || bytes[position] == UInt8(ascii: "+") {
            isNegative = bytes[position] == UInt8(ascii: "-")
            position += 1
        }
        var value: Int64 = 0
        var (count, sinceMark): (Int, Int) = (0, -1)
        func push(_ digit: UInt8) -> Bool {
            let (product, first) = value.multipliedReportingOverflow(by: 10)
            let (sum, second) = product.subtractingReportingOverflow(Int64(digit))
            value = sum
            return !first && !second
        }
        while position < end {
            let byte = bytes[position]
            if byte &- 48 < 10 {
                // Below zero, where one number more fits.
                guard push(byte &- 48) else { return .tooLarge }
                count += 1
                if sinceMark >= 0 { sinceMark += 1 }
                guard sinceMark <= 3 else { return .unreadable }
            } else if let mark = style.groupMark, byte == mark {
                guard count > 0, sinceMark < 0 ? count <= 3 : sinceMark == 3 else { return .unreadable }
                sinceMark = 0
            } else {
                break
            }
            position += 1
        }
        guard count > 0, sinceMark < 0 || sinceMark == 3 else { return .unreadable }
        let wanted = style.isMinor ? 0 : digits
        var fine = 0
        if position < end {
            guard bytes[position] == style.decimalMark, position + 1 < end else { return .unreadable }
            position += 1
            while position < end {
                let digit = bytes[position] &- 48
                guard digit < 10 else { return .unreadable }
                if fine < wanted {
                    guard push(digit) else { return .tooLarge }
                    fine += 1
                } else if digit != 0 {
                    return restIsDigits(bytes, position, end) ? .tooFine : .unreadable
                }
                position += 1
            }
        }
        while fine < wanted {
            guard push(0) else { return .tooLarge }
            fine += 1
        }
        if isNegative { return .minor(value) }
        return value == .min ? .tooLarge : .minor(-value)
    }

    private static func restIsDigits(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Bool {
        for index in start..<end where bytes[index] &- 48 >= 10 { return false }
        return true
    }

    /// `1234.50`: for people and documents. Of sums too.
    package static func text(_ minor: Int128, digits: Int) -> String {
        let sign = minor < 0 ? "-" : ""
        var text = String(minor.magnitude)
        guard digits > 0 else { return sign + text }
        if text.utf8.count <= digits { text = String(repeating: "0", count: digits + 1 - text.utf8.count) + text }
        return sign + text.dropLast(digits) + "." + text.suffix(digits)
    }
}

/// A currency's code of up to eight bytes in one machine word; 0: none.
struct CurrencyCode: Hashable, Comparable, Sendable {
    var packed: UInt64

    static let none = CurrencyCode(packed: 0)

    init(packed: UInt64) { self.packed = packed }

    init(_ text: String?) {
        packed = 0
        for byte in (text ?? "").utf8.prefix(8) { packed = packed << 8 | UInt64(byte) }
    }

    /// The bytes from `start` to `end`, at most eight.
    init(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) {
        packed = 0
        for index in start..<min(end, start + 8) { packed = packed << 8 | UInt64(bytes[index]) }
    }

    /// Three letters, in capitals; nil for everything else.
    static func iso(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> CurrencyCode? {
        guard end - start == 3 else { return nil }
        var packed: UInt64 = 0
        for index in start..<end {
            let letter = bytes[index] & 0xDF
            guard letter >= 65, letter <= 90, bytes[index] >= 65 else { return nil }
            packed = packed << 8 | UInt64(letter)
        }
        return CurrencyCode(packed: packed)
    }

    var text: String? {
        guard packed != 0 else { return nil }
        let bytes = (0..<8).reversed().map { UInt8(truncatingIfNeeded: packed >> (UInt64($0) * 8)) }.drop { $0 == 0 }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func < (a: CurrencyCode, b: CurrencyCode) -> Bool { (a.text ?? "") < (b.text ?? "") }
}
