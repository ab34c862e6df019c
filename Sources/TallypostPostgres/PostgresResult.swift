import CPostgres
import TallypostCore

/// What a statement returned. Cells are read in the format in which they were asked for.
@safe final class PostgresResult {
    private let handle: OpaquePointer

    /// Takes ownership of the handle.
    init(_ handle: OpaquePointer) { unsafe self.handle = unsafe handle }

    deinit { unsafe PQclear(handle) }

    var status: ExecStatusType { unsafe PQresultStatus(handle) }
    var rowCount: Int { unsafe Int(PQntuples(handle)) }
    var columnCount: Int { unsafe Int(PQnfields(handle)) }
    /// Rows that the statement changed.
    var affected: Int { unsafe Int(String(cString: PQcmdTuples(handle))) ?? 0 }
    var sqlState: String { unsafe PQresultErrorField(handle, Int32(UInt8(ascii: "C"))).map { unsafe String(cString: $0) } ?? "" }
    var message: String {
        unsafe PQresultErrorField(handle, Int32(UInt8(ascii: "M"))).map { unsafe String(cString: $0) } ?? "no message"
    }

    func columnName(_ column: Int) -> String { unsafe PQfname(handle, Int32(column)).map { unsafe String(cString: $0) } ?? "" }
    fileprivate func typeID(_ column: Int) -> UInt32 { unsafe PQftype(handle, Int32(column)) }
    func isNull(_ row: Int, _ column: Int) -> Bool { unsafe PQgetisnull(handle, Int32(row), Int32(column)) == 1 }

    func cell(_ row: Int, _ column: Int) -> UnsafeRawBufferPointer {
        let length = unsafe Int(PQgetlength(handle, Int32(row), Int32(column)))
        return unsafe UnsafeRawBufferPointer(start: PQgetvalue(handle, Int32(row), Int32(column)), count: length)
    }

    /// Text in either format; nil for NULL.
    func text(_ row: Int, _ column: Int) -> String? {
        if isNull(row, column) { return nil }
        return unsafe String(decoding: cell(row, column), as: UTF8.self)
    }

    /// The bytes of a text in either format; nil for NULL.
    func bytes(_ row: Int, _ column: Int) -> [UInt8]? {
        if isNull(row, column) { return nil }
        return unsafe Array(cell(row, column))
    }

    /// Binary: int2, int4, int8 and bool alike; nil for NULL.
    func integer(_ row: Int, _ column: Int) -> Int64? {
        if isNull(row, column) { return nil }
        let bytes = unsafe cell(row, column)
        switch bytes.count {
        case 8: return unsafe Int64(bigEndian: bytes.loadUnaligned(as: Int64.self))
        case 4: return unsafe Int64(Int32(bigEndian: bytes.loadUnaligned(as: Int32.self)))
        case 2: return unsafe Int64(Int16(bigEndian: bytes.loadUnaligned(as: Int16.self)))
        case 1: return unsafe Int64(bytes[0])
        default: preconditionFailure("a number of \(bytes.count) bytes in column \(column)")
        }
    }

    /// Microseconds from 1970 to 2000, where PostgreSQL's binary timestamps begin.
    static let epochOffset: Int64 = 946_684_800_000_000

    /// Binary timestamptz; nil for NULL. The infinities become the ends of time.
    func time(_ row: Int, _ column: Int) -> Timestamp? {
        guard let value = integer(row, column) else { return nil }
        if value == .max || value == .min { return Timestamp(microseconds: value) }
        // PostgreSQL's last years lie beyond what microseconds since 1970 can say.
        let (sum, overflow) = value.addingReportingOverflow(Self.epochOffset)
        return Timestamp(microseconds: overflow ? .max : sum)
    }
}

extension PostgresResult {
    // OIDs that PostgreSQL will never change (pg_type.dat).
    static let typeOfBoolean: UInt32 = 16
    static let typeOfTime: UInt32 = 1_184

    /// The OID of a column's type.
    func columnType(_ column: Int) -> UInt32 { typeID(column) }
}
