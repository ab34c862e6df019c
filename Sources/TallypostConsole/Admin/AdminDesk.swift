public import TallypostCore

/// A route as the API shows it.
public struct ConsoleRoute: Sendable, Equatable {
    /// The task type.
    public var type: String
    /// Where its tasks go, without secrets.
    public var url: String?
    /// Whether requests are signed.
    public var isSigned: Bool
    /// 0: for ever.
    public var maxAttempts: Int
    /// The whole request.
    public var timeout: TimeSpan
    /// Requests in flight at once to one destination.
    public var concurrency: Int
    /// So long its receiver remembers idempotency keys; nil: for ever.
    public var keyRetention: TimeSpan?

    /// Memberwise.
    public init(
        type: String, url: String?, isSigned: Bool, maxAttempts: Int, timeout: TimeSpan, concurrency: Int,
        keyRetention: TimeSpan? = nil
    ) {
        self.keyRetention = keyRetention
        self.type = type
        self.url = url
        self.isSigned = isSigned
        self.maxAttempts = maxAttempts
        self.timeout = timeout
        self.concurrency = concurrency
    }
}

/// Carries out what requests ask of the database, on one connection.
struct AdminDesk {
    let desk: any ConsoleDesk
    let routes: @Sendable () -> [ConsoleRoute]

    /// Rows changed in one transaction: few enough that nobody waits for it.
    static let batch = 500

    func answer(_ operation: AdminOperation) throws(StoreError) -> HTTPAnswer {
        switch operation {
        case .list(let filter, let cursor, let limit): return try list(filter, cursor, limit)
        case .show(let id, _): return try show(id)
        case .insert(let draft, let hasHeaderKey): return try insert(draft, hasHeaderKey)
        case .change(let action, let id, let actor): return try change(action, id, actor)
        case .retryAll(let filter, let dryRun, let actor): return try retryAll(filter, dryRun, actor)
        case .listRoutes: return try listRoutes()
        case .setPaused(let isPaused, let type, let actor): return try setPaused(isPaused, type, actor)
        case .group(let key, let cursor, let limit): return try group(key, cursor, limit)
        case .probe:
            if let hold = try desk.tide().hold {
                return .problem(.unavailable, "dispatch is held: \(hold.reason); tallypost doctor --after-restore")
                    .adding("Retry-After", "30")
            }
            return .json { json in
                json.name("status")
                json.string("ready")
            }
        }
    }

    /// Whether a task has ended, or is not there: then nobody waits for it.
    func hasEnded(_ id: Int64) throws(StoreError) -> Bool { try desk.ended(among: [id]).contains(id) }

    private func list(_ filter: TaskFilter, _ cursor: Int64?, _ limit: Int) throws(StoreError) -> HTTPAnswer {
        // One more than asked tells whether another page follows.
        let rows = try desk.list(filter, after: cursor, limit: limit + 1)
        return .json { json in
            json.name("tasks")
            json.array { json in for row in rows.prefix(limit) { json.row(row) } }
            json.name("next")
            json.string(rows.count > limit ? rows.prefix(limit).last.map { String($0.id) } : nil)
        }
    }

    private func show(_ id: Int64) throws(StoreError) -> HTTPAnswer {
        guard let dossier = try desk.show(id: id) else { return Self.noTask(id) }
        return .json { json in
            json.name("task")
            json.row(dossier.task)
            json.name("attempts")
            json.array { json in for row in dossier.attempts { json.row(row) } }
            json.name("events")
            json.array { json in for row in dossier.events { json.row(row) } }
        }
    }

    private func insert(_ draft: TaskDraft, _ hasHeaderKey: Bool) throws(StoreError) -> HTTPAnswer {
        let inserted = try desk.insert(draft)
        let answer = HTTPAnswer.json(inserted.isNew ? 201 : 200) { json in
            json.name("id")
            json.integer(inserted.id)
            if let token = inserted.signalToken {
                json.name("signal_token")
                json.string(token)
            }
        }.adding("Location", "/v1/tasks/\(inserted.id)")
        if inserted.isNew { return answer }
        guard let task = try desk.show(id: inserted.id)?.task, DraftComparison.isSame(draft, task) else {
            // The header is draft-ietf-httpapi-idempotency-key's, which wants 422; the column is unique, as any other might be.
            return .problem(
                hasHeaderKey ? .keyReused : .conflict,
                "task \(inserted.id) has this idempotency key and is another; use a new key", instance: "/v1/tasks")
        }
        return answer.adding("Idempotent-Replayed", "true")
    }

    private func change(_ action: TaskAction, _ id: Int64, _ actor: AdminOperation.Actor) throws(StoreError) -> HTTPAnswer {
        var who = actor.who
        if action == .retry, try desk.count(TaskFilter(ids: [id], memory: memory(isPast: true)), for: .retry) > 0 {
            guard actor.approvedBy != nil else {
                return .problem(
                    .conflict,
                    "task \(id) was last sent longer ago than its receiver remembers idempotency keys (the route's "
                        + "keyRetention): sent again, the work may be done twice; two different people must agree (by, approvedBy)",
                    instance: "/v1/tasks/\(id)/retry")
            }
            who = KeyMemory.actor(actor.who, approvedBy: actor.approvedBy)
        }
        let changed = try desk.perform(action, on: TaskFilter(ids: [id]), by: who, why: actor.why, limit: 1)
        guard let task = try desk.show(id: id)?.task else { return Self.noTask(id) }
        guard changed > 0 else {
            let status = task["status"] ?? "unknown"
            let words = action.statuses.map(\.rawValue).joined(separator: ", ")
            return .problem(
                .conflict, "task \(id) is \(status); \(action.rawValue) takes only one that is: \(words)",
                instance: "/v1/tasks/\(id)/\(action.rawValue)")
        }
        return .json { json in
            json.name("task")
            json.row(task)
        }
    }

    /// Counts first, and never changes more than were counted: with the relay at work a retried task can fail again, and must not be
    /// retried for ever.
    private func retryAll(_ filter: TaskFilter, _ dryRun: Bool, _ actor: AdminOperation.Actor) throws(StoreError) -> HTTPAnswer {
        var filter = filter
        let past = memory(isPast: true)
        filter.memory = past
        let forgotten = past.retention.isEmpty ? 0 : try desk.count(filter, for: .retry)
        // Without a second person those that their receivers have forgotten are left out.
        filter.memory = forgotten > 0 && actor.approvedBy == nil ? memory(isPast: false) : nil
        let who = KeyMemory.actor(actor.who, approvedBy: forgotten > 0 ? actor.approvedBy : nil)
        let count = try desk.count(filter, for: .retry)
        var changed = 0
        while !dryRun && changed < count {
            let limit = min(Self.batch, count - changed)
            let step = try desk.perform(.retry, on: filter, by: who, why: actor.why, limit: limit)
            guard step > 0 else { break }
            changed += step
        }
        return .json { json in
            json.name("count")
            json.integer(dryRun ? count : changed)
            if forgotten > 0, actor.approvedBy == nil {
                json.name("pastKeyRetention")
                json.integer(forgotten)
            }
        }
    }

    private func memory(isPast: Bool) -> KeyMemory {
        let known = routes().compactMap { route in route.keyRetention.map { (route.type, $0) } }
        return KeyMemory(retention: Dictionary(known) { min($0, $1) }, isPast: isPast)
    }

    private func listRoutes() throws(StoreError) -> HTTPAnswer {
        let paused = Dictionary(try desk.pausedRoutes().map { ($0.type, $0) }) { first, _ in first }
        let known = Dictionary(routes().map { ($0.type, $0) }) { first, _ in first }
        return .json { json in
            json.name("routes")
            json.array { json in
                for type in Set(known.keys).union(paused.keys).sorted() { json.route(type, known[type], paused[type]) }
            }
        }
    }

    private func setPaused(_ isPaused: Bool, _ type: String, _ actor: AdminOperation.Actor) throws(StoreError) -> HTTPAnswer {
        if !routes().contains(where: { $0.type == type }) {
            // A pause outlives the route that it was for, and must be able to go.
            guard !isPaused, try desk.pausedRoutes().contains(where: { $0.type == type }) else {
                return .problem(.notFound, "there is no route of this type; GET /v1/routes lists them")
            }
        }
        let changed = try desk.setPaused(isPaused, route: type, by: actor.who, why: actor.why)
        return .json { json in
            json.name("type")
            json.string(type)
            json.name("paused")
            json.truth(isPaused)
            json.name("changed")
            json.truth(changed)
        }
    }

    private func group(_ key: String, _ cursor: Int64?, _ limit: Int) throws(StoreError) -> HTTPAnswer {
        guard let page = try desk.group(key: key, after: cursor, limit: limit + 1) else {
            return .problem(.notFound, "there is no group of this key")
        }
        let members = page.members
        return .json { json in
            json.name("group")
            json.columns(page.group)
            json.name("counts")
            json.object { json in
                for (status, count) in page.counts.sorted(by: { $0.key < $1.key }) {
                    json.name(status)
                    json.integer(count)
                }
            }
            json.name("members")
            json.array { json in for row in members.prefix(limit) { json.row(row) } }
            json.name("next")
            json.string(members.count > limit ? members.prefix(limit).last.map { String($0.id) } : nil)
        }
    }

    private static func noTask(_ id: Int64) -> HTTPAnswer {
        .problem(.notFound, "there is no task \(id)", instance: "/v1/tasks/\(id)")
    }
}

extension JSONBuilder {
    fileprivate mutating func route(_ type: String, _ route: ConsoleRoute?, _ paused: PausedRoute?) {
        object { json in
            json.name("type")
            json.string(type)
            json.name("url")
            json.string(route?.url)
            json.name("paused")
            if let paused {
                json.object { json in
                    json.name("since")
                    json.string(paused.since.iso8601)
                    json.name("by")
                    json.string(paused.by)
                    json.name("reason")
                    json.string(paused.reason)
                }
            } else {
                json.raw("null")
            }
            guard let route else { return }
            json.name("signed")
            json.truth(route.isSigned)
            json.name("maxAttempts")
            json.integer(route.maxAttempts)
            json.name("timeoutSeconds")
            json.raw("\(route.timeout.seconds)")
            json.name("concurrency")
            json.integer(route.concurrency)
        }
    }
}
