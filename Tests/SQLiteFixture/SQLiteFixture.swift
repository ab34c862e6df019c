import FoundationEssentials
public import StoreContract
import Synchronization
public import TallypostCore
import TallypostSQLite

/// A fresh SQLite database in a directory of its own.
public final class SQLiteFixture: DatabaseFixture {
    /// The database file.
    public let path: String
    private let directory: String
    private let application: Mutex<Application>

    /// Makes the database; migrated unless told otherwise.
    public init(migrated: Bool = true) throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "tallypost-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        path = directory + "/shop.db"
        if migrated { _ = try SQLiteSchema(path: path).migrate() }
        application = Mutex(try Application(path: path))
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    /// Inotify and all, as in the real relay.
    public func makeStore() throws -> any TaskStore {
        let store = SQLiteStore(path: path)
        try store.open()
        return store
    }

    /// Not opened.
    public func makeUnopenedStore() throws -> any TaskStore { SQLiteStore(path: path) }
    /// On a connection of its own.
    public func makeDesk() throws -> any TaskDesk { try SQLiteDesk(path: path) }
    /// Of this file.
    public func makeConsole() throws -> any ConsoleDesk { try SQLiteDesk(path: path) }
    /// Open.
    public func makeSignalBox() throws -> any SignalBox {
        let box = SQLiteSignalBox(path: path)
        try box.open()
        return box
    }
    /// Of this file.
    public func makeKeeper() throws -> any SchemaKeeper { SQLiteSchema(path: path) }

    /// One transaction of the application's connection.
    @discardableResult public func insert(_ rows: [ColumnValues]) throws -> [Int64] {
        try application.withLock { application in
            try application.execute("BEGIN IMMEDIATE")
            do {
                let ids = try rows.map { row in try Self.insert(row, application) }
                try application.execute("COMMIT")
                return ids
            } catch {
                try application.execute("ROLLBACK")
                throw error
            }
        }
    }

    /// The same without its commit.
    public func insertAndRollBack(_ rows: [ColumnValues]) throws {
        try application.withLock { application in
            try application.execute("BEGIN IMMEDIATE")
            for row in rows { _ = try Self.insert(row, application) }
            try application.execute("ROLLBACK")
        }
    }

    private static func insert(_ row: ColumnValues, _ application: Application) throws -> Int64 {
        let columns = row.sorted { $0.key < $1.key }
        let sql =
            columns.isEmpty
            ? "INSERT INTO pending_tasks DEFAULT VALUES RETURNING id"
            : """
            INSERT INTO pending_tasks (\(columns.map(\.key).joined(separator: ", ")))
            VALUES (\(columns.map { literal($0.value) }.joined(separator: ", "))) RETURNING id
            """
        guard let id = try application.query(sql).first?.first.flatMap({ $0 }).flatMap(Int64.init) else {
            throw FixtureError("an insert returned no id")
        }
        return id
    }

    /// One statement.
    public func update(_ ids: [Int64], _ columns: ColumnValues) throws {
        let changes = columns.map { "\($0.key) = \(Self.literal($0.value))" }.joined(separator: ", ")
        let list = ids.map(String.init).joined(separator: ", ")
        try execute("UPDATE pending_tasks SET \(changes) WHERE id IN (\(list))")
    }

    /// Through the application's connection.
    public func row(_ id: Int64) throws -> ColumnValues {
        try rows("pending_tasks", where: "id = \(id)").first ?? [:]
    }

    /// Through the application's connection.
    public func attempts(of id: Int64) throws -> [ColumnValues] {
        try rows("task_attempts", where: "task_id = \(id) ORDER BY id")
    }

    /// Drops our tables; the file stays in WAL mode.
    public func clear() throws {
        let tables = try query(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND (name GLOB 'tallypost_*' OR name GLOB 'task_*')")
        for name in tables.compactMap({ $0[0] }) + ["pending_tasks"] { try execute("DROP TABLE \(name)") }
    }

    /// On the application's connection.
    public func execute(_ sql: String) throws {
        try application.withLock { application in try application.execute(sql) }
    }

    /// On the application's connection.
    public func query(_ sql: String) throws -> [[String?]] {
        try application.withLock { application in try application.query(sql) }
    }

    // MARK: Values

    private static func literal(_ value: ColumnValue) -> String {
        switch value {
        case .null: "NULL"
        case .integer(let number): String(number)
        case .text(let text): "'" + text.replacing("'", with: "''") + "'"
        case .boolean(let flag): flag ? "1" : "0"
        case .time(let time):
            "strftime('%Y-%m-%dT%H:%M:%fZ', \(Double(time.microseconds) / 1e6), 'unixepoch')"
        case .fromNow(let span): "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '\(span.seconds) seconds')"
        }
    }

    private func rows(_ table: String, where condition: String) throws -> [ColumnValues] {
        let columns = try query("SELECT name, type FROM pragma_table_info('\(table)')").map {
            (name: $0[0] ?? "", type: $0[1] ?? "")
        }
        let list = columns.map { column in
            ColumnValue.timeColumns.contains(column.name)
                ? "CAST(round((julianday(\(column.name)) - 2440587.5) * 86400000.0) AS INTEGER) * 1000" : column.name
        }
        return try query("SELECT \(list.joined(separator: ", ")) FROM \(table) WHERE \(condition)").map { values in
            var row: ColumnValues = [:]
            for (column, value) in zip(columns, values) { row[column.name] = Self.value(value, column.name, column.type) }
            return row
        }
    }

    private static func value(_ text: String?, _ column: String, _ type: String) -> ColumnValue {
        guard let text else { return .null }
        if ColumnValue.timeColumns.contains(column) { return .time(Timestamp(microseconds: Int64(text) ?? 0)) }
        if ColumnValue.booleanColumns.contains(column) { return .boolean(text != "0") }
        return type == "INTEGER" ? Int64(text).map { .integer($0) } ?? .text(text) : .text(text)
    }
}

extension SQLiteFixture: ReconcileFixture {
    /// Of this file.
    package func makeReconcileDatabase() throws -> any ReconcileDatabase { try SQLiteReconcileDatabase(path: path) }
}
