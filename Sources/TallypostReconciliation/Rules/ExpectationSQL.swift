package import TallypostCore

/// What an expectation asks a database: business rows and tasks laid on one another by key, in one pass over each.
///
/// Both sides go into one GROUP BY (PostgreSQL: a hash that spills beyond work_mem; SQLite: an external sort), so nothing is joined, keys
/// that occur twice on either side are met as they are, and only keys that are not as expected come out.
struct ExpectationSQL {
    let expectation: Expectation
    let dialect: SQLDialect
    /// Conditions of the two sides that are always true and take their time; nil: none. The control totals are done without them: each
    /// costs less than a tenth of the join.
    var rests: (tasks: String?, rows: String?)

    /// Columns of ``keys`` and of ``rows(where:)``, in this order.
    enum Column: Int { case key, tasks, rows, task, status, taskAmount, taskCurrency, taskAt, rowAmount, rowCurrency, rowAt }

    private var isPostgres: Bool { dialect == .postgres }
    private var same: String { isPostgres ? "IS NOT DISTINCT FROM" : "IS" }
    private var differs: String { isPostgres ? "IS DISTINCT FROM" : "IS NOT" }
    /// The one parameter of ``keys`` and ``details``: rows younger than this are within grace.
    var cutoff: String { isPostgres ? "$1::timestamptz" : milliseconds("?1") }
    /// Whether ``keys`` and ``details`` have a parameter.
    var takesCutoff: Bool { expectation.status != nil }

    static func literal(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
    }
    private var type: String { Self.literal(expectation.type) }
    private var condition: String {
        let parts = [expectation.condition.map { "(\($0))" }, rests.rows].compactMap { $0 }
        return parts.isEmpty ? "" : "\n    WHERE " + parts.joined(separator: "\n      AND ")
    }
    private func text(_ expression: String) -> String { "CAST(\(expression) AS text)" }

    /// Any ISO 8601 text, or seconds or milliseconds since 1970.
    private func milliseconds(_ time: String) -> String {
        "CAST((julianday(\(time)) - 2440587.5) * 86400000.0 + 0.5 AS INTEGER)"
    }

    private func time(_ column: String) -> String {
        if isPostgres { return "CAST(\(column) AS timestamptz)" }
        return
            "CASE typeof(\(column)) WHEN 'integer' THEN CASE WHEN abs(\(column)) < 100000000000 THEN \(column) * 1000 ELSE \(column) END "
            + "ELSE \(milliseconds(column)) END"
    }

    private func microseconds(_ time: String) -> String {
        isPostgres ? "CAST(extract(epoch FROM \(time)) * 1000000 AS bigint)" : "\(time) * 1000"
    }

    private var rowCurrency: String? {
        switch expectation.currency {
        case nil: nil
        case .column(let column): text(column)
        case .fixed(let code): Self.literal(code)
        }
    }

    private func null(_ type: String) -> String { isPostgres ? "CAST(NULL AS \(type))" : "NULL" }
    /// SQLite's columns hold anything; what is no whole number is none.
    private func whole(_ column: String) -> String {
        isPostgres ? "CAST(\(column) AS bigint)" : "CASE typeof(\(column)) WHEN 'integer' THEN \(column) END"
    }

    private var taskSide: String {
        let hasMoney = expectation.amount != nil
        return """
            SELECT subject AS key, id AS task, status, \(hasMoney ? whole("amount_minor") : null("bigint")) AS task_amount,
                       \(hasMoney ? "currency" : null("text")) AS task_currency,
                       \(isPostgres ? "created_at" : milliseconds("created_at")) AS task_at
                FROM pending_tasks
                WHERE type = \(type) AND status \(differs) 'cancelled'\(rests.tasks.map { "\n      AND \($0)" } ?? "")
            """
    }

    private var rowSide: String {
        """
        SELECT \(text(expectation.key)) AS key, \(expectation.amount.map(whole) ?? null("bigint")) AS row_amount,
                       \(rowCurrency ?? null("text")) AS row_currency, \(expectation.at.map(time) ?? null("timestamptz")) AS row_at
                FROM \(expectation.table)\(condition)
        """
    }

    /// Both sides, one row for each task and each business row.
    private var sides: String {
        """
        SELECT key, task, status, task_amount, task_currency, task_at,
                   \(null("bigint")) AS row_amount, \(null("text")) AS row_currency, \(null("timestamptz")) AS row_at
            FROM (
                \(taskSide)
            ) AS t
            UNION ALL
            SELECT key, NULL, NULL, NULL, NULL, NULL, row_amount, row_currency, row_at
            FROM (
                \(rowSide)
            ) AS b
        """
    }

    /// Pairs of a task and its row that do not say the same, and either without the other. It needs half of the time of ``keys``, and knows
    /// of no key that occurs twice: good where the row's key is unique (``isKeyUnique``) and the counts prove that no task is a second one.
    /// PostgreSQL's alone, whose join is a hash that spills; nil where it would not do.
    var pairs: String? {
        guard isPostgres, expectation.count.slots == 1, expectation.count.wantsAll else { return nil }
        var parts: [String] = []
        if expectation.amount != nil {
            parts = ["t.task_amount IS NOT DISTINCT FROM b.row_amount", "t.task_currency IS NOT DISTINCT FROM b.row_currency"]
        }
        if expectation.status != nil {
            parts.append("(t.status IN (\(settled)) OR coalesce(b.row_at, t.task_at) > \(cutoff))")
        }
        let differing = parts.isEmpty ? "" : "\n   OR NOT coalesce(\(parts.joined(separator: "\n           AND ")), false)"
        return """
            SELECT coalesce(t.key, b.key) AS key, CASE WHEN t.task IS NULL THEN 0 ELSE 1 END AS tasks,
                   CASE WHEN b.present IS NULL THEN 0 ELSE 1 END AS rows, t.task, t.status, t.task_amount, t.task_currency,
                   \(microseconds("t.task_at")) AS task_at, b.row_amount, b.row_currency, \(microseconds("b.row_at")) AS row_at
            FROM (
                \(taskSide)
            ) AS t
            FULL JOIN (
                SELECT 1 AS present, r.* FROM (
                \(rowSide)
                ) AS r
            ) AS b ON b.key = t.key
            WHERE t.task IS NULL OR b.present IS NULL\(differing)
            """
    }

    /// Whether an index of the business table's key lets no value in twice; nil on SQLite, where ``keys`` is asked in any case.
    var isKeyUnique: String? {
        guard isPostgres else { return nil }
        let key = expectation.key
        let name = key.hasPrefix("\"") ? String(key.dropFirst().dropLast()).replacing("\"\"", with: "\"") : key.lowercased()
        return """
            SELECT count(*) FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
            WHERE i.indrelid = to_regclass(\(Self.literal(expectation.table))) AND i.indisunique AND i.indimmediate AND i.indisvalid
              AND i.indpred IS NULL AND i.indnkeyatts = 1 AND a.attname = \(Self.literal(name))
            """
    }

    /// Statuses that are told elsewhere or are as they should be.
    private var settled: String {
        Set([expectation.status?.rawValue ?? "completed", "failed", "timeout"]).sorted().map(Self.literal).joined(separator: ", ")
    }

    /// What a key's group is when nothing is wrong with it.
    private var isClean: String {
        let slots = expectation.count.slots
        var parts = ["count(task) = \(slots)", "count(*) = \(slots + 1)"]
        if expectation.amount != nil {
            parts.append("max(task_amount) \(same) max(row_amount)")
            parts.append("max(task_currency) \(same) max(row_currency)")
            if slots > 1 {
                parts.append("min(task_amount) \(same) max(row_amount)")
                parts.append("min(task_currency) \(same) max(row_currency)")
                parts.append("count(task_amount) IN (0, \(slots)) AND count(task_currency) IN (0, \(slots))")
            }
        }
        if expectation.status != nil {
            parts.append(
                "(count(CASE WHEN status IN (\(settled)) THEN task END) = \(slots) OR coalesce(max(row_at), min(task_at)) > \(cutoff))"
            )
        }
        let clean = "coalesce(\(parts.joined(separator: "\n           AND ")), \(isPostgres ? "false" : "0"))"
        return expectation.count.wantsAll ? clean : "(\(clean) OR (count(task) = 0 AND count(*) = 1))"
    }

    /// One row for each key that is not as expected; of a key with several tasks or rows only ``Column/tasks`` and ``Column/rows`` count.
    var keys: String {
        """
        SELECT key, count(task) AS tasks, count(*) - count(task) AS rows, max(task) AS task, max(status) AS status,
               max(task_amount) AS task_amount, max(task_currency) AS task_currency, \(microseconds("min(task_at)")) AS task_at,
               max(row_amount) AS row_amount, max(row_currency) AS row_currency, \(microseconds("min(row_at)")) AS row_at
        FROM (
            \(sides)
        ) AS sides
        GROUP BY key
        HAVING key IS NULL
            OR NOT \(isClean)
        """
    }

    private var eachRow: String {
        """
        SELECT s.key, CASE WHEN s.task IS NULL THEN 0 ELSE 1 END, CASE WHEN s.task IS NULL THEN 1 ELSE 0 END, s.task, s.status,
               s.task_amount, s.task_currency, \(microseconds("s.task_at")), s.row_amount, s.row_currency, \(microseconds("s.row_at"))
        """
    }

    /// Every task and row of those keys of ``keys`` that have several, by key. Only asked when there is one.
    var details: String {
        """
        WITH sides AS (
            \(sides)
        ), several AS (
            SELECT key FROM sides WHERE key IS NOT NULL GROUP BY key
            HAVING (count(task) > 1 OR count(*) - count(task) > 1)
               AND NOT \(isClean)
        )
        \(eachRow)
        FROM sides AS s JOIN several USING (key)
        ORDER BY s.key\(isPostgres ? " COLLATE \"C\"" : ""), s.task
        """
    }

    /// Every task without a subject and row without a key. Only asked when there is one.
    var withoutKey: String {
        """
        \(eachRow)
        FROM (
            \(sides)
        ) AS s
        WHERE s.key IS NULL
        """
    }

    /// Sums that cannot overflow: PostgreSQL's are numeric; on SQLite the upper and the lower 32 bits are summed apart.
    private func sum(_ amount: String?) -> String {
        guard let amount else { return "'0', NULL" }
        return isPostgres ? "CAST(sum(\(amount)) AS text), NULL" : "sum(\(amount) >> 32), sum(\(amount) & 4294967295)"
    }

    /// Control totals of the business rows: currency, rows, amount (two columns), rows whose amount is no whole number.
    var expected: String {
        let misfits =
            !isPostgres ? expectation.amount.map { "count(CASE WHEN typeof(\($0)) NOT IN ('integer', 'null') THEN 1 END)" } : nil
        var filter = expectation.condition.map { ["(\($0))"] } ?? []
        if !expectation.count.wantsAll {
            filter.append(
                "\(text(expectation.key)) IN (SELECT subject FROM pending_tasks WHERE type = \(type) AND status \(differs) 'cancelled')"
            )
        }
        return """
            SELECT \(rowCurrency ?? null("text")) AS row_currency, count(*), \(sum(expectation.amount.map(whole))), \(misfits ?? "0")
            FROM \(expectation.table)\(filter.isEmpty ? "" : "\nWHERE \(filter.joined(separator: "\n  AND "))")
            GROUP BY 1
            """
    }

    /// Control totals of the tasks, as ``expected``.
    var tasks: String {
        let hasMoney = expectation.amount != nil
        return """
            SELECT \(hasMoney ? "currency" : null("text")) AS task_currency, count(*), \(sum(hasMoney ? whole("amount_minor") : nil)), 0
            FROM pending_tasks
            WHERE type = \(type) AND status \(differs) 'cancelled'
            GROUP BY 1
            """
    }

    /// Business rows without a task: key, amount, currency, time in microseconds. What is younger than ``cutoff`` is left out, if there is
    /// a time.
    var missing: String {
        let young = expectation.at == nil ? "" : "\n  AND (b.at IS NULL OR b.at <= \(cutoff))"
        return """
            SELECT b.key, b.amount, b.currency, \(microseconds("b.at"))
            FROM (
                SELECT \(text(expectation.key)) AS key, \(expectation.amount.map(whole) ?? null("bigint")) AS amount,
                       \(rowCurrency ?? null("text")) AS currency, \(expectation.at.map(time) ?? null("timestamptz")) AS at
                FROM \(expectation.table)\(condition)
            ) AS b
            WHERE b.key IS NOT NULL\(young)
              AND NOT EXISTS (SELECT 1 FROM pending_tasks AS t
                              WHERE t.type = \(type) AND t.subject = b.key AND t.status \(differs) 'cancelled')
            """
    }

    /// The types of key, amount and `at`, as PostgreSQL names them; nil where columns have none (SQLite).
    var types: String? {
        guard isPostgres else { return nil }
        return """
            SELECT CAST(pg_typeof(b.key) AS text), CAST(pg_typeof(b.amount) AS text), CAST(pg_typeof(b.at) AS text)
            FROM (SELECT 1) AS one LEFT JOIN (
                SELECT \(expectation.key) AS key, \(expectation.amount ?? "0::bigint") AS amount, \(expectation.at ?? "now()") AS at
                FROM \(expectation.table)
            ) AS b ON false
            """
    }

    /// Of the keys of a JSON array, those that are in the table and do not meet the condition.
    var unmet: String? {
        guard let condition = expectation.condition else { return nil }
        let keys = isPostgres ? "SELECT json_array_elements_text($1::json)" : "SELECT value FROM json_each(?1)"
        return """
            SELECT \(text(expectation.key)) FROM \(expectation.table)
            WHERE (\(condition)) IS NOT TRUE AND \(text(expectation.key)) IN (\(keys))
            """
    }

    /// The idempotency keys of the tasks of a JSON array of ids.
    static func idempotencyKeys(_ dialect: SQLDialect) -> String {
        let ids =
            dialect == .postgres
            ? "ANY (ARRAY(SELECT CAST(json_array_elements_text($1::json) AS bigint)))" : "(SELECT value FROM json_each(?1))"
        return "SELECT id, idempotency_key FROM pending_tasks WHERE id \(dialect == .postgres ? "=" : "IN") \(ids)"
    }
}

extension Rule {
    /// What PostgreSQL calls the type of an expectation's key, as far as a question about a few tasks must know it.
    package enum KeyType: Sendable, Equatable {
        case text, integer, uuid, other

        /// - Parameter name: as ``Rule/keyTypeSQL(dialect:)`` says it; nil: SQLite.
        package init(_ name: String?) {
            switch name {
            case "bigint", "integer", "smallint": self = .integer
            case "uuid": self = .uuid
            case "text", "character varying", nil: self = .text
            default: self = .other
            }
        }
    }

    /// A query whose one row has the name of the key's type in its first column, for ``KeyType``; nil on SQLite, where columns have none.
    package func keyTypeSQL(dialect: SQLDialect) -> String? {
        expectation.flatMap { ExpectationSQL(expectation: $0, dialect: dialect).types }
    }

    /// Which of some tasks must be held, because no business row stands behind them: one column of ids; nil for a rule without `hold`.
    ///
    /// The parameter: on PostgreSQL an array of ids (bigint[]), on SQLite a JSON array of them as text. Tasks of other types are not
    /// returned. The comparison is made in the key's own type, so that the business table's index serves it.
    ///
    /// - Parameter keyType: what ``keyTypeSQL(dialect:)`` said; only PostgreSQL must know it.
    package func holdSQL(dialect: SQLDialect, keyType: KeyType) -> String? {
        guard holdsOrphans, let expectation else { return nil }
        let key = "b.\(expectation.key)"
        let match =
            switch (dialect, keyType) {
            // SQLite's affinity makes the comparison one of numbers where the key is one; then '01' must not be 1.
            case (.sqlite, _): "\(key) = t.subject AND CAST(\(key) AS TEXT) = t.subject"
            case (.postgres, .text): "\(key) = t.subject"
            case (.postgres, .integer):
                "\(key) = CASE WHEN t.subject ~ '^(0|-?[1-9][0-9]{0,17})$' THEN CAST(t.subject AS bigint) END"
            case (.postgres, .uuid):
                "\(key) = CASE WHEN t.subject ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN CAST(t.subject AS uuid) END"
            case (.postgres, .other): "CAST(\(key) AS text) = t.subject"
            }
        let ids = dialect == .postgres ? "= ANY ($1::bigint[])" : "IN (SELECT value FROM json_each(?1))"
        let rows = "SELECT * FROM \(expectation.table)\(expectation.condition.map { " WHERE (\($0))" } ?? "")"
        return """
            SELECT t.id FROM pending_tasks AS t
            WHERE t.id \(ids) AND t.type = \(ExpectationSQL.literal(expectation.type))
              AND NOT EXISTS (SELECT 1 FROM (\(rows)) AS b WHERE \(match))
            """
    }
}
