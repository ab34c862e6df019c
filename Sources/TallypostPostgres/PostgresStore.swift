public import TallypostCore

/// The relay's store on PostgreSQL.
///
/// Claims walk lanes: a lane is a type and a priority, one range of the index `pending_tasks_due`. On a table whose dead rows
/// cannot be vacuumed (somebody's old snapshot) the start of such a range is a long stretch of dead entries, so a claim may
/// begin at the lane's mark, the last row that was claimed there. What lies behind a mark (rows that committed late, or came
/// back) is found by a sweep from the beginning, and sweeps are paced by their own measured cost: on a healthy table every
/// claim is one, on an aged one they take at most a fiftieth of the time.
public final class PostgresStore: TaskStore {
    let url: String
    let pollOnly: Bool
    var link: PostgresConnection?

    // What is known of the lanes.
    /// Where claims look: the open lanes, those that were open, and one for each type that is asked for.
    var lanes: [Lane: Mark] = [:]
    /// Lanes with rows in them, when that was last looked at.
    var openLanes: Set<Lane> = []
    var sweepPace = Pace()
    var expiryPace = Pace()
    /// Where the walk over the open groups stands.
    var groupCursor = ""
    var lastClaimWasFull = false
    /// Whether this connection has seen every lane and key once: before, a claim would not know whose turn it is.
    var hasLookedRound = false
    /// How long the last visit took, the way to the server and back not counted.
    var visitTook = TimeSpan.zero
    /// The quickest visit of this connection: the way there and back.
    private var quickestVisit = TimeSpan(nanoseconds: .max)

    // Ordering keys.
    var keys = KeyScout()
    /// The key of each keyed task that was claimed here and is not settled yet.
    var keyOfClaimed: [Int64: String] = [:]
    /// Whether the odd one of a batch goes to the keys.
    var keyTurn = true

    /// The lowest tide mark that the claim under way has seen.
    var markSeen: Int64?
    /// The types of the business keys that rules compare with, as the database names them.
    var keyTypes: [String: String] = [:]
    /// Where retention stands.
    var purgeWalk = PostgresStore.purgeWalk
    /// Rows that were found locked by somebody when they were to be settled.
    var lockedRows: Set<Int64> = []

    // Waking.
    var guardState = GuardState.off
    /// The last wait ended with a notification: somebody has just committed a task.
    var hasNews = false
    /// How long to wait before the guard is tried again.
    var guardWait = PostgresStore.shortestGuardWait
    var sweptAt = Instant(nanoseconds: .min)
    /// When lanes and keys were last looked for.
    var lookedAt = Instant(nanoseconds: .min)
    /// One moment on both clocks.
    var clock: (database: Timestamp, here: Instant)?

    enum GuardState {
        /// Not ours, nor, as far as is known, another relay's.
        case off
        /// Another relay sleeps on it.
        case elsewhere
        case on
        /// Ours, and given back with the next visit.
        case toBeReleased
    }

    struct Lane: Hashable {
        let type: String
        let priority: Int64
    }

    /// The last row claimed of a lane.
    struct Mark: Equatable {
        var runAt: Timestamp
        var id: Int64
        static let start = Mark(runAt: Timestamp(microseconds: .min), id: .min)
    }

    /// Lanes that are known, at most, before those without rows are forgotten.
    static let mostIdleLanes = 64
    /// Bytes of payload that one claim fetches, near enough: one row may go beyond.
    static let bytesPerClaim = 8 << 20
    /// Keys that one step of a walk visits, at most.
    static let keysPerWalk = 512
    /// Keyed tasks remembered until they are settled, at most; beyond it successors wait for the walk.
    static let mostRememberedKeys = 100_000

    /// - Parameters:
    ///   - url: what libpq understands.
    ///   - pollOnly: no LISTEN, no advisory lock, no prepared statement: a pooler in transaction mode may stand between.
    public init(url: String, pollOnly: Bool = false) {
        self.url = url
        self.pollOnly = pollOnly
    }

    /// Connects, checks the schema, and listens when it may.
    public func open() throws(StoreError) {
        close()
        let connection = try PostgresConnection(url: url, statements: StatementLibrary.statements, keepsSession: !pollOnly)
        try SchemaVersion.require(on: connection)
        if !pollOnly { _ = try connection.run([.init(name: "session_settings"), .init(name: "listen")]) }
        let newest = try connection.run([.init(name: "newest_keyed", binary: true)])[0]
        link = connection
        keys = KeyScout(newestID: newest.integer(0, 0) ?? 0)
    }

    /// Gives back what it holds. Again is a no-op.
    public func close() {
        link = nil
        lanes = [:]
        keys = KeyScout()
        openLanes = []
        keyOfClaimed = [:]
        lockedRows = []
        keyTypes = [:]
        markSeen = nil
        quickestVisit = TimeSpan(nanoseconds: .max)
        guardState = .off
        sweepPace = Pace()
        expiryPace = Pace()
        lastClaimWasFull = false
        hasLookedRound = false
    }

    /// Runs transactions, with the release of the idle guard before them when that is due. A connection that broke is dropped.
    func run(_ groups: [[PostgresConnection.Step]]) throws(StoreError) -> [Result<[PostgresResult], StoreError>] {
        guard let link else {
            throw StoreError(
                kind: .connection, code: "closed", operation: groups.first?.first?.name ?? "", message: "the store is not open")
        }
        let started = Moment.now()
        defer {
            let took = Moment.now() - started
            quickestVisit = min(quickestVisit, took)
            visitTook = took - quickestVisit
        }
        do {
            if pollOnly {
                // Nothing of a session lasts behind a pooler: every transaction says for itself how it wants to be run.
                let settings = PostgresConnection.Step(name: "transaction_settings")
                return try link.run(groups.map { [settings] + $0 }).map { $0.map { Array($0.dropFirst()) } }
            }
            guard guardState == .toBeReleased else { return try link.run(groups) }
            guardState = .off
            return Array(try link.run([[.init(name: "unguard")]] + groups).dropFirst())
        } catch {
            if error.kind == .connection { self.link = nil }
            throw error
        }
    }

    func run(_ name: String, binary: Bool = true, _ fill: (inout PostgresParameters) -> Void = { _ in }) throws(StoreError)
        -> PostgresResult
    {
        try run([[step(name, binary: binary, fill)]])[0].get()[0]
    }

    func step(_ name: String, binary: Bool = true, _ fill: (inout PostgresParameters) -> Void = { _ in })
        -> PostgresConnection.Step
    {
        var step = PostgresConnection.Step(name: name, binary: binary)
        fill(&step.parameters)
        return step
    }

    // MARK: Chores

    /// Looks at everything that is due.
    public func earliestLeaseEnd() throws(StoreError) -> Timestamp? {
        learnLanes(try run([[openLanesStep(whole: true)]])[0].get()[0])
        let known = Array(lanes.keys)
        let result = try run("earliest_lease") {
            $0.append(known.map { Optional($0.type) })
            $0.append(known.map(\.priority))
        }
        guard let count = result.integer(0, 1), count > 0 else { return nil }
        // A task in processing without a lease has none to wait for.
        return result.time(0, 0) ?? databaseNow()
    }

    /// Records the event with it.
    public func pause(route type: String, reason: String) throws(StoreError) {
        _ = try run("pause_route") {
            $0.append(type)
            $0.append("tallypost")
            $0.append(reason)
        }
    }

    /// One round trip. The sign is a transaction of its own.
    public func survey(_ sign: RelaySign?) throws(StoreError) -> Survey {
        let known = Array(lanes.keys)
        // What is dead behind the marks is walked over no more often than a sweep may.
        let isWhole = sweepPace.allows(Moment.now())
        let look = [
            openLanesStep(whole: isWhole),
            step("next_due") {
                $0.append(known.map { Optional($0.type) })
                $0.append(known.map(\.priority))
            },
            step("paused_routes"),
        ]
        let keySteps = keySteps(thorough: false)
        let answers = try run([look + keySteps] + (sign.map { [[signStep($0)]] } ?? []))
        if isWhole, keySteps.count == 1 { sweepPace.took(visitTook, rows: 0, at: Moment.now()) }
        let results = try answers[0].get()
        learnLanes(results[0])
        let (due, paused) = (results[1], results[2])
        learnKeys(results[3...], keySteps)
        let now = due.time(0, 1) ?? databaseNow()
        clock = (now, Moment.now())
        let next = [keys.nextDue(after: now), due.time(0, 0)].compactMap { $0 }.min()
        return Survey(
            types: Set(openLanes.map(\.type)).union(keys.walk.types).sorted(),
            paused: (0..<paused.rowCount).compactMap { paused.text($0, 0) }, nextDue: next, now: now,
            mayHaveDue: keys.mayHaveDue || !openLanes.isSubset(of: known),
            liveRelays: sign == nil ? nil : Int(try answers[1].get()[0].integer(0, 0) ?? 1))
    }

    /// - Parameter whole: look at the known lanes from their beginning, not from their marks.
    func openLanesStep(whole: Bool) -> PostgresConnection.Step {
        let known = Array(lanes)
        return step("open_lanes") {
            $0.append(known.map { Optional($0.key.type) })
            $0.append(known.map(\.key.priority))
            $0.append(known.map { Optional((whole ? Mark.start : $0.value).runAt.literal) })
            $0.append(known.map { (whole ? Mark.start : $0.value).id })
        }
    }

    private func signStep(_ sign: RelaySign) -> PostgresConnection.Step {
        step("sign_relay") {
            $0.append(sign.relay)
            $0.append(sign.state)
            $0.append(Int(sign.life.milliseconds))
        }
    }

    /// A lane that has emptied stays known: a commit that wakes the relay is found though no sweep may be due.
    func learnLanes(_ result: PostgresResult) {
        openLanes = []
        for row in 0..<result.rowCount {
            let lane = Lane(type: result.text(row, 0) ?? "", priority: result.integer(row, 1) ?? 0)
            openLanes.insert(lane)
            if lanes[lane] == nil { lanes[lane] = .start }
        }
        if lanes.count > max(Self.mostIdleLanes, openLanes.count * 2) {
            lanes = lanes.filter { openLanes.contains($0.key) }
        }
    }

    /// The database's clock now, from the last time it was seen.
    func databaseNow() -> Timestamp {
        guard let clock else { return Moment.timeOfDay() }
        return clock.database + (Moment.now() - clock.here)
    }
}
