import TallypostCore

/// The migrations, in order, and the version that they lead to.
enum SchemaVersion {
    /// File name and text; the n-th leads to version n.
    static let migrations: [(name: String, sql: [UInt8])] = [
        ("v0001_pending_tasks", PackageResources.v0001_pending_tasks_sql),
        ("v0002_patterns", PackageResources.v0002_patterns_sql),
        ("v0003_reconciliation", PackageResources.v0003_reconciliation_sql),
    ]

    /// The version that this program works with.
    static var current: Int { migrations.count }

    /// 0 when there are no tables of ours.
    static func read(on connection: PostgresConnection) throws(StoreError) -> Int {
        // Asked for first, so that a missing table does not break a transaction under way. Of the catalogue itself: to_regclass
        // answers from a cache, which in a transaction that has waited for another's `init` still says that there is none.
        let there = try connection.execute(
            "SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'tallypost_schema' AND pg_table_is_visible(oid))",
            operation: "schema_version")
        guard there.text(0, 0) == "t" else { return 0 }
        let version = try connection.execute(
            "SELECT coalesce(max(version), 0) FROM tallypost_schema", operation: "schema_version")
        return Int(version.text(0, 0) ?? "") ?? 0
    }

    /// Throws `.schema` unless the tables are there in just this version.
    static func require(on connection: PostgresConnection) throws(StoreError) {
        let version = try read(on: connection)
        if version != current { throw mismatch(version) }
    }

    static func mismatch(_ version: Int) -> StoreError {
        let message =
            if version == 0 {
                "the tables are not there; run `tallypost init`"
            } else if version < current {
                "the tables are of version \(version), this program needs \(current); run `tallypost init`"
            } else {
                "the tables are of version \(version), newer than this program's \(current); upgrade tallypost"
            }
        return StoreError(kind: .schema, code: "", operation: "schema_version", message: message)
    }
}
