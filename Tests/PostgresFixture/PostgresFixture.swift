public import StoreContract
import Synchronization
public import TallypostCore
public import TallypostPostgres

/// A fresh PostgreSQL database.
public final class PostgresFixture: DatabaseFixture {
    /// How stores reach the database.
    public enum Access: Sendable {
        /// With the wake-up: a session of their own.
        case session
        /// Mode "poll".
        case poll
        /// Mode "poll", through PgBouncer in transaction mode.
        case pooler
        /// With the wake-up, as the relay's role of grants.sql. Desks are that role's, too.
        case relayRole
    }

    /// The database's name.
    public let name: String
    /// Its URL, as the superuser.
    public let url: String
    /// Where it was made.
    public let databases: TestDatabases
    private let access: Access
    let relayURL: String
    private let application: Mutex<PostgresSession>

    /// Makes the database, migrated.
    public init(_ access: Access = .session, in databases: TestDatabases? = nil) throws {
        self.access = access
        self.databases = try databases ?? TestDatabases.shared()
        name = try self.databases.make(granted: access == .relayRole)
        url = try self.databases.server.url(database: name)
        relayURL =
            switch access {
            case .session, .poll: url
            case .pooler: try self.databases.server.url(database: name, port: PoolerProcess.shared().port)
            case .relayRole: try self.databases.server.url(database: name, user: self.databases.name(of: .relay))
            }
        application = Mutex(try PostgresSession(url: url))
    }

    deinit { databases.drop(name) }

    /// The database's URL for one of the roles of grants.sql.
    public func url(of role: TestDatabases.Role) throws -> String {
        try databases.server.url(database: name, user: databases.name(of: role))
    }

    /// Another store on this database, not open, as its own type.
    public func makePostgresStore() -> PostgresStore {
        PostgresStore(url: relayURL, pollOnly: access == .poll || access == .pooler)
    }

    /// Connected in this fixture's mode.
    public func makeStore() throws -> any TaskStore {
        let store = makePostgresStore()
        try store.open()
        return store
    }

    /// In this fixture's mode.
    public func makeUnopenedStore() throws -> any TaskStore { makePostgresStore() }
    /// On a connection of its own.
    public func makeDesk() throws -> any TaskDesk { try PostgresDesk(url: relayURL) }
    /// As the relay's role, as all of these.
    public func makeConsole() throws -> any ConsoleDesk { try PostgresDesk(url: relayURL) }
    /// Open.
    public func makeSignalBox() throws -> any SignalBox {
        let box = PostgresSignalBox(url: relayURL)
        try box.open()
        return box
    }
    /// As the owner.
    public func makeKeeper() throws -> any SchemaKeeper {
        access == .relayRole ? GrantingKeeper(self) : PostgresSchema(url: relayURL)
    }

    /// Another application's connection, as the superuser.
    public func connect() throws -> PostgresSession { try PostgresSession(url: url) }

    /// The owner migrates and grants; the relay's role asks whether all is well.
    private final class GrantingKeeper: SchemaKeeper {
        let fixture: PostgresFixture
        init(_ fixture: PostgresFixture) { self.fixture = fixture }
        func migrate() throws(StoreError) -> MigrationReport {
            let report = try PostgresSchema(url: fixture.url).migrate()
            do {
                try fixture.databases.grant(on: fixture.name)
            } catch {
                throw StoreError(kind: .defect, code: "", operation: "grant", message: "\(error)")
            }
            return report
        }
        func diagnose() -> [Finding] { PostgresSchema(url: fixture.relayURL).diagnose() }
    }

    // MARK: The application's side

    /// In one transaction of the application's own.
    @discardableResult public func insert(_ rows: [ColumnValues]) throws -> [Int64] {
        try application.withLock { application in
            try application.execute("BEGIN")
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

    /// On a connection of the application's own.
    public func insertAndRollBack(_ rows: [ColumnValues]) throws {
        try application.withLock { application in
            try application.execute("BEGIN")
            for row in rows { _ = try Self.insert(row, application) }
            try application.execute("ROLLBACK")
        }
    }

    private static func insert(_ row: ColumnValues, _ application: PostgresSession) throws -> Int64 {
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

    /// As a person with SQL would.
    public func update(_ ids: [Int64], _ columns: ColumnValues) throws {
        let changes = columns.map { "\($0.key) = \(Self.literal($0.value))" }.joined(separator: ", ")
        let list = ids.map(String.init).joined(separator: ", ")
        try execute("UPDATE pending_tasks SET \(changes) WHERE id IN (\(list))")
    }

    /// Every column, in the suite's neutral values.
    public func row(_ id: Int64) throws -> ColumnValues { try rows("pending_tasks", where: "id = \(id)").first ?? [:] }

    /// Oldest first.
    public func attempts(of id: Int64) throws -> [ColumnValues] {
        try rows("task_attempts", where: "task_id = \(id) ORDER BY id")
    }

    /// Empties the tables.
    public func clear() throws {
        try execute(
            """
            DO $$ DECLARE name text; BEGIN
                FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename ~ '^(pending_tasks$|task_|tallypost_)' LOOP
                    EXECUTE 'DROP TABLE ' || name || ' CASCADE';
                END LOOP;
                FOR name IN SELECT oid::regprocedure FROM pg_proc WHERE proname LIKE 'tallypost%' LOOP
                    EXECUTE 'DROP FUNCTION IF EXISTS ' || name;
                END LOOP; END $$
            """)
    }

    /// As the owner.
    public func execute(_ sql: String) throws {
        try application.withLock { application in try application.execute(sql) }
    }

    /// As the owner; everything as text.
    public func query(_ sql: String) throws -> [[String?]] {
        try application.withLock { application in try application.query(sql) }
    }

    // MARK: Values

    private static func literal(_ value: ColumnValue) -> String {
        switch value {
        case .null: "NULL"
        case .integer(let number): String(number)
        case .text(let text): "'" + text.replacing("'", with: "''") + "'"
        case .boolean(let flag): flag ? "true" : "false"
        case .time(let time): "timestamptz 'epoch' + \(time.microseconds) * interval '1 microsecond'"
        case .fromNow(let span): "clock_timestamp() + \(span.nanoseconds / 1_000) * interval '1 microsecond'"
        }
    }

    private func rows(_ table: String, where condition: String) throws -> [ColumnValues] {
        let columns = try query(
            """
            SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
            WHERE attrelid = '\(table)'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
            """
        ).map { (name: $0[0] ?? "", type: $0[1] ?? "") }
        let list = columns.map { column in
            column.type == "timestamp with time zone" ? "(extract(epoch FROM \(column.name)) * 1000000)::bigint" : column.name
        }
        return try query("SELECT \(list.joined(separator: ", ")) FROM \(table) WHERE \(condition)").map { values in
            var row: ColumnValues = [:]
            for (column, value) in zip(columns, values) { row[column.name] = Self.value(value, column.type) }
            return row
        }
    }

    private static func value(_ text: String?, _ type: String) -> ColumnValue {
        guard let text else { return .null }
        switch type {
        case "timestamp with time zone": return .time(Timestamp(microseconds: Int64(text) ?? 0))
        case "boolean": return .boolean(text == "t")
        case "bigint", "integer", "smallint": return Int64(text).map { .integer($0) } ?? .text(text)
        default: return .text(text)
        }
    }
}

extension PostgresFixture: ReconcileFixture {
    /// In this fixture's mode, and in its role.
    package func makeReconcileDatabase() throws -> any ReconcileDatabase { try PostgresReconcileDatabase(url: relayURL) }
}
