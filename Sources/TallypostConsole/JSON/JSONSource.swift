import TallypostCore

/// A value within a JSON text, as written: read without going through a number or a tree, so that no digit is lost and what is
/// kept is what came.
struct JSONSource: Sendable {
    /// What kind of value it is.
    enum Kind: Sendable { case object, array, string, number, truth, null }

    private let text: ArraySlice<UInt8>

    /// The one value of a text; nil when it is no JSON.
    init?(_ bytes: [UInt8]) {
        guard JSONSyntax.isValid(bytes) else { return nil }
        let start = Self.skipSpace(bytes[...], bytes.startIndex)
        text = bytes[start..<Self.end(of: bytes[...], from: start)]
    }

    private init(valid text: ArraySlice<UInt8>) { self.text = text }

    var kind: Kind {
        switch text.first {
        case UInt8(ascii: "{"): .object
        case UInt8(ascii: "["): .array
        case UInt8(ascii: "\""): .string
        case UInt8(ascii: "t"), UInt8(ascii: "f"): .truth
        case UInt8(ascii: "n"): .null
        default: .number
        }
    }

    /// Byte for byte.
    var verbatim: String { String(decoding: text, as: UTF8.self) }

    /// Without needless space; names, numbers and strings stand as they came, in their order.
    var compact: String {
        var kept: [UInt8] = []
        kept.reserveCapacity(text.count)
        var isInString = false
        var isEscaped = false
        for byte in text {
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
            } else if byte == UInt8(ascii: "\"") {
                isInString = true
            } else if Self.isSpace(byte) {
                continue
            }
            kept.append(byte)
        }
        return String(decoding: kept, as: UTF8.self)
    }

    var truth: Bool? { kind == .truth ? text.first == UInt8(ascii: "t") : nil }

    /// A whole number; nil for anything else, and for one beyond 64 bits. `1.0` and `1e3` are whole numbers, as JSON Schema has it, as far
    /// as a double is exact.
    var integer: Int64? {
        guard kind == .number else { return nil }
        let digits = String(decoding: text, as: UTF8.self)
        if let number = Int64(digits) { return number }
        guard let number = Double(digits), number.magnitude <= 9_007_199_254_740_992 else { return nil }
        return Int64(exactly: number)
    }

    /// Nil when it is none, or holds half a surrogate pair.
    var string: String? { kind == .string ? Self.unquoted(text) : nil }

    /// The members of an object, in order; nil when it is none, or a name is no Unicode.
    var members: [(name: String, value: JSONSource)]? {
        guard kind == .object else { return nil }
        var members: [(name: String, value: JSONSource)] = []
        var position = Self.skipSpace(text, text.startIndex + 1)
        while text[position] != UInt8(ascii: "}") {
            let nameEnd = Self.end(of: text, from: position)
            guard let name = Self.unquoted(text[position..<nameEnd]) else { return nil }
            // Behind the colon.
            let start = Self.skipSpace(text, Self.skipSpace(text, nameEnd) + 1)
            let end = Self.end(of: text, from: start)
            members.append((name, JSONSource(valid: text[start..<end])))
            position = Self.skipSpace(text, end)
            if text[position] == UInt8(ascii: ",") { position = Self.skipSpace(text, position + 1) }
        }
        return members
    }

    /// The elements of an array, in order; nil when it is none.
    var elements: [JSONSource]? {
        guard kind == .array else { return nil }
        var elements: [JSONSource] = []
        var position = Self.skipSpace(text, text.startIndex + 1)
        while text[position] != UInt8(ascii: "]") {
            let end = Self.end(of: text, from: position)
            elements.append(JSONSource(valid: text[position..<end]))
            position = Self.skipSpace(text, end)
            if text[position] == UInt8(ascii: ",") { position = Self.skipSpace(text, position + 1) }
        }
        return elements
    }

    // MARK: Scanning what is known to be JSON

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D }

    private static func skipSpace(_ text: ArraySlice<UInt8>, _ start: Int) -> Int {
        var position = start
        while position < text.endIndex, isSpace(text[position]) { position += 1 }
        return position
    }

    /// Where the value ends that starts here.
    private static func end(of text: ArraySlice<UInt8>, from start: Int) -> Int {
        var depth = 0
        var position = start
        while position < text.endIndex {
            switch text[position] {
            case UInt8(ascii: "\""):
                position += 1
                while text[position] != UInt8(ascii: "\"") { position += text[position] == UInt8(ascii: "\\") ? 2 : 1 }
                position += 1
                if depth == 0 { return position }
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                // The container around a number or a word.
                if depth == 0 { return position }
                depth -= 1
                if depth == 0 { return position + 1 }
            case UInt8(ascii: ","), UInt8(ascii: ":"), 0x20, 0x09, 0x0A, 0x0D: if depth == 0 { return position }
            default: break
            }
            position += 1
        }
        return position
    }

    private static func unquoted(_ text: ArraySlice<UInt8>) -> String? {
        var bytes: [UInt8] = []
        var position = text.startIndex + 1
        let end = text.endIndex - 1
        while position < end {
            guard text[position] == UInt8(ascii: "\\") else {
                bytes.append(text[position])
                position += 1
                continue
            }
            position += 1
            switch text[position] {
            case UInt8(ascii: "b"): bytes.append(0x08)
            case UInt8(ascii: "f"): bytes.append(0x0C)
            case UInt8(ascii: "n"): bytes.append(0x0A)
            case UInt8(ascii: "r"): bytes.append(0x0D)
            case UInt8(ascii: "t"): bytes.append(0x09)
            case UInt8(ascii: "u"):
                guard let (scalar, length) = escaped(text, at: position + 1, end) else { return nil }
                bytes.append(contentsOf: String(scalar).utf8)
                position += length
            default: bytes.append(text[position])
            }
            position += 1
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// The character of `XXXX`, or of `XXXX\uXXXX` where that is a surrogate pair, and the length of what was read.
    private static func escaped(_ text: ArraySlice<UInt8>, at start: Int, _ end: Int) -> (Unicode.Scalar, Int)? {
        func unit(_ start: Int) -> UInt32? { UInt32(String(decoding: text[start..<start + 4], as: UTF8.self), radix: 16) }
        guard let first = unit(start) else { return nil }
        guard (0xD800..<0xDC00).contains(first) else { return Unicode.Scalar(first).map { ($0, 4) } }
        let second = start + 4
        guard second + 6 <= end, text[second] == UInt8(ascii: "\\"), text[second + 1] == UInt8(ascii: "u"),
            let low = unit(second + 2), (0xDC00..<0xE000).contains(low)
        else { return nil }
        return Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (low - 0xDC00)).map { ($0, 10) }
    }
}
