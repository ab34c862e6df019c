import Glibc
public import TallypostCore

/// One connection to a ``MemoryDatabase``.
public final class MemoryStore: TaskStore {
    /// What goes wrong with a call.
    public enum Fault: Sendable {
        /// It fails and nothing was done.
        case before(StoreError)
        /// It is done, and the answer is lost.
        case after(StoreError)
    }

    /// The database.
    public let database: MemoryDatabase
    /// What goes wrong with the next call; gone after it.
    public var nextFault: Fault?
    var imprecision: ClaimImprecision?
    private var generation = 0
    private var seenVersion = 0

    /// A connection that is not open yet.
    public init(_ database: MemoryDatabase) { self.database = database }

    /// Connects, unless the database is away.
    public func open() throws(StoreError) {
        close()
        let fault = takeFault()
        if case .before(let error) = fault { throw error }
        let found = database.transaction { tables, _ in tables.isAway ? 0 : tables.generation }
        guard found > 0 else { throw Self.lost("connect") }
        if case .after(let error) = fault { throw error }
        generation = found
    }

    /// See ``TaskStore/claim(_:)``.
    public func claim(_ request: ClaimRequest) throws(StoreError) -> ClaimBatch {
        var engine = imprecision
        let (batch, used, version) = try perform("claim_batch") { tables, now in
            let batch = tables.claim(request, now: now, &engine)
            return (batch, engine, tables.version)
        }
        imprecision = used
        seenVersion = version
        return batch
    }

    /// See ``TaskStore/settle(_:)``.
    public func settle(_ outcomes: [Outcome]) throws(StoreError) -> Settlement {
        try perform("settle") { tables, now in tables.settle(outcomes, now: now) }
    }

    /// See ``TaskStore/expiredLeases(limit:)``.
    public func expiredLeases(limit: Int) throws(StoreError) -> [ExpiredLease] {
        try perform("expired_leases") { tables, now in tables.expiredLeases(limit: limit, now: now) }
    }

    /// See ``TaskStore/sweep(limit:)``.
    public func sweep(limit: Int) throws(StoreError) -> Int {
        try perform("sweep") { tables, now in tables.sweep(limit: limit, now: now) }
    }

    /// See ``TaskStore/purge(_:)``.
    public func purge(_ policy: RetentionPolicy) throws(StoreError) -> Purge {
        try perform("purge") { tables, now in tables.purge(policy, now: now) }
    }

    /// See ``TaskStore/survey(_:)``.
    public func survey(_ sign: RelaySign?) throws(StoreError) -> Survey {
        try perform("survey") { tables, now in tables.survey(sign, now: now) }
    }

    /// See ``TaskStore/earliestLeaseEnd()``.
    public func earliestLeaseEnd() throws(StoreError) -> Timestamp? {
        try perform("earliest_lease") { tables, now in tables.earliestLeaseEnd(now: now) }
    }

    /// See ``TaskStore/insert(_:)``.
    public func insert(_ drafts: [TaskDraft]) throws(StoreError) -> Int {
        try perform("insert_tick") { tables, now in tables.insert(drafts, now: now) }
    }

    /// See ``TaskStore/pause(route:reason:)``.
    public func pause(route type: String, reason: String) throws(StoreError) {
        try perform("pause_route") { tables, _ in if tables.paused[type] == nil { tables.paused[type] = reason } }
    }

    /// Looks once a millisecond: the tests that call this (the simulator does not) wait for at most a few of them.
    public func waitForWork(timeout: TimeSpan, interrupt: Int32) throws(StoreError) -> Bool {
        var left = max(timeout.milliseconds, 0)
        while true {
            let version = try perform("listen") { tables, _ in tables.version }
            if version != seenVersion {
                seenVersion = version
                return true
            }
            var descriptor = pollfd(fd: interrupt, events: Int16(POLLIN), revents: 0)
            let isReadable = unsafe poll(&descriptor, 1, left > 0 ? 1 : 0) > 0
            if isReadable || left <= 0 { return false }
            left -= 1
        }
    }

    /// Breaks the connection.
    public func close() { generation = 0 }

    private func takeFault() -> Fault? {
        defer { nextFault = nil }
        return nextFault
    }

    private func perform<Value: Sendable>(
        _ operation: String, _ body: (inout MemoryTables, Timestamp) -> Value
    ) throws(StoreError) -> Value {
        let fault = takeFault()
        if case .before(let error) = fault { throw error }
        let value = database.transaction { tables, now -> Value? in
            guard !tables.isAway, tables.generation == generation else { return nil }
            return body(&tables, now)
        }
        guard let value else { throw Self.lost(operation) }
        if case .after(let error) = fault { throw error }
        return value
    }

    static func lost(_ operation: String) -> StoreError {
        StoreError(kind: .connection, code: "08006", operation: operation, message: "the connection is gone")
    }
}
