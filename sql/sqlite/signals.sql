-- What comes in from outside about tasks that wait. The same names as PostgreSQL's.

-- name: take_signals
-- Two steps for each token ?1: its task, its status and its signal before this, and whether something hangs on its end …
SELECT id, status, signal_status, signal_result, ordering_key IS NOT NULL,
       on_complete_url IS NOT NULL OR on_failure_url IS NOT NULL OR group_key IS NOT NULL OR delivery_of IS NOT NULL OR has_dependents
FROM pending_tasks WHERE wait_for_signal AND signal_token = ?1;
-- … and task ?1 keeps the signal ?2 with result ?3, come at ?4, and ends by it if it waits.
UPDATE pending_tasks
SET signal_status = ?2, signal_result = ?3, signal_at = ?4,
    status = CASE WHEN status = 'waiting' THEN ?2 ELSE status END,
    result = CASE WHEN status = 'waiting' THEN ?3 ELSE result END,
    last_error = CASE WHEN status = 'waiting' AND ?2 = 'failed' THEN 'signalled as failed' ELSE last_error END,
    finished_at = CASE WHEN status = 'waiting' THEN ?4 ELSE finished_at END,
    check_at = CASE WHEN status = 'waiting' THEN NULL ELSE check_at END
WHERE id = ?1;

-- name: take_heartbeats
-- Two steps for each token ?1: the status of its task …
SELECT id, status FROM pending_tasks WHERE wait_for_signal AND signal_token = ?1;
-- … and the progress ?2 and checkpoint ?3 (null: as it was) of task ?1, come at ?4 in milliseconds.
UPDATE pending_tasks
SET progress = coalesce(?2, progress), checkpoint = coalesce(?3, checkpoint),
    check_at = CASE WHEN status <> 'waiting' THEN check_at WHEN heartbeat_ms IS NULL THEN check_at
                    ELSE min(?4 + heartbeat_ms, coalesce(CAST((julianday(waits_until) - 2440587.5) * 86400000.0 + 0.5 AS INTEGER), ?4 + heartbeat_ms)) END
WHERE id = ?1;
