import CSQLite
import Glibc
import TallypostCore

/// One connection, set up for a second process beside the application's own.
///
/// It never checkpoints, not even when it closes: on SQLite before 3.51.3 a checkpoint that races another connection's
/// commit can lose it. It never opens the database's files except through SQLite: closing any descriptor on them drops
/// the locks of the whole process. It takes the write lock for one short transaction at a time.
@safe final class SQLiteConnection {
    /// How a file is opened.
    enum Mode {
        /// It must be there, in WAL mode.
        case existing
        /// It is made when it is not there.
        case creating
    }

    let handle: OpaquePointer
    private let backoff: Unmanaged<BusyBackoff>
    private var share = LockShare()
    private var knownVersion: Int64?
    private var transaction: (begin: SQLiteStatement, commit: SQLiteStatement)?
    private var version: SQLiteStatement?

    /// Connects. Throws `.connection` when the file is not there, `.schema` when it is not in WAL mode.
    init(path: String, mode: Mode, patience: TimeSpan = BusyBackoff.usualPatience) throws(StoreError) {
        var opened: OpaquePointer?
        let create = mode == .creating ? SQLITE_OPEN_CREATE : 0
        let code = unsafe sqlite3_open_v2(path, &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | create, nil)
        guard let opened = unsafe opened else {
            throw StoreError(kind: .connection, code: "SQLITE_NOMEM(7)", operation: "connect", message: "out of memory")
        }
        unsafe handle = opened
        unsafe backoff = Unmanaged.passRetained(BusyBackoff(patience: patience))
        unsafe sqlite3_extended_result_codes(handle, 1)
        guard code == SQLITE_OK else { throw error(operation: "connect", about: path) }
        unsafe sqlite3_busy_handler(handle, waitForLock, backoff.toOpaque())
        var now: Int32 = 0
        unsafe tallypost_sqlite_configure(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, &now)
        try execute("PRAGMA wal_autocheckpoint = 0", operation: "connect")
        try execute("PRAGMA synchronous = FULL", operation: "connect")
        try execute("PRAGMA temp_store = MEMORY", operation: "connect")
        try execute("PRAGMA mmap_size = 0", operation: "connect")
        // 16 MiB: with SQLite's 2 the pages of one claim are gone before they are settled.
        try execute("PRAGMA cache_size = -16384", operation: "connect")
        if mode == .existing { try requireWAL() }
    }

    deinit {
        transaction = nil
        version = nil
        // Statements that are still alive keep the connection until they go.
        unsafe sqlite3_close_v2(handle)
        unsafe backoff.release()
    }

    private func requireWAL() throws(StoreError) {
        let mode = try prepare("PRAGMA journal_mode", operation: "connect").firstRow { $0.text(0) ?? "" } ?? ""
        guard mode == "wal" else {
            throw StoreError(
                kind: .schema, code: "journal_mode", operation: "connect",
                message: "the database is in journal mode \(mode), not in WAL mode: run `tallypost init`")
        }
    }

    // MARK: Statements

    /// Prepares one statement that will be used again and again.
    func prepare(_ sql: String, operation: String) throws(StoreError) -> SQLiteStatement {
        let all = try prepareAll(sql, operation: operation)
        precondition(all.count == 1, "\(operation) is one statement")
        return all[0]
    }

    /// Prepares every statement of a text, in order.
    func prepareAll(_ sql: String, operation: String) throws(StoreError) -> [SQLiteStatement] {
        var statements: [SQLiteStatement] = []
        var bytes = Array(sql.utf8)[...]
        while true {
            var statement: OpaquePointer?
            var consumed = 0
            let code = unsafe bytes.withUnsafeBytes { text in
                let start = unsafe text.baseAddress?.assumingMemoryBound(to: CChar.self)
                var tail: UnsafePointer<CChar>?
                let code = unsafe sqlite3_prepare_v3(
                    handle, start, Int32(text.count), UInt32(SQLITE_PREPARE_PERSISTENT), &statement, &tail)
                if let start = unsafe start, let tail = unsafe tail { consumed = unsafe tail - start }
                return code
            }
            guard code == SQLITE_OK else { throw error(operation: operation) }
            bytes = bytes.dropFirst(consumed)
            guard let statement = unsafe statement else { return statements }
            unsafe statements.append(SQLiteStatement(statement, operation: operation))
        }
    }

    /// Runs every statement of a text, results left out.
    func execute(_ sql: String, operation: String) throws(StoreError) {
        let code = unsafe sqlite3_exec(handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw error(operation: operation) }
    }

    /// Rows that the last statement changed.
    var changes: Int { unsafe Int(sqlite3_changes(handle)) }

    /// The last error of this connection.
    func error(operation: String, about subject: String? = nil) -> StoreError {
        unsafe SQLiteFault.lastError(of: handle, operation: operation, about: subject)
    }

    // MARK: Transactions

    /// Runs `body` in one write transaction: the lock is taken at its start, so nothing read in it can be out of date, and
    /// it never has to be upgraded (which cannot be retried). Rolls back when `body` throws.
    func write<Result>(_ body: () throws(StoreError) -> Result) throws(StoreError) -> Result {
        try requireSameFile()
        let statements = try transactionStatements()
        sleep(for: share.wait(at: .monotonic))
        try statements.begin.run()
        let start = Instant.monotonic
        let before = unsafe sqlite3_total_changes64(handle)
        defer { share.held(since: start, until: .monotonic, rows: unsafe Int(sqlite3_total_changes64(handle) - before)) }
        do {
            try lookForOthers(at: start)
            let result = try body()
            try statements.commit.run()
            return result
        } catch {
            // Disk full and I/O errors may have rolled back already.
            if unsafe sqlite3_get_autocommit(handle) == 0 { unsafe sqlite3_exec(handle, "ROLLBACK", nil, nil, nil) }
            throw error
        }
    }

    private func transactionStatements() throws(StoreError) -> (begin: SQLiteStatement, commit: SQLiteStatement) {
        if let transaction { return transaction }
        let made = (begin: try prepare("BEGIN IMMEDIATE", operation: "begin"), commit: try prepare("COMMIT", operation: "commit"))
        transaction = made
        return made
    }

    private func lookForOthers(at now: Instant) throws(StoreError) {
        let version = try dataVersion()
        if let knownVersion, knownVersion != version { share.sawOthers(at: now) }
        knownVersion = version
    }

    /// A file that was replaced under us (a restored backup, say) would go on taking our writes and nobody would see them.
    func requireSameFile() throws(StoreError) {
        var moved: Int32 = 0
        unsafe sqlite3_file_control(handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved)
        guard moved == 0 else {
            throw StoreError(
                kind: .connection, code: "SQLITE_READONLY(1032)", operation: "begin",
                message: "the database file was moved or replaced")
        }
    }

    /// Changes when, and only when, another connection commits. About 2 µs.
    func dataVersion() throws(StoreError) -> Int64 {
        let statement: SQLiteStatement
        if let version {
            statement = version
        } else {
            statement = try prepare("PRAGMA data_version", operation: "data_version")
            version = statement
        }
        return try statement.firstRow { $0.integer(0) } ?? 0
    }

    /// The database file's full path as SQLite resolved it: its -wal lies beside it.
    var filePath: String {
        guard let name = unsafe sqlite3_db_filename(handle, "main") else { return "" }
        return unsafe String(cString: name)
    }

    /// The library's version: 3040001 for 3.40.1.
    static var libraryVersion: Int { Int(sqlite3_libversion_number()) }
    /// The library's version as people write it.
    static var libraryVersionText: String { unsafe String(cString: sqlite3_libversion()) }
}
