import TallypostCore

/// The relay's statements, prepared once per connection.
final class StoreStatements {
    let openLanes: SQLiteStatement
    let nextDue: SQLiteStatement
    let dueInLane: SQLiteStatement
    let readDue: SQLiteStatement
    let lease: SQLiteStatement
    let keyHeads: SQLiteStatement
    let readHead: SQLiteStatement
    let recordAttempt: SQLiteStatement
    let settleCompleted: SQLiteStatement
    let settleCompletedAlike: SQLiteStatement
    let settleFollowed: SQLiteStatement
    let settleWaiting: SQLiteStatement
    let settleOther: SQLiteStatement
    let settledBefore: SQLiteStatement
    let expiredLeases: SQLiteStatement
    let earliestLease: SQLiteStatement
    let silentWorkers: SQLiteStatement
    let endOverdue: SQLiteStatement
    let overdueWaits: SQLiteStatement
    let endWait: SQLiteStatement
    let endGroups: SQLiteStatement
    let setAside: SQLiteStatement
    let pausedRoutes: SQLiteStatement
    let pauseRoute: SQLiteStatement
    let recordEvent: SQLiteStatement
    let forgetRelays: SQLiteStatement
    let signRelay: SQLiteStatement
    let countRelays: SQLiteStatement

    /// `sql/sqlite/tasks.sql`.
    static let tasks = StatementFile(PackageResources.tasks_sql)
    /// `sql/sqlite/signals.sql`.
    static let signals = StatementFile(PackageResources.signals_sql)
    /// `sql/sqlite/desk.sql`.
    static let desk = StatementFile(PackageResources.desk_sql)
    /// `sql/sqlite/reconcile.sql`.
    static let reconcile = StatementFile(PackageResources.reconcile_sql)

    init(_ connection: SQLiteConnection) throws(StoreError) {
        func prepare(_ name: String, from file: StatementFile = StoreStatements.tasks) throws(StoreError) -> SQLiteStatement {
            try connection.prepare(file[name], operation: name)
        }
        let claimDue = try connection.prepareAll(Self.tasks["claim_due"], operation: "claim_due")
        precondition(claimDue.count == 3, "claim_due is three steps")
        (dueInLane, readDue, lease) = (claimDue[0], claimDue[1], claimDue[2])
        let sign = try connection.prepareAll(Self.tasks["sign_relay"], operation: "sign_relay")
        precondition(sign.count == 3, "sign_relay is three steps")
        (forgetRelays, signRelay, countRelays) = (sign[0], sign[1], sign[2])
        openLanes = try prepare("open_lanes")
        nextDue = try prepare("next_due")
        keyHeads = try prepare("key_heads")
        readHead = try prepare("claim_heads")
        recordAttempt = try prepare("record_attempts")
        let completed = try connection.prepareAll(Self.tasks["settle_completed"], operation: "settle_completed")
        precondition(completed.count == 2, "settle_completed is for one or for many")
        (settleCompleted, settleCompletedAlike) = (completed[0], completed[1])
        settleFollowed = try prepare("settle_followed")
        settleWaiting = try prepare("settle_waiting")
        settleOther = try prepare("settle_other")
        settledBefore = try prepare("settled_before")
        expiredLeases = try prepare("expired_leases")
        earliestLease = try prepare("earliest_lease")
        silentWorkers = try prepare("silent_workers")
        endOverdue = try prepare("end_overdue")
        let waits = try connection.prepareAll(Self.tasks["end_waits"], operation: "end_waits")
        precondition(waits.count == 2, "end_waits is two steps")
        (overdueWaits, endWait) = (waits[0], waits[1])
        endGroups = try prepare("end_groups")
        setAside = try prepare("set_aside_untyped")
        pausedRoutes = try prepare("paused_routes")
        pauseRoute = try prepare("pause_route")
        recordEvent = try prepare("record_event", from: Self.desk)
    }
}
