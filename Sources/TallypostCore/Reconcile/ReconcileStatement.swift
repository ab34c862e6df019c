/// The statements of `sql/<engine>/reconcile.sql`, by name. What each takes and gives stands beside it in the SQL; both engines agree.
package enum ReconcileStatement: String, Sendable, CaseIterable {
    /// See the SQL.
    case scanTasks = "scan_tasks"
}
