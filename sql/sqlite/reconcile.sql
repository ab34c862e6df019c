-- What reconciliation asks and writes. The same names as PostgreSQL's (ReconcileStatement).

-- name: scan_tasks
-- Every row beyond id ?1, by id. SQLite's columns hold anything: the reader takes it as it comes.
SELECT id, type, status, subject, idempotency_key, amount_minor, currency, created_at, run_at, deadline_at, started_at, finished_at,
       lease_expires_at, attempts, max_attempts, response_status, wait_for_signal, signal_status, has_dependents, waits_until,
       CASE WHEN status IN ('failed', 'timeout') THEN substr(last_error, 1, 200) END
FROM pending_tasks WHERE id > ?1 ORDER BY id;

-- name: alert_backlog
-- Of tasks that are not our own: how many are due at ?1, and since when the first has been. Both indexes of open tasks hold little else.
SELECT count(*), strftime('%Y-%m-%dT%H:%M:%fZ', min(run_at_ms) / 1000.0, 'unixepoch') FROM (
    SELECT run_at_ms FROM pending_tasks
    WHERE ordering_key IS NULL AND is_open AND lane IS NOT NULL AND lane NOT GLOB 'tallypost.*'
      AND run_at_ms <= CAST(round((julianday(?1) - 2440587.5) * 86400000.0) AS INTEGER)
    UNION ALL
    SELECT run_at_ms FROM pending_tasks
    WHERE ordering_key IS NOT NULL AND holds_key AND lane IS NOT NULL AND status = 'pending' AND lane NOT GLOB 'tallypost.*'
      AND run_at_ms <= CAST(round((julianday(?1) - 2440587.5) * 86400000.0) AS INTEGER));

-- name: alert_stuck
-- Tasks in processing whose lease ran out before ?1, and since when the first has been stuck.
SELECT count(*), min(lease_expires_at) FROM pending_tasks
WHERE status = 'processing' AND lease_expires_at < ?1 AND type NOT GLOB 'tallypost.*';

-- name: alert_failures
-- Tasks, not our own, that ended without success since ?1; from the index of those.
SELECT count(*) FROM pending_tasks
WHERE (status = 'failed' OR status = 'timeout') AND finished_at >= ?1 AND type NOT GLOB 'tallypost.*';

-- name: alert_completions
-- Tasks, not our own, that were completed since ?1, among the newest ?2.
SELECT count(*) FROM pending_tasks
WHERE id > (SELECT max(id) FROM pending_tasks) - ?2 AND status = 'completed' AND finished_at >= ?1 AND type NOT GLOB 'tallypost.*';

-- name: alert_last_run
-- When the last run that was committed looked; null: there was none.
SELECT as_of FROM tallypost_reconciler WHERE id = 1;

-- name: alert_states
-- Every alert: its key, whether it is firing, since when, how often it was told, and what was told last.
SELECT name, firing, since, epoch, value FROM tallypost_alerts;

-- name: move_alert
-- Alert ?1 is firing or not (?2) since ?3, which was told ?4 times before, as ?5 says. Nothing, when somebody else was faster.
INSERT INTO tallypost_alerts (name, firing, since, epoch, value) VALUES (?1, ?2, ?3, ?4 + 1, ?5)
ON CONFLICT (name) DO UPDATE SET firing = excluded.firing, since = excluded.since, epoch = excluded.epoch, value = excluded.value
WHERE tallypost_alerts.epoch = ?4;
