import TallypostCore

// Text is made as bytes, into buffers that are used again: a request has a dozen headers, and a String for each of them
// would cost more than the signature.
extension [UInt8] {
    mutating func append(text: String) {
        append(contentsOf: text.utf8)
    }

    /// Decimal digits.
    mutating func append(decimal number: Int64) {
        if number < 0 { append(UInt8(ascii: "-")) }
        var rest = number.magnitude
        var digits: [20 of UInt8] = .init(repeating: 0)
        var first = 20
        repeat {
            first -= 1
            digits[first] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while rest > 0
        for index in first..<20 { append(digits[index]) }
    }

    /// Decimal digits, zeros in front up to `width`.
    mutating func append(padded number: Int64, width: Int) {
        var limit: Int64 = 1
        for _ in 1..<width {
            limit *= 10
            if number < limit { append(UInt8(ascii: "0")) }
        }
        // The zeros are one for each power of ten that the number does not reach; for 0 itself that is width - 1 of them.
        append(decimal: number)
    }

    /// Two lower-case digits.
    mutating func append(hexByte byte: UInt8) {
        append(Self.hexDigit(byte >> 4))
        append(Self.hexDigit(byte & 15))
    }

    /// Sixteen lower-case digits.
    mutating func append(hex word: UInt64) {
        for shift in stride(from: UInt64(56), through: 0, by: -8) { append(hexByte: UInt8(truncatingIfNeeded: word >> shift)) }
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }

    /// `%41`, digits in upper case as RFC 3986 recommends and CloudEvents demands.
    mutating func append(percentEncoded byte: UInt8) {
        append(UInt8(ascii: "%"))
        for digit in [byte >> 4, byte & 15] {
            append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "A") + digit - 10)
        }
    }

    /// A text that any header can carry: space, `"`, `%` and all outside U+0021–7E percent-encoded in UTF-8
    /// (CloudEvents HTTP binding 1.0, section 3.1.3.2).
    mutating func append(headerEncoded text: String) {
        for byte in text.utf8 {
            switch byte {
            case 0x22, 0x25: append(percentEncoded: byte)
            case 0x21...0x7E: append(byte)
            default: append(percentEncoded: byte)
            }
        }
    }

    /// A JSON string with its quotes.
    mutating func append(jsonString text: String) {
        append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                append(UInt8(ascii: "\\"))
                append(byte)
            case 0x00..<0x20:
                append(text: "\\u00")
                append(hexByte: byte)
            default: append(byte)
            }
        }
        append(UInt8(ascii: "\""))
    }

    /// JSON text as one line of ASCII: characters beyond it as `\uXXXX`, in surrogate pairs where need be, and without the white
    /// space that may stand between JSON's tokens. Stops soon after `longest` bytes.
    mutating func append(asciiJSON text: String, atMost longest: Int = .max) {
        var isInString = false
        var isEscaped = false
        let start = count
        for unit in text.utf16 {
            guard count - start <= longest else { return }
            switch unit {
            case 0x00...0x20:
                // In a string only the space can stand; anything else would break the header.
                if isInString { append(UInt8(ascii: " ")) }
                isEscaped = false
            case 0x21...0x7E:
                if unit == 0x22, !isEscaped { isInString.toggle() }
                isEscaped = unit == 0x5C && !isEscaped
                append(UInt8(truncatingIfNeeded: unit))
            default:
                isEscaped = false
                append(text: "\\u")
                append(hexByte: UInt8(truncatingIfNeeded: unit >> 8))
                append(hexByte: UInt8(truncatingIfNeeded: unit))
            }
        }
    }

    /// `2026-01-02T03:04:05.678Z`.
    mutating func append(iso8601 time: Timestamp) {
        let milliseconds = time.microseconds.flooredDivision(by: 1_000)
        let seconds = milliseconds.quotient.flooredDivision(by: 1_000)
        let days = seconds.quotient.flooredDivision(by: 86_400)
        let date = CivilDay(daysSinceEpoch: days.quotient)
        append(padded: date.year, width: 4)
        append(UInt8(ascii: "-"))
        append(padded: date.month, width: 2)
        append(UInt8(ascii: "-"))
        append(padded: date.day, width: 2)
        append(UInt8(ascii: "T"))
        append(padded: days.remainder / 3_600, width: 2)
        append(UInt8(ascii: ":"))
        append(padded: days.remainder / 60 % 60, width: 2)
        append(UInt8(ascii: ":"))
        append(padded: days.remainder % 60, width: 2)
        append(UInt8(ascii: "."))
        append(padded: seconds.remainder, width: 3)
        append(UInt8(ascii: "Z"))
    }
}

extension Int64 {
    /// Quotient rounded down and a remainder that is never negative.
    func flooredDivision(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}
