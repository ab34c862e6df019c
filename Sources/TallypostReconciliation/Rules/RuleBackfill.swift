package import TallypostCore

/// The tasks that a declarative rule misses: counted, and inserted.
///
/// Each has the idempotency key `type:subject`, so inserting is safe to do twice, and beside another backfill or the application: what is
/// there already is left as it is.
package final class RuleBackfill {
    /// A business row without its task.
    package struct Candidate: Sendable, Equatable {
        /// `subject`.
        package var key: String
        /// `amount_minor`.
        package var amount: Int64?
        /// `currency`.
        package var currency: String?
    }

    /// What was done so far.
    package struct Progress: Sendable, Equatable {
        /// Inserted now.
        package var inserted = 0
        /// Had a task of that key already: a cancelled one, say, or one that somebody else inserted meanwhile.
        package var present = 0
        /// Some of those.
        package var examples: [String] = []
    }

    private let rule: Rule
    private let expectation: Expectation
    private let database: any ReconcileDatabase
    private let retention: TimeSpan?
    private let timeout: TimeSpan
    /// Rows read for one round of inserting, and inserted in one transaction.
    private let (round, batch) = (50_000, 500)
    private var passed: Set<String> = []

    /// Why a rule cannot be filled up; nil: it can.
    package static func obstacle(_ rule: Rule) -> String? {
        guard let expectation = rule.expectation else {
            return "the rule \(rule.name) is a query: it does not say which tasks are missing"
        }
        switch expectation.count {
        case .exactly(1), .atLeastOne: return nil
        case .exactly(let count):
            return "the rule \(rule.name) wants \(count) tasks for each row, and a key “type:subject” can name one"
        case .atMostOne: return "the rule \(rule.name) misses no task: it says “at most one”"
        }
    }

    /// - Parameters:
    ///   - rule: one without an ``obstacle(_:)``.
    ///   - database: neither reading nor writing.
    ///   - retention: after so long tasks may have been removed: older rows are not filled up. Nil: for ever kept.
    ///   - timeout: of the statement that finds what is missing.
    package init?(rule: Rule, database: any ReconcileDatabase, retention: TimeSpan?, timeout: TimeSpan) {
        guard let expectation = rule.expectation, Self.obstacle(rule) == nil else { return nil }
        self.rule = rule
        self.expectation = expectation
        self.database = database
        self.retention = retention
        self.timeout = timeout
    }

    /// How many are missing, and how much, by currency.
    package func count() throws(StoreError) -> [(currency: String?, tally: Tally)] {
        var totals: [String?: Tally] = [:]
        try eachMissing { candidate in
            totals[candidate.currency, default: .zero] += Tally(one: candidate.amount)
            return true
        }
        return totals.sorted { ($0.key ?? "") < ($1.key ?? "") }.map { (currency: $0.key, tally: $0.value) }
    }

    /// Inserts at most `limit` tasks, in short transactions, each with a row of task_events.
    package func insert(
        limit: Int, by: String, why: String, _ report: (Progress) -> Void
    ) throws(StoreError) -> Progress {
        var progress = Progress()
        while progress.inserted < limit {
            var candidates: [Candidate] = []
            try eachMissing { candidate in
                if !passed.contains(candidate.key) { candidates.append(candidate) }
                return candidates.count < min(round, limit - progress.inserted)
            }
            guard !candidates.isEmpty else { break }
            for start in stride(from: 0, to: candidates.count, by: batch) {
                let part = candidates[start..<min(start + batch, candidates.count)]
                let present = try database.write { () throws(StoreError) in try insert(part, by: by, why: why) }
                progress.inserted += part.count - present.count
                progress.present += present.count
                progress.examples += present.prefix(max(0, 5 - progress.examples.count))
                passed.formUnion(present)
                report(progress)
            }
        }
        return progress
    }

    /// Within a transaction. The keys that were there already.
    private func insert(_ candidates: ArraySlice<Candidate>, by: String, why: String) throws(StoreError) -> [String] {
        var present: [String] = []
        for candidate in candidates {
            var draft = TaskDraft(
                type: rule.type, payload: rule.payload(key: candidate.key), idempotencyKey: "\(rule.type):\(candidate.key)",
                others: ["subject": candidate.key])
            if let amount = candidate.amount, let currency = candidate.currency {
                draft.others["amount_minor"] = String(amount)
                draft.others["currency"] = currency
            }
            if try !database.insert(draft).isNew { present.append(candidate.key) }
        }
        let count = candidates.count - present.count
        if count > 0 {
            let mark = database.dialect == .postgres ? "$" : "?"
            let detail = JSONText.object([
                ("rule", .text(rule.name)), ("type", .text(rule.type)), ("count", .number(Int64(count))),
            ])
            try database.run(
                sql: "INSERT INTO task_events (event, by, why, detail) VALUES ('backfill', \(mark)1, \(mark)2, \(mark)3)",
                operation: "backfill",
                [.text(by), .text(why), .json(detail)]
            ) { _ in true }
        }
        return present
    }

    /// On a snapshot of its own.
    private func eachMissing(_ body: (Candidate) -> Bool) throws(StoreError) {
        let asOf = try database.beginReading(statementTimeout: timeout)
        defer { database.endReading() }
        if database.dialect == .postgres {
            try database.run(sql: "SET LOCAL TimeZone = 'UTC'", operation: "backfill", []) { _ in true }
        }
        let sql = ExpectationSQL(expectation: expectation, dialect: database.dialect)
        let cutoff = asOf + TimeSpan(nanoseconds: -rule.grace.nanoseconds)
        let horizon = retention.map { asOf + TimeSpan(nanoseconds: -$0.nanoseconds) }
        try database.run(sql: sql.missing, operation: rule.name, expectation.at == nil ? [] : [.time(cutoff)]) { row in
            if let horizon, let at = row.integer(3), at < horizon.microseconds { return true }
            guard let key = row.text(0) else { return true }
            return body(Candidate(key: key, amount: row.integer(1), currency: row.text(2)))
        }
    }
}
