import TallypostCore

/// One log line in the making.
struct LogLine {
    /// journald cuts at 48 KiB, and pipes write up to 4 KiB as one piece; no message of ours needs more than this.
    static let longest = 8_192
    static let longestValue = 2_048

    private let format: Log.Format
    private var bytes: [UInt8] = []
    private var wasCut = false

    init(format: Log.Format, level: Log.Level, time: Timestamp, message: String) {
        self.format = format
        bytes.reserveCapacity(256)
        let message = Self.bounded(Redaction.masking(message))
        switch format {
        case .terminal:
            bytes.append(contentsOf: time.iso8601.dropFirst(11).dropLast().utf8)
            bytes.append(contentsOf: " \(level.word.padded(to: 8)) \(Self.printable(message))".utf8)
        case .journal, .json:
            if format == .journal { bytes.append(contentsOf: "<\(level.rawValue)>".utf8) }
            bytes.append(contentsOf: #"{"ts":""#.utf8)
            bytes.append(contentsOf: time.iso8601.utf8)
            bytes.append(contentsOf: #"","level":"\#(level.word)","msg":"#.utf8)
            JSONBytes.append(message, to: &bytes)
        }
    }

    /// Adds a field, or marks the line as cut where there is no room for it.
    mutating func append(_ name: String, _ value: Logged) {
        var field: [UInt8] = []
        switch format {
        case .terminal:
            field.append(contentsOf: "  \(name)=".utf8)
            switch value {
            case .text(let text):
                field.append(contentsOf: Self.printable(Self.quoted(Self.bounded(Self.masked(text, in: name)))).utf8)
            case .integer(let number): field.append(contentsOf: "\(number)".utf8)
            case .number(let number): field.append(contentsOf: "\(number)".utf8)
            case .truth(let truth): field.append(contentsOf: "\(truth)".utf8)
            }
        case .journal, .json:
            field.append(UInt8(ascii: ","))
            JSONBytes.append(name, to: &field)
            field.append(UInt8(ascii: ":"))
            switch value {
            case .text(let text): JSONBytes.append(Self.bounded(Self.masked(text, in: name)), to: &field)
            case .integer(let number): field.append(contentsOf: "\(number)".utf8)
            case .number(let number): JSONBytes.append(number, to: &field)
            case .truth(let truth): field.append(contentsOf: "\(truth)".utf8)
            }
        }
        if bytes.count + field.count <= Self.longest - 32 { bytes.append(contentsOf: field) } else { wasCut = true }
    }

    /// The line with its newline.
    consuming func finished() -> [UInt8] {
        if wasCut { bytes.append(contentsOf: (format == .terminal ? "  …" : #","cut":true"#).utf8) }
        if format != .terminal { bytes.append(UInt8(ascii: "}")) }
        bytes.append(UInt8(ascii: "\n"))
        return bytes
    }

    private static func masked(_ text: String, in name: String) -> String {
        let name = name.lowercased()
        let isSecret = ["password", "secret", "token", "authorization", "cookie"].contains(where: name.hasSuffix)
        return isSecret ? Redaction.mask : Redaction.masking(text)
    }

    /// At most ``longestValue`` bytes, cut between characters.
    private static func bounded(_ text: String) -> String {
        guard text.utf8.count > longestValue else { return text }
        var kept = String.UnicodeScalarView()
        var room = longestValue
        for scalar in text.unicodeScalars {
            room -= UTF8.width(scalar)
            if room < 0 { break }
            kept.append(scalar)
        }
        return String(kept) + "…"
    }

    /// A value with spaces in quotation marks, so that fields can be told apart.
    private static func quoted(_ text: String) -> String {
        text.isEmpty || text.contains(" ") || text.contains("\"") ? "\"\(text)\"" : text
    }

    /// Without control characters: what came from a row or a receiver may not steer the terminal.
    private static func printable(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { isControl($0) ? "\u{FFFD}" : $0 }))
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value)
    }
}

extension String {
    /// With spaces behind it up to so many characters.
    func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
