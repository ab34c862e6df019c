/// Where the fields of one row stand in the bytes that were read.
struct LedgerFields {
    /// First byte, and the byte behind the last; −1: the row has no such field.
    private var starts: [9 of Int32] = .init(repeating: -1)
    private var ends: [9 of Int32] = .init(repeating: -1)

    /// Forgets them all.
    mutating func clear() { for index in 0..<9 { starts[index] = -1 } }

    mutating func set(_ column: Int, _ start: Int, _ end: Int) {
        starts[column] = Int32(truncatingIfNeeded: start)
        ends[column] = Int32(truncatingIfNeeded: end)
    }

    /// The field without white space around it; nil where there is none, or nothing in it.
    func range(_ column: LedgerColumn, in bytes: Span<UInt8>) -> (start: Int, end: Int)? {
        var start = Int(starts[column.rawValue])
        var end = Int(ends[column.rawValue])
        guard start >= 0 else { return nil }
        while start < end, bytes[start] <= 0x20 { start += 1 }
        while end > start, bytes[end - 1] <= 0x20 { end -= 1 }
        return start < end ? (start, end) : nil
    }

    /// As it stands, white space too.
    func raw(_ column: Int) -> (start: Int, end: Int)? {
        starts[column] < 0 ? nil : (Int(starts[column]), Int(ends[column]))
    }
}

/// What was found at a place in the file.
enum LedgerStep {
    /// A row, whose fields have been set; the next begins there.
    case row(next: Int)
    /// Nothing to read.
    case blank(next: Int)
    /// Bytes that are no row.
    case bad(next: Int, reason: String)
    /// It may go on in what is not read yet.
    case incomplete
}

/// Longest row that is read, in bytes; longer ones are set aside.
let longestLedgerRow = 1 << 20
/// Longest key, subject or id, in bytes.
let longestLedgerField = 4_096

/// Takes RFC 4180 apart: quoted fields, doubled quotes, line ends within quotes, CR LF or LF.
struct CSVSplitter {
    private let delimiter: UInt8
    /// For each field of a row which of our columns it is, or −1.
    private let roles: [Int]
    private var unescaped: [UInt8] = []
    private var usesUnescaped = false

    /// Where the last row's fields stand, if it had doubled quotes and they were undone.
    var unescapedRow: [UInt8]? { usesUnescaped ? unescaped : nil }

    /// - Parameter roles: as many as the heading has fields.
    init(delimiter: UInt8, roles: [Int]) {
        self.delimiter = delimiter
        self.roles = roles
    }

    mutating func step(
        _ bytes: Span<UInt8>, from start: Int, to end: Int, isLast: Bool, into fields: inout LedgerFields
    ) -> LedgerStep {
        usesUnescaped = false
        let (quote, newline) = (UInt8(ascii: "\""), UInt8(ascii: "\n"))
        var (position, field, doubled): (Int, Int, UInt16) = (start, 0, 0)
        while true {
            let first = position
            var fieldEnd: Int
            if position < end, bytes[position] == quote {
                position += 1
                while true {
                    while position < end, bytes[position] != quote { position += 1 }
                    guard position < end else {
                        return unfinished(bytes, start, end, isLast, "a quote is opened and never closed")
                    }
                    guard position + 1 < end else {
                        if isLast { break }
                        return .incomplete
                    }
                    guard bytes[position + 1] == quote else { break }
                    if field < roles.count, roles[field] >= 0 { doubled |= 1 << UInt16(roles[field]) }
                    position += 2
                }
                fieldEnd = position
                position += 1
                if position < end, bytes[position] == UInt8(ascii: "\r"), position + 1 == end || bytes[position + 1] == newline {
                    position += 1
                }
                guard position >= end || bytes[position] == delimiter || bytes[position] == newline else {
                    return bad(bytes, start, end, isLast, "text stands behind a closing quote")
                }
                if field < roles.count, roles[field] >= 0 { fields.set(roles[field], first + 1, fieldEnd) }
            } else {
                while position < end, bytes[position] != delimiter, bytes[position] != newline { position += 1 }
                fieldEnd = position
                if position >= end || bytes[position] == newline, fieldEnd > first, bytes[fieldEnd - 1] == UInt8(ascii: "\r") {
                    fieldEnd -= 1
                }
                if field < roles.count, roles[field] >= 0 { fields.set(roles[field], first, fieldEnd) }
            }
            guard position < end || isLast else { return unfinished(bytes, start, end, isLast, "the row is longer than 1 MiB") }
            field += 1
            if position < end, bytes[position] == delimiter {
                position += 1
                continue
            }
            let next = min(position + 1, end)
            if field == 1, fieldEnd == start { return .blank(next: next) }
            guard field == roles.count else {
                return .bad(next: next, reason: "it has \(field) fields, and the heading has \(roles.count)")
            }
            if doubled != 0 { unescape(bytes, doubled, &fields) }
            return .row(next: next)
        }
    }

    private func unfinished(_ bytes: Span<UInt8>, _ start: Int, _ end: Int, _ isLast: Bool, _ reason: String) -> LedgerStep {
        guard isLast || end - start > longestLedgerRow else { return .incomplete }
        return bad(bytes, start, end, isLast, end - start > longestLedgerRow ? reason + " (within 1 MiB)" : reason)
    }

    /// The line that a faulty row begins with is left out alone: the next is read as a row again.
    private func bad(_ bytes: Span<UInt8>, _ start: Int, _ end: Int, _ isLast: Bool, _ reason: String) -> LedgerStep {
        var position = start
        while position < end, bytes[position] != UInt8(ascii: "\n") { position += 1 }
        guard position < end || isLast || end - start > longestLedgerRow else { return .incomplete }
        return .bad(next: min(position + 1, end), reason: reason)
    }

    private mutating func unescape(_ bytes: Span<UInt8>, _ doubled: UInt16, _ fields: inout LedgerFields) {
        usesUnescaped = true
        unescaped.removeAll(keepingCapacity: true)
        for column in 0..<9 {
            guard let range = fields.raw(column) else { continue }
            let start = unescaped.count
            var position = range.start
            while position < range.end {
                unescaped.append(bytes[position])
                let isPair = doubled & 1 << UInt16(column) != 0 && bytes[position] == UInt8(ascii: "\"")
                position += isPair ? 2 : 1
            }
            fields.set(column, start, unescaped.count)
        }
    }

    /// The heading's names, and where the first row begins; nil: there is no whole line.
    static func heading(_ bytes: Span<UInt8>, to end: Int, delimiter: UInt8, isLast: Bool) -> (names: [String], next: Int)? {
        var position = 0
        // A byte order mark, as spreadsheets write it.
        if end >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF { position = 3 }
        var names: [String] = []
        var name: [UInt8] = []
        var isQuoted = false
        while position < end {
            let byte = bytes[position]
            position += 1
            if byte == UInt8(ascii: "\"") {
                if isQuoted, position < end, bytes[position] == byte {
                    name.append(byte)
                    position += 1
                } else {
                    isQuoted.toggle()
                }
            } else if !isQuoted, byte == delimiter || byte == UInt8(ascii: "\n") {
                names.append(trimmed(name))
                name = []
                if byte != delimiter { return (names, position) }
            } else {
                name.append(byte)
            }
        }
        guard isLast else { return nil }
        return (names + [trimmed(name)], end)
    }

    private static func trimmed(_ bytes: [UInt8]) -> String {
        var rest = bytes[...]
        while let first = rest.first, first <= 0x20 { rest = rest.dropFirst() }
        while let last = rest.last, last <= 0x20 { rest = rest.dropLast() }
        return String(decoding: rest, as: UTF8.self)
    }
}
