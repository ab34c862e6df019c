import CSQLite
import TallypostCore

/// Looks at the clock while statements of one connection run, and keeps other people's statements to reading.
@safe final class StatementWatch {
    private let connection: SQLiteConnection
    private let limit: Limit

    /// What the callback sees.
    private final class Limit {
        var deadline = Instant.distantFuture
        var isPassed = false
    }

    /// How many steps of SQLite's machine lie between two looks: some 20 µs.
    private static let steps: Int32 = 4_000

    /// Of each statement; nil: none.
    var timeout: TimeSpan? {
        didSet {
            limit.deadline = .distantFuture
            if timeout == nil {
                unsafe sqlite3_progress_handler(connection.handle, 0, nil, nil)
            } else {
                unsafe sqlite3_progress_handler(
                    connection.handle, Self.steps,
                    { context in
                        guard let context = unsafe context else { return 0 }
                        let limit = unsafe Unmanaged<Limit>.fromOpaque(context).takeUnretainedValue()
                        guard Instant.monotonic > limit.deadline else { return 0 }
                        limit.isPassed = true
                        return 1
                    }, Unmanaged.passUnretained(limit).toOpaque())
            }
        }
    }

    init(_ connection: SQLiteConnection) {
        self.connection = connection
        limit = Limit()
    }

    deinit { unsafe sqlite3_progress_handler(connection.handle, 0, nil, nil) }

    /// A statement, or a cursor's next row, begins.
    func start() {
        guard let timeout else { return }
        limit.isPassed = false
        limit.deadline = Instant.monotonic + timeout
    }

    /// Why a statement was broken off.
    func named(_ error: StoreError) -> StoreError {
        guard error.code.hasPrefix("SQLITE_INTERRUPT") else { return error }
        var error = error
        error.code = limit.isPassed ? "timeout" : "interrupted"
        if limit.isPassed { error.message = "it took longer than \(timeout?.milliseconds ?? 0) ms" }
        return error
    }

    /// What is prepared from now on may read, or (false) do anything.
    func allowReadsOnly(_ only: Bool) {
        unsafe sqlite3_set_authorizer(connection.handle, only ? allowReading : nil, nil)
    }
}

/// SQLite's callback.
private func allowReading(
    _: UnsafeMutableRawPointer?, action: Int32, first: UnsafePointer<CChar>?, second: UnsafePointer<CChar>?,
    _: UnsafePointer<CChar>?, _: UnsafePointer<CChar>?
) -> Int32 {
    switch action {
    case SQLITE_SELECT, SQLITE_READ, SQLITE_RECURSIVE: return SQLITE_OK
    case SQLITE_FUNCTION:
        guard let second = unsafe second else { return SQLITE_OK }
        return unsafe String(cString: second) == "load_extension" ? SQLITE_DENY : SQLITE_OK
    case SQLITE_PRAGMA:
        guard let first = unsafe first else { return SQLITE_DENY }
        let name = unsafe String(cString: first)
        return ["table_info", "table_xinfo", "table_list", "index_list", "index_info"].contains(name) ? SQLITE_OK : SQLITE_DENY
    default: return SQLITE_DENY
    }
}
