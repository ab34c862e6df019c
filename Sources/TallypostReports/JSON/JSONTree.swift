import TallypostCore

/// A JSON text as a tree: for manifests, signatures, and to add a report's own JSON up again.
package enum JSONTree: Sendable, Equatable {
    case null
    case truth(Bool)
    /// Whole numbers as they are written; anything finer is not written by us.
    case number(String)
    case string(String)
    case array([JSONTree])
    case object([String: JSONTree])

    /// Sorted members, no white space, one line feed at the end: the same tree is always the same bytes.
    package var canonical: [UInt8] {
        var bytes: [UInt8] = []
        append(to: &bytes)
        bytes.append(0x0A)
        return bytes
    }

    private func append(to bytes: inout [UInt8]) {
        switch self {
        case .null: bytes.append(contentsOf: "null".utf8)
        case .truth(let truth): bytes.append(contentsOf: (truth ? "true" : "false").utf8)
        case .number(let text): bytes.append(contentsOf: text.utf8)
        case .string(let text): JSONOutput.append(text, to: &bytes)
        case .array(let elements):
            bytes.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                element.append(to: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        case .object(let members):
            bytes.append(UInt8(ascii: "{"))
            for (index, name) in members.keys.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }).enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                JSONOutput.append(name, to: &bytes)
                bytes.append(UInt8(ascii: ":"))
                members[name]?.append(to: &bytes)
            }
            bytes.append(UInt8(ascii: "}"))
        }
    }

    /// A member of an object.
    package subscript(_ name: String) -> JSONTree? { if case .object(let members) = self { members[name] } else { nil } }
    /// The text of a string.
    package var text: String? { if case .string(let text) = self { text } else { nil } }
    /// The elements of an array.
    package var elements: [JSONTree]? { if case .array(let elements) = self { elements } else { nil } }
    /// The members of an object.
    package var members: [String: JSONTree]? { if case .object(let members) = self { members } else { nil } }
    /// A whole number.
    package var integer: Int128? { if case .number(let text) = self { Int128(text) } else { nil } }

    /// An integer.
    package static func integer(_ value: some BinaryInteger) -> JSONTree { .number("\(value)") }
    /// A string or null.
    package static func optional(_ value: String?) -> JSONTree { value.map { .string($0) } ?? .null }

    /// - Returns: nil where the bytes are no JSON, or an object has a member twice.
    package init?(parsing bytes: [UInt8]) {
        guard JSONSyntax.isValid(bytes) else { return nil }
        var parser = JSONTreeParser(bytes: bytes)
        guard let tree = parser.value() else { return nil }
        self = tree
    }
}

/// Builds the tree of bytes that are known to be JSON: ``JSONSyntax`` has seen to syntax and depth.
private struct JSONTreeParser {
    private let bytes: [UInt8]
    private var position = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func value() -> JSONTree? {
        skipSpace()
        switch bytes[position] {
        case UInt8(ascii: "{"): return object()
        case UInt8(ascii: "["): return array()
        case UInt8(ascii: "\""): return .string(string())
        case UInt8(ascii: "t"): return word(4, .truth(true))
        case UInt8(ascii: "f"): return word(5, .truth(false))
        case UInt8(ascii: "n"): return word(4, .null)
        default:
            let start = position
            while position < bytes.count, ![0x2C, 0x5D, 0x7D, 0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) { position += 1 }
            return .number(String(decoding: bytes[start..<position], as: UTF8.self))
        }
    }

    private mutating func word(_ length: Int, _ value: JSONTree) -> JSONTree {
        position += length
        return value
    }

    private mutating func skipSpace() {
        while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) { position += 1 }
    }

    /// Whether it stood there; it is passed by then.
    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard bytes[position] == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func object() -> JSONTree? {
        position += 1
        var members: [String: JSONTree] = [:]
        if take("}") { return .object(members) }
        repeat {
            skipSpace()
            let name = string()
            _ = take(":")
            guard let value = value(), members.updateValue(value, forKey: name) == nil else { return nil }
        } while take(",")
        position += 1
        return .object(members)
    }

    private mutating func array() -> JSONTree? {
        position += 1
        var elements: [JSONTree] = []
        if take("]") { return .array(elements) }
        repeat {
            guard let value = value() else { return nil }
            elements.append(value)
        } while take(",")
        position += 1
        return .array(elements)
    }

    private mutating func string() -> String {
        position += 1
        var text: [UInt8] = []
        while bytes[position] != UInt8(ascii: "\"") {
            if bytes[position] == UInt8(ascii: "\\") {
                escape(into: &text)
            } else {
                text.append(bytes[position])
                position += 1
            }
        }
        position += 1
        return String(decoding: text, as: UTF8.self)
    }

    private mutating func escape(into text: inout [UInt8]) {
        let letter = bytes[position + 1]
        position += 2
        switch letter {
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "u"):
            var code = hex()
            if (0xD800..<0xDC00).contains(code), bytes[position] == UInt8(ascii: "\\"), bytes[position + 1] == UInt8(ascii: "u") {
                let start = position
                position += 2
                let low = hex()
                if (0xDC00..<0xE000).contains(low) {
                    code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
                } else {
                    position = start
                }
            }
            text.append(contentsOf: String(Character(Unicode.Scalar(code) ?? "\u{FFFD}")).utf8)
        default: text.append(letter)
        }
    }

    private mutating func hex() -> UInt32 {
        defer { position += 4 }
        return UInt32(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16) ?? 0xFFFD
    }
}
