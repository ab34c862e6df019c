import TallypostCore

/// One run of a declarative rule on a snapshot.
struct ExpectationRun {
    let rule: Rule
    let expectation: Expectation
    let context: RuleContext
    let database: any ReconcileDatabase
    private var sql: ExpectationSQL
    private typealias Column = ExpectationSQL.Column

    init(rule: Rule, expectation: Expectation, context: RuleContext, database: any ReconcileDatabase) {
        self.rule = rule
        self.expectation = expectation
        self.context = context
        self.database = database
        sql = ExpectationSQL(expectation: expectation, dialect: database.dialect)
    }

    mutating func run(into outcome: inout RuleOutcome) throws(StoreError) {
        if context.givesWay { try giveWay() }
        if let problem = try checkTypes() {
            outcome.failure = problem
            return
        }
        let expected = try totals(sql.expected)
        let tasks = try totals(sql.tasks)
        outcome.sources = [
            .init(name: expectation.table, logic: sql.expected, rows: expected.rows),
            .init(name: "pending_tasks \(expectation.type)", logic: sql.tasks, rows: tasks.rows),
        ]
        guard expected.misfits == 0 else {
            outcome.failure =
                "rule \(rule.name): \(expected.misfits) amounts in \(expectation.table).\(expectation.amount ?? "") are no whole "
                + "numbers of minor units; \(Self.castMend)"
            return
        }
        let quick = try judgePairs(expected: expected.rows, tasks: tasks.rows)
        var verdict = if let quick { quick } else { try judgeAll() }
        verdict.finish()
        try tellUnmet(&verdict)
        try tellKeys(&verdict)
        outcome.findings = verdict.findings
        outcome.notListed = verdict.notListed
        outcome.bridges = bridges(verdict, expected.byCurrency, tasks.byCurrency)
        if verdict.undecided > 0 {
            outcome.failure =
                "rule \(rule.name): \(verdict.undecided) rows of \(expectation.table) have no task, and retention may have removed "
                + "theirs; name the row's time in the expect line (at paid_at)"
        }
    }

    /// PostgreSQL's server is not ours to slow down, and a join is one statement: so the statement itself rests now and then. Only where
    /// it is known about how much is read, so that no statement runs into its timeout for resting.
    private mutating func giveWay() throws(StoreError) {
        guard database.dialect == .postgres else { return }
        func rests(_ table: String) throws(StoreError) -> String? {
            var rest: String?
            try database.run(sql: ScanRest.sizeSQL(of: table), operation: rule.name, []) { row in
                rest = ScanRest.condition(rows: row.integer(0) ?? 0)
                return true
            }
            return rest
        }
        sql.rests = (tasks: try rests("pending_tasks"), rows: try rests(expectation.table))
    }

    private static let castMend = "write the rule as a query that casts it: CAST(total * 100 AS bigint) AS amount_minor"

    /// Why the columns cannot be used; nil: they can.
    private func checkTypes() throws(StoreError) -> String? {
        guard let types = sql.types else { return nil }
        var names: [String] = []
        try database.run(sql: types, operation: rule.name, []) { row in
            names = (0..<3).map { row.text($0) ?? "" }
            return true
        }
        guard names.count == 3 else { return nil }
        if let amount = expectation.amount, !["smallint", "integer", "bigint"].contains(names[1]) {
            return
                "rule \(rule.name): \(expectation.table).\(amount) is \(names[1]), and amounts are whole minor units; \(Self.castMend)"
        }
        if let at = expectation.at, !["timestamp with time zone", "timestamp without time zone", "date"].contains(names[2]) {
            return "rule \(rule.name): \(expectation.table).\(at) is \(names[2]), and that is no time; name a timestamptz column"
        }
        return nil
    }

    private struct Totals {
        var rows: Int64 = 0
        var misfits: Int64 = 0
        var byCurrency: [String?: Tally] = [:]
    }

    private func totals(_ query: String) throws(StoreError) -> Totals {
        var totals = Totals()
        try database.run(sql: query, operation: rule.name, []) { row in
            let count = row.integer(1) ?? 0
            var amount = Int128(row.text(2) ?? "0") ?? 0
            if !row.isNull(3) { amount = Int128(row.integer(2) ?? 0) << 32 + Int128(row.integer(3) ?? 0) }
            totals.rows += count
            totals.misfits += row.integer(4) ?? 0
            totals.byCurrency[row.text(0), default: .zero] += Tally(count: count, amount: amount)
            return true
        }
        return totals
    }

    private func bridges(_ verdict: KeyVerdict, _ expected: [String?: Tally], _ tasks: [String?: Tally]) -> [BusinessBridge] {
        var all = verdict.bridges
        func bridge(_ currency: String?) -> BusinessBridge {
            all[currency] ?? BusinessBridge(rule: rule.name, type: rule.type, currency: currency)
        }
        for (currency, tally) in expected {
            var changed = bridge(currency)
            changed.expected += tally.times(expectation.count.slots)
            all[currency] = changed
        }
        for (currency, tally) in tasks {
            var changed = bridge(currency)
            changed.tasks += tally
            all[currency] = changed
        }
        return all.values.sorted { ($0.currency ?? "") < ($1.currency ?? "") }
    }

    // MARK: keys

    private var parameters: [SQLValue] {
        sql.takesCutoff ? [.time(context.asOf + TimeSpan(nanoseconds: -rule.grace.nanoseconds))] : []
    }

    private static func append(_ row: any SQLRow, to group: inout KeyGroup) {
        func integer(_ column: Column) -> Int64? { row.integer(column.rawValue) }
        func text(_ column: Column) -> String? { row.text(column.rawValue) }
        if (integer(.rows) ?? 0) > 0 {
            group.rows.append(
                KeyGroup.Row(
                    amount: integer(.rowAmount), currency: text(.rowCurrency),
                    at: integer(.rowAt).map { Timestamp(microseconds: $0) }))
        }
        if (integer(.tasks) ?? 0) > 0 {
            group.tasks.append(
                KeyGroup.Task(
                    id: integer(.task) ?? 0, status: text(.status), amount: integer(.taskAmount), currency: text(.taskCurrency),
                    created: integer(.taskAt).map { Timestamp(microseconds: $0) }))
        }
    }

    /// The quick way; nil: it will not do, because keys may occur twice.
    private func judgePairs(expected: Int64, tasks: Int64) throws(StoreError) -> KeyVerdict? {
        guard let pairs = sql.pairs, let isKeyUnique = sql.isKeyUnique else { return nil }
        var isUnique = false
        try database.run(sql: isKeyUnique, operation: rule.name, []) { row in
            isUnique = (row.integer(0) ?? 0) > 0
            return true
        }
        guard isUnique else { return nil }
        var verdict = KeyVerdict(rule: rule, expectation: expectation, context: context)
        // Every row of a unique key that is matched has one task at least: as many matched tasks as rows, and none has two.
        var secondTasks = tasks - expected
        try database.run(sql: pairs, operation: rule.name, parameters) { row in
            var group = KeyGroup(key: row.text(Column.key.rawValue))
            Self.append(row, to: &group)
            if group.rows.isEmpty { secondTasks -= 1 }
            if group.tasks.isEmpty { secondTasks += 1 }
            verdict.judge(group)
            return true
        }
        return secondTasks == 0 ? verdict : nil
    }

    private func judgeAll() throws(StoreError) -> KeyVerdict {
        var verdict = KeyVerdict(rule: rule, expectation: expectation, context: context)
        var hasSeveral = false
        var hasKeyless = false
        try database.run(sql: sql.keys, operation: rule.name, parameters) { row in
            guard let key = row.text(Column.key.rawValue) else {
                hasKeyless = true
                return true
            }
            guard (row.integer(Column.tasks.rawValue) ?? 0) <= 1, (row.integer(Column.rows.rawValue) ?? 0) <= 1 else {
                hasSeveral = true
                return true
            }
            var group = KeyGroup(key: key)
            Self.append(row, to: &group)
            verdict.judge(group)
            return true
        }
        if hasSeveral {
            var group = KeyGroup(key: nil)
            try database.run(sql: sql.details, operation: rule.name, parameters) { row in
                let key = row.text(Column.key.rawValue)
                if key != group.key {
                    if group.key != nil { verdict.judge(group) }
                    group = KeyGroup(key: key)
                }
                Self.append(row, to: &group)
                return true
            }
            if group.key != nil { verdict.judge(group) }
        }
        if hasKeyless {
            try database.run(sql: sql.withoutKey, operation: rule.name, []) { row in
                var group = KeyGroup(key: nil)
                Self.append(row, to: &group)
                verdict.judge(group)
                return true
            }
        }
        return verdict
    }

    /// Of orphans: whether a row is there after all, and does not meet the condition.
    private func tellUnmet(_ verdict: inout KeyVerdict) throws(StoreError) {
        let keys = verdict.findings.filter { $0.kind == .orphan }.compactMap(\.subject)
        guard !keys.isEmpty, let unmet = sql.unmet else { return }
        var found: Set<String> = []
        try database.run(sql: unmet, operation: rule.name, [.json(keys.map { .text($0) })]) { row in
            if let key = row.text(0) { found.insert(key) }
            return true
        }
        guard !found.isEmpty else { return }
        verdict.revise { finding in
            guard finding.kind == .orphan, let key = finding.subject, found.contains(key) else { return }
            let head = finding.detail.prefix { $0 != ":" }
            finding.detail = "\(head): \(expectation.table) \(key) is there, but not “\(expectation.condition ?? "")”"
        }
    }

    /// The idempotency keys of the tasks that findings name.
    private func tellKeys(_ verdict: inout KeyVerdict) throws(StoreError) {
        let ids = verdict.findings.compactMap(\.taskID)
        guard !ids.isEmpty else { return }
        var keys: [Int64: String] = [:]
        let query = ExpectationSQL.idempotencyKeys(database.dialect)
        try database.run(sql: query, operation: rule.name, [.json(ids.map { .number($0) })]) { row in
            if let id = row.integer(0) { keys[id] = row.text(1) }
            return true
        }
        verdict.revise { finding in finding.idempotencyKey = finding.taskID.flatMap { keys[$0] } }
    }
}
