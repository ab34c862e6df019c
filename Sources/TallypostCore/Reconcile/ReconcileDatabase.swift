/// A connection that reconciliation works on: one snapshot to read from, or short transactions to write in.
///
/// The SQL of each engine stands in `sql/<engine>/reconcile.sql` under the names of ``ReconcileStatement``; everything above it is written
/// once for both. One thread uses it at a time, but for ``interrupt()``.
package protocol ReconcileDatabase: AnyObject {
    /// What differs between the engines for whoever composes SQL (rules).
    var dialect: SQLDialect { get }

    /// Begins to read: all that follows, until ``endReading()``, is one read-only snapshot. The database's clock when it was taken.
    ///
    /// - Parameter statementTimeout: of every statement in it; one that takes longer throws `.busy` with code `timeout`.
    func beginReading(statementTimeout: TimeSpan) throws(StoreError) -> Timestamp
    /// Lets the snapshot go.
    func endReading()

    /// One write transaction, rolled back when the body throws. On SQLite it holds the one write lock: keep it short.
    func write<Result>(_ body: () throws(StoreError) -> Result) throws(StoreError) -> Result

    /// Runs a named statement; parameters are numbered from 1, rows come in the engine's fastest form. How many rows it changed.
    ///
    /// Rows are handed over one by one, never held together; the row is valid only within the call. `each` says whether to go on.
    @discardableResult
    func run(_ statement: ReconcileStatement, _ parameters: [SQLValue], _ each: (any SQLRow) -> Bool) throws(StoreError) -> Int

    /// Opens a named query whose rows are fetched as they are asked for, in parts of a few thousand. Only while reading; other statements may
    /// run on the same connection between two rows.
    func cursor(_ statement: ReconcileStatement, _ parameters: [SQLValue]) throws(StoreError) -> any SQLCursor

    /// Reads a named query once from its beginning to its end, in the engine's fastest way; nothing else may run on the connection meanwhile.
    /// Only while reading. `each` says whether to go on; after a no the snapshot may be of no more use.
    func export(_ statement: ReconcileStatement, _ parameters: [SQLValue], _ each: (any SQLRow) -> Bool) throws(StoreError)

    /// Runs one statement of somebody else's (a rule). `operation` names it in errors.
    @discardableResult
    func run(
        sql: String, operation: String, _ parameters: [SQLValue], _ each: (any SQLRow) -> Bool
    ) throws(StoreError) -> Int

    /// Inserts a task within ``write(_:)``: an alert, a backfilled one. With a key that is there already nothing is changed.
    ///
    /// Throws `.data` when the database refuses a value, with its reason.
    func insert(_ draft: TaskDraft) throws(StoreError) -> InsertedTask

    /// Breaks off what runs, from any thread: it throws.
    func interrupt()
}

extension ReconcileDatabase {
    /// Runs a named statement that gives no rows, or none that matter.
    @discardableResult
    package func run(_ statement: ReconcileStatement, _ parameters: [SQLValue] = []) throws(StoreError) -> Int {
        try run(statement, parameters) { _ in true }
    }
}

/// Rows that are fetched as they are asked for.
package protocol SQLCursor: AnyObject {
    /// The next row, valid until the next call; nil at the end.
    func next() throws(StoreError) -> (any SQLRow)?
    /// Lets it go before its end.
    func close()
}

/// Which engine's SQL is spoken.
package enum SQLDialect: String, Sendable, CaseIterable {
    /// SQLite 3.40 and newer.
    case sqlite
    /// PostgreSQL 13 and newer.
    case postgres
}

/// A value for a parameter.
package enum SQLValue: Sendable, Equatable {
    /// NULL.
    case null
    /// A 64-bit number.
    case integer(Int64)
    /// A text.
    case text(String)
    /// Bytes: bytea, BLOB.
    case blob([UInt8])
    /// A time: timestamptz; ISO 8601 text with milliseconds on SQLite.
    case time(Timestamp)
    /// True or false; 1 or 0 on SQLite.
    case boolean(Bool)

    /// The text, or NULL.
    package static func optional(_ text: String?) -> SQLValue { text.map { .text($0) } ?? .null }
    /// The number, or NULL.
    package static func optional(_ number: Int64?) -> SQLValue { number.map { .integer($0) } ?? .null }
    /// The time, or NULL.
    package static func optional(_ time: Timestamp?) -> SQLValue { time.map { .time($0) } ?? .null }
}

/// The row that a statement stands on. Columns are numbered from 0.
package protocol SQLRow: AnyObject {
    /// How many columns it has.
    var columnCount: Int { get }
    /// A column's name.
    func name(_ column: Int) -> String
    /// Whether it is NULL.
    func isNull(_ column: Int) -> Bool
    /// A number; nil for NULL and for what is no whole number of 64 bits.
    func integer(_ column: Int) -> Int64?
    /// The value as text; nil for NULL. Times as the engine writes them.
    func text(_ column: Int) -> String?
    /// A time: of a timestamptz column, or of an ISO 8601 text; nil for NULL and for what is no time.
    func time(_ column: Int) -> Timestamp?
    /// A copy of the bytes of a text or blob; nil for NULL.
    func bytes(_ column: Int) -> [UInt8]?
    /// The bytes of a text or blob, without a copy; empty for NULL. Valid within the call alone.
    func withBytes<Result>(_ column: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result
}
