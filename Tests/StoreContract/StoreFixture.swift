public import TallypostCore

/// One fresh, migrated database for one test, seen as an application and a person with SQL see it.
///
/// Every method may be called from any thread, one at a time (a fixture serialises with a lock); a store that it makes
/// belongs to the thread that uses it. A fixture removes what it made when it goes.
public protocol StoreFixture: AnyObject, Sendable {
    /// Another store on this database, open.
    func makeStore() throws -> any TaskStore
    /// Inserts rows into `pending_tasks` in one transaction, on a connection of the application's own, and commits.
    /// Columns not named get their defaults. Returns the `id`s, in the order of the rows.
    @discardableResult func insert(_ rows: [ColumnValues]) throws -> [Int64]
    /// The same, but rolls back.
    func insertAndRollBack(_ rows: [ColumnValues]) throws
    /// Changes rows of `pending_tasks` as a person with SQL would: no epoch, no event.
    func update(_ ids: [Int64], _ columns: ColumnValues) throws
    /// A row of `pending_tasks`; empty when there is none.
    func row(_ id: Int64) throws -> ColumnValues
    /// Rows of `task_attempts` of one task, oldest first.
    func attempts(of id: Int64) throws -> [ColumnValues]
}

/// A fixture on a real database, where people and migrations come in.
public protocol DatabaseFixture: StoreFixture {
    /// A desk on a connection of its own.
    func makeDesk() throws -> any TaskDesk
    /// The API's desk, on a connection of its own.
    func makeConsole() throws -> any ConsoleDesk
    /// A box for signals, open.
    func makeSignalBox() throws -> any SignalBox
    /// A keeper of this database's schema.
    func makeKeeper() throws -> any SchemaKeeper
    /// A store on this database that has not been opened: `open()` may throw.
    func makeUnopenedStore() throws -> any TaskStore
    /// Takes everything of ours out of the database (tables, functions, versions): as if `init` had never run.
    func clear() throws
    /// Runs SQL, as the application or a person would.
    func execute(_ sql: String) throws
    /// Runs a query; every value as the engine prints it as text, nil for NULL.
    func query(_ sql: String) throws -> [[String?]]
}

extension StoreFixture {
    /// Inserts one row.
    @discardableResult public func insert(_ row: ColumnValues) throws -> Int64 {
        let ids = try insert([row])
        guard let id = ids.first else { throw FixtureError("an insert returned no id") }
        return id
    }
    /// Lets leases run out: their end goes an hour into the past.
    public func expireLeases(of ids: [Int64]) throws {
        try update(ids, ["lease_expires_at": .fromNow(.hours(-1))])
    }
    /// One column of one row.
    public func value(_ column: String, of id: Int64) throws -> ColumnValue {
        guard let value = try row(id)[column] else { throw FixtureError("row \(id) has no column \(column)") }
        return value
    }
}

/// Why a fixture could not do what a test asked.
public struct FixtureError: Error, CustomStringConvertible {
    /// What went wrong.
    public let description: String
    /// - Parameter description: what went wrong.
    public init(_ description: String) { self.description = description }
}

/// A fixture on a real database that reconciliation can work on.
package protocol ReconcileFixture: DatabaseFixture {
    /// Reconciliation's connection: another one each time.
    func makeReconcileDatabase() throws -> any ReconcileDatabase
}
