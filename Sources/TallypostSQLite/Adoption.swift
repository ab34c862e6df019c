import TallypostCore

/// Takes over a `pending_tasks` that was there before us: adds the columns that it lacks, rewrites no row.
final class Adoption {
    /// `sql/sqlite/adopt.sql`.
    static let statements = StatementFile(PackageResources.adopt_sql)
    /// Its columns, in the table's order.
    static let columns = [
        "type", "payload", "idempotency_key", "subject", "amount_minor", "currency", "target_url", "headers", "run_at",
        "deadline_at", "priority", "ordering_key", "max_attempts", "timeout_seconds", "on_complete_url", "on_failure_url",
        "wait_for_signal", "max_wait_seconds", "signal_token", "group_key", "run_after", "run_if", "traceparent", "status",
        "attempts", "lease_epoch", "lease_expires_at", "leased_by", "response_status", "start_result", "result", "last_error",
        "progress", "checkpoint", "created_at", "started_at", "finished_at", "blocks_key", "run_at_ms", "deadline_at_ms",
        "is_open", "lane", "holds_key",
    ]

    private let connection: SQLiteConnection
    private let present: Set<String>
    /// Columns that were added.
    private(set) var added: [String] = []
    /// What a person should know.
    private(set) var notes: [String] = []

    /// Nil when there is no such table. Throws `.schema` when it cannot be adopted.
    init?(_ connection: SQLiteConnection) throws(StoreError) {
        self.connection = connection
        let kind = try connection.prepare(
            "SELECT type FROM sqlite_schema WHERE lower(name) = 'pending_tasks' AND type IN ('table', 'view')", operation: "adopt"
        ).firstRow { $0.text(0) ?? "" }
        guard let kind else { return nil }
        guard kind == "table" else { throw Self.refusal("pending_tasks is a \(kind), not a table") }
        let columns = try connection.prepare(
            "SELECT lower(name), upper(type), pk FROM pragma_table_xinfo('pending_tasks')", operation: "adopt"
        ).rows { (name: $0.text(0) ?? "", type: $0.text(1) ?? "", key: $0.integer(2)) }
        present = Set(columns.map(\.name))
        let keys = columns.filter { $0.key > 0 }
        let hasRowID = try connection.prepare(
            "SELECT wr = 0 FROM pragma_table_list('pending_tasks')", operation: "adopt"
        ).firstRow { $0.integer(0) != 0 }
        guard keys.count == 1, keys[0].name == "id", keys[0].type == "INTEGER", hasRowID == true else {
            throw Self.refusal(
                "pending_tasks has no column `id INTEGER PRIMARY KEY`; copy its rows into a table that has one, or rename it")
        }
    }

    private static func refusal(_ message: String) -> StoreError {
        StoreError(kind: .schema, code: "adopt", operation: "adopt", message: message)
    }

    /// Before the migration, whose indexes name these columns.
    func addColumns() throws(StoreError) {
        if present.contains("status") { try noteStatuses() } else { try noteRowsWithoutStatus() }
        try refuseDoubleKeys()
        for column in Self.columns where !present.contains(column) {
            try connection.execute(Self.statements["column \(column)"], operation: "adopt column \(column)")
            added.append(column)
        }
        try connection.execute(Self.statements["begun"], operation: "adopt begun")
        let sql =
            try connection.prepare(
                "SELECT sql FROM sqlite_schema WHERE lower(name) = 'pending_tasks' AND type = 'table'", operation: "adopt"
            ).firstRow { $0.text(0) ?? "" } ?? ""
        if !sql.uppercased().contains("AUTOINCREMENT") {
            notes.append(
                "its id is not AUTOINCREMENT: the id of a removed last row may be given out again; never remove the newest rows")
        }
        notes.append(
            "INSERT … RETURNING answers NULL for columns that are filled after the insert (signal_token, idempotency_key)")
    }

    /// After the migration.
    func finish() throws(StoreError) {
        try connection.execute(Self.statements["trigger"], operation: "adopt trigger")
        let misfits = try connection.prepare(
            "SELECT count(*), min(id) FROM pending_tasks WHERE is_open AND lane IS NULL", operation: "adopt"
        ).firstRow { (count: $0.integer(0), first: $0.integer(1)) }
        if let misfits, misfits.count > 0 {
            notes.append(
                "\(misfits.count) open rows cannot be sent as they are (no type, a run_at that is no time, …), the first is "
                    + "\(misfits.first): the relay will set them aside as failed")
        }
    }

    private func noteStatuses() throws(StoreError) {
        let counts = try connection.prepare(
            "SELECT CAST(status AS TEXT), count(*) FROM pending_tasks GROUP BY 1 ORDER BY 1", operation: "adopt"
        ).rows { (status: $0.text(0), count: $0.integer(1)) }
        for (status, count) in counts {
            switch status.flatMap(TaskStatus.init(rawValue:)) {
            case .none:
                notes.append(
                    "\(count) rows have the status \(status.map { "'\($0)'" } ?? "NULL"), which is not ours: the relay will set them "
                        + "aside as failed")
            case .processing: notes.append("\(count) rows are processing without a lease: the relay will send them again")
            case .pending: notes.append("\(count) rows are pending: the relay will send them")
            default: break
            }
        }
    }

    private func noteRowsWithoutStatus() throws(StoreError) {
        let count =
            try connection.prepare("SELECT count(*) FROM pending_tasks", operation: "adopt").firstRow { $0.integer(0) } ?? 0
        if count > 0 { notes.append("the table had no status: its \(count) rows are pending now and will be sent") }
    }

    private func refuseDoubleKeys() throws(StoreError) {
        guard present.contains("idempotency_key") else { return }
        let double = try connection.prepare(
            "SELECT idempotency_key FROM pending_tasks WHERE idempotency_key IS NOT NULL GROUP BY 1 HAVING count(*) > 1 LIMIT 1",
            operation: "adopt"
        ).firstRow { $0.text(0) ?? "" }
        if let double {
            throw Self.refusal("more than one row of pending_tasks has the idempotency_key '\(double)': make them differ first")
        }
    }
}
