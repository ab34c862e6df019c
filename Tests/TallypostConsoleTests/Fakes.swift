import Synchronization
import TallypostCore

@testable import TallypostConsole

/// What the fakes know, shared by all connections that tests open.
final class FakeDatabase: Sendable {
    struct State: Sendable {
        var isAway = false
        var failure: StoreError?
        /// Token to the signal that was taken.
        var tokens: [String: TaskSignal?] = [:]
        var cancelled: Set<String> = []
        var over: Set<String> = []
        var heartbeats: [Heartbeat] = []
        /// How many signals each commit held.
        var commits: [Int] = []
        var opens = 0
        var rows: [Int64: TaskRow] = [:]
        var keys: [String: Int64] = [:]
        var ended: Set<Int64> = []
        var endedQueries = 0
        var shows = 0
        var performed: [String] = []
        var paused: [PausedRoute] = []
        var matching = 0
        var gauges: [PendingGauge] = []
        var overview: Overview?
        /// How often every row was counted.
        var counts = 0
        var group: GroupPage?
    }
    let state = Mutex(State())

    static let away = StoreError(kind: .connection, code: "08006", operation: "connect", message: "nobody at 10.0.0.7")

    func check() throws(StoreError) {
        let failure = state.withLock { $0.isAway ? Self.away : $0.failure }
        if let failure { throw failure }
    }

    func addTask(_ id: Int64, _ columns: KeyValuePairs<String, String?>) {
        state.withLock { $0.rows[id] = TaskRow(id: id, columns: [("id", "\(id)")] + columns.map { ($0.key, $0.value) }) }
    }
}

/// Takes signals as the contract tells.
final class FakeBox: SignalBox {
    private let database: FakeDatabase

    init(_ database: FakeDatabase) { self.database = database }

    func open() throws(StoreError) {
        try database.check()
        database.state.withLock { $0.opens += 1 }
    }

    func deliver(_ signals: [TaskSignal]) throws(StoreError) -> [SignalVerdict] {
        try database.check()
        if signals.contains(where: { $0.result == "\"refused\"" }) {
            throw StoreError(kind: .data, code: "22P05", operation: "deliver", message: "no such character")
        }
        return database.state.withLock { state in
            state.commits.append(signals.count)
            return signals.map { signal in
                guard let known = state.tokens[signal.token] else { return .unknown }
                if state.cancelled.contains(signal.token) { return .cancelled }
                if state.over.contains(signal.token) { return .ended }
                if let known {
                    return known.isCompleted == signal.isCompleted && known.result == signal.result ? .repeated : .conflicting
                }
                state.tokens[signal.token] = .some(signal)
                return .taken
            }
        }
    }

    func report(_ heartbeats: [Heartbeat]) throws(StoreError) -> [SignalVerdict] {
        try database.check()
        return database.state.withLock { state in
            state.heartbeats += heartbeats
            return heartbeats.map { heartbeat in
                guard state.tokens[heartbeat.token] != nil else { return .unknown }
                return state.cancelled.contains(heartbeat.token)
                    ? .cancelled : state.over.contains(heartbeat.token) ? .ended : .taken
            }
        }
    }

    func close() {}
}

/// Answers as the tests set it.
final class FakeConsoleDesk: ConsoleDesk {
    private let database: FakeDatabase

    init(_ database: FakeDatabase) throws(StoreError) {
        try database.check()
        self.database = database
    }

    func insert(_ draft: TaskDraft) throws(StoreError) -> InsertedTask {
        try database.check()
        return database.state.withLock { state in
            if let key = draft.idempotencyKey, let id = state.keys[key] {
                return InsertedTask(id: id, isNew: false, signalToken: nil)
            }
            let id = Int64(state.rows.count + 1)
            if let key = draft.idempotencyKey { state.keys[key] = id }
            let columns: [(String, String?)] =
                [
                    ("id", "\(id)"), ("type", draft.type), ("payload", draft.payload ?? "{}"), ("status", "pending"),
                    ("attempts", "0"),
                ]
                + draft.others.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
            state.rows[id] = TaskRow(id: id, columns: columns)
            return InsertedTask(id: id, isNew: true, signalToken: draft.others["wait_for_signal"] == "true" ? "tok" : nil)
        }
    }

    func ended(among ids: [Int64]) throws(StoreError) -> Set<Int64> {
        try database.check()
        return database.state.withLock { state in
            state.endedQueries += 1
            return Set(ids.filter { state.ended.contains($0) || state.rows[$0] == nil })
        }
    }

    func group(key: String, after cursor: Int64?, limit: Int) throws(StoreError) -> GroupPage? {
        try database.check()
        return database.state.withLock { state in state.group.flatMap { $0.group.first?.value == key ? $0 : nil } }
    }

    func gauges() throws(StoreError) -> [PendingGauge] {
        try database.check()
        return database.state.withLock { $0.gauges }
    }

    func list(_ filter: TaskFilter, after cursor: Int64?, limit: Int) throws(StoreError) -> [TaskRow] {
        try database.check()
        return database.state.withLock { state in
            let rows = state.rows.values.sorted { $0.id < $1.id }.filter { row in
                row.id > cursor ?? 0 && (filter.type == nil || row["type"] == filter.type)
                    && (filter.status == nil || row["status"] == filter.status?.rawValue)
            }
            return Array(rows.prefix(limit))
        }
    }

    func show(id: Int64) throws(StoreError) -> TaskDossier? {
        try database.check()
        return database.state.withLock { state in
            state.shows += 1
            return state.rows[id].map { TaskDossier(task: $0, attempts: [], events: []) }
        }
    }

    func count(_ filter: TaskFilter, for action: TaskAction) throws(StoreError) -> Int {
        try database.check()
        return database.state.withLock { $0.matching }
    }

    func perform(_ action: TaskAction, on filter: TaskFilter, by who: String, why: String, limit: Int) throws(StoreError) -> Int {
        try database.check()
        return database.state.withLock { state in
            state.performed.append("\(action.rawValue) by \(who): \(why)")
            if let id = filter.ids?.first {
                return action.statuses.map(\.rawValue).contains(state.rows[id]?["status"] ?? "") ? 1 : 0
            }
            let count = min(limit, state.matching)
            state.matching -= count
            return count
        }
    }

    func overview() throws(StoreError) -> Overview {
        try database.check()
        return database.state.withLock { state in
            state.counts += 1
            return state.overview
                ?? Overview(lines: [], holders: [], finishedLastMinute: [:], due: 0, now: Timestamp(microseconds: 0))
        }
    }
    func explain(id: Int64) throws(StoreError) -> Explanation? { nil }
    func pausedRoutes() throws(StoreError) -> [PausedRoute] {
        try database.check()
        return database.state.withLock { $0.paused }
    }
    func signedRelays() throws(StoreError) -> [SignedRelay] { [] }
    func tide() throws(StoreError) -> Tide {
        try database.check()
        return Tide(identity: "", mark: 0, at: Timestamp(microseconds: 0), hold: nil)
    }
    func setPaused(_ paused: Bool, route type: String, by who: String, why: String) throws(StoreError) -> Bool {
        try database.check()
        return database.state.withLock { state in
            let was = state.paused.contains { $0.type == type }
            state.paused.removeAll { $0.type == type }
            if paused {
                state.paused.append(PausedRoute(type: type, since: Timestamp(microseconds: 0), by: who, reason: why))
            }
            return was != paused
        }
    }
}
