import TallypostCore

/// What `task retry` and `task cancel` have in common: which tasks, who, why, and asking first.
struct TaskChange {
    let action: TaskAction
    let sources: Configuration.Sources
    let filter: TaskFilter
    let by: String?
    let why: String?
    /// The second person, for tasks that their receivers have forgotten.
    let approvedBy: String?
    let isSure: Bool
    let isTrial: Bool
    let printsJSON: Bool

    /// Rows changed in one transaction: few enough that nobody waits for it.
    static let batch = 500

    static let options: [OptionSpecification] = [
        .database, .config, .status, .type, .subject, .by, .why,
        OptionSpecification(name: "--dry-run", summary: "Only count them."),
        OptionSpecification(name: "--yes", summary: "Do not ask."),
        .json,
    ]

    static let approval = OptionSpecification(
        name: "--approved-by", value: "WHO",
        summary: "The second person who agrees, for tasks last sent longer ago than a route's keyRetention. Needs --by.")

    static let positionals = [PositionalSpecification(name: "ID", arity: .any, summary: "The tasks' ids.")]

    init(_ action: TaskAction, _ arguments: ParsedArguments) throws(CommandFailure) {
        self.action = action
        sources = try arguments.sources()
        filter = try arguments.taskFilter()
        by = arguments.value("--by")
        why = arguments.value("--why")
        approvedBy = arguments.value("--approved-by")
        if let approvedBy {
            guard let by else { throw .usage("--approved-by needs --by: task_events keeps both names", mend: "add --by WHO") }
            guard !KeyMemory.isSamePerson(by, approvedBy) else {
                throw CommandFailure(
                    .badData, "--by and --approved-by are the same person, “\(by)”", mend: "a second person must agree")
            }
        }
        isSure = arguments.has("--yes")
        isTrial = arguments.has("--dry-run")
        printsJSON = arguments.has("--json")
        guard filter != TaskFilter() else {
            throw .usage("no task is named", mend: "name ids, or --status, --type or --subject")
        }
        if let status = filter.status, !action.statuses.contains(status) {
            throw .usage(
                "--status: a task that is \(status.rawValue) cannot be \(action.participle)",
                mend: "one of: \(action.statuses.map(\.rawValue).joined(separator: ", "))")
        }
    }

    /// Whether it names tasks by what they are, and so may be more than its author thinks.
    private var isBulk: Bool { filter.ids == nil }

    func run(in context: CommandContext) throws(CommandFailure) -> ExitCode {
        let (desk, configuration) = try context.openDesk(sources)
        var filter = filter
        var count = try asking { () throws(StoreError) in try desk.count(filter, for: action) }
        if count == 0, let ids = filter.ids { throw try refusal(ids, desk) }
        let forgotten = try forgotten(among: count, desk, configuration, context)
        if forgotten > 0, approvedBy == nil {
            filter.memory = KeyMemory(retention: configuration.keyRetention, isPast: false)
            count = try asking { () throws(StoreError) in try desk.count(filter, for: action) }
        }
        if isTrial {
            report(count: count, changed: nil, context)
            return .good
        }
        if isBulk, count > 0, try !confirms(count, context) {
            context.note("nothing was changed")
            return .good
        }
        let who = KeyMemory.actor(context.actor(by), approvedBy: forgotten > 0 ? approvedBy : nil)
        let changed = try change(filter, count, desk, who: who)
        report(count: count, changed: changed, context)
        if let ids = filter.ids, Set(ids).count > changed {
            context.note("\(Set(ids).count - changed) of the named could not be \(action.participle)")
        }
        return .good
    }

    /// How many of the tasks were last sent longer ago than their receivers remember keys. Refuses when that is all of them, or one that
    /// is named, and nobody has approved it.
    private func forgotten(
        among count: Int, _ desk: any TaskDesk, _ configuration: Configuration, _ context: CommandContext
    ) throws(CommandFailure) -> Int {
        guard action == .retry, count > 0 else { return 0 }
        guard sources.file != nil else {
            context.note(
                "without --config nobody knows how long the receivers remember idempotency keys (keyRetention): not checked")
            return 0
        }
        let retention = configuration.keyRetention
        guard !retention.isEmpty else { return 0 }
        var past = filter
        past.memory = KeyMemory(retention: retention, isPast: true)
        let forgotten = try asking { () throws(StoreError) in try desk.count(past, for: action) }
        guard forgotten > 0, approvedBy == nil else { return forgotten }
        let routes = retention.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value.spoken)" }.joined(separator: ", ")
        let what =
            "\(forgotten) of \(count) task\(count == 1 ? " was" : "s were") last sent longer ago than the receiver remembers idempotency keys "
            + "(\(routes)): sent again, the work may be done twice"
        let mend = "ask the receiver first; then let a second person agree: --by WHO --approved-by OTHER"
        guard isBulk, forgotten < count else { throw CommandFailure(.badData, what, mend: mend) }
        context.note("\(what); left out. To take them along: \(mend)")
        return forgotten
    }

    /// Never more than were counted: with a relay at work a retried task can fail again, and must not be retried for ever.
    private func change(_ filter: TaskFilter, _ count: Int, _ desk: any TaskDesk, who: String) throws(CommandFailure) -> Int {
        var changed = 0
        while changed < count {
            let limit = min(Self.batch, count - changed)
            let step = try asking { () throws(StoreError) in
                try desk.perform(action, on: filter, by: who, why: why ?? "", limit: limit)
            }
            guard step > 0 else { break }
            changed += step
        }
        return changed
    }

    private func confirms(_ count: Int, _ context: CommandContext) throws(CommandFailure) -> Bool {
        if isSure { return true }
        guard let ask = context.ask else {
            throw .usage(
                "this would change \(count) task\(count == 1 ? "" : "s"), and nobody is there to be asked",
                mend: "add --yes, or --dry-run to count only")
        }
        context.output.flush()
        return ask("\(action.rawValue) \(count) task\(count == 1 ? "" : "s")?")
    }

    /// Why none of the named tasks can be changed.
    private func refusal(_ ids: [Int64], _ desk: any TaskDesk) throws(CommandFailure) -> CommandFailure {
        let statuses = action.statuses.map(\.rawValue).joined(separator: ", ")
        guard ids.count == 1, let id = ids.first else {
            return CommandFailure(
                .badData, "none of these tasks can be \(action.participle)", mend: "only those that are: \(statuses)")
        }
        guard let task = try asking({ () throws(StoreError) in try desk.show(id: id) })?.task else { return .noTask(id) }
        let status = task["status"] ?? "unknown"
        if action.statuses.map(\.rawValue).contains(status) {
            return CommandFailure(.badData, "task \(id) does not match the other options")
        }
        return CommandFailure(
            .badData, "task \(id) is \(status) and cannot be \(action.participle)",
            mend: status == "processing" ? "wait until its attempt has ended" : "only those that are: \(statuses)")
    }

    private func report(count: Int, changed: Int?, _ context: CommandContext) {
        if printsJSON {
            var json = JSONWriter(context.output)
            json.object { json in
                json.name("count")
                json.integer(count)
                if let changed {
                    json.name("changed")
                    json.integer(changed)
                }
            }
            json.finish()
        } else if let changed {
            context.output.line("\(changed) task\(changed == 1 ? "" : "s") \(action.participle)")
        } else {
            context.output.line("\(count) task\(count == 1 ? "" : "s") would be \(action.participle)")
        }
    }
}

extension TaskAction {
    /// As in “12 tasks retried”.
    var participle: String {
        switch self {
        case .retry: "retried"
        case .cancel: "cancelled"
        }
    }
}
