import CSQLite
package import TallypostCore

/// Reconciliation's connection to an SQLite database.
package final class SQLiteReconcileDatabase: ReconcileDatabase {
    private let connection: SQLiteConnection
    private let watch: StatementWatch
    private var statements: [ReconcileStatement: SQLiteStatement] = [:]
    private var isReading = false
    private var cursors: [WeakCursor] = []

    private struct WeakCursor {
        weak var cursor: SQLiteCursor?
    }

    /// SQLite's.
    package var dialect: SQLDialect { .sqlite }

    /// Connects and checks the schema's version.
    package init(path: String) throws(StoreError) {
        connection = try SQLiteConnection(path: path, mode: .existing)
        // What a rule sorts may be larger than memory should be.
        try connection.execute("PRAGMA temp_store = FILE", operation: "connect")
        // A table-valued function declares its columns when it is first named, and that is no read: not in the midst of somebody's rule.
        for function in ["json_each", "json_tree"] {
            try connection.prepare("SELECT 1 FROM \(function)('[]')", operation: "connect").run()
        }
        try SchemaVersion.require(on: connection)
        watch = StatementWatch(connection)
    }

    // MARK: Transactions

    /// A deferred transaction whose first read fixes the snapshot. It stops no writer; the -wal grows while it lasts.
    package func beginReading(statementTimeout: TimeSpan) throws(StoreError) -> Timestamp {
        guard !isReading else { throw Self.misuse("begin_reading", "a snapshot is open already") }
        try connection.requireSameFile()
        try connection.execute("BEGIN; SELECT id FROM tallypost_reconciler", operation: "begin_reading")
        isReading = true
        do throws(StoreError) {
            try connection.execute("PRAGMA query_only = ON", operation: "begin_reading")
        } catch {
            endReading()
            throw error
        }
        watch.timeout = statementTimeout
        return .machineNow
    }

    /// Never fails. Cursors that are still open end here.
    package func endReading() {
        guard isReading else { return }
        isReading = false
        watch.timeout = nil
        for open in cursors { open.cursor?.close() }
        cursors = []
        try? connection.execute("ROLLBACK", operation: "end_reading")
        try? connection.execute("PRAGMA query_only = OFF", operation: "end_reading")
    }

    /// BEGIN IMMEDIATE.
    package func write<Result>(_ body: () throws(StoreError) -> Result) throws(StoreError) -> Result {
        guard !isReading else { throw Self.misuse("write", "the connection reads from a snapshot") }
        return try connection.write(body)
    }

    // MARK: Statements

    /// Prepared once.
    @discardableResult
    package func run(
        _ statement: ReconcileStatement, _ parameters: [SQLValue], _ each: (any SQLRow) -> Bool
    ) throws(StoreError) -> Int {
        let prepared: SQLiteStatement
        if let known = statements.removeValue(forKey: statement) {
            prepared = known
        } else {
            prepared = try connection.prepare(StoreStatements.reconcile[statement.rawValue], operation: statement.rawValue)
        }
        // Out of the table while it runs: `each` may ask the same again.
        defer { statements[statement] = prepared }
        return try run(prepared, parameters, each)
    }

    /// SQLite's rows are handed over one by one whichever way they are asked for; this one looks at the clock now and then alone.
    package func export(
        _ statement: ReconcileStatement, _ parameters: [SQLValue], _ each: (any SQLRow) -> Bool
    ) throws(StoreError) {
        guard isReading else { throw Self.misuse(statement.rawValue, "an export needs a snapshot") }
        try run(statement, parameters, each)
    }

    /// The statement itself, which SQLite runs as far as rows are asked for.
    package func cursor(_ statement: ReconcileStatement, _ parameters: [SQLValue]) throws(StoreError) -> any SQLCursor {
        guard isReading else { throw Self.misuse(statement.rawValue, "a cursor needs a snapshot") }
        let prepared = try connection.prepare(StoreStatements.reconcile[statement.rawValue], operation: statement.rawValue)
        try prepared.bind(parameters)
        let cursor = SQLiteCursor(prepared, watch)
        cursors.removeAll { $0.cursor == nil }
        cursors.append(WeakCursor(cursor: cursor))
        return cursor
    }

    /// Within a snapshot it may read and nothing else: not attach, not turn switches.
    @discardableResult
    package func run(
        sql: String, operation: String, _ parameters: [SQLValue], _ each: (any SQLRow) -> Bool
    ) throws(StoreError) -> Int {
        let all = try prepare(others: sql, operation: operation)
        guard all.count == 1 else {
            throw StoreError(
                kind: .data, code: "", operation: operation,
                message: all.isEmpty ? "there is no statement in it" : "it is \(all.count) statements; one is expected")
        }
        return try run(all[0], parameters, each)
    }

    private func prepare(others sql: String, operation: String) throws(StoreError) -> [SQLiteStatement] {
        if isReading { watch.allowReadsOnly(true) }
        defer { if isReading { watch.allowReadsOnly(false) } }
        // An interrupt may meet a statement while it is prepared.
        watch.start()
        do throws(StoreError) { return try connection.prepareAll(sql, operation: operation) } catch { throw watch.named(error) }
    }

    private func run(_ statement: SQLiteStatement, _ parameters: [SQLValue], _ each: (any SQLRow) -> Bool) throws(StoreError)
        -> Int
    {
        try statement.bind(parameters)
        let row = SQLiteRow(statement)
        let before = connection.totalChanges
        watch.start()
        do throws(StoreError) {
            try statement.eachRow { _ in each(row) }
        } catch {
            throw watch.named(error)
        }
        return connection.totalChanges == before ? 0 : connection.changes
    }

    /// Inside ``write(_:)``; what SQLite would take and no task can mean is refused.
    package func insert(_ draft: TaskDraft) throws(StoreError) -> InsertedTask {
        try DraftInsert(draft).run(on: connection)
    }

    /// `sqlite3_interrupt`.
    package func interrupt() { connection.interrupt() }

    private static func misuse(_ operation: String, _ message: String) -> StoreError {
        StoreError(kind: .defect, code: "", operation: operation, message: message)
    }
}

/// Steps a statement row by row.
final class SQLiteCursor: SQLCursor {
    private let statement: SQLiteStatement
    private let watch: StatementWatch
    private let row: SQLiteRow
    private var isOver = false

    init(_ statement: SQLiteStatement, _ watch: StatementWatch) {
        self.statement = statement
        self.watch = watch
        row = SQLiteRow(statement)
    }

    deinit { close() }

    func next() throws(StoreError) -> (any SQLRow)? {
        guard !isOver else { return nil }
        watch.start()
        do throws(StoreError) {
            if try statement.step() { return row }
        } catch {
            close()
            throw watch.named(error)
        }
        close()
        return nil
    }

    func close() {
        isOver = true
        statement.reset()
    }
}

extension SQLiteStatement {
    /// From the year 0001 to the end of 9999.
    private static var years: ClosedRange<Int64> { -62_135_596_800_000_000...253_402_300_799_999_999 }

    /// From parameter 1 on.
    func bind(_ values: [SQLValue]) throws(StoreError) {
        for (index, value) in values.enumerated() {
            let place = Int32(index + 1)
            switch value {
            case .null: try bindNull(place)
            case .integer(let number): try bind(place, number)
            case .text(let text): try bind(place, text)
            case .blob(let bytes): try bind(place, blob: bytes)
            case .time(let time):
                // Text is compared as text: four digits for the year.
                let written = Timestamp(microseconds: min(max(time.microseconds, Self.years.lowerBound), Self.years.upperBound))
                try bind(place, written.iso8601)
            case .boolean(let flag): try bind(place, Int64(flag ? 1 : 0))
            }
        }
    }
}

extension SQLiteConnection {
    /// Rows that this connection has changed so far.
    var totalChanges: Int { unsafe Int(sqlite3_total_changes64(handle)) }
    /// Breaks off what runs; from any thread, as long as the connection lives.
    func interrupt() { unsafe sqlite3_interrupt(handle) }
}
