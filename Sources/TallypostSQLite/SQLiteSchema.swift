public import TallypostCore

/// The tables of an SQLite database: made, upgraded, adopted and checked.
public final class SQLiteSchema: SchemaKeeper {
    let path: String

    /// - Parameter path: the database file; ``migrate()`` makes it when it is not there.
    public init(path: String) {
        self.path = path
    }

    /// Makes the file when it is not there, and sets WAL mode, which stays with the file.
    public func migrate() throws(StoreError) -> MigrationReport {
        let connection = try SQLiteConnection(path: path, mode: .creating)
        let before = try SchemaVersion.read(on: connection)
        guard before <= SchemaVersion.current else { throw SchemaVersion.tooNew(before) }
        try useWAL(connection)
        var report = MigrationReport(from: before, to: before, adopted: [], notes: [])
        for (index, migration) in SchemaVersion.migrations.enumerated() where index >= before {
            let version = index + 1
            try connection.write { () throws(StoreError) in
                // Another `init` may have been faster while this one waited for the lock.
                let found = try SchemaVersion.read(on: connection)
                guard found < version else {
                    if found > SchemaVersion.current { throw SchemaVersion.tooNew(found) }
                    return
                }
                try record(version, on: connection)
                if version == 1 {
                    let adoption = try Adoption(connection)
                    try adoption?.addColumns()
                    try connection.execute(String(decoding: migration.sql, as: UTF8.self), operation: migration.name)
                    try adoption?.finish()
                    report.adopted = adoption?.added ?? []
                    report.notes = adoption?.notes ?? []
                } else {
                    try connection.execute(String(decoding: migration.sql, as: UTF8.self), operation: migration.name)
                }
            }
            report.to = version
        }
        return report
    }

    /// The version row goes first: two that migrate at once meet there.
    private func record(_ version: Int, on connection: SQLiteConnection) throws(StoreError) {
        try connection.execute(
            "CREATE TABLE IF NOT EXISTS tallypost_schema (version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL)",
            operation: "migrate")
        let insert = try connection.prepare(
            "INSERT INTO tallypost_schema (version, applied_at) VALUES (?1, ?2)", operation: "migrate")
        try insert.bind(1, version)
        try insert.bind(2, Timestamp.machineNow.iso8601)
        try insert.run()
    }

    /// WAL mode stays with the file: from now on every process that opens it has it.
    private func useWAL(_ connection: SQLiteConnection) throws(StoreError) {
        let mode = try connection.prepare("PRAGMA journal_mode = WAL", operation: "migrate").firstRow { $0.text(0) ?? "" } ?? ""
        guard mode == "wal" else {
            throw StoreError(
                kind: .schema, code: "journal_mode", operation: "migrate",
                message: "the database stays in journal mode \(mode): it must be a file on a local file system")
        }
    }
}
