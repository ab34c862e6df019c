import CSQLite
import TallypostCore

/// The row that a statement stands on. SQLite's columns hold values of any type, so each is asked for its own.
@safe final class SQLiteRow: SQLRow {
    private let statement: SQLiteStatement

    init(_ statement: SQLiteStatement) { self.statement = statement }

    var columnCount: Int { Int(statement.columnCount) }
    func name(_ column: Int) -> String { statement.columnName(Int32(column)) }
    func isNull(_ column: Int) -> Bool { statement.isNull(Int32(column)) }

    func integer(_ column: Int) -> Int64? {
        switch unsafe sqlite3_column_type(statement.handle, Int32(column)) {
        case SQLITE_INTEGER: unsafe sqlite3_column_int64(statement.handle, Int32(column))
        case SQLITE_FLOAT: unsafe Int64(exactly: sqlite3_column_double(statement.handle, Int32(column)))
        case SQLITE_TEXT: unsafe ColumnText.integer(cell(column))
        default: nil
        }
    }

    func text(_ column: Int) -> String? { statement.text(Int32(column)) }

    func time(_ column: Int) -> Timestamp? {
        guard unsafe sqlite3_column_type(statement.handle, Int32(column)) == SQLITE_TEXT else { return nil }
        return unsafe ColumnText.time(cell(column))
    }

    func bytes(_ column: Int) -> [UInt8]? { statement.bytes(Int32(column)) }

    func withBytes<Result>(_ column: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result { unsafe body(cell(column)) }

    @unsafe private func cell(_ column: Int) -> UnsafeRawBufferPointer {
        let column = Int32(column)
        let start =
            unsafe sqlite3_column_type(statement.handle, column) == SQLITE_BLOB
            ? sqlite3_column_blob(statement.handle, column) : UnsafeRawPointer(sqlite3_column_text(statement.handle, column))
        return unsafe UnsafeRawBufferPointer(
            start: start, count: start == nil ? 0 : Int(sqlite3_column_bytes(statement.handle, column)))
    }
}
