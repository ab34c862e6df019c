import TallypostCore
import TallypostRelay

/// Writes one JSON text to an output as it is made, commas included; nothing is held.
struct JSONWriter {
    private let output: OutputWriter
    /// Per open container: whether something stands in it already.
    private var filled: [Bool] = []
    private var afterName = false

    init(_ output: OutputWriter) { self.output = output }

    /// An object whose members `body` writes.
    mutating func object(_ body: (inout JSONWriter) throws -> Void) rethrows { try container("{", "}", body) }

    /// An array whose elements `body` writes.
    mutating func array(_ body: (inout JSONWriter) throws -> Void) rethrows { try container("[", "]", body) }

    /// A member's name; its value follows.
    mutating func name(_ name: String) {
        separate()
        write(name)
        output.write(":")
        afterName = true
    }

    /// A string.
    mutating func string(_ value: String) {
        separate()
        write(value)
    }

    /// A string or null.
    mutating func string(_ value: String?) { if let value { string(value) } else { raw("null") } }
    /// A whole number.
    mutating func integer(_ value: some BinaryInteger) { raw("\(value)") }
    /// A time in ISO 8601, or null.
    mutating func time(_ value: Timestamp?) { string(value?.iso8601) }
    /// True or false.
    mutating func truth(_ value: Bool) { raw(value ? "true" : "false") }

    /// A text that is JSON already.
    mutating func raw(_ json: String) {
        separate()
        output.write(json)
    }

    /// Ends the text, at the outermost level.
    func finish() { output.write("\n") }

    private mutating func container(_ open: String, _ close: String, _ body: (inout JSONWriter) throws -> Void) rethrows {
        separate()
        output.write(open)
        filled.append(false)
        try body(&self)
        filled.removeLast()
        output.write(close)
    }

    private mutating func separate() {
        if afterName {
            afterName = false
            return
        }
        guard let last = filled.indices.last else { return }
        if filled[last] { output.write(",") }
        filled[last] = true
    }

    private func write(_ string: String) {
        var text: [UInt8] = []
        JSONBytes.append(string, to: &text)
        output.write(bytes: text)
    }
}
