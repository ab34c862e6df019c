-- What reconciliation asks and writes. The same names as SQLite's (ReconcileStatement).

-- name: scan_tasks
-- Every row beyond id $1, by id. Types are the table's own, which may have been there before us: the reader takes them as they come.
SELECT id, type, status, subject, idempotency_key, amount_minor, currency, created_at, run_at, deadline_at, started_at, finished_at,
       lease_expires_at, attempts, max_attempts, response_status, wait_for_signal, signal_status, has_dependents, waits_until,
       CASE WHEN status IN ('failed', 'timeout') THEN left(last_error::text, 200) END
FROM pending_tasks WHERE id > $1::bigint ORDER BY id
