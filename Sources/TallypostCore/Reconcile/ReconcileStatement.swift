/// The statements of `sql/<engine>/reconcile.sql`, by name. What each takes and gives stands beside it in the SQL; both engines agree.
package enum ReconcileStatement: String, Sendable, CaseIterable {
    /// See the SQL.
    case scanTasks = "scan_tasks"

    // Ledgers of receivers.
    /// See the SQL.
    case ledgerImports = "ledger_imports"
    /// See the SQL.
    case ledgerImportSame = "ledger_import_same"
    /// See the SQL.
    case ledgerItems = "ledger_items"
    /// See the SQL.
    case ledgerFindings = "ledger_findings"
    /// See the SQL.
    case ledgerMatches = "ledger_matches"
    /// See the SQL.
    case ledgerTasks = "ledger_tasks"
    /// See the SQL.
    case ledgerTasksResults = "ledger_tasks_results"
    /// See the SQL.
    case ledgerOurs = "ledger_ours"
    /// See the SQL.
    case ledgerLock = "ledger_lock"
    /// See the SQL.
    case ledgerLastImport = "ledger_last_import"
    /// See the SQL.
    case ledgerImportAdd = "ledger_import_add"
    /// See the SQL.
    case ledgerItemsRemove = "ledger_items_remove"
    /// See the SQL.
    case ledgerItemsAdd = "ledger_items_add"
    /// See the SQL.
    case ledgerMatchOf = "ledger_match_of"
    /// See the SQL.
    case ledgerMatchPut = "ledger_match_put"
    /// See the SQL.
    case ledgerFindingsPut = "ledger_findings_put"
    /// See the SQL.
    case ledgerFindingsClear = "ledger_findings_clear"
}
