import TallypostCore
import TallypostPostgres
import TallypostSQLite

/// Which adapter serves which database: the only place that names both.
struct Engine: Sendable {
    let database: DatabaseURL

    init(_ database: DatabaseURL) { self.database = database }

    /// The relay's side, not opened yet.
    func makeStore(pollOnly: Bool) -> any TaskStore {
        switch database {
        case .sqlite(let path): SQLiteStore(path: path, pollOnly: pollOnly)
        case .postgres(let url): PostgresStore(url: url, pollOnly: pollOnly)
        }
    }

    /// People's side, connected.
    func openDesk() throws(StoreError) -> any TaskDesk {
        switch database {
        case .sqlite(let path): try SQLiteDesk(path: path)
        case .postgres(let url): try PostgresDesk(url: url)
        }
    }

    /// Where signals go in, not opened yet.
    func makeSignalBox() -> any SignalBox {
        switch database {
        case .sqlite(let path): SQLiteSignalBox(path: path)
        case .postgres(let url): PostgresSignalBox(url: url)
        }
    }

    /// The API's side, connected.
    func openConsole() throws(StoreError) -> any ConsoleDesk {
        switch database {
        case .sqlite(let path): try SQLiteDesk(path: path)
        case .postgres(let url): try PostgresDesk(url: url)
        }
    }

    /// Reconciliation's side, connected: to read from, or to write to. Of another role's URL where rules are read with less rights.
    func openReconcile() throws(StoreError) -> any ReconcileDatabase {
        switch database {
        case .sqlite(let path): try SQLiteReconcileDatabase(path: path)
        case .postgres(let url): try PostgresReconcileDatabase(url: url)
        }
    }

    /// Who makes and checks the tables.
    func makeSchemaKeeper() throws(StoreError) -> any SchemaKeeper {
        switch database {
        case .sqlite(let path): SQLiteSchema(path: path)
        case .postgres(let url): PostgresSchema(url: url)
        }
    }
}
