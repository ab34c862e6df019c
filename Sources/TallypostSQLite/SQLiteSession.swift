package import TallypostCore

/// A connection as an application has one: any SQL, values in, text out. For the demo's shop and receiver; the relay's own
/// statements are prepared once and read column by column (``SQLiteConnection``).
package final class SQLiteSession {
    /// A value for a parameter.
    package enum Value: Sendable, Equatable {
        /// TEXT.
        case text(String)
        /// INTEGER.
        case integer(Int64)
        /// NULL.
        case null
    }

    private let connection: SQLiteConnection

    /// Opens a database, which is made, in WAL mode, when it is not there.
    package init(path: String) throws(StoreError) {
        connection = try SQLiteConnection(path: path, mode: .creating)
        try execute("PRAGMA journal_mode = WAL")
        // Unlike the relay, an application checkpoints: SQLite's own default.
        try execute("PRAGMA wal_autocheckpoint = 1000")
    }

    /// Opens a database that is there, for looking only: writes are refused.
    package init(reading path: String) throws(StoreError) {
        connection = try SQLiteConnection(path: path, mode: .existing)
        try execute("PRAGMA query_only = ON")
    }

    /// Runs every statement of a text.
    package func execute(_ sql: String) throws(StoreError) { try connection.execute(sql, operation: "execute") }

    /// Runs one statement to its end.
    package func run(_ sql: String, _ values: [Value] = []) throws(StoreError) {
        try statement(sql, values).run()
    }

    /// Every row of a query, every value as text; nil for NULL.
    package func rows(_ sql: String, _ values: [Value] = []) throws(StoreError) -> [[String?]] {
        try statement(sql, values).rows { row in (0..<row.columnCount).map { row.text($0) } }
    }

    /// The first value of a query that gives a number; 0 when there is no row.
    package func number(_ sql: String, _ values: [Value] = []) throws(StoreError) -> Int64 {
        try statement(sql, values).firstRow { $0.integer(0) } ?? 0
    }

    /// Runs `body` in one write transaction; rolls back when it throws.
    package func write<Result>(_ body: () throws(StoreError) -> Result) throws(StoreError) -> Result {
        try connection.write(body)
    }

    private func statement(_ sql: String, _ values: [Value]) throws(StoreError) -> SQLiteStatement {
        let statement = try connection.prepare(sql, operation: "execute")
        for (index, value) in values.enumerated() {
            let position = Int32(index + 1)
            switch value {
            case .text(let text): try statement.bind(position, text)
            case .integer(let number): try statement.bind(position, number)
            case .null: try statement.bindNull(position)
            }
        }
        return statement
    }
}
