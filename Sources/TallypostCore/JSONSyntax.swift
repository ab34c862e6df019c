/// Tells whether bytes are one JSON text (RFC 8259), building nothing.
///
/// Foundation's parser costs more than the rest of a delivery, and every payload is checked before it is sent, so the one
/// question that the relay asks is answered here. A test holds the answer against Foundation's on generated texts.
public enum JSONSyntax {
    /// Deeper nesting is refused: no receiver parses it, and databases give up on it.
    public static let deepest = 512

    /// Whether `bytes` are one valid JSON text in UTF-8, white space around it allowed.
    public static func isValid(_ bytes: [UInt8]) -> Bool {
        var scanner = JSONScanner(bytes: bytes)
        return scanner.scanText()
    }
}

/// One pass over the bytes. Containers are told apart by a bit each on a fixed stack, so depth costs no recursion.
private struct JSONScanner: ~Copyable {
    private let bytes: [UInt8]
    private var position = 0
    private var depth = 0
    /// Bit set: an object; clear: an array.
    private var isObject: [8 of UInt64] = .init(repeating: 0)

    init(bytes: [UInt8]) { self.bytes = bytes }

    /// The byte at the position, or 0 at the end (0 is legal nowhere in JSON).
    private var current: UInt8 { position < bytes.count ? bytes[position] : 0 }

    mutating func scanText() -> Bool {
        skipSpace()
        while true {
            // A value starts here.
            var opened = false
            switch current {
            case UInt8(ascii: "{"):
                guard push(object: true) else { return false }
                skipSpace()
                if current == UInt8(ascii: "}") { break }
                guard scanName() else { return false }
                opened = true
            case UInt8(ascii: "["):
                guard push(object: false) else { return false }
                skipSpace()
                if current == UInt8(ascii: "]") { break }
                opened = true
            case UInt8(ascii: "\""):
                guard scanString() else { return false }
            case UInt8(ascii: "t"): guard scanWord("true") else { return false }
            case UInt8(ascii: "f"): guard scanWord("false") else { return false }
            case UInt8(ascii: "n"): guard scanWord("null") else { return false }
            default: guard scanNumber() else { return false }
            }
            if opened { continue }
            // A value has ended: close containers, or go to the next element.
            var next = false
            while !next {
                skipSpace()
                guard depth > 0 else { return position == bytes.count }
                switch current {
                case UInt8(ascii: ","):
                    position += 1
                    skipSpace()
                    if topIsObject { guard scanName() else { return false } }
                    next = true
                case UInt8(ascii: "}"):
                    guard topIsObject else { return false }
                    pop()
                case UInt8(ascii: "]"):
                    guard !topIsObject else { return false }
                    pop()
                default: return false
                }
            }
        }
    }

    private var topIsObject: Bool { isObject[(depth - 1) >> 6] & (1 << UInt64((depth - 1) & 63)) != 0 }

    private mutating func push(object: Bool) -> Bool {
        guard depth < JSONSyntax.deepest else { return false }
        let bit: UInt64 = 1 << UInt64(depth & 63)
        if object { isObject[depth >> 6] |= bit } else { isObject[depth >> 6] &= ~bit }
        depth += 1
        position += 1
        return true
    }

    private mutating func pop() {
        depth -= 1
        position += 1
    }

    private mutating func skipSpace() {
        while true {
            switch current {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    /// `"name" :` and the space after it.
    private mutating func scanName() -> Bool {
        guard current == UInt8(ascii: "\""), scanString() else { return false }
        skipSpace()
        guard current == UInt8(ascii: ":") else { return false }
        position += 1
        skipSpace()
        return true
    }

    private mutating func scanWord(_ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard position + count <= bytes.count else { return false }
        for offset in 0..<count where unsafe word.utf8Start[offset] != bytes[position + offset] { return false }
        position += count
        return true
    }

    private mutating func scanDigits() -> Bool {
        let start = position
        while current &- UInt8(ascii: "0") < 10 { position += 1 }
        return position > start
    }

    private mutating func scanNumber() -> Bool {
        if current == UInt8(ascii: "-") { position += 1 }
        if current == UInt8(ascii: "0") { position += 1 } else { guard scanDigits() else { return false } }
        if current == UInt8(ascii: ".") {
            position += 1
            guard scanDigits() else { return false }
        }
        if current | 0x20 == UInt8(ascii: "e") {
            position += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
            guard scanDigits() else { return false }
        }
        return true
    }

    private mutating func scanString() -> Bool {
        position += 1
        while true {
            position = Self.endOfPlainText(bytes, from: position)
            let byte = current
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return true
            case UInt8(ascii: "\\"):
                position += 1
                guard scanEscape() else { return false }
            // The end, or a control character.
            case 0x00..<0x20: return false
            default: guard scanMultibyte(byte) else { return false }
            }
        }
    }

    /// Where the run of characters ends that a string may hold as they are: printable ASCII but `"` and `\`. Eight bytes a
    /// step (Mycroft's test for a byte that is zero, or less than n, in a word), since payloads are mostly such text.
    private static func endOfPlainText(_ bytes: [UInt8], from start: Int) -> Int {
        let span = bytes.span
        let raw = unsafe span.bytes
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        var position = start
        while position + 8 <= span.count {
            let word = unsafe raw.unsafeLoadUnaligned(fromByteOffset: position, as: UInt64.self)
            let quote = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
            let backslash = word ^ (ones &* UInt64(UInt8(ascii: "\\")))
            let control = (word &- ones &* 0x20) & ~word
            let found = (word | control | ((quote &- ones) & ~quote) | ((backslash &- ones) & ~backslash)) & highs
            if found != 0 { return position + UInt64(littleEndian: found).trailingZeroBitCount / 8 }
            position += 8
        }
        while position < span.count {
            switch span[position] {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), 0x00..<0x20, 0x80...0xFF: return position
            default: position += 1
            }
        }
        return position
    }

    private mutating func scanEscape() -> Bool {
        switch current {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
            UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 1
            return true
        case UInt8(ascii: "u"):
            for _ in 0..<4 {
                position += 1
                let digit = current
                let isHex = digit &- UInt8(ascii: "0") < 10 || (digit | 0x20) &- UInt8(ascii: "a") < 6
                guard isHex else { return false }
            }
            position += 1
            return true
        default: return false
        }
    }

    /// A UTF-8 sequence of two to four bytes: no overlong forms, no surrogates, nothing beyond U+10FFFF (RFC 3629, section 4).
    private mutating func scanMultibyte(_ lead: UInt8) -> Bool {
        let length: Int
        var lowest: UInt8 = 0x80
        var highest: UInt8 = 0xBF
        switch lead {
        case 0xC2...0xDF: length = 2
        case 0xE0:
            length = 3
            lowest = 0xA0
        case 0xED:
            length = 3
            highest = 0x9F
        case 0xE1...0xEF: length = 3
        case 0xF0:
            length = 4
            lowest = 0x90
        case 0xF4:
            length = 4
            highest = 0x8F
        case 0xF1...0xF3: length = 4
        default: return false
        }
        guard position + length <= bytes.count else { return false }
        let second = bytes[position + 1]
        guard second >= lowest, second <= highest else { return false }
        for offset in 2..<max(length, 2) where bytes[position + offset] & 0xC0 != 0x80 { return false }
        position += length
        return true
    }
}
