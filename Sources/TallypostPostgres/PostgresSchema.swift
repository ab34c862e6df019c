public import TallypostCore

/// The tables of a PostgreSQL database: made, upgraded, adopted and checked.
public final class PostgresSchema: SchemaKeeper {
    let url: String
    /// From when on `doctor` speaks up: of transactions and snapshots, and of indexes.
    var limits = UpkeepLimits()

    /// - Parameter url: what libpq understands; its role must own the tables, or be allowed to make them.
    public init(url: String) { self.url = url }

    func connect() throws(StoreError) -> PostgresConnection {
        try PostgresConnection(url: url, statements: StatementLibrary.statements, keepsSession: false)
    }

    /// Each migration in a transaction of its own, one process at a time.
    public func migrate() throws(StoreError) -> MigrationReport {
        let link = try connect()
        let before = try SchemaVersion.read(on: link)
        guard before <= SchemaVersion.current else { throw SchemaVersion.mismatch(before) }
        var report = MigrationReport(from: before, to: before, adopted: [], notes: [])
        for (index, migration) in SchemaVersion.migrations.enumerated() where index >= before {
            do throws(StoreError) {
                // Two that migrate at once take turns; the one that waited finds the work done.
                try link.execute(
                    "BEGIN; SET LOCAL client_min_messages = warning; SELECT pg_advisory_xact_lock(1952541804, 1)",
                    operation: "migrate")
                let found = try SchemaVersion.read(on: link)
                guard found <= SchemaVersion.current else { throw SchemaVersion.mismatch(found) }
                if found <= index { try apply(index + 1, migration, on: link, &report) }
                try link.execute("COMMIT", operation: "migrate")
            } catch {
                _ = try? link.execute("ROLLBACK", operation: "migrate")
                throw error
            }
            report.to = index + 1
        }
        return report
    }

    /// The version row goes first.
    private func apply(
        _ version: Int, _ migration: (name: String, sql: [UInt8]), on link: PostgresConnection, _ report: inout MigrationReport
    ) throws(StoreError) {
        try link.execute(
            """
            CREATE TABLE IF NOT EXISTS tallypost_schema (
                version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT clock_timestamp());
            INSERT INTO tallypost_schema (version) VALUES (\(version))
            """, operation: "migrate")
        let before = version == 1 ? try columns(on: link) : []
        if !before.isEmpty { report.notes += try examine(before, on: link) }
        try link.execute(String(decoding: migration.sql, as: UTF8.self), operation: migration.name)
        if !before.isEmpty {
            let names = Set(before.map(\.name))
            report.adopted = try columns(on: link).map(\.name).filter { !names.contains($0) }
        }
    }

    // MARK: Adoption

    private func columns(on link: PostgresConnection) throws(StoreError) -> [(name: String, type: String)] {
        let result = try link.execute(
            """
            SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
            WHERE attrelid = to_regclass('pending_tasks') AND attnum > 0 AND NOT attisdropped ORDER BY attnum
            """, operation: "adopt")
        return (0..<result.rowCount).map { (result.text($0, 0) ?? "", result.text($0, 1) ?? "") }
    }

    /// What stands in the way of an adoption is thrown; what a person should know is returned.
    private func examine(_ columns: [(name: String, type: String)], on link: PostgresConnection) throws(StoreError) -> [String] {
        guard let id = columns.first(where: { $0.name == "id" }), ["bigint", "integer", "smallint"].contains(id.type) else {
            let found = columns.first { $0.name == "id" }.map { "is \($0.type)" } ?? "is missing"
            throw StoreError(
                kind: .schema, code: "", operation: "adopt",
                message:
                    "there is a table pending_tasks already, whose id \(found); tallypost needs a bigint or integer primary key \"id\""
            )
        }
        guard let status = columns.first(where: { $0.name == "status" }) else { return [] }
        guard ["text", "character varying"].contains(status.type) else {
            throw StoreError(
                kind: .schema, code: "", operation: "adopt",
                message: "there is a table pending_tasks already, whose status is \(status.type); tallypost needs it to be text")
        }
        let known = TaskStatus.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
        let result = try link.execute(
            "SELECT DISTINCT coalesce(status::text, 'NULL') FROM pending_tasks WHERE (status::text IN (\(known))) IS NOT TRUE LIMIT 10",
            operation: "adopt")
        guard result.rowCount > 0 else { return [] }
        let words = (0..<result.rowCount).compactMap { result.text($0, 0).map { "'\($0)'" } }.joined(separator: ", ")
        return [
            "rows have a status that tallypost does not know (\(words)): `run` will set them aside as failed; "
                + "give them one of \(TaskStatus.allCases.map(\.rawValue).joined(separator: ", ")) first"
        ]
    }
}
