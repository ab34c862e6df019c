/// Reads what ``CSVWriter`` writes, and nothing looser: a file that a spreadsheet has saved again is another file.
struct CSVReader {
    private let bytes: [UInt8]
    private var position = 3

    /// - Returns: nil where the mark is missing.
    init?(_ bytes: [UInt8]) {
        guard bytes.starts(with: [0xEF, 0xBB, 0xBF]) else { return nil }
        self.bytes = bytes
    }

    /// The fields of the next line; nil at the end.
    ///
    /// - Throws: the offset of the byte that does not belong there.
    mutating func next() throws(CSVFault) -> [String]? {
        guard position < bytes.count else { return nil }
        var fields: [String] = []
        while true {
            fields.append(try field())
            guard position < bytes.count else { throw CSVFault(offset: position) }
            if bytes[position] == UInt8(ascii: ",") {
                position += 1
                continue
            }
            guard position + 1 < bytes.count, bytes[position] == 0x0D, bytes[position + 1] == 0x0A else {
                throw CSVFault(offset: position)
            }
            position += 2
            return fields
        }
    }

    private mutating func field() throws(CSVFault) -> String {
        guard position < bytes.count, bytes[position] == 0x22 else {
            let start = position
            while position < bytes.count, ![0x2C, 0x0D, 0x0A, 0x22].contains(bytes[position]) { position += 1 }
            return String(decoding: bytes[start..<position], as: UTF8.self)
        }
        position += 1
        var text: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            if byte != 0x22 {
                text.append(byte)
            } else if position < bytes.count, bytes[position] == 0x22 {
                text.append(0x22)
                position += 1
            } else {
                return String(decoding: text, as: UTF8.self)
            }
        }
        throw CSVFault(offset: position)
    }
}

/// Where a file ceases to be CSV.
struct CSVFault: Error, Equatable {
    var offset: Int
}
