import CSQLite
import StoreContract

/// An application's own connection to an SQLite database: plain SQL, SQLite's defaults.
@safe public final class Application {
    private let handle: OpaquePointer

    /// Opens the file, and makes it when it is not there.
    public init(path: String) throws {
        var opened: OpaquePointer?
        let code = unsafe sqlite3_open(path, &opened)
        guard code == SQLITE_OK, let opened = unsafe opened else {
            unsafe sqlite3_close(opened)
            throw FixtureError("\(path) does not open: \(code)")
        }
        unsafe handle = opened
        unsafe sqlite3_busy_timeout(handle, 10_000)
    }

    deinit { unsafe sqlite3_close(handle) }

    /// Runs every statement of a text.
    public func execute(_ sql: String) throws {
        guard unsafe sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else { throw failure(sql) }
    }

    /// Runs one query; every value as text, nil for NULL.
    public func query(_ sql: String) throws -> [[String?]] {
        var statement: OpaquePointer?
        guard unsafe sqlite3_prepare_v2(handle, sql, -1, &statement, nil) == SQLITE_OK else { throw failure(sql) }
        defer { unsafe sqlite3_finalize(statement) }
        var rows: [[String?]] = []
        while true {
            switch unsafe sqlite3_step(statement) {
            case SQLITE_ROW:
                rows.append(
                    (0..<(unsafe sqlite3_column_count(statement))).map { column in
                        guard let text = unsafe sqlite3_column_text(statement, column) else { return nil }
                        let count = unsafe Int(sqlite3_column_bytes(statement, column))
                        return unsafe String(decoding: UnsafeBufferPointer(start: text, count: count), as: UTF8.self)
                    })
            case SQLITE_DONE: return rows
            default: throw failure(sql)
            }
        }
    }

    private func failure(_ sql: String) -> FixtureError {
        let message = unsafe String(cString: sqlite3_errmsg(handle))
        return FixtureError("\(message), in: \(sql.prefix(200))")
    }
}
