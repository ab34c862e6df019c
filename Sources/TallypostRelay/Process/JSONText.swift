/// Writes the pieces of JSON texts (RFC 8259) as bytes. Whoever uses it says where the commas go.
public enum JSONText {
    /// A string in its quotes.
    public static func append(_ string: String, to text: inout [UInt8]) {
        text.append(UInt8(ascii: "\""))
        for byte in string.utf8 {
            switch byte {
            case UInt8(ascii: "\""): text.append(contentsOf: #"\""#.utf8)
            case UInt8(ascii: "\\"): text.append(contentsOf: #"\\"#.utf8)
            case 0x0A: text.append(contentsOf: #"\n"#.utf8)
            case 0x0D: text.append(contentsOf: #"\r"#.utf8)
            case 0x09: text.append(contentsOf: #"\t"#.utf8)
            case 0x00..<0x20, 0x7F:
                text.append(contentsOf: #"\u00"#.utf8)
                text.append(hexDigit(byte >> 4))
                text.append(hexDigit(byte & 15))
            default: text.append(byte)
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
