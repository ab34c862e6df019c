import CSQLite
import TallypostCore

/// A prepared statement. Every use ends with a reset, so that none keeps a snapshot open; what was bound stays bound.
///
/// Parameters are numbered from 1 as in the SQL (`?1`), columns from 0 as in SQLite.
@safe final class SQLiteStatement {
    let handle: OpaquePointer
    /// The statement's name, for errors.
    let operation: String

    /// - Parameter handle: freed with this object.
    @unsafe init(_ handle: OpaquePointer, operation: String) {
        unsafe self.handle = handle
        self.operation = operation
    }

    deinit { unsafe sqlite3_finalize(handle) }

    // MARK: Running

    /// Runs to the end; says how many rows it changed.
    @discardableResult func run() throws(StoreError) -> Int {
        defer { unsafe sqlite3_reset(handle) }
        while try step() {}
        return unsafe Int(sqlite3_changes(sqlite3_db_handle(handle)))
    }

    /// Calls `body` for every row.
    func forEachRow(_ body: (SQLiteStatement) throws(StoreError) -> Void) throws(StoreError) {
        defer { unsafe sqlite3_reset(handle) }
        while try step() { try body(self) }
    }

    /// Calls `body` for row after row until it says no.
    func eachRow(while body: (SQLiteStatement) -> Bool) throws(StoreError) {
        defer { unsafe sqlite3_reset(handle) }
        while try step(), body(self) {}
    }

    /// Every row, as `read` makes it out.
    func rows<Row>(_ read: (SQLiteStatement) -> Row) throws(StoreError) -> [Row] {
        defer { unsafe sqlite3_reset(handle) }
        var rows: [Row] = []
        while try step() { rows.append(read(self)) }
        return rows
    }

    /// The first row; nil when there is none.
    func firstRow<Row>(_ read: (SQLiteStatement) -> Row) throws(StoreError) -> Row? {
        defer { unsafe sqlite3_reset(handle) }
        return try step() ? read(self) : nil
    }

    /// On to the next row; false at the end.
    func step() throws(StoreError) -> Bool {
        switch unsafe sqlite3_step(handle) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default: throw unsafe SQLiteFault.lastError(of: sqlite3_db_handle(handle), operation: operation)
        }
    }

    /// Lets go of the snapshot and of the row it stands on.
    func reset() { unsafe sqlite3_reset(handle) }

    // MARK: Parameters

    func bind(_ index: Int32, _ value: Int64) throws(StoreError) {
        try check(unsafe sqlite3_bind_int64(handle, index, value))
    }

    func bind(_ index: Int32, _ value: Int) throws(StoreError) { try bind(index, Int64(value)) }

    func bind(_ index: Int32, _ value: Int?) throws(StoreError) {
        guard let value else { return try bindNull(index) }
        try bind(index, Int64(value))
    }

    func bind(_ index: Int32, _ value: String?) throws(StoreError) {
        guard var value else { return try bindNull(index) }
        try check(value.withUTF8 { unsafe bind(index, UnsafeRawBufferPointer($0)) })
    }

    /// As text, byte for byte: it need not be UTF-8.
    func bind(_ index: Int32, text bytes: [UInt8]) throws(StoreError) {
        unsafe try check(bytes.withUnsafeBytes { unsafe bind(index, $0) })
    }

    /// As a blob; no bytes at all are an empty one.
    func bind(_ index: Int32, blob bytes: [UInt8]) throws(StoreError) {
        try check(unsafe tallypost_sqlite_bind_blob(handle, index, bytes, UInt64(bytes.count)))
    }

    func bindNull(_ index: Int32) throws(StoreError) { try check(unsafe sqlite3_bind_null(handle, index)) }

    /// Whether the SQL has such a parameter.
    func hasParameter(_ index: Int32) -> Bool { unsafe sqlite3_bind_parameter_count(handle) >= index }

    @unsafe private func bind(_ index: Int32, _ bytes: UnsafeRawBufferPointer) -> Int32 {
        // An empty buffer may have no address, and a null one would be bound as NULL.
        guard let start = bytes.baseAddress else { return unsafe tallypost_sqlite_bind_text(handle, index, "", 0) }
        return unsafe tallypost_sqlite_bind_text(
            handle, index, start.assumingMemoryBound(to: CChar.self), UInt64(bytes.count))
    }

    private func check(_ code: Int32) throws(StoreError) {
        guard code == SQLITE_OK else {
            throw unsafe SQLiteFault.lastError(of: sqlite3_db_handle(handle), operation: operation)
        }
    }

    // MARK: Columns of the row it stands on

    func isNull(_ column: Int32) -> Bool { unsafe sqlite3_column_type(handle, column) == SQLITE_NULL }

    func isInteger(_ column: Int32) -> Bool { unsafe sqlite3_column_type(handle, column) == SQLITE_INTEGER }

    /// 0 for NULL and for what is no number.
    func integer(_ column: Int32) -> Int64 { unsafe sqlite3_column_int64(handle, column) }

    func optionalInteger(_ column: Int32) -> Int64? { isNull(column) ? nil : integer(column) }

    /// Nil for NULL; bytes that are no UTF-8 are replaced.
    func text(_ column: Int32) -> String? {
        unsafe withBytes(column) { unsafe String(decoding: $0, as: UTF8.self) }
    }

    /// Nil for NULL; else the bytes of text or blob as the database holds them.
    func bytes(_ column: Int32) -> [UInt8]? {
        unsafe withBytes(column) { unsafe [UInt8]($0) }
    }

    /// A column in milliseconds since the epoch.
    func time(_ column: Int32) -> Timestamp? {
        isNull(column) ? nil : Timestamp(milliseconds: integer(column))
    }

    var columnCount: Int32 { unsafe sqlite3_column_count(handle) }

    func columnName(_ column: Int32) -> String {
        guard let name = unsafe sqlite3_column_name(handle, column) else { return "" }
        return unsafe String(cString: name)
    }

    @unsafe private func withBytes<Value>(_ column: Int32, _ read: (UnsafeRawBufferPointer) -> Value) -> Value? {
        guard !isNull(column) else { return nil }
        // The text first: it turns numbers into text; the count is then of its bytes.
        let start =
            unsafe sqlite3_column_type(handle, column) == SQLITE_BLOB
            ? sqlite3_column_blob(handle, column) : UnsafeRawPointer(sqlite3_column_text(handle, column))
        return unsafe read(
            UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : Int(sqlite3_column_bytes(handle, column))))
    }
}
