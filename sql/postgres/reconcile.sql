-- What reconciliation asks and writes. The same names as SQLite's (ReconcileStatement).

-- name: scan_tasks
-- Every row beyond id $1, by id. Types are the table's own, which may have been there before us: the reader takes them as they come.
SELECT id, type, status, subject, idempotency_key, amount_minor, currency, created_at, run_at, deadline_at, started_at, finished_at,
       lease_expires_at, attempts, max_attempts, response_status, wait_for_signal, signal_status, has_dependents, waits_until,
       CASE WHEN status IN ('failed', 'timeout') THEN left(last_error::text, 200) END
FROM pending_tasks WHERE id > $1::bigint ORDER BY id

-- name: alert_backlog
-- Of tasks that are not our own: how many are due at $1, and since when the first has been. The index of due tasks holds little else.
SELECT count(*), min(run_at) FROM pending_tasks
WHERE dispatchable AND status = 'pending' AND run_at <= $1::timestamptz AND type NOT LIKE 'tallypost.%'

-- name: alert_stuck
-- Tasks in processing whose lease ran out before $1, and since when the first has been stuck.
SELECT count(*), min(lease_expires_at) FROM pending_tasks
WHERE dispatchable AND status = 'processing' AND lease_expires_at < $1::timestamptz AND type NOT LIKE 'tallypost.%'

-- name: alert_failures
-- Tasks, not our own, that ended without success since $1; from the index of those.
SELECT count(*) FROM pending_tasks
WHERE unsuccessful IN ('failed', 'timeout') AND finished_at >= $1::timestamptz AND type NOT LIKE 'tallypost.%'

-- name: alert_completions
-- Tasks, not our own, that were completed since $1, among the newest $2.
SELECT count(*) FROM pending_tasks
WHERE id > (SELECT max(id) FROM pending_tasks) - $2::bigint AND status = 'completed' AND finished_at >= $1::timestamptz
  AND type NOT LIKE 'tallypost.%'

-- name: alert_last_run
-- When the last run that was committed looked; null: there was none.
SELECT as_of FROM tallypost_reconciler WHERE id = 1

-- name: alert_states
-- Every alert: its key, whether it is firing, since when, how often it was told, and what was told last.
SELECT name, firing::integer, since, epoch, value FROM tallypost_alerts

-- name: move_alert
-- Alert $1 is firing or not ($2) since $3, which was told $4 times before, as $5 says. Nothing, when somebody else was faster.
INSERT INTO tallypost_alerts (name, firing, since, epoch, value)
VALUES ($1::text, $2::boolean, $3::timestamptz, $4::bigint + 1, $5::text)
ON CONFLICT (name) DO UPDATE SET firing = excluded.firing, since = excluded.since, epoch = excluded.epoch, value = excluded.value
WHERE tallypost_alerts.epoch = $4::bigint
