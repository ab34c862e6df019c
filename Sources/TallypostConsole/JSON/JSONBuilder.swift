/// Writes a JSON document, compact.
struct JSONBuilder {
    private(set) var bytes: [UInt8] = []
    private var needsComma = false

    init() {}

    /// `{ … }`.
    mutating func object(_ fill: (inout JSONBuilder) -> Void) { enclose(UInt8(ascii: "{"), UInt8(ascii: "}"), fill) }
    /// `[ … ]`.
    mutating func array(_ fill: (inout JSONBuilder) -> Void) { enclose(UInt8(ascii: "["), UInt8(ascii: "]"), fill) }

    /// A member's name; its value comes next.
    mutating func name(_ text: String) {
        separate()
        quote(text)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    /// A string, or null.
    mutating func string(_ text: String?) {
        guard let text else { return raw("null") }
        separate()
        quote(text)
        needsComma = true
    }

    /// A whole number.
    mutating func integer(_ number: some BinaryInteger) { raw(String(number)) }
    /// True or false.
    mutating func truth(_ flag: Bool) { raw(flag ? "true" : "false") }

    /// JSON text as it stands.
    mutating func raw(_ text: String) {
        separate()
        bytes.append(contentsOf: text.utf8)
        needsComma = true
    }

    private mutating func enclose(_ open: UInt8, _ close: UInt8, _ fill: (inout JSONBuilder) -> Void) {
        separate()
        bytes.append(open)
        needsComma = false
        fill(&self)
        bytes.append(close)
        needsComma = true
    }

    private mutating func separate() { if needsComma { bytes.append(UInt8(ascii: ",")) } }

    private mutating func quote(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case 0x0A: bytes.append(contentsOf: "\\n".utf8)
            case 0x00..<0x20:
                let digits = String(byte, radix: 16)
                bytes.append(contentsOf: "\\u00\(digits.utf8.count == 1 ? "0" : "")\(digits)".utf8)
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
