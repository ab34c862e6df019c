-- What reconciliation asks and writes. The same names on both engines (ReconcileStatement).

-- name: scan_tasks
-- Every row, by id.
SELECT id FROM pending_tasks ORDER BY id
