/// On which line each key of a JSON5 text stands. Foundation's parser keeps the values and forgets the places, so the text is
/// walked first; where it is no JSON5, the walk stops and says so.
struct KeyLines {
    /// Line (from 1) by path, `routes.send-receipt.secrets[0]`.
    private(set) var lines: [String: Int] = [:]
    /// Keys that stand twice in one object: path and the second line.
    private(set) var duplicates: [(path: String, line: Int)] = []
    /// Where the text stopped being JSON5, and how. A text with a fault is not handed on to Foundation's parser.
    private(set) var fault: (line: Int, message: String)?

    private let bytes: [UInt8]
    private var position = 0
    private var line = 1
    private var depth = 0

    init(_ text: [UInt8]) {
        bytes = text
        if text.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
        skipSpace()
        guard walkValue(path: "") else { return }
        skipSpace()
        if current != nil { fail("\(shown) stands behind the end of the text") }
    }

    /// The line of a path, or of the nearest thing around it; nil when nothing is known.
    func line(of path: String) -> Int? {
        var path = Substring(path)
        while true {
            if let line = lines[String(path)] { return line }
            guard let cut = path.lastIndex(where: { $0 == "." || $0 == "[" }) else { return lines[""] }
            path = path[..<cut]
        }
    }

    private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

    /// Notes the first fault; the walk stops where it says false.
    @discardableResult
    private mutating func fail(_ message: String, at faultLine: Int? = nil) -> Bool {
        if fault == nil { fault = (faultLine ?? line, message) }
        return false
    }

    /// What stands here.
    private var shown: String {
        let rest = String(decoding: bytes[position..<min(position + 4, bytes.count)], as: UTF8.self)
        guard let scalar = rest.unicodeScalars.first else { return "the end of the text" }
        if ("!"..."~").contains(scalar) { return "“\(scalar)”" }
        let digits = String(scalar.value, radix: 16, uppercase: true)
        return "the character U+\(String(repeating: "0", count: max(0, 4 - digits.count)))\(digits)"
    }

    /// White space, or the no-break space that pasting brings along: it ends a word, and Foundation takes it for none.
    private var isAtSpace: Bool {
        guard let byte = current else { return false }
        return byte <= 0x20 || (byte == 0xC2 && position + 1 < bytes.count && bytes[position + 1] == 0xA0)
    }

    private mutating func advance() {
        guard let byte = current else { return }
        if byte == UInt8(ascii: "\n") { line += 1 }
        position += 1
    }

    private mutating func skipSpace() {
        while let byte = current {
            if byte == UInt8(ascii: "/"), position + 1 < bytes.count {
                if bytes[position + 1] == UInt8(ascii: "/") {
                    while let byte = current, byte != UInt8(ascii: "\n") { _ = byte; advance() }
                    continue
                }
                if bytes[position + 1] == UInt8(ascii: "*") {
                    advance()
                    advance()
                    while position + 1 < bytes.count,
                        !(bytes[position] == UInt8(ascii: "*") && bytes[position + 1] == UInt8(ascii: "/"))
                    {
                        advance()
                    }
                    advance()
                    advance()
                    continue
                }
                return
            }
            guard byte <= 0x20 else { return }
            advance()
        }
    }

    private mutating func walkValue(path: String) -> Bool {
        lines[path] = lines[path] ?? line
        guard depth < 64 else { return fail("this is nested too deeply") }
        depth += 1
        defer { depth -= 1 }
        switch current {
        case UInt8(ascii: "{"): return walkObject(path: path)
        case UInt8(ascii: "["): return walkArray(path: path)
        case UInt8(ascii: "\""), UInt8(ascii: "'"): return readString() != nil
        default:
            let start = position
            while let byte = current, !isAtSpace, !",]}/".utf8.contains(byte) { advance() }
            return checkWord(String(decoding: bytes[start..<position], as: UTF8.self))
        }
    }

    /// Whether it is a JSON5 number that begins with a sign, a point or a digit.
    private static func isNumber(_ word: String) -> Bool {
        let digits = word.utf8.first.map { "+-".utf8.contains($0) } == true ? word.dropFirst() : word[...]
        if ["Infinity", "NaN"].contains(digits) { return true }
        if digits.hasPrefix("0x") || digits.hasPrefix("0X") {
            return digits.count > 2 && digits.dropFirst(2).utf8.allSatisfy("0123456789abcdefABCDEF".utf8.contains)
        }
        // An octal number, elsewhere.
        if digits.first == "0", let second = digits.dropFirst().first, ("0"..."9").contains(second) { return false }
        return digits.utf8.allSatisfy("0123456789.eE+-".utf8.contains) && Double(digits)?.isFinite == true
    }

    private mutating func checkWord(_ word: String) -> Bool {
        guard !word.isEmpty else { return fail("a value is missing before \(shown)") }
        if ["true", "false", "null", "Infinity", "NaN"].contains(word) { return true }
        guard "+-.0123456789".utf8.contains(word.utf8[word.startIndex]) else {
            return fail("“\(word)” is no value; a string stands in quotation marks")
        }
        guard Self.isNumber(word) else { return fail("“\(word)” is no number") }
        return true
    }

    private mutating func walkObject(path: String) -> Bool {
        advance()
        var seen: Set<String> = []
        while true {
            skipSpace()
            if current == UInt8(ascii: "}") {
                advance()
                return true
            }
            let keyLine = line
            guard let key = readKey() else { return fail("a key is missing before \(shown)") }
            let inner = path.isEmpty ? key : "\(path).\(key)"
            if !seen.insert(key).inserted { duplicates.append((inner, keyLine)) }
            lines[inner] = keyLine
            skipSpace()
            guard current == UInt8(ascii: ":") else { return fail("“\(key)” has no colon behind it, but \(shown)") }
            advance()
            skipSpace()
            guard walkValue(path: inner) else { return false }
            skipSpace()
            if current == UInt8(ascii: ",") {
                advance()
            } else if current != UInt8(ascii: "}") {
                return fail("a comma is missing before \(shown)")
            }
        }
    }

    private mutating func walkArray(path: String) -> Bool {
        advance()
        var index = 0
        while true {
            skipSpace()
            if current == UInt8(ascii: "]") {
                advance()
                return true
            }
            guard walkValue(path: "\(path)[\(index)]") else { return false }
            index += 1
            skipSpace()
            if current == UInt8(ascii: ",") {
                advance()
            } else if current != UInt8(ascii: "]") {
                return fail("a comma is missing before \(shown)")
            }
        }
    }

    private mutating func readKey() -> String? {
        if current == UInt8(ascii: "\"") || current == UInt8(ascii: "'") { return readString() }
        let start = position
        while let byte = current, !isAtSpace, !":,{}[]\"'/".utf8.contains(byte) { advance() }
        return position > start ? String(decoding: bytes[start..<position], as: UTF8.self) : nil
    }

    /// A quoted string; escapes are kept simple, since a key with an escape in it only costs its line.
    private mutating func readString() -> String? {
        guard let quote = current else { return nil }
        let start = line
        advance()
        var text: [UInt8] = []
        while let byte = current {
            advance()
            if byte == 0x0A { fail("the string that begins here has no end", at: start) }
            if byte == quote { return String(decoding: text, as: UTF8.self) }
            if byte == UInt8(ascii: "\\"), let escaped = current {
                text.append(escaped)
                advance()
                // A line that goes on, in a text with Windows' line ends.
                if escaped == UInt8(ascii: "\r"), current == UInt8(ascii: "\n") { advance() }
            } else {
                text.append(byte)
            }
        }
        fail("the string that begins here has no end", at: start)
        return nil
    }
}
