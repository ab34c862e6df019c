import TallypostCore

/// Writes JSON into memory as it goes, without building a tree: a report may have a hundred thousand breaks.
struct JSONOutput {
    private(set) var bytes: [UInt8] = []
    private var filled: [Bool] = []
    private var afterName = false

    mutating func object(_ body: (inout JSONOutput) -> Void) { container("{", "}", body) }
    mutating func array<Element>(_ elements: some Sequence<Element>, _ body: (inout JSONOutput, Element) -> Void) {
        container("[", "]") { json in for element in elements { body(&json, element) } }
    }

    mutating func name(_ name: String) {
        separate()
        Self.append(name, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        afterName = true
    }

    mutating func string(_ value: String?) {
        separate()
        if let value { Self.append(value, to: &bytes) } else { bytes.append(contentsOf: "null".utf8) }
    }

    mutating func raw(_ text: String) {
        separate()
        bytes.append(contentsOf: text.utf8)
    }

    mutating func member(_ name: String, _ value: String?) {
        self.name(name)
        string(value)
    }
    mutating func member(_ name: String, number: some BinaryInteger) {
        self.name(name)
        raw("\(number)")
    }
    mutating func member(_ name: String, truth: Bool) {
        self.name(name)
        raw(truth ? "true" : "false")
    }
    mutating func member(_ name: String, time: Timestamp?) { member(name, time?.iso8601) }

    private mutating func container(_ open: Unicode.Scalar, _ close: Unicode.Scalar, _ body: (inout JSONOutput) -> Void) {
        separate()
        bytes.append(UInt8(ascii: open))
        filled.append(false)
        body(&self)
        filled.removeLast()
        bytes.append(UInt8(ascii: close))
    }

    private mutating func separate() {
        if afterName {
            afterName = false
            return
        }
        guard let last = filled.indices.last else { return }
        if filled[last] { bytes.append(UInt8(ascii: ",")) }
        filled[last] = true
    }

    static func append(_ text: String, to bytes: inout [UInt8]) {
        let digits = Array("0123456789abcdef".utf8)
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0x0A: bytes.append(contentsOf: "\\n".utf8)
            case 0x0D: bytes.append(contentsOf: "\\r".utf8)
            case 0x09: bytes.append(contentsOf: "\\t".utf8)
            case 0..<0x20, 0x7F: bytes += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
