/// The statements of `sql/<engine>/reconcile.sql`, by name. What each takes and gives stands beside it in the SQL; both engines agree.
package enum ReconcileStatement: String, Sendable, CaseIterable {
    /// See the SQL.
    case scanTasks = "scan_tasks"
    /// See the SQL.
    case alertBacklog = "alert_backlog"
    /// See the SQL.
    case alertStuck = "alert_stuck"
    /// See the SQL.
    case alertFailures = "alert_failures"
    /// See the SQL.
    case alertCompletions = "alert_completions"
    /// See the SQL.
    case alertLastRun = "alert_last_run"
    /// See the SQL.
    case alertStates = "alert_states"
    /// See the SQL.
    case moveAlert = "move_alert"
}
