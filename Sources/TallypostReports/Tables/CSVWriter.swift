import TallypostCore

/// CSV as Excel opens it rightly: UTF-8 with its mark, CRLF, RFC 4180 quotes, ISO 8601 times, amounts without separators, and text that
/// stays the text it is.
enum CSVWriter {
    static func bytes(_ table: ReportTable) -> [UInt8] {
        var bytes: [UInt8] = [0xEF, 0xBB, 0xBF]
        append(table.columns.map(\.name), to: &bytes)
        for index in 0..<table.count { append(table.row(index).map(field), to: &bytes) }
        return bytes
    }

    private static func append(_ fields: [String], to bytes: inout [UInt8]) {
        for (index, field) in fields.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            append(field, to: &bytes)
        }
        bytes += [0x0D, 0x0A]
    }

    private static func append(_ field: String, to bytes: inout [UInt8]) {
        let needsQuotes = field.utf8.contains { $0 == 0x22 || $0 == 0x2C || $0 == 0x0D || $0 == 0x0A || $0 == 0x3B || $0 == 0x09 }
        guard needsQuotes else {
            bytes.append(contentsOf: field.utf8)
            return
        }
        bytes.append(0x22)
        for byte in field.utf8 {
            if byte == 0x22 { bytes.append(0x22) }
            bytes.append(byte)
        }
        bytes.append(0x22)
    }

    static func field(_ cell: ReportCell) -> String {
        switch cell {
        case .empty: ""
        case .text(let text): guarded(text)
        case .count(let count): String(count)
        case .amount(let amount, let digits): AmountText.plain(amount, digits: digits)
        case .time(let time): time.iso8601
        }
    }

    /// Text that a spreadsheet would run as a formula, or turn into another number or a date, gets an apostrophe in front; so does text that
    /// begins with one, so that who reads the file takes one away and has the text again.
    static func guarded(_ text: String) -> String {
        guard let first = text.unicodeScalars.first else { return "" }
        // The wide forms count too: some spreadsheets fold them.
        let isActive = ["=", "+", "-", "@", "\t", "\r", "\n", "'", "＝", "＋", "－", "＠"].contains(first)
        return isActive || looksLikeAnotherNumber(text) ? "'" + text : text
    }

    /// Digits that would not come back as they are: more than 15, a zero in front, an exponent, a date, a time, separators.
    private static func looksLikeAnotherNumber(_ text: String) -> Bool {
        guard text.utf8.contains(where: { (0x30...0x39).contains($0) }) else { return false }
        let isOfNumbers = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: ","), UInt8(ascii: "/"),
                UInt8(ascii: "-"),
                UInt8(ascii: ":"), UInt8(ascii: " "), UInt8(ascii: "e"), UInt8(ascii: "E"), UInt8(ascii: "%"):
                true
            default: false
            }
        }
        guard isOfNumbers else { return false }
        let isPlain =
            text.utf8.count <= 15 && text.utf8.allSatisfy { (0x30...0x39).contains($0) } && (!text.hasPrefix("0") || text == "0")
        return !isPlain
    }
}
