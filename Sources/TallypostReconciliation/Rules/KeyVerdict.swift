import TallypostCore

/// All that a business key has on both sides.
struct KeyGroup: Equatable {
    /// A business row that the rule wants tasks for.
    struct Row: Equatable {
        var amount: Int64?
        var currency: String?
        var at: Timestamp?
    }

    /// A task that is not cancelled.
    struct Task: Equatable {
        var id: Int64
        var status: String?
        var amount: Int64?
        var currency: String?
        var created: Timestamp?
    }

    /// Nil: tasks without a subject, rows without a key.
    var key: String?
    var rows: [Row] = []
    var tasks: [Task] = []
}

/// Judges keys one by one: findings, and every key's part of the bridge. The only place that knows the classes; SQL only leaves out keys
/// with which nothing is wrong.
struct KeyVerdict {
    private let rule: Rule
    private let expectation: Expectation
    private let context: RuleContext
    /// Findings, as many as are listed.
    private(set) var findings: [Finding] = []
    /// Findings beyond those.
    private(set) var notListed: Int64 = 0
    /// Terms by currency, without `expected` and `tasks`.
    private(set) var bridges: [String?: BusinessBridge] = [:]
    /// Rows without a task that may have had one: the rule has no `at`, and retention removes tasks.
    private(set) var undecided: Int64 = 0
    /// Business rows without a key.
    private var keyless: Int64 = 0

    init(rule: Rule, expectation: Expectation, context: RuleContext) {
        self.rule = rule
        self.expectation = expectation
        self.context = context
    }

    private var cutoff: Timestamp { context.asOf + TimeSpan(nanoseconds: -rule.grace.nanoseconds) }
    private func isYoung(_ time: Timestamp?) -> Bool { time.map { $0 > cutoff } ?? false }

    private mutating func add(_ term: WritableKeyPath<BusinessBridge, Tally>, _ currency: String?, _ tally: Tally) {
        bridges[currency, default: BusinessBridge(rule: rule.name, type: rule.type, currency: currency)][keyPath: term] += tally
    }

    private mutating func tell(
        _ kind: FindingClass, _ severity: Severity, key: String, subject: String?, task: KeyGroup.Task? = nil, amount: Int64?,
        currency: String?, since: Timestamp?, _ detail: String
    ) {
        guard findings.count < context.listed else {
            notListed += 1
            return
        }
        var severity = severity
        if let amount, let currency, let limit = rule.criticalOver.first(where: { $0.currency == currency }),
            limit.isPassed(by: amount, exponent: context.exponent(currency))
        {
            severity = .critical
        }
        findings.append(
            Finding(
                kind: kind, severity: severity, rule: rule.name, owner: rule.owner, type: rule.type, key: key, subject: subject,
                taskID: task?.id, amountMinor: amount, currency: currency, since: since, detail: detail,
                confirmRuns: rule.confirmRuns))
    }

    /// Adds what was learned after the rows were read.
    mutating func revise(_ change: (inout Finding) -> Void) { for index in findings.indices { change(&findings[index]) } }

    // MARK: classes

    mutating func judge(_ group: KeyGroup) {
        guard let key = group.key else { return judgeKeyless(group) }
        if group.rows.count > 1 {
            tell(
                .invalid, rule.severity, key: key, subject: key, amount: nil, currency: nil,
                since: group.rows.compactMap(\.at).min(),
                "\(expectation.table) has \(group.rows.count) rows with the key \(key): it names none of them")
        }
        if group.rows.isEmpty {
            for task in group.tasks { judgeOrphan(task, key) }
        } else if group.tasks.isEmpty {
            judgeMissing(group.rows, key, tasks: 0)
        } else {
            match(group, key)
        }
    }

    private mutating func judgeKeyless(_ group: KeyGroup) {
        for task in group.tasks { judgeOrphan(task, nil) }
        guard expectation.count.wantsAll else { return }
        for row in group.rows {
            add(\.missing, row.currency, Tally(one: row.amount).times(expectation.count.slots))
        }
        keyless += Int64(group.rows.count)
    }

    /// What can only be told at the end.
    mutating func finish() {
        guard keyless > 0 else { return }
        tell(
            .invalid, rule.severity, key: "", subject: nil, amount: nil, currency: nil, since: nil,
            "\(keyless) row\(keyless == 1 ? "" : "s") of \(expectation.table) \(keyless == 1 ? "has" : "have") no \(expectation.key): "
                + "no task can be found for \(keyless == 1 ? "it" : "them")")
    }

    private mutating func judgeOrphan(_ task: KeyGroup.Task, _ key: String?) {
        if isYoung(task.created) {
            // Its row may be about to be committed: the other side of what is in transit.
            return add(\.inTransit, task.currency, -Tally(one: task.amount))
        }
        add(\.orphans, task.currency, Tally(one: task.amount))
        let money = expectation.amount == nil ? "" : " over \(context.spoken(task.amount, task.currency))"
        let whose = key.map { "no row of \(expectation.table) has the key \($0)" } ?? "it has no subject"
        tell(
            .orphan, task.status == "completed" ? .critical : rule.severity, key: String(task.id), subject: key, task: task,
            amount: task.amount, currency: task.currency, since: task.created,
            "task \(task.id) (\(task.status ?? "no status"))\(money): \(whose)")
    }

    /// Rows that lack tasks; `tasks`: how many they have.
    private mutating func judgeMissing(_ rows: [KeyGroup.Row], _ key: String, tasks: Int) {
        guard expectation.count.wantsAll else { return }
        let slots = expectation.count.slots
        for (index, row) in rows.enumerated() {
            let lacking = Tally(one: row.amount).times(slots - (index == 0 ? Int64(tasks) % slots : 0))
            if tasks == 0, let horizon = context.retiredBefore, let at = row.at, at < horizon {
                add(\.retired, row.currency, lacking)
            } else if isYoung(row.at) {
                add(\.inTransit, row.currency, lacking)
            } else {
                add(\.missing, row.currency, lacking)
                if tasks == 0, context.retiredBefore != nil, row.at == nil {
                    undecided += lacking.count
                } else if index == 0 {
                    tellMissing(row, key, lacking, has: tasks)
                }
            }
        }
    }

    private mutating func tellMissing(_ row: KeyGroup.Row, _ key: String, _ lacking: Tally, has: Int) {
        let money = expectation.amount == nil ? "" : " over \(context.spoken(row.amount, row.currency))"
        let slots = expectation.count.slots
        let what = slots == 1 ? "no \(expectation.type)" : "\(has) of \(slots) tasks \(expectation.type)"
        tell(
            .missing, rule.severity, key: key, subject: key, amount: row.amount.map { _ in Int64(clamping: lacking.amount) },
            currency: row.currency, since: row.at, "\(expectation.table) \(key)\(money) has \(what)")
    }

    /// Tasks are given to rows: those that ended well first, then those that say the same as a row, then the oldest. Each is used once.
    private mutating func match(_ group: KeyGroup, _ key: String) {
        let slots = Int(expectation.count.slots)
        let good = expectation.status?.rawValue ?? "completed"
        func agrees(_ task: KeyGroup.Task, _ row: KeyGroup.Row) -> Bool {
            task.amount == row.amount && task.currency == row.currency
        }
        func rank(_ task: KeyGroup.Task) -> (Int, Int, Int64) {
            (task.status == good ? 0 : 1, group.rows.contains { agrees(task, $0) } ? 0 : 1, task.id)
        }
        let tasks = group.tasks.sorted { rank($0) < rank($1) }
        var places = group.rows.flatMap { Array(repeating: $0, count: slots) }
        var rest: [KeyGroup.Task] = []
        let used = tasks.prefix(places.count)
        for task in used {
            if let index = places.firstIndex(where: { agrees(task, $0) }) {
                judgeStatus(task, places.remove(at: index), key)
            } else {
                rest.append(task)
            }
        }
        for task in rest {
            let row = places.removeFirst()
            judgeMoney(task, row, key)
            judgeStatus(task, row, key)
        }
        if tasks.count > used.count { judgeExtra(Array(tasks.dropFirst(used.count)), all: tasks, key) }
        guard !places.isEmpty else { return }
        if group.rows.count == 1 {
            judgeMissing(group.rows, key, tasks: tasks.count)
        } else {
            // Said already, as a repeated key.
            for row in places { add(\.missing, row.currency, Tally(one: row.amount)) }
        }
    }

    private mutating func judgeMoney(_ task: KeyGroup.Task, _ row: KeyGroup.Row, _ key: String) {
        let said =
            "task \(task.id) says \(context.spoken(task.amount, task.currency)), \(expectation.table) \(key) says "
            + context.spoken(row.amount, row.currency)
        guard task.currency == row.currency else {
            add(\.currencyDifferences, row.currency, -Tally(one: row.amount))
            add(\.currencyDifferences, task.currency, Tally(one: task.amount))
            return tell(
                .currencyMismatch, .critical, key: String(task.id), subject: key, task: task, amount: task.amount,
                currency: task.currency,
                since: row.at ?? task.created, said)
        }
        let difference = Int128(task.amount ?? 0) - Int128(row.amount ?? 0)
        add(\.amountDifferences, row.currency, Tally(count: 0, amount: difference))
        tell(
            .amountMismatch, .critical, key: String(task.id), subject: key, task: task, amount: Int64(clamping: difference),
            currency: task.currency, since: row.at ?? task.created, said)
    }

    /// A dead letter is told as `failed`, not here as well.
    private mutating func judgeStatus(_ task: KeyGroup.Task, _ row: KeyGroup.Row, _ key: String) {
        guard let wanted = expectation.status?.rawValue, task.status != wanted, !["failed", "timeout"].contains(task.status),
            !isYoung(row.at ?? task.created)
        else { return }
        tell(
            .statusMismatch, rule.severity, key: String(task.id), subject: key, task: task, amount: task.amount,
            currency: task.currency,
            since: row.at ?? task.created,
            "task \(task.id) of \(expectation.table) \(key) is \(task.status ?? "in no status"), not \(wanted)")
    }

    private mutating func judgeExtra(_ extra: [KeyGroup.Task], all: [KeyGroup.Task], _ key: String) {
        for task in extra { add(\.extraCopies, task.currency, Tally(one: task.amount)) }
        guard expectation.count.refusesMore else { return }
        let slots = Int(expectation.count.slots)
        let isDoneTwice = all.count { $0.status == "completed" } > all.count - extra.count
        let shown = all.sorted { $0.id < $1.id }.prefix(20).map { "\($0.id) (\($0.status ?? "no status"))" }.joined(
            separator: ", ")
        let sum = extra.reduce(Int128(0)) { $0 + Int128($1.amount ?? 0) }
        let isOneCurrency = Set(extra.map(\.currency)).count == 1
        tell(
            .duplicate, isDoneTwice ? .critical : rule.severity, key: key, subject: key, task: extra.first,
            amount: expectation.amount == nil || !isOneCurrency ? nil : Int64(clamping: sum),
            currency: isOneCurrency ? extra[0].currency : nil,
            since: extra.compactMap(\.created).min(),
            "\(expectation.table) \(key) has \(all.count) tasks instead of \(slots): \(shown)\(all.count > 20 ? " and more" : "")"
        )
    }
}

extension Tally {
    /// So many of it.
    func times(_ factor: Int64) -> Tally { Tally(count: count * factor, amount: amount * Int128(factor)) }
}
