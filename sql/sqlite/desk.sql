-- What people ask. The same names as PostgreSQL's. `/* filter */` is where the chosen filter's conditions go, with
-- parameters from ?10 on; a status stands in them as a literal, because only so do the partial indexes apply.

-- name: list_tasks
-- From beyond id ?1, at most ?2.
SELECT id, type, payload, idempotency_key, subject, amount_minor, currency, target_url, headers,
       coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', run_at), run_at) AS run_at,
       coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', deadline_at), deadline_at) AS deadline_at,
       priority, ordering_key, max_attempts, timeout_seconds, on_complete_url, on_failure_url,
       CASE WHEN wait_for_signal THEN 'true' ELSE 'false' END AS wait_for_signal, max_wait_seconds, group_key, run_after, run_if,
       traceparent, status, attempts, lease_epoch, lease_expires_at, leased_by, response_status, start_result, result, last_error,
       progress, checkpoint, coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', created_at), created_at) AS created_at, started_at,
       finished_at, CASE WHEN blocks_key THEN 'true' ELSE 'false' END AS blocks_key, waits_until, delivery_of
FROM pending_tasks
WHERE id > ?1 /* filter */
ORDER BY id LIMIT ?2;

-- name: show_task
SELECT id, type, payload, idempotency_key, subject, amount_minor, currency, target_url, headers,
       coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', run_at), run_at) AS run_at,
       coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', deadline_at), deadline_at) AS deadline_at,
       priority, ordering_key, max_attempts, timeout_seconds, on_complete_url, on_failure_url,
       CASE WHEN wait_for_signal THEN 'true' ELSE 'false' END AS wait_for_signal, max_wait_seconds, group_key, run_after, run_if,
       traceparent, status, attempts, lease_epoch, lease_expires_at, leased_by, response_status, start_result, result, last_error,
       progress, checkpoint, coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', created_at), created_at) AS created_at, started_at,
       finished_at, CASE WHEN blocks_key THEN 'true' ELSE 'false' END AS blocks_key, waits_until, delivery_of
FROM pending_tasks WHERE id = ?1;

-- name: show_attempts
SELECT id, attempt, lease_epoch, relay, ended_at, duration_ms, response_status, error, response_start
FROM task_attempts WHERE task_id = ?1 ORDER BY id;

-- name: show_events
SELECT id, at, event, by, why, detail FROM task_events WHERE task_id = ?1 ORDER BY id;

-- name: count_tasks
SELECT count(*) FROM pending_tasks WHERE TRUE /* filter */;

-- name: retry_tasks
-- Two steps. The final tasks that start anew, at most ?2 of them, and what they were: their events must say it, the rows will not.
SELECT id, status, finished_at FROM pending_tasks
WHERE status IN ('failed', 'timeout', 'cancelled', 'completed') /* filter */
ORDER BY id LIMIT ?2;
-- Each of them, ?2, at ?1. What the last round found out stays to be read until the next writes over it.
UPDATE pending_tasks
SET status = 'pending', attempts = 0, run_at = ?1, finished_at = NULL, blocks_key = 0, leased_by = NULL, lease_expires_at = NULL,
    signal_status = NULL, signal_result = NULL, signal_at = NULL, waits_until = NULL, heartbeat_ms = NULL, check_at = NULL
WHERE id = ?2;

-- name: cancel_tasks
-- Tasks that have not ended and are not being sent end at ?1, at most ?2 of them. A failed task that goes on holding its
-- ordering key is opened and called off in one step: else nobody could let its key go without sending it again.
UPDATE pending_tasks
SET status = 'cancelled', finished_at = ?1, blocks_key = 0, check_at = NULL
WHERE id IN (SELECT id FROM pending_tasks
             WHERE (status IN ('pending', 'blocked', 'waiting') OR (status = 'failed' AND blocks_key)) /* filter */ ORDER BY id LIMIT ?2)
RETURNING id;

-- name: record_event
-- Task ?1 (null: none), at ?2, event ?3, by ?4, why ?5, detail ?6.
INSERT INTO task_events (task_id, at, event, by, why, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6);

-- name: overview_lines
SELECT coalesce(type, ''), coalesce(status, ''), count(*), min(run_at_ms) FROM pending_tasks GROUP BY 1, 2 ORDER BY 1, 2;

-- name: overview_holders
SELECT coalesce(leased_by, ''), count(*), min(CAST((julianday(lease_expires_at) - 2440587.5) * 86400000.0 + 0.5 AS INTEGER))
FROM pending_tasks WHERE status = 'processing' GROUP BY 1 ORDER BY 1;

-- name: overview_finished
-- By status, since ?1.
SELECT status, count(*) FROM pending_tasks WHERE finished_at >= ?1 GROUP BY status;

-- name: overview_due
-- Due at ?1; both halves from their indexes.
SELECT (SELECT count(*) FROM pending_tasks WHERE ordering_key IS NULL AND is_open AND lane IS NOT NULL AND run_at_ms <= ?1)
     + (SELECT count(*) FROM pending_tasks WHERE ordering_key IS NOT NULL AND holds_key AND lane IS NOT NULL AND run_at_ms <= ?1);

-- name: explain_key_holder
-- The task that task ?1 waits behind on its ordering key: the one in flight, else the first.
SELECT other.id, coalesce(other.status, '')
FROM pending_tasks AS task JOIN pending_tasks AS other ON other.ordering_key = task.ordering_key AND other.holds_key
WHERE task.id = ?1 AND task.holds_key AND task.status IS NOT 'processing' AND task.status IS NOT 'waiting' AND other.id <> task.id
  AND (other.id < task.id OR other.status = 'processing' OR other.status = 'waiting')
ORDER BY other.status = 'processing' OR other.status = 'waiting' DESC, other.id LIMIT 1;

-- name: explain_due_before
-- How many tasks of the type of task ?1 are due at ?2 and come before it; a step of priority is worth a minute.
SELECT count(*)
FROM pending_tasks AS task JOIN pending_tasks AS other ON other.lane = task.type AND other.ordering_key IS NULL AND other.is_open
WHERE task.id = ?1 AND other.id <> task.id AND other.run_at_ms <= ?2
  AND (other.run_at_ms - other.priority * 60000, other.id) < (task.run_at_ms - task.priority * 60000, task.id);

-- name: resume_route
DELETE FROM task_routes WHERE type = ?1;

-- name: ended_among
-- Of tasks ?1 (a JSON array of ids) those that have ended, and those that are not there.
SELECT asked.value FROM json_each(?1) AS asked LEFT JOIN pending_tasks AS task ON task.id = asked.value
WHERE task.id IS NULL OR task.status IN ('completed', 'failed', 'timeout', 'cancelled');

-- name: show_group
SELECT key, status, on_complete_url, CASE WHEN fail_fast THEN 'true' ELSE 'false' END AS fail_fast, created_at, ended_at FROM task_groups WHERE key = ?1;

-- name: group_counts
SELECT coalesce(status, ''), count(*) FROM pending_tasks WHERE group_key = ?1 GROUP BY 1 ORDER BY 1;

-- name: group_members
-- Of group ?1 from beyond id ?2, at most ?3.
SELECT id, type, payload, idempotency_key, subject, amount_minor, currency, target_url, headers,
       coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', run_at), run_at) AS run_at,
       coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', deadline_at), deadline_at) AS deadline_at,
       priority, ordering_key, max_attempts, timeout_seconds, on_complete_url, on_failure_url,
       CASE WHEN wait_for_signal THEN 'true' ELSE 'false' END AS wait_for_signal, max_wait_seconds, group_key, run_after, run_if,
       traceparent, status, attempts, lease_epoch, lease_expires_at, leased_by, response_status, start_result, result, last_error,
       progress, checkpoint, coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', created_at), created_at) AS created_at, started_at,
       finished_at, CASE WHEN blocks_key THEN 'true' ELSE 'false' END AS blocks_key, waits_until, delivery_of
FROM pending_tasks WHERE group_key = ?1 AND id > ?2 ORDER BY id LIMIT ?3;

-- name: gauges
-- By type: how many are pending, and since when the first of them that is due at ?1 has been. Both indexes of open tasks hold little else.
SELECT type, sum(pending), min(due_since) FROM (
    SELECT lane AS type, count(*) AS pending, min(CASE WHEN run_at_ms <= ?1 THEN run_at_ms END) AS due_since
    FROM pending_tasks WHERE ordering_key IS NULL AND is_open AND lane IS NOT NULL GROUP BY lane
    UNION ALL
    SELECT lane, count(*), min(CASE WHEN run_at_ms <= ?1 THEN run_at_ms END)
    FROM pending_tasks WHERE ordering_key IS NOT NULL AND holds_key AND lane IS NOT NULL AND status = 'pending' GROUP BY lane)
GROUP BY type ORDER BY type;
