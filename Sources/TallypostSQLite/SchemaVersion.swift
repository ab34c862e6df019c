import TallypostCore

/// The version of the tables that this program knows.
enum SchemaVersion {
    /// Every migration, in order: the first is version 1. The files are `sql/sqlite/v0001_….sql` and so on.
    static let migrations: [(name: String, sql: [UInt8])] = [
        ("v0001_pending_tasks", PackageResources.v0001_pending_tasks_sql),
        ("v0002_patterns", PackageResources.v0002_patterns_sql),
        ("v0003_reconciliation", PackageResources.v0003_reconciliation_sql),
    ]

    /// What this program writes and reads.
    static var current: Int { migrations.count }

    /// The version of a database; 0: never migrated.
    static func read(on connection: SQLiteConnection) throws(StoreError) -> Int {
        let known = try connection.prepare(
            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'tallypost_schema'", operation: "schema_version"
        ).firstRow { _ in true }
        guard known == true else { return 0 }
        let statement = try connection.prepare(StoreStatements.tasks["schema_version"], operation: "schema_version")
        return try statement.firstRow { Int($0.integer(0)) } ?? 0
    }

    /// Throws unless the tables are of this program's version.
    static func require(on connection: SQLiteConnection) throws(StoreError) {
        let version = try read(on: connection)
        guard version != current else { return }
        throw version > current ? tooNew(version) : tooOld(version)
    }

    static func tooNew(_ version: Int) -> StoreError {
        StoreError(
            kind: .schema, code: "version \(version)", operation: "schema_version",
            message: "the tables are of version \(version), newer than this program's \(current): upgrade tallypost")
    }

    private static func tooOld(_ version: Int) -> StoreError {
        StoreError(
            kind: .schema, code: "version \(version)", operation: "schema_version",
            message: version == 0
                ? "there are no tables yet: run `tallypost init`"
                : "the tables are of version \(version), older than this program's \(current): run `tallypost init`")
    }
}
