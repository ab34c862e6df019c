public import TallypostCore

/// What people do with tasks in a PostgreSQL database, on a connection of its own.
public final class PostgresDesk: TaskDesk {
    let link: PostgresConnection

    /// Rows that one call of ``perform(_:on:by:why:limit:)`` changes, at most: a short transaction.
    static let rowsPerTransaction = 1_000

    /// Connects and checks the schema's version. Nothing of it needs a session, so a pooler may stand between.
    public init(url: String) throws(StoreError) {
        link = try PostgresConnection(url: url, statements: StatementLibrary.statements, keepsSession: false)
        try SchemaVersion.require(on: link)
        // Rows are shown from their text. A pooler carries this setting along with its client.
        try link.execute("SET DateStyle = 'ISO, YMD'", operation: "connect")
    }

    // MARK: Looking

    /// One page, by `id`.
    public func list(_ filter: TaskFilter, after cursor: Int64?, limit: Int) throws(StoreError) -> [TaskRow] {
        let result = try run("list_tasks", filter) {
            $0.append(String(cursor ?? .min))
            $0.append(max(limit, 0))
        }
        return rows(of: result)
    }

    /// The row, its attempts and its events.
    public func show(id: Int64) throws(StoreError) -> TaskDossier? {
        func ask(_ name: String) throws(StoreError) -> [TaskRow] { rows(of: try run(name) { $0.append(String(id)) }) }
        guard let task = try ask("show_task").first else { return nil }
        return TaskDossier(task: task, attempts: try ask("show_attempts"), events: try ask("show_events"))
    }

    /// What ``perform(_:on:by:why:limit:)`` would change in all.
    public func count(_ filter: TaskFilter, for action: TaskAction) throws(StoreError) -> Int {
        let words = action.statuses.map { "'\($0.rawValue)'" }.joined(separator: ", ")
        return Int(
            try run(
                "count_tasks", filter,
                and: "(status IN (\(words))\(action == .cancel ? " OR (status = 'failed' AND blocks_key)" : ""))"
            ).text(0, 0) ?? "") ?? 0
    }

    // MARK: Acting

    /// One short transaction: the change, its events and the relay's wake-up.
    public func perform(_ action: TaskAction, on filter: TaskFilter, by who: String, why: String, limit: Int) throws(StoreError)
        -> Int
    {
        let result = try run(action == .retry ? "retry_tasks" : "cancel_tasks", filter) {
            $0.append(max(0, min(limit, Self.rowsPerTransaction)))
            $0.append(who)
            $0.append(why)
        }
        return Int(result.text(0, 0) ?? "") ?? 0
    }

    /// From `task_routes`.
    public func pausedRoutes() throws(StoreError) -> [PausedRoute] {
        let result = try link.run([.init(name: "paused_routes", binary: true)])[0]
        return (0..<result.rowCount).map { row in
            PausedRoute(
                type: result.text(row, 0) ?? "", since: result.time(row, 1) ?? Timestamp(microseconds: 0),
                by: result.text(row, 2) ?? "",
                reason: result.text(row, 3) ?? "")
        }
    }

    /// From `tallypost_relays`.
    public func signedRelays() throws(StoreError) -> [SignedRelay] {
        let result = try link.run([.init(name: "live_relays", binary: true)])[0]
        return (0..<result.rowCount).map { row in
            SignedRelay(
                name: result.text(row, 0) ?? "", seenAt: result.time(row, 1) ?? Timestamp(microseconds: 0),
                state: result.text(row, 2))
        }
    }

    /// The change and its event, in one transaction.
    public func setPaused(_ paused: Bool, route type: String, by who: String, why: String) throws(StoreError) -> Bool {
        if paused {
            // The statement records the event itself, and only when the route was not paused before.
            return try run("pause_route") {
                $0.append(type)
                $0.append(who)
                $0.append(why)
            }.affected > 0
        }
        var event = PostgresConnection.Step(name: "record_event")
        event.parameters.append(nil as String?)
        event.parameters.append("resume")
        event.parameters.append(who)
        event.parameters.append(why)
        event.parameters.append(type)
        guard try pausedRoutes().contains(where: { $0.type == type }) else { return false }
        var resume = PostgresConnection.Step(name: "resume_route")
        resume.parameters.append(type)
        return try link.run([resume, event])[0].affected > 0
    }

    // MARK: Statements

    func run(_ name: String, _ fill: (inout PostgresParameters) -> Void = { _ in }) throws(StoreError) -> PostgresResult {
        var step = PostgresConnection.Step(name: name)
        fill(&step.parameters)
        return try link.run([step])[0]
    }

    /// The named statement with the filter's conditions in it. What comes from people is a parameter; only words of our own enums
    /// become part of the SQL.
    private func run(
        _ name: String, _ filter: TaskFilter, and more: String? = nil, _ fill: (inout PostgresParameters) -> Void = { _ in }
    ) throws(StoreError) -> PostgresResult {
        var step = PostgresConnection.Step(name: name)
        fill(&step.parameters)
        var conditions = more.map { [$0] } ?? []
        func next() -> Int { step.parameters.values.count + 1 }
        if let ids = filter.ids {
            conditions.append("id = ANY ($\(next())::bigint[])")
            step.parameters.append(ids)
        }
        if let status = filter.status {
            conditions.append("status = '\(status.rawValue)'")
            if [.failed, .timeout, .cancelled].contains(status) { conditions.append("unsuccessful = '\(status.rawValue)'") }
        }
        if let type = filter.type {
            conditions.append("type = $\(next())::text")
            step.parameters.append(type)
        }
        if let subject = filter.subject {
            conditions.append("subject = $\(next())::text")
            step.parameters.append(subject)
        }
        if let memory = filter.memory {
            // `started_at` is when the last attempt began.
            let types = next()
            step.parameters.append(memory.retention.keys.sorted().map { Optional($0) })
            step.parameters.append(memory.retention.sorted { $0.key < $1.key }.map { $0.value.milliseconds })
            conditions.append(
                """
                \(memory.isPast ? "" : "NOT ")EXISTS (
                    SELECT FROM unnest($\(types)::text[], $\(types + 1)::bigint[]) AS memory (type, milliseconds)
                    WHERE memory.type = pending_tasks.type
                      AND pending_tasks.started_at < clock_timestamp() - memory.milliseconds * interval '1 millisecond')
                """)
        }
        guard let sql = StatementLibrary.statements[name] else { preconditionFailure("no statement is named \(name)") }
        step.sql = sql.replacing("/* filter */", with: conditions.map { "AND " + $0 }.joined(separator: " "))
        return try link.run([step])[0]
    }

    func rows(of result: PostgresResult) -> [TaskRow] {
        (0..<result.rowCount).map { row in
            let columns = (0..<result.columnCount).map { column in
                (
                    name: result.columnName(column),
                    value: result.text(row, column).map { Self.shown($0, result.columnType(column)) }
                )
            }
            return TaskRow(id: columns.first.flatMap { $0.value.flatMap { Int64($0) } } ?? 0, columns: columns)
        }
    }

    /// Times in ISO 8601 UTC with milliseconds and booleans as words, whatever the session's settings: both engines look alike.
    private static func shown(_ text: String, _ type: UInt32) -> String {
        switch type {
        case PostgresResult.typeOfBoolean: text == "t" ? "true" : "false"
        case PostgresResult.typeOfTime: Timestamp(postgresText: text)?.iso8601 ?? text
        default: text
        }
    }
}
