/// Writes HTML: what is text is escaped, and there is no other way to put text into the page.
struct HTMLWriter {
    private(set) var text = ""

    /// Markup of our own, never of a report's values.
    mutating func raw(_ markup: String) { text += markup }

    /// An element with text in it.
    mutating func element(_ tag: StaticString, _ attributes: [(String, String)] = [], _ content: String) {
        element(tag, attributes) { $0.content(content) }
    }

    /// An element with elements in it.
    mutating func element(_ tag: StaticString, _ attributes: [(String, String)] = [], _ body: (inout HTMLWriter) -> Void) {
        open(tag, attributes)
        body(&self)
        text += "</\(tag)>"
    }

    /// A tag without an end.
    mutating func open(_ tag: StaticString, _ attributes: [(String, String)] = []) {
        text += "<\(tag)"
        for (name, value) in attributes { text += " \(name)=\"\(Self.escaped(value))\"" }
        text += ">"
    }

    /// Text.
    mutating func content(_ content: String) { text += Self.escaped(content) }

    /// Text of somebody else's: its direction does not run into ours.
    mutating func foreign(_ content: String) { element("bdi", [], content) }

    static func escaped(_ text: String) -> String {
        var escaped = ""
        escaped.unicodeScalars.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            case "\n", "\t": escaped.unicodeScalars.append(scalar)
            default:
                // Control characters are no HTML; those that turn the direction of writing round can make a text lie.
                switch scalar.value {
                case 0..<0x20, 0x7F..<0xA0, 0x200E...0x200F, 0x202A...0x202E, 0x2066...0x2069, 0xFDD0...0xFDEF:
                    escaped += "\u{FFFD}"
                default: escaped.unicodeScalars.append(scalar)
                }
            }
        }
        return escaped
    }

    /// A name for an anchor, of whatever text: letters, digits and dashes.
    static func anchor(_ parts: String...) -> String {
        parts.map { part in
            part.utf8.map { byte in
                let isKept = (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                return isKept || byte == 0x2D || byte == 0x5F ? String(UnicodeScalar(byte)) : "." + String(byte, radix: 16)
            }.joined()
        }.joined(separator: "-")
    }
}
