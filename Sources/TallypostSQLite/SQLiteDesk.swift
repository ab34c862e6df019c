public import TallypostCore

/// What people do with tasks in an SQLite database, on a connection of its own.
public final class SQLiteDesk: TaskDesk {
    let connection: SQLiteConnection

    /// Connects and checks the schema's version.
    public init(path: String) throws(StoreError) {
        connection = try SQLiteConnection(path: path, mode: .existing)
        try SchemaVersion.require(on: connection)
    }

    // MARK: Looking

    /// A status that is seldom met among many rows costs a scan, but for those that did not end well, which have an index.
    public func list(_ filter: TaskFilter, after cursor: Int64?, limit: Int) throws(StoreError) -> [TaskRow] {
        let statement = try prepare("list_tasks", where: filter)
        try statement.bind(1, cursor ?? .min)
        try statement.bind(2, max(limit, 0))
        return try statement.rows(TaskRow.init)
    }

    /// Three reads, each of its own snapshot.
    public func show(id: Int64) throws(StoreError) -> TaskDossier? {
        func rows(_ name: String) throws(StoreError) -> [TaskRow] {
            let statement = try prepare(name)
            try statement.bind(1, id)
            return try statement.rows(TaskRow.init)
        }
        guard let task = try rows("show_task").first else { return nil }
        return TaskDossier(task: task, attempts: try rows("show_attempts"), events: try rows("show_events"))
    }

    /// Counts what ``perform(_:on:by:why:limit:)`` would change.
    public func count(_ filter: TaskFilter, for action: TaskAction) throws(StoreError) -> Int {
        let words = action.statuses.map { "'\($0.rawValue)'" }.joined(separator: ", ")
        let statement = try prepare(
            "count_tasks", where: filter,
            and: "(status IN (\(words))\(action == .cancel ? " OR (status = 'failed' AND blocks_key)" : ""))")
        return try statement.firstRow { Int($0.integer(0)) } ?? 0
    }

    // MARK: Acting

    /// At most ``SQLiteStore/rowsPerTransaction`` at a time.
    public func perform(
        _ action: TaskAction, on filter: TaskFilter, by who: String, why: String, limit: Int
    ) throws(StoreError) -> Int {
        if action == .retry { return try retry(filter, by: who, why: why, limit: limit) }
        let statement = try prepare("cancel_tasks", where: filter)
        let event = try prepare("record_event")
        let following = try Following(connection)
        return try connection.write { () throws(StoreError) in
            let now = Timestamp.machineNow
            try statement.bind(1, now.iso8601)
            try statement.bind(2, max(0, min(limit, SQLiteStore.rowsPerTransaction)))
            let changed = try statement.rows { $0.integer(0) }
            for id in changed {
                try Self.record(event, task: id, at: now.iso8601, action.rawValue, by: who, why: why)
            }
            try following.follow(changed, at: now)
            return changed.count
        }
    }

    private func retry(_ filter: TaskFilter, by who: String, why: String, limit: Int) throws(StoreError) -> Int {
        let steps = try prepareAll("retry_tasks", where: filter)
        precondition(steps.count == 2, "retry_tasks is two steps")
        let (look, start) = (steps[0], steps[1])
        let event = try prepare("record_event")
        return try connection.write { () throws(StoreError) in
            let now = Timestamp.machineNow.iso8601
            try look.bind(2, max(0, min(limit, SQLiteStore.rowsPerTransaction)))
            let chosen = try look.rows { (id: $0.integer(0), was: $0.text(1) ?? "", ended: $0.text(2)) }
            for task in chosen {
                try start.bind(1, now)
                try start.bind(2, task.id)
                try start.run()
                let isSettled = task.was == TaskStatus.completed.rawValue || task.was == TaskStatus.cancelled.rawValue
                let ended = task.ended.map { ResultText.quoted($0) } ?? "null"
                try Self.record(
                    event, task: task.id, at: now, TaskAction.retry.rawValue, by: who, why: why,
                    detail: isSettled ? "{\"was\":\"\(task.was)\",\"finished_at\":\(ended)}" : nil)
            }
            return chosen.count
        }
    }

    /// By type.
    public func pausedRoutes() throws(StoreError) -> [PausedRoute] {
        try prepare("paused_routes", from: StoreStatements.tasks).rows { row in
            PausedRoute(
                type: row.text(0) ?? "", since: row.time(1) ?? Timestamp(microseconds: 0), by: row.text(2) ?? "",
                reason: row.text(3) ?? "")
        }
    }

    /// From `tallypost_relays`.
    public func signedRelays() throws(StoreError) -> [SignedRelay] {
        try prepare("live_relays", from: StoreStatements.tasks).rows { row in
            SignedRelay(name: row.text(0) ?? "", seenAt: row.time(1) ?? Timestamp(microseconds: 0), state: row.text(2))
        }
    }

    /// With its event, in one transaction.
    public func setPaused(_ paused: Bool, route type: String, by who: String, why: String) throws(StoreError) -> Bool {
        let pause = try prepare("pause_route", from: StoreStatements.tasks)
        let resume = try prepare("resume_route")
        let event = try prepare("record_event")
        return try connection.write { () throws(StoreError) in
            let now = Timestamp.machineNow.iso8601
            let changed: Int
            if paused {
                try pause.bind(1, type)
                try pause.bind(2, now)
                try pause.bind(3, who)
                try pause.bind(4, why)
                changed = try pause.run()
            } else {
                try resume.bind(1, type)
                changed = try resume.run()
            }
            guard changed > 0 else { return false }
            try Self.record(event, task: nil, at: now, paused ? "pause" : "resume", by: who, why: why, detail: type)
            return true
        }
    }

    static func record(
        _ statement: SQLiteStatement, task: Int64?, at now: String, _ event: String, by who: String, why: String,
        detail: String? = nil
    ) throws(StoreError) {
        if let task { try statement.bind(1, task) } else { try statement.bindNull(1) }
        try statement.bind(2, now)
        try statement.bind(3, event)
        try statement.bind(4, who)
        try statement.bind(5, why)
        try statement.bind(6, detail)
        try statement.run()
    }

    // MARK: Statements

    func prepare(_ name: String, from file: StatementFile = StoreStatements.desk) throws(StoreError) -> SQLiteStatement {
        try connection.prepare(file[name], operation: name)
    }

    /// The named statement with the filter's conditions put where it says `/* filter */`. What comes from people is bound;
    /// only words of our own enums become part of the SQL.
    private func prepare(
        _ name: String, where filter: TaskFilter, and more: String? = nil
    ) throws(StoreError) -> SQLiteStatement {
        let all = try prepareAll(name, where: filter, and: more)
        precondition(all.count == 1, "\(name) is one statement")
        return all[0]
    }

    /// The same of several, of which the first has the filter.
    private func prepareAll(
        _ name: String, where filter: TaskFilter, and more: String? = nil
    ) throws(StoreError) -> [SQLiteStatement] {
        var conditions = more.map { [$0] } ?? []
        if filter.ids != nil { conditions.append("id IN (SELECT value FROM json_each(?10))") }
        if let status = filter.status { conditions.append("status = '\(status.rawValue)'") }
        if filter.type != nil { conditions.append("type = ?11") }
        if filter.subject != nil { conditions.append("subject = ?12") }
        let cutoffs = filter.memory?.cutoffs(at: .machineNow) ?? []
        if let memory = filter.memory { conditions.append(Self.condition(memory, cutoffs.count)) }
        let parts = StoreStatements.desk[name].split(separator: "/* filter */", omittingEmptySubsequences: false)
        let sql = parts.joined(separator: conditions.map { "AND " + $0 }.joined(separator: " "))
        let all = try connection.prepareAll(sql, operation: name)
        let statement = all[0]
        if let ids = filter.ids { try statement.bind(10, "[\(ids.map(String.init).joined(separator: ","))]") }
        if let type = filter.type { try statement.bind(11, type) }
        if let subject = filter.subject { try statement.bind(12, subject) }
        for (index, cutoff) in cutoffs.enumerated() {
            try statement.bind(Int32(13 + 2 * index), cutoff.type)
            try statement.bind(Int32(14 + 2 * index), cutoff.before.iso8601)
        }
        return all
    }

    /// Parameters from ?13 on: type and cutoff of each. `started_at` is when the last attempt began.
    private static func condition(_ memory: KeyMemory, _ count: Int) -> String {
        let forgotten = (0..<count).map { "(type = ?\(13 + 2 * $0) AND started_at < ?\(14 + 2 * $0))" }.joined(separator: " OR ")
        let isPast = forgotten.isEmpty ? "FALSE" : "coalesce(\(forgotten), FALSE)"
        return memory.isPast ? isPast : "NOT \(isPast)"
    }
}

extension TaskRow {
    /// Every column of the row as text; `id` comes first.
    init(_ row: SQLiteStatement) {
        self.init(
            id: row.integer(0),
            columns: (0..<row.columnCount).map { (name: row.columnName($0), value: row.text($0)) })
    }
}
