package import TallypostCore

/// Runs rules on the snapshot that a database is reading.
package final class RuleRunner {
    let database: any ReconcileDatabase

    /// - Parameter database: between `beginReading` and `endReading`.
    package init(database: any ReconcileDatabase) { self.database = database }

    /// Why a rule has no result.
    struct Failure: Error {
        var why: String
    }

    /// Runs one. What is wrong with the rule or its tables is told in the outcome, and other rules can be run after it; thrown is only
    /// what ails the connection.
    package func run(_ rule: Rule, context: RuleContext) throws(StoreError) -> RuleOutcome {
        var outcome = RuleOutcome()
        if let until = rule.until, context.asOf >= until {
            outcome.failure =
                "rule \(rule.name) ended on \(until.iso8601.prefix(10)); set a later day in “until”, or remove \(rule.file)"
            return outcome
        }
        do throws(StoreError) {
            try settle()
            switch rule.body {
            case .expectation(let expectation):
                var run = ExpectationRun(rule: rule, expectation: expectation, context: context, database: database)
                try run.run(into: &outcome)
            case .query(let sql): try run(sql, of: rule, context, into: &outcome)
            }
        } catch {
            if error.ailsTheWhole, error.kind != .busy { throw error }
            let kept = outcome.sources
            outcome = RuleOutcome()
            outcome.sources = kept
            outcome.failure = Self.sentence(rule, error)
        }
        return outcome
    }

    /// PostgreSQL: times without a zone are UTC, and a hash of some millions of keys has room. Both end with the snapshot. That a statement
    /// which fails does not end it is the database's care.
    private func settle() throws(StoreError) {
        guard database.dialect == .postgres else { return }
        for sql in ["SET LOCAL TimeZone = 'UTC'", "SET LOCAL work_mem = '64MB'"] {
            try database.run(sql: sql, operation: "rule", []) { _ in true }
        }
    }

    private static func sentence(_ rule: Rule, _ error: StoreError) -> String {
        let mend =
            switch error.kind {
            case .permission: "grant SELECT on what it reads to the role that reconciles"
            case .busy where error.code == "timeout":
                "it took longer than the statement timeout: give its query an index, or make the timeout longer"
            case .busy, .connection, .unwritable: "try again"
            default: "look at \(rule.file); tallypost reconcile --explain \(rule.name) shows the SQL"
            }
        return "rule \(rule.name) could not be run: \(error.message) [\(error.code)]; \(mend)"
    }

    // MARK: rules that are queries

    /// Where the columns that a query may return stand in its rows.
    private struct Columns {
        var key: Int?
        var amount: Int?
        var currency: Int?
        var at: Int?
        var detail: Int?
        var others: [Int] = []

        init(_ row: any SQLRow) {
            for index in 0..<row.columnCount {
                switch row.name(index).lowercased() {
                case "key" where key == nil: key = index
                case "amount_minor" where amount == nil: amount = index
                case "currency" where currency == nil: currency = index
                case "at" where at == nil: at = index
                case "detail" where detail == nil: detail = index
                default: others.append(index)
                }
            }
        }
    }

    private func run(_ sql: String, of rule: Rule, _ context: RuleContext, into outcome: inout RuleOutcome) throws(StoreError) {
        var columns: Columns?
        var seen: [String: Int] = [:]
        var rows: Int64 = 0
        var found = RuleOutcome()
        let cutoff = context.asOf + TimeSpan(nanoseconds: -rule.grace.nanoseconds)
        try database.run(sql: sql, operation: rule.name, []) { row in
            let here = columns ?? Columns(row)
            columns = here
            rows += 1
            guard let keyColumn = here.key else {
                found.failure = "rule \(rule.name): its query returns no column “key”; name one so: SELECT id AS key, …"
                return false
            }
            if let index = here.amount, !row.isNull(index), row.integer(index) == nil {
                found.failure =
                    "rule \(rule.name): amount_minor is “\(row.text(index) ?? "")”, no whole number of minor units; "
                    + "cast it: CAST(total * 100 AS bigint) AS amount_minor"
                return false
            }
            let at = here.at.flatMap { row.time($0) }
            if let at, at > cutoff { return true }
            guard found.findings.count < context.listed else {
                found.notListed += 1
                return true
            }
            let key = row.text(keyColumn)
            let count = seen[key ?? "", default: 0] + 1
            seen[key ?? ""] = count
            found.findings.append(
                Self.finding(
                    row, here, rule: rule, context, key: count == 1 ? key ?? "" : "\(key ?? "")#\(count)", subject: key, at: at))
            return true
        }
        outcome = found
        if found.failure != nil { outcome.findings = [] }
        outcome.sources = [ReconciliationReport.Source(name: "rule \(rule.name)", logic: sql, rows: rows)]
    }

    private static func finding(
        _ row: any SQLRow, _ columns: Columns, rule: Rule, _ context: RuleContext, key: String, subject: String?, at: Timestamp?
    ) -> Finding {
        let amount = columns.amount.flatMap { row.integer($0) }
        let currency = columns.currency.flatMap { row.text($0) }
        var parts: [String] = []
        if let detail = columns.detail.flatMap({ row.text($0) }), !detail.isEmpty { parts.append(detail) }
        parts += columns.others.map { "\(row.name($0)): \(row.text($0) ?? "none")" }
        let isOver =
            if let amount, let currency, let limit = rule.criticalOver.first(where: { $0.currency == currency }) {
                limit.isPassed(by: amount, exponent: context.exponent(currency))
            } else { false }
        return Finding(
            kind: .ruleBreach, severity: isOver ? .critical : rule.severity, rule: rule.name, owner: rule.owner, type: rule.type,
            key: key,
            subject: subject, amountMinor: amount, currency: currency, since: at,
            detail: parts.isEmpty ? "the rule \(rule.name) names it" : parts.joined(separator: ", "),
            confirmRuns: rule.confirmRuns)
    }
}
