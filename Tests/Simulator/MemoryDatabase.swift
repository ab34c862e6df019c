import Synchronization
public import TallypostCore

/// A database in memory: what the simulator's relays share, and the third engine of the contract suite.
///
/// It keeps the guarantees of ``TaskStore`` and nothing else. Its clock is virtual unless a real one is given.
public final class MemoryDatabase: Sendable {
    private let tables: Mutex<MemoryTables>
    private let clock: (@Sendable () -> Timestamp)?

    /// - Parameters:
    ///   - start: what the virtual clock shows at first.
    ///   - clock: a real clock instead.
    public init(start: Timestamp = Timestamp(microseconds: 1_760_000_000_000_000), clock: (@Sendable () -> Timestamp)? = nil) {
        tables = Mutex(MemoryTables(virtualNow: start))
        self.clock = clock
    }

    /// The database's clock. Setting it moves a virtual one.
    public var now: Timestamp {
        get { clock?() ?? tables.withLock { $0.virtualNow } }
        set { tables.withLock { $0.virtualNow = newValue } }
    }

    /// One transaction: everything happens at one moment, and nothing else meanwhile.
    func transaction<Value: Sendable>(_ body: (inout MemoryTables, Timestamp) -> Value) -> Value {
        tables.withLock { tables in body(&tables, clock?() ?? tables.virtualNow) }
    }

    // MARK: The application

    /// Takes `count` ids from the sequence. They are gaps until rows with them are committed.
    public func takeIDs(_ count: Int) -> ClosedRange<Int64> {
        transaction { tables, _ in
            let first = tables.nextID
            tables.nextID += Int64(count)
            return first...(first + Int64(count) - 1)
        }
    }

    /// Commits rows that the application inserted.
    public func commit(_ rows: [MemoryRow]) {
        transaction { tables, _ in for row in rows { tables.insert(row) } }
    }

    /// A committed row; nil when there is none.
    public func row(_ id: Int64) -> MemoryRow? {
        transaction { tables, _ in tables.index(of: id).map { tables.rows[$0] } }
    }

    /// Rows that a person's transaction holds locked: no claim takes them, no settlement changes them.
    public var lockedRows: Set<Int64> {
        get { tables.withLock { $0.lockedRows } }
        set { tables.withLock { $0.lockedRows = newValue } }
    }

    /// Every committed row, by `id`.
    public var rows: [MemoryRow] { transaction { tables, _ in tables.rows } }

    /// Rows of `task_attempts` of one task, oldest first.
    public func attempts(of id: Int64) -> [MemoryAttempt] {
        transaction { tables, _ in tables.attempts.filter { $0.task == id } }
    }

    /// Changes a row as a person with SQL would. False when it is not there.
    @discardableResult public func edit(_ id: Int64, _ edit: @Sendable (inout MemoryRow) -> Void) -> Bool {
        transaction { tables, _ in
            guard let index = tables.index(of: id) else { return false }
            edit(&tables.rows[index])
            tables.version += 1
            return true
        }
    }

    // MARK: People

    /// Retries or cancels one task, if its status allows it; says whether it did.
    public func perform(_ action: TaskAction, on id: Int64) -> Bool {
        transaction { tables, now in
            guard let index = tables.index(of: id), case .known(let status) = tables.rows[index].image.status,
                let after = status.after(action == .retry ? .reopened : .cancelled)
            else { return false }
            tables.change(index, .person(action)) { row in
                row.image.status = .known(after)
                row.image.blocksKey = false
                if action == .retry {
                    row.image.attempts = 0
                    row.image.runAt = now
                    row.finishedAt = nil
                } else {
                    row.finishedAt = now
                }
            }
            tables.version += 1
            return true
        }
    }

    /// Pauses a type; the first reason is kept.
    public func pause(_ type: String, reason: String) {
        transaction { tables, _ in if tables.paused[type] == nil { tables.paused[type] = reason } }
    }

    /// Resumes a type.
    public func resume(_ type: String) {
        transaction { tables, _ in
            tables.paused[type] = nil
            tables.version += 1
        }
    }

    /// From now on every worker sends its heartbeats.
    public func makeWorkersWell() { transaction { tables, _ in tables.workersAreWell = true } }

    /// Paused types and why.
    public var pausedRoutes: [String: String] { transaction { tables, _ in tables.paused } }

    /// What the relays that signed say of themselves; nil: everything flows.
    public var signs: [String: String?] { transaction { tables, _ in tables.relays.mapValues(\.state) } }

    // MARK: Faults and checks

    /// Breaks every connection; none can be opened until ``comeBack()``.
    public func goAway() {
        transaction { tables, _ in
            tables.generation += 1
            tables.isAway = true
        }
    }

    /// Connections can be opened again.
    public func comeBack() { transaction { tables, _ in tables.isAway = false } }

    /// From now on changes are noted for ``takeChanges()``.
    public func keepJournal() { transaction { tables, _ in tables.keepsJournal = true } }

    /// The changes since the last call.
    public func takeChanges() -> [RowChange] {
        transaction { tables, _ in
            guard !tables.journal.isEmpty else { return [] }
            defer { tables.journal.removeAll(keepingCapacity: true) }
            return tables.journal
        }
    }
}
