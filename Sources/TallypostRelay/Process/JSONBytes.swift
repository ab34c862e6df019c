/// Writes the pieces of JSON texts (RFC 8259) as bytes. Whoever uses it says where the commas go.
public enum JSONBytes {
    /// A string in its quotes.
    public static func append(_ string: String, to text: inout [UInt8]) {
        text.append(UInt8(ascii: "\""))
        for scalar in string.unicodeScalars {
            switch scalar.value {
            case 0x22: text.append(contentsOf: #"\""#.utf8)
            case 0x5C: text.append(contentsOf: #"\\"#.utf8)
            case 0x0A: text.append(contentsOf: #"\n"#.utf8)
            case 0x0D: text.append(contentsOf: #"\r"#.utf8)
            case 0x09: text.append(contentsOf: #"\t"#.utf8)
            // Controls, and what some readers take for the end of a line.
            case 0x00..<0x20, 0x7F..<0xA0, 0x2028, 0x2029:
                text.append(contentsOf: #"\u"#.utf8)
                for shift in [12, 8, 4, 0] { text.append(hexDigit(UInt8(truncatingIfNeeded: scalar.value >> shift) & 15)) }
            default: text.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            }
        }
        text.append(UInt8(ascii: "\""))
    }

    /// A number; infinities and NaN, which JSON lacks, become null.
    public static func append(_ number: Double, to text: inout [UInt8]) {
        text.append(contentsOf: (number.isFinite ? "\(number)" : "null").utf8)
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }
}
