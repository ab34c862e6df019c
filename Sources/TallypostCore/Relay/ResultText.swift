/// How a response's body is kept: `result` and `start_result` always hold JSON, whatever a receiver sent.
public enum ResultText {
    /// Bytes of a body that are kept in `result`.
    public static let longest = 64 << 10
    /// Bytes of a body that an attempt row keeps.
    public static let start = 1 << 10

    /// The JSON text for `result`: the body itself when it is JSON and whole; else a JSON string that begins with a mark
    /// (`[not JSON] …`, `[cut] …`); nil for an empty body.
    public static func json(body: [UInt8], wasCut: Bool) -> String? {
        if body.isEmpty { return nil }
        if !wasCut, body.count <= longest, JSONSyntax.isValid(body) { return String(decoding: body, as: UTF8.self) }
        let mark = wasCut || body.count > longest ? "[cut] " : "[not JSON] "
        return quoted(mark + String(decoding: body.prefix(longest), as: UTF8.self))
    }

    /// The first bytes as text for an attempt row: malformed UTF-8 replaced, NUL left out; nil for an empty body.
    public static func start(of body: [UInt8]) -> String? {
        if body.isEmpty { return nil }
        return String(decoding: body.prefix(start).filter { $0 != 0 }, as: UTF8.self)
    }

    /// `text` as a JSON string, quotes included (RFC 8259, section 7).
    public static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            case _ where scalar.value < 0x20:
                let hex = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
