import TallypostCore

/// Takes JSON lines apart: one object a line, of which the members that a map names are found at the top level.
struct JSONLineSplitter {
    private let names: [(name: [UInt8], column: Int)]
    private var unescaped: [UInt8] = []
    private var usesUnescaped = false

    /// Where the last row's fields stand, if it had escapes and they were undone.
    var unescapedRow: [UInt8]? { usesUnescaped ? unescaped : nil }

    init(_ columns: [LedgerColumn: String]) {
        names = columns.map { (Array($0.value.utf8), $0.key.rawValue) }.sorted { $0.column < $1.column }
    }

    mutating func step(
        _ bytes: Span<UInt8>, from start: Int, to end: Int, isLast: Bool, into fields: inout LedgerFields
    ) -> LedgerStep {
        var stop = start
        while stop < end, bytes[stop] != UInt8(ascii: "\n") { stop += 1 }
        guard stop < end || isLast || end - start > longestLedgerRow else { return .incomplete }
        let next = min(stop + 1, end)
        guard stop - start <= longestLedgerRow else { return .bad(next: next, reason: "the row is longer than 1 MiB") }
        var position = start
        Self.skipSpace(bytes, &position, stop)
        guard position < stop else { return .blank(next: next) }
        usesUnescaped = false
        guard let escaped = members(bytes, &position, stop, &fields) else {
            return .bad(next: next, reason: "it is no JSON object")
        }
        if escaped != 0, !unescape(bytes, escaped, &fields) { return .bad(next: next, reason: "it has a faulty \\ escape") }
        return .row(next: next)
    }

    /// A bit for each of our columns whose string has escapes; nil: it is no object.
    private func members(
        _ bytes: Span<UInt8>, _ position: inout Int, _ end: Int, _ fields: inout LedgerFields
    ) -> UInt16? {
        var escaped: UInt16 = 0
        guard bytes[position] == UInt8(ascii: "{") else { return nil }
        position += 1
        Self.skipSpace(bytes, &position, end)
        if position < end, bytes[position] == UInt8(ascii: "}") { return Self.isAtEnd(bytes, position + 1, end) ? 0 : nil }
        while true {
            guard let name = Self.string(bytes, &position, end) else { return nil }
            Self.skipSpace(bytes, &position, end)
            guard position < end, bytes[position] == UInt8(ascii: ":") else { return nil }
            position += 1
            Self.skipSpace(bytes, &position, end)
            guard position < end else { return nil }
            let column = self.column(bytes, name.start, name.end)
            if bytes[position] == UInt8(ascii: "\"") {
                guard let value = Self.string(bytes, &position, end) else { return nil }
                if let column {
                    fields.set(column, value.start, value.end)
                    if value.isEscaped { escaped |= 1 << UInt16(column) }
                }
            } else {
                let start = position
                guard Self.skipValue(bytes, &position, end) else { return nil }
                let isNull = position - start == 4 && bytes[start] == UInt8(ascii: "n")
                if let column, !isNull { fields.set(column, start, position) }
            }
            Self.skipSpace(bytes, &position, end)
            guard position < end else { return nil }
            if bytes[position] == UInt8(ascii: "}") { return Self.isAtEnd(bytes, position + 1, end) ? escaped : nil }
            guard bytes[position] == UInt8(ascii: ",") else { return nil }
            position += 1
            Self.skipSpace(bytes, &position, end)
        }
    }

    private func column(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int? {
        for (name, column) in names where name.count == end - start {
            var index = 0
            while index < name.count, bytes[start + index] == name[index] { index += 1 }
            if index == name.count { return column }
        }
        return nil
    }

    /// The inside of a string.
    private static func string(_ bytes: Span<UInt8>, _ position: inout Int, _ end: Int) -> (
        start: Int, end: Int, isEscaped: Bool
    )? {
        guard position < end, bytes[position] == UInt8(ascii: "\"") else { return nil }
        position += 1
        let start = position
        var isEscaped = false
        while position < end {
            let byte = bytes[position]
            position += 1
            if byte == UInt8(ascii: "\"") { return (start, position - 1, isEscaped) }
            if byte == UInt8(ascii: "\\") {
                isEscaped = true
                position += 1
            }
            if byte < 0x20 { return nil }
        }
        return nil
    }

    /// A number, a word, or a whole container.
    private static func skipValue(_ bytes: Span<UInt8>, _ position: inout Int, _ end: Int) -> Bool {
        let start = position
        if bytes[position] == UInt8(ascii: "{") || bytes[position] == UInt8(ascii: "[") {
            var depth = 0
            while position < end {
                switch bytes[position] {
                case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
                case UInt8(ascii: "\""):
                    guard string(bytes, &position, end) != nil else { return false }
                    position -= 1
                default: break
                }
                position += 1
                if depth == 0 { return JSONSyntax.isValid(copy(bytes, start, position)) }
            }
            return false
        }
        while position < end {
            let byte = bytes[position]
            if byte == UInt8(ascii: ",") || byte == UInt8(ascii: "}") || byte <= 0x20 { break }
            position += 1
        }
        if bytes[start] &- 48 < 10 || bytes[start] == UInt8(ascii: "-") {
            for index in start..<position {
                let byte = bytes[index]
                guard byte &- 48 < 10 || [0x2B, 0x2D, 0x2E, 0x45, 0x65].contains(byte) else { return false }
            }
            return position > start
        }
        return position > start && JSONSyntax.isValid(copy(bytes, start, position))
    }

    private static func copy(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> [UInt8] {
        var copy: [UInt8] = []
        for index in start..<end { copy.append(bytes[index]) }
        return copy
    }

    private static func skipSpace(_ bytes: Span<UInt8>, _ position: inout Int, _ end: Int) {
        while position < end, bytes[position] == 0x20 || bytes[position] == 0x09 || bytes[position] == 0x0D { position += 1 }
    }

    private static func isAtEnd(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Bool {
        var position = start
        skipSpace(bytes, &position, end)
        return position == end
    }

    private mutating func unescape(_ bytes: Span<UInt8>, _ escaped: UInt16, _ fields: inout LedgerFields) -> Bool {
        usesUnescaped = true
        unescaped.removeAll(keepingCapacity: true)
        for column in 0..<9 {
            guard let range = fields.raw(column) else { continue }
            let start = unescaped.count
            if escaped & 1 << UInt16(column) != 0 {
                guard Self.unescape(bytes, range.start, range.end, into: &unescaped) else { return false }
            } else {
                for index in range.start..<range.end { unescaped.append(bytes[index]) }
            }
            fields.set(column, start, unescaped.count)
        }
        return true
    }

    /// RFC 8259, section 7; false for an escape that there is not.
    private static func unescape(_ bytes: Span<UInt8>, _ start: Int, _ end: Int, into text: inout [UInt8]) -> Bool {
        var position = start
        while position < end {
            let byte = bytes[position]
            position += 1
            guard byte == UInt8(ascii: "\\") else {
                text.append(byte)
                continue
            }
            guard position < end else { return false }
            let letter = bytes[position]
            position += 1
            switch letter {
            case UInt8(ascii: "n"): text.append(0x0A)
            case UInt8(ascii: "t"): text.append(0x09)
            case UInt8(ascii: "r"): text.append(0x0D)
            case UInt8(ascii: "b"): text.append(0x08)
            case UInt8(ascii: "f"): text.append(0x0C)
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(letter)
            case UInt8(ascii: "u"):
                guard var unit = hex(bytes, position, end) else { return false }
                position += 4
                if unit & 0xFC00 == 0xD800 {
                    guard position + 1 < end, bytes[position] == UInt8(ascii: "\\"), bytes[position + 1] == UInt8(ascii: "u"),
                        let low = hex(bytes, position + 2, end), low & 0xFC00 == 0xDC00
                    else { return false }
                    position += 6
                    unit = 0x1_0000 + (unit & 0x3FF) << 10 + (low & 0x3FF)
                }
                guard let scalar = UnicodeScalar(unit) else { return false }
                text.append(contentsOf: String(Character(scalar)).utf8)
            default: return false
            }
        }
        return true
    }

    private static func hex(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> UInt32? {
        guard start + 4 <= end else { return nil }
        var value: UInt32 = 0
        for index in start..<(start + 4) {
            let byte = bytes[index]
            switch byte {
            case 48...57: value = value << 4 | UInt32(byte - 48)
            case 65...70, 97...102: value = value << 4 | UInt32((byte | 0x20) - 87)
            default: return nil
            }
        }
        return value
    }
}
