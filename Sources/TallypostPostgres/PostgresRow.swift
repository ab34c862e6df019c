import TallypostCore

/// A row of a result, in whatever types its columns have: ours, or those of a table that was there before us.
@safe final class PostgresRow: SQLRow {
    private let isBinary: Bool
    private var result: PostgresResult?
    private var row = 0
    private var types: [UInt32] = []
    /// Where a copied row's cells stand, of which there are as many as columns; those that are NULL have no address.
    private var copied: UnsafeMutableBufferPointer<UnsafeRawBufferPointer>?

    init(isBinary: Bool) { self.isBinary = isBinary }

    deinit { unsafe copied?.deallocate() }

    /// The results of one statement have the same columns.
    func stand(on result: PostgresResult, _ row: Int) {
        if types.isEmpty { types = (0..<result.columnCount).map { result.columnType($0) } }
        self.result = result
        self.row = row
    }

    func stand(at row: Int) { self.row = row }

    /// A row of COPY in binary: how many cells, then each one's length and bytes; −1 is NULL. False where it does not fit the columns of
    /// the result that it stands on.
    @unsafe func stand(onCopied line: UnsafeRawBufferPointer) -> Bool {
        let cells: UnsafeMutableBufferPointer<UnsafeRawBufferPointer>
        if let known = unsafe copied {
            unsafe cells = known
        } else {
            unsafe cells = .allocate(capacity: types.count)
            unsafe copied = cells
        }
        guard line.count >= 2 else { return false }
        guard unsafe Int(Int16(bigEndian: line.loadUnaligned(as: Int16.self))) == cells.count else { return false }
        var position = 2
        for column in 0..<cells.count {
            guard position + 4 <= line.count else { return false }
            let length = unsafe Int(Int32(bigEndian: line.loadUnaligned(fromByteOffset: position, as: Int32.self)))
            position += 4
            guard length >= 0 else {
                unsafe cells[column] = UnsafeRawBufferPointer(start: nil, count: 0)
                continue
            }
            guard position + length <= line.count, let start = line.baseAddress else { return false }
            unsafe cells[column] = UnsafeRawBufferPointer(start: start + position, count: length)
            position += length
        }
        return true
    }

    var columnCount: Int { types.count }
    func name(_ column: Int) -> String { result?.columnName(column) ?? "" }
    func isNull(_ column: Int) -> Bool { unsafe cell(column) == nil }

    /// OIDs that PostgreSQL will never change (pg_type.dat).
    private enum OID {
        static let bool: UInt32 = 16
        static let bytea: UInt32 = 17
        static let int8: UInt32 = 20
        static let int2: UInt32 = 21
        static let int4: UInt32 = 23
        static let oid: UInt32 = 26
        static let float4: UInt32 = 700
        static let float8: UInt32 = 701
        static let date: UInt32 = 1_082
        static let timestamp: UInt32 = 1_114
        static let timestamptz: UInt32 = 1_184
        static let numeric: UInt32 = 1_700
        static let uuid: UInt32 = 2_950
        static let jsonb: UInt32 = 3_802
    }

    @unsafe private func cell(_ column: Int) -> UnsafeRawBufferPointer? {
        if let copied = unsafe copied { return unsafe copied[column].baseAddress == nil ? nil : copied[column] }
        guard let result, !result.isNull(row, column) else { return nil }
        return unsafe result.cell(row, column)
    }

    /// Of a boolean 1 or 0; of a fraction, of a number beyond 64 bits and of a word nil.
    func integer(_ column: Int) -> Int64? {
        guard let cell = unsafe cell(column) else { return nil }
        guard isBinary else {
            if types[column] == OID.bool { return unsafe cell.first == UInt8(ascii: "t") ? 1 : 0 }
            return unsafe ColumnText.integer(cell)
        }
        switch types[column] {
        case OID.int8: return unsafe Int64(bigEndian: cell.loadUnaligned(as: Int64.self))
        case OID.int4: return unsafe Int64(Int32(bigEndian: cell.loadUnaligned(as: Int32.self)))
        case OID.int2: return unsafe Int64(Int16(bigEndian: cell.loadUnaligned(as: Int16.self)))
        case OID.oid: return unsafe Int64(UInt32(bigEndian: cell.loadUnaligned(as: UInt32.self)))
        case OID.bool: return unsafe Int64(cell[0])
        case OID.numeric: return unsafe Self.wholeNumber(cell)
        case OID.float8: return unsafe Int64(exactly: Double(bitPattern: UInt64(bigEndian: cell.loadUnaligned(as: UInt64.self))))
        case OID.float4: return unsafe Int64(exactly: Float(bitPattern: UInt32(bigEndian: cell.loadUnaligned(as: UInt32.self))))
        case OID.timestamptz, OID.timestamp, OID.date, OID.bytea, OID.uuid, OID.jsonb: return nil
        default: return unsafe ColumnText.integer(cell)
        }
    }

    /// `timestamp` and `date` have no zone: they are taken as UTC.
    func time(_ column: Int) -> Timestamp? {
        guard let cell = unsafe cell(column) else { return nil }
        guard isBinary else { return unsafe ColumnText.time(cell) }
        switch types[column] {
        case OID.timestamptz, OID.timestamp:
            let value = unsafe Int64(bigEndian: cell.loadUnaligned(as: Int64.self))
            if value == .max || value == .min { return Timestamp(microseconds: value) }
            let (sum, overflow) = value.addingReportingOverflow(PostgresResult.epochOffset)
            return Timestamp(microseconds: overflow ? .max : sum)
        case OID.date:
            let days = unsafe Int32(bigEndian: cell.loadUnaligned(as: Int32.self))
            if days == .max || days == .min { return Timestamp(microseconds: days == .max ? .max : .min) }
            return Timestamp(microseconds: Int64(days) * 86_400_000_000 + PostgresResult.epochOffset)
        case OID.bool, OID.int2, OID.int4, OID.int8, OID.oid, OID.float4, OID.float8, OID.numeric, OID.bytea, OID.uuid, OID.jsonb:
            return nil
        default: return unsafe ColumnText.time(cell)
        }
    }

    func text(_ column: Int) -> String? {
        guard let cell = unsafe cell(column) else { return nil }
        guard isBinary else { return unsafe String(decoding: cell, as: UTF8.self) }
        switch types[column] {
        case OID.int8, OID.int4, OID.int2, OID.oid: return integer(column).map { String($0) }
        case OID.bool: return unsafe cell[0] == 0 ? "f" : "t"
        case OID.timestamptz, OID.timestamp, OID.date: return time(column)?.iso8601
        case OID.uuid: return unsafe Self.uuid(cell)
        case OID.jsonb: return unsafe String(decoding: cell.dropFirst(), as: UTF8.self)
        case OID.float8: return unsafe "\(Double(bitPattern: UInt64(bigEndian: cell.loadUnaligned(as: UInt64.self))))"
        case OID.float4: return unsafe "\(Float(bitPattern: UInt32(bigEndian: cell.loadUnaligned(as: UInt32.self))))"
        // Whole ones only: what else there is comes as text or not at all.
        case OID.numeric: return unsafe Self.wholeNumber(cell).map { String($0) }
        default: return unsafe String(decoding: cell, as: UTF8.self)
        }
    }

    func bytes(_ column: Int) -> [UInt8]? {
        isNull(column) ? nil : unsafe withBytes(column) { unsafe Array($0) }
    }

    func withBytes<Result>(_ column: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        guard let cell = unsafe cell(column) else { return unsafe body(UnsafeRawBufferPointer(start: nil, count: 0)) }
        if !isBinary {
            guard types[column] == OID.bytea else { return unsafe body(cell) }
            return unsafe Self.unhex(cell).withUnsafeBytes { unsafe body($0) }
        }
        switch types[column] {
        case OID.int8, OID.int4, OID.int2, OID.oid, OID.bool, OID.timestamptz, OID.timestamp, OID.date, OID.uuid, OID.jsonb,
            OID.float8,
            OID.float4, OID.numeric:
            return unsafe Array((text(column) ?? "").utf8).withUnsafeBytes { unsafe body($0) }
        default: return unsafe body(cell)
        }
    }

    // MARK: Formats

    /// PostgreSQL's binary numeric: groups of four digits, the first worth 10000^weight. Nil for fractions and for what is too large.
    @unsafe static func wholeNumber(_ cell: UnsafeRawBufferPointer) -> Int64? {
        guard cell.count >= 8 else { return nil }
        func word(_ index: Int) -> Int64 {
            unsafe Int64(Int16(bigEndian: cell.loadUnaligned(fromByteOffset: index * 2, as: Int16.self)))
        }
        let (groups, weight) = (Int(word(0)), Int(word(1)))
        let sign = unsafe UInt16(bigEndian: cell.loadUnaligned(fromByteOffset: 4, as: UInt16.self))
        guard sign == 0 || sign == 0x4000, cell.count >= 8 + groups * 2 else { return nil }
        if groups == 0 { return 0 }
        guard weight >= 0, weight <= 4 else { return nil }
        var value: Int64 = 0
        for place in 0...max(weight, groups - 1) {
            let digits = place < groups ? word(4 + place) : 0
            guard place <= weight else {
                if digits != 0 { return nil }
                continue
            }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10_000)
            let (sum, more) = sign == 0 ? product.addingReportingOverflow(digits) : product.subtractingReportingOverflow(digits)
            guard !overflow, !more else { return nil }
            value = sum
        }
        return value
    }

    private static let hexDigits = Array("0123456789abcdef".utf8)

    @unsafe private static func uuid(_ cell: UnsafeRawBufferPointer) -> String {
        var text: [UInt8] = []
        for index in 0..<cell.count {
            let byte = unsafe cell[index]
            if index == 4 || index == 6 || index == 8 || index == 10 { text.append(UInt8(ascii: "-")) }
            text.append(hexDigits[Int(byte >> 4)])
            text.append(hexDigits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// bytea's text, `\x00ff`.
    @unsafe private static func unhex(_ cell: UnsafeRawBufferPointer) -> [UInt8] {
        func digit(_ byte: UInt8) -> UInt8 { byte < 0x3A ? byte - 0x30 : (byte | 0x20) - 0x57 }
        guard unsafe cell.starts(with: [UInt8(ascii: "\\"), UInt8(ascii: "x")]) else { return unsafe Array(cell) }
        return stride(from: 2, to: cell.count - 1, by: 2).map { unsafe digit(cell[$0]) << 4 | digit(cell[$0 + 1]) }
    }
}

extension PostgresParameters {
    /// bytea, in its hexadecimal form.
    mutating func append(hex bytes: [UInt8]) {
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count * 2 + 3)
        text += [UInt8(ascii: "\\"), UInt8(ascii: "x")]
        for byte in bytes {
            let (high, low) = (byte >> 4, byte & 15)
            text.append(high + (high < 10 ? 0x30 : 0x57))
            text.append(low + (low < 10 ? 0x30 : 0x57))
        }
        append(raw: text)
    }
}
