import Foundation
import TallypostCore
import Testing

@Suite struct JSONSyntaxTests {
    @Test(arguments: [
        "{}", "[]", "0", "-0", "1.5e-3", "1E+9", "\"\"", "true", "false", "null", " \t\r\n[ ] ",
        "{\"a\":{\"b\":[1,{\"c\":null}]}}",
        "\"\\u00e9\\n\\/\\b\\f\\r\\t\\\"\\\\\"", "\"é€😀\"", "\"\\uD83D\\uDE00\"", "[[],[[]],{}]",
        "123456789012345678901234567890", "\"\u{7F}\"",
        "{\"a\":1,\"a\":2}", "\"12345678901234567\\n\"",
    ])
    func `this is JSON`(text: String) { #expect(JSONSyntax.isValid(Array(text.utf8))) }

    @Test(arguments: [
        "", " ", "{", "}", "[", "]", "[1,]", "[,1]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{1:2}", "'a'", "01", "-",
        "+1", ".5", "1.", "1e",
        "1e+", "0x1", "NaN", "Infinity", "tru", "nul", "True", "\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"a\nb\"", "\"\t\"",
        "1 2", "[] []",
        "[1 2]", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "// x\n1", "[1}", "{\"a\":1]", "\u{FEFF}1", "\u{A0}1", "[\"a\",",
        "\"12345678\u{1}\"",
    ])
    func `this is not JSON`(text: String) { #expect(!JSONSyntax.isValid(Array(text.utf8))) }

    @Test(
        arguments: [
            [0x22, 0x80, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xC1, 0xBF, 0x22], [0x22, 0xE0, 0x80, 0x80, 0x22],
            [0x22, 0xED, 0xA0, 0x80, 0x22],
            [0x22, 0xF0, 0x80, 0x80, 0x80, 0x22], [0x22, 0xF4, 0x90, 0x80, 0x80, 0x22], [0x22, 0xF5, 0x80, 0x80, 0x80, 0x22],
            [0x22, 0xC3, 0x22],
            [0x22, 0xE2, 0x82, 0x22], [0x22, 0xF0, 0x9F, 0x98], [0x22, 0xC3], [0x22, 0xFF, 0x22], [0x00], [0x22, 0x00, 0x22],
            [0x31, 0x00],
        ] as [[UInt8]])
    func `malformed UTF-8 and NUL are not JSON`(bytes: [UInt8]) { #expect(!JSONSyntax.isValid(bytes)) }

    @Test func `nesting is allowed to a depth and no further`() {
        func nested(_ depth: Int) -> [UInt8] {
            [UInt8](repeating: UInt8(ascii: "["), count: depth) + [UInt8](repeating: UInt8(ascii: "]"), count: depth)
        }
        #expect(JSONSyntax.isValid(nested(JSONSyntax.deepest)))
        #expect(!JSONSyntax.isValid(nested(JSONSyntax.deepest + 1)))
        #expect(!JSONSyntax.isValid([UInt8](repeating: UInt8(ascii: "["), count: 1_000_000)))
        let mixed = (0..<256).map { _ in "{\"a\":[" }.joined() + "1" + (0..<256).map { _ in "]}" }.joined()
        #expect(JSONSyntax.isValid(Array(mixed.utf8)))
        #expect(!JSONSyntax.isValid(Array(mixed.replacing("]}", with: "}]", maxReplacements: 1).utf8)))
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func `generated texts are JSON, and Foundation agrees`(seed: UInt64) {
        var writer = JSONWriter(seed: seed)
        for _ in 0..<500 {
            let text = writer.text()
            #expect(JSONSyntax.isValid(text), "seed \(seed): \(String(decoding: text, as: UTF8.self))")
            #expect(foundationAccepts(text), "seed \(seed): \(String(decoding: text, as: UTF8.self))")
        }
    }

    @Test(arguments: [11, 12, 13, 14] as [UInt64])
    func `of texts with a byte changed, added or gone, Foundation says the same`(seed: UInt64) {
        var writer = JSONWriter(seed: seed)
        for _ in 0..<1_500 {
            let text = writer.mutated(writer.text())
            guard isComparable(text) else { continue }
            #expect(
                JSONSyntax.isValid(text) == foundationAccepts(text),
                "seed \(seed): \(text) \(String(decoding: text, as: UTF8.self))")
        }
    }

    private func foundationAccepts(_ text: [UInt8]) -> Bool {
        (try? JSONSerialization.jsonObject(with: Data(text), options: .fragmentsAllowed)) != nil
    }

    /// Where the two may differ by design: Foundation guesses UTF-16 and UTF-32 by NULs and marks, refuses escapes that are half
    /// a surrogate pair and numbers that no Double holds, and lets a comma stand before a closing bracket.
    private func isComparable(_ text: [UInt8]) -> Bool {
        guard !text.contains(0), !text.starts(with: [0xEF]), !text.starts(with: [0xFE]), !text.starts(with: [0xFF]) else {
            return false
        }
        // By scalars: a carriage return with its line feed is one character to Swift.
        let comma = /,[ \t\r\n]*[}\]]/.matchingSemantics(.unicodeScalar)
        let words = String(decoding: text, as: UTF8.self).lowercased()
        return !words.contains("\\ud") && !words.contains(/[0-9.]e\+?[0-9]{3,}/) && !words.contains(comma)
    }
}

/// Writes JSON of every shape from a seed, and spoils it.
struct JSONWriter {
    private var random: RandomSource

    init(seed: UInt64) { random = RandomSource(seed: seed) }

    mutating func text() -> [UInt8] { space() + value(depth: 0) + space() }

    private mutating func below(_ bound: Int) -> Int { Int(random.next(upTo: UInt64(bound - 1))) }

    private mutating func pick(_ choices: [String]) -> [UInt8] { Array(choices[below(choices.count)].utf8) }

    private mutating func space() -> [UInt8] { pick(["", "", "", " ", "\n", "\t\r\n "]) }

    private mutating func value(depth: Int) -> [UInt8] {
        switch below(depth > 4 ? 5 : 9) {
        case 0: return pick(["true", "false", "null"])
        case 1, 2: return number()
        case 3, 4: return string()
        case 5, 6: return list(open: "[", close: "]") { $0.value(depth: depth + 1) }
        default:
            return list(open: "{", close: "}") { writer in
                let name = writer.string() + writer.space()
                return name + Array(":".utf8) + writer.space() + writer.value(depth: depth + 1)
            }
        }
    }

    private mutating func list(open: String, close: String, _ element: (inout JSONWriter) -> [UInt8]) -> [UInt8] {
        var text = Array(open.utf8) + space()
        let count = below(4)
        for index in 0..<count {
            if index > 0 { text += Array(",".utf8) + space() }
            text += element(&self) + space()
        }
        return text + Array(close.utf8)
    }

    private mutating func number() -> [UInt8] {
        pick(["", "-"]) + pick(["0", "7", "10", "908070605040", "18446744073709551616"]) + pick(["", "", ".0", ".25", ".999999"])
            + pick(["", "", "e1", "E-7", "e+12"])
    }

    private mutating func string() -> [UInt8] {
        var text: [UInt8] = [0x22]
        for _ in 0..<below(6) {
            text += pick([
                "a", "plain text of some length", "\\\"", "\\\\", "\\/", "\\n", "\\u0041", "\\u20ac", "\\ud83d\\ude00", "é", "€",
                "😀", "\u{7F}",
                "{}[]:,", "\u{10FFFF}", "\u{800}",
            ])
        }
        return text + [0x22]
    }

    mutating func mutated(_ text: [UInt8]) -> [UInt8] {
        var text = text
        for _ in 0...below(2) {
            let interesting =
                Array("\"\\{}[]:,0123456789eE+-.truefalsn u \n\t".utf8) + [0x01, 0x1F, 0x7F, 0x80, 0xBF, 0xC2, 0xED, 0xF4, 0xFF]
            let byte = interesting[below(interesting.count)]
            guard !text.isEmpty else { return [byte] }
            let place = below(text.count)
            switch below(3) {
            case 0: text[place] = byte
            case 1: text.insert(byte, at: place)
            default: text.remove(at: place)
            }
        }
        return text
    }
}
