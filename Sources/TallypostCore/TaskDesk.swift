/// What people (and later the API) do with tasks: look, retry, cancel. Beside ``TaskStore``, on a connection of its own.
///
/// Every change is an event in `task_events`, with who and why, committed with the change.
public protocol TaskDesk: AnyObject {
    /// Tasks that match, by `id` ascending, from beyond `cursor`.
    func list(_ filter: TaskFilter, after cursor: Int64?, limit: Int) throws(StoreError) -> [TaskRow]
    /// One task with its attempts and events; nil when there is none.
    func show(id: Int64) throws(StoreError) -> TaskDossier?
    /// How many tasks match and could be changed by `action`.
    func count(_ filter: TaskFilter, for action: TaskAction) throws(StoreError) -> Int
    /// Does it to those tasks that match and are in a status that allows it; at most `limit` in this transaction, and says
    /// how many were changed. Call until it says 0. A retried task gets its attempts anew.
    func perform(_ action: TaskAction, on filter: TaskFilter, by who: String, why: String, limit: Int) throws(StoreError) -> Int
    /// Depths, ages and leases, for `status`.
    func overview() throws(StoreError) -> Overview
    /// Why a task is where it is, in facts; nil when there is no such task.
    func explain(id: Int64) throws(StoreError) -> Explanation?
    /// Every paused route.
    func pausedRoutes() throws(StoreError) -> [PausedRoute]
    /// Relays that have signed, by name: those that share a rate or had something to report.
    func signedRelays() throws(StoreError) -> [SignedRelay]
    /// Pauses or resumes. False when it was so already.
    func setPaused(_ paused: Bool, route type: String, by who: String, why: String) throws(StoreError) -> Bool
    /// The tide mark, and what keeps relays from sending.
    func tide() throws(StoreError) -> Tide
    /// Keeps all relays from sending, with its event. False when they were kept already.
    func setHold(_ hold: DispatchHold, by who: String, why: String) throws(StoreError) -> Bool
    /// Lets relays send again, with its event, in one transaction; the tide mark goes beyond `mark` and beyond whatever a relay may
    /// remember. False when nothing kept them.
    func liftHold(beyond mark: Int64, by who: String, why: String) throws(StoreError) -> Bool
    /// What has not ended and was created before `time`: counts and sums by type and currency.
    func openTally(createdBefore time: Timestamp) throws(StoreError) -> [OpenTally]
    /// The same row by row, by `id` from beyond `cursor`.
    func openTasks(createdBefore time: Timestamp, after cursor: Int64?, limit: Int) throws(StoreError) -> [TaskRow]
    /// How many pending tasks were held by a rule when they were last looked at, by type.
    func heldTasks() throws(StoreError) -> [(type: String, count: Int)]
}

extension TaskDesk {
    /// For a desk without holds: none.
    public func tide() throws(StoreError) -> Tide { Tide(identity: "", mark: 0, at: Timestamp(microseconds: 0), hold: nil) }
    /// For a desk without holds: nothing is changed.
    public func setHold(_ hold: DispatchHold, by who: String, why: String) throws(StoreError) -> Bool { false }
    /// For a desk without holds: nothing is changed.
    public func liftHold(beyond mark: Int64, by who: String, why: String) throws(StoreError) -> Bool { false }
    /// For a desk without holds: nothing.
    public func openTally(createdBefore time: Timestamp) throws(StoreError) -> [OpenTally] { [] }
    /// For a desk without holds: nothing.
    public func openTasks(createdBefore time: Timestamp, after cursor: Int64?, limit: Int) throws(StoreError) -> [TaskRow] { [] }
    /// For a desk without holds: nothing.
    public func heldTasks() throws(StoreError) -> [(type: String, count: Int)] { [] }
}

/// Which tasks. Members that are nil match all; the rest are joined by AND.
public struct TaskFilter: Sendable, Equatable {
    /// Exactly these.
    public var ids: [Int64]?
    /// In this status.
    public var status: TaskStatus?
    /// Of this type.
    public var type: String?
    /// About this subject.
    public var subject: String?
    /// Only those whose receiver remembers their key, or only those whose does not.
    public var memory: KeyMemory?
    /// Memberwise.
    public init(
        ids: [Int64]? = nil, status: TaskStatus? = nil, type: String? = nil, subject: String? = nil, memory: KeyMemory? = nil
    ) {
        self.memory = memory
        self.ids = ids
        self.status = status
        self.type = type
        self.subject = subject
    }
}

/// What a person can do to a task.
public enum TaskAction: String, Sendable, CaseIterable {
    /// Final tasks go back to `pending` with fresh attempts.
    case retry
    /// Tasks that have not ended and are not being sent end as `cancelled`.
    case cancel

    /// The statuses from which the state machine allows it.
    public var statuses: [TaskStatus] {
        let event: TaskEvent = self == .retry ? .reopened : .cancelled
        return TaskStatus.allCases.filter { $0.after(event) != nil }
    }
}

/// One row as people read it: column names and their values as text (times in ISO 8601 UTC with milliseconds), in the
/// table's order; nil for NULL. `signal_token` is never among them.
public struct TaskRow: Sendable, Equatable {
    /// `id`.
    public var id: Int64
    /// Column, value.
    public var columns: [(name: String, value: String?)]
    /// Memberwise.
    public init(id: Int64, columns: [(name: String, value: String?)]) {
        self.id = id
        self.columns = columns
    }
    /// The value of a column; nil when it is NULL or not there.
    public subscript(_ name: String) -> String? { columns.first { $0.name == name }?.value }

    /// Whether ids, names, values and their order agree.
    public static func == (a: TaskRow, b: TaskRow) -> Bool {
        a.id == b.id && a.columns.elementsEqual(b.columns) { $0.name == $1.name && $0.value == $1.value }
    }
}

/// A task with its history.
public struct TaskDossier: Sendable {
    /// The row.
    public var task: TaskRow
    /// Rows of `task_attempts`, oldest first, as name and value.
    public var attempts: [TaskRow]
    /// Rows of `task_events`, oldest first, as name and value.
    public var events: [TaskRow]
    /// Memberwise.
    public init(task: TaskRow, attempts: [TaskRow], events: [TaskRow]) {
        self.task = task
        self.attempts = attempts
        self.events = events
    }
}

/// A relay's row in `tallypost_relays`.
public struct SignedRelay: Sendable, Equatable {
    /// `name`.
    public var name: String
    /// `seen_at`.
    public var seenAt: Timestamp
    /// `state`: JSON of a ``FlowReport``; nil: everything flows.
    public var state: String?
    /// Memberwise.
    public init(name: String, seenAt: Timestamp, state: String?) {
        self.name = name
        self.seenAt = seenAt
        self.state = state
    }
}

/// The facts behind "what does this task wait for".
public struct Explanation: Sendable, Equatable {
    /// The row.
    public var task: TaskRow
    /// The database's clock.
    public var now: Timestamp
    /// `run_at`.
    public var runAt: Timestamp
    /// `lease_expires_at`.
    public var leaseExpiresAt: Timestamp?
    /// The task that holds its ordering key, if another does: `id` and status.
    public var keyHolder: (id: Int64, status: String)?
    /// Tasks of its type that are due and come before it.
    public var dueBefore: Int
    /// Why its route is paused; nil when it is not.
    public var pausedBecause: String?
    /// Memberwise.
    public init(
        task: TaskRow, now: Timestamp, runAt: Timestamp, leaseExpiresAt: Timestamp?, keyHolder: (id: Int64, status: String)?,
        dueBefore: Int, pausedBecause: String?
    ) {
        self.task = task
        self.now = now
        self.runAt = runAt
        self.leaseExpiresAt = leaseExpiresAt
        self.keyHolder = keyHolder
        self.dueBefore = dueBefore
        self.pausedBecause = pausedBecause
    }
    /// Whether all facts agree.
    public static func == (a: Explanation, b: Explanation) -> Bool {
        a.task == b.task && a.now == b.now && a.runAt == b.runAt && a.leaseExpiresAt == b.leaseExpiresAt
            && a.keyHolder?.id == b.keyHolder?.id && a.dueBefore == b.dueBefore && a.pausedBecause == b.pausedBecause
    }
}

/// Depths and ages, per type and status.
public struct Overview: Sendable, Equatable {
    /// One line: so many tasks of a type in a status.
    public struct Line: Sendable, Equatable {
        /// The type.
        public var type: String
        /// The status's word.
        public var status: String
        /// How many.
        public var count: Int
        /// The earliest `run_at` among them.
        public var oldestRunAt: Timestamp?
        /// Memberwise.
        public init(type: String, status: String, count: Int, oldestRunAt: Timestamp?) {
            self.type = type
            self.status = status
            self.count = count
            self.oldestRunAt = oldestRunAt
        }
    }
    /// Tasks leased by one relay.
    public struct Holder: Sendable, Equatable {
        /// `leased_by`.
        public var relay: String
        /// Leases it holds.
        public var count: Int
        /// The earliest end among them.
        public var earliestExpiry: Timestamp?
        /// Memberwise.
        public init(relay: String, count: Int, earliestExpiry: Timestamp?) {
            self.relay = relay
            self.count = count
            self.earliestExpiry = earliestExpiry
        }
    }
    /// Per type and status; final ones too.
    public var lines: [Line]
    /// Per relay.
    public var holders: [Holder]
    /// Tasks that reached a final status in the last minute, by status.
    public var finishedLastMinute: [String: Int]
    /// Pending rows that are due now.
    public var due: Int
    /// The database's clock.
    public var now: Timestamp
    /// Memberwise.
    public init(lines: [Line], holders: [Holder], finishedLastMinute: [String: Int], due: Int, now: Timestamp) {
        self.lines = lines
        self.holders = holders
        self.finishedLastMinute = finishedLastMinute
        self.due = due
        self.now = now
    }
}

/// A route that is paused.
public struct PausedRoute: Sendable, Equatable {
    /// The task type.
    public var type: String
    /// Since when.
    public var since: Timestamp
    /// Who paused it.
    public var by: String
    /// Why.
    public var reason: String
    /// Memberwise.
    public init(type: String, since: Timestamp, by: String, reason: String) {
        self.type = type
        self.since = since
        self.by = by
        self.reason = reason
    }
}

/// Owns the tables: creates, upgrades and checks them.
public protocol SchemaKeeper: AnyObject {
    /// Creates or upgrades the tables, one transaction a migration. Again is a no-op. Throws `.schema` on a newer schema.
    func migrate() throws(StoreError) -> MigrationReport
    /// Checks what `doctor` asks about this database; never changes anything.
    func diagnose() -> [Finding]
}

/// What `init` did.
public struct MigrationReport: Sendable, Equatable {
    /// Version before; 0: nothing was there.
    public var from: Int
    /// Version now.
    public var to: Int
    /// Columns added to a table that was there before us.
    public var adopted: [String]
    /// Things a person should know (statuses we do not know in an adopted table, say).
    public var notes: [String]
    /// Memberwise.
    public init(from: Int, to: Int, adopted: [String], notes: [String]) {
        self.from = from
        self.to = to
        self.adopted = adopted
        self.notes = notes
    }
}

/// One check of `doctor`.
public struct Finding: Sendable, Equatable {
    /// How bad.
    public enum Level: String, Sendable { case good, warning, problem }
    /// How bad.
    public var level: Level
    /// What was checked: "database", "permissions", "schema", "clock" …
    public var check: String
    /// What was found.
    public var message: String
    /// What mends it; nil when nothing needs mending.
    public var mend: String?
    /// Memberwise.
    public init(level: Level, check: String, message: String, mend: String? = nil) {
        self.level = level
        self.check = check
        self.message = message
        self.mend = mend
    }
}
