-- What people ask. The same names as SQLite's. `/* filter */` is where the chosen filter's conditions go, with parameters
-- numbered on from the statement's own; a status stands in them as a literal, so that the partial index applies.

-- name: list_tasks
-- From beyond id $1, at most $2.
SELECT id, type, payload, idempotency_key, subject, amount_minor, currency, target_url, headers, run_at, deadline_at, priority,
       ordering_key, max_attempts, timeout_seconds, on_complete_url, on_failure_url, wait_for_signal, max_wait_seconds, group_key,
       run_after, run_if, traceparent, status, attempts, lease_epoch, lease_expires_at, leased_by, response_status, start_result,
       result, last_error, progress, checkpoint, created_at, started_at, finished_at, blocks_key, waits_until, delivery_of
FROM pending_tasks
WHERE id > $1::bigint /* filter */
ORDER BY id LIMIT $2::integer

-- name: show_task
SELECT id, type, payload, idempotency_key, subject, amount_minor, currency, target_url, headers, run_at, deadline_at, priority,
       ordering_key, max_attempts, timeout_seconds, on_complete_url, on_failure_url, wait_for_signal, max_wait_seconds, group_key,
       run_after, run_if, traceparent, status, attempts, lease_epoch, lease_expires_at, leased_by, response_status, start_result,
       result, last_error, progress, checkpoint, created_at, started_at, finished_at, blocks_key, waits_until, delivery_of
FROM pending_tasks WHERE id = $1::bigint

-- name: show_attempts
SELECT id, attempt, lease_epoch, relay, ended_at, duration_ms, response_status, error, response_start
FROM task_attempts WHERE task_id = $1::bigint ORDER BY id

-- name: show_events
SELECT id, at, event, by, why, detail FROM task_events WHERE task_id = $1::bigint ORDER BY id

-- name: count_tasks
SELECT count(*) FROM pending_tasks WHERE true /* filter */

-- name: retry_tasks
-- Final tasks start anew, at most $1 of them, by $2 because $3. What the last round found out stays to be read until the next
-- writes over it. The events and the relay's wake-up commit with the change; of a settled task the event says what it was and when it
-- ended: the row does not, from now on, and the books must.
WITH chosen AS (
    SELECT id, status AS was, finished_at AS ended FROM pending_tasks WHERE status IN ('failed', 'timeout', 'cancelled', 'completed') /* filter */
    ORDER BY id LIMIT $1::integer FOR UPDATE
), changed AS (
    UPDATE pending_tasks t
    SET status = 'pending', attempts = 0, run_at = clock_timestamp(), finished_at = NULL, blocks_key = false, leased_by = NULL,
        lease_expires_at = NULL, signal_status = NULL, signal_result = NULL, signal_at = NULL, waits_until = NULL, heartbeat_ms = NULL
    FROM chosen WHERE t.id = chosen.id RETURNING t.id, chosen.was, chosen.ended
), noted AS (
    INSERT INTO task_events (task_id, event, by, why, detail)
    SELECT id, 'retry', $2::text, $3::text, CASE WHEN was IN ('completed', 'cancelled') THEN '{"was":"' || was || '","finished_at":'
               || coalesce('"' || to_char(ended AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null') || '}' END
    FROM changed
)
SELECT count(*), pg_notify('tallypost', '') FROM changed

-- name: cancel_tasks
-- Tasks that have not ended and are not being sent end, at most $1 of them, by $2 because $3. A failed task that goes on
-- holding its ordering key is opened and called off in one step: else nobody could let its key go without sending it again. What
-- hangs on the end of each follows.
WITH chosen AS (
    SELECT id FROM pending_tasks WHERE (status IN ('pending', 'blocked', 'waiting') OR (status = 'failed' AND blocks_key)) /* filter */
    ORDER BY id LIMIT $1::integer FOR UPDATE
), changed AS (
    UPDATE pending_tasks t SET status = 'cancelled', finished_at = now(), check_at = NULL, blocks_key = false
    FROM chosen WHERE t.id = chosen.id RETURNING t.id
), noted AS (
    INSERT INTO task_events (task_id, event, by, why) SELECT id, 'cancel', $2::text, $3::text FROM changed
)
SELECT count(*), pg_notify('tallypost', ''), tallypost_follow(coalesce(array_agg(id), '{}')) FROM changed

-- name: record_event
-- Task $1 (null: none), event $2, by $3, why $4, detail $5; wakes the relay.
WITH noted AS (
    INSERT INTO task_events (task_id, event, by, why, detail) VALUES ($1::bigint, $2::text, $3::text, $4::text, $5::text)
)
SELECT pg_notify('tallypost', '')

-- name: overview_lines
SELECT coalesce(type, ''), coalesce(status, ''), count(*), min(run_at) FROM pending_tasks GROUP BY 1, 2 ORDER BY 1, 2

-- name: overview_holders
-- What is being sent is dispatchable, so the index of due tasks bounds the look.
SELECT coalesce(leased_by, ''), count(*), min(lease_expires_at)
FROM pending_tasks WHERE dispatchable AND status = 'processing' GROUP BY 1 ORDER BY 1

-- name: overview_finished
-- By status, in the last minute.
SELECT status, count(*) FROM pending_tasks WHERE finished_at >= clock_timestamp() - interval '1 minute' GROUP BY status

-- name: overview_due
-- And the database's clock.
SELECT count(*), clock_timestamp() FROM pending_tasks WHERE dispatchable AND status = 'pending' AND run_at <= clock_timestamp()

-- name: explain_key_holder
-- The task that task $1 waits behind on its ordering key: the one in flight, else the first.
SELECT other.id, coalesce(other.status, '')
FROM pending_tasks task JOIN pending_tasks other ON other.ordering_key = task.ordering_key AND other.holds_key
WHERE task.id = $1::bigint AND task.holds_key AND task.status NOT IN ('processing', 'waiting') AND other.id <> task.id
  AND (other.id < task.id OR other.in_flight_key IS NOT NULL)
ORDER BY other.in_flight_key IS NULL, other.id LIMIT 1

-- name: explain_due_before
-- How many tasks of the type of task $1 are due and come before it (a step of priority is worth a minute), the database's
-- clock, and the task's own times.
SELECT (SELECT count(*) FROM pending_tasks other
        WHERE other.type = task.type AND other.ordering_key IS NULL AND other.dispatchable AND other.status = 'pending'
          AND other.id <> task.id AND other.run_at <= clock_timestamp()
          AND (extract(epoch FROM other.run_at)::float8 - 60.0 * other.priority, other.id)
              < (extract(epoch FROM task.run_at)::float8 - 60.0 * task.priority, task.id)),
       clock_timestamp(), task.run_at, task.lease_expires_at
FROM pending_tasks task WHERE task.id = $1::bigint

-- name: resume_route
DELETE FROM task_routes WHERE type = $1::text

-- name: ended_among
-- Of tasks $1 those that have ended; and, with status null, those that are not there.
SELECT asked.id FROM unnest($1::bigint[]) AS asked (id) LEFT JOIN pending_tasks t ON t.id = ANY (ARRAY[asked.id])
WHERE t.id IS NULL OR t.status IN ('completed', 'failed', 'timeout', 'cancelled')

-- name: show_group
SELECT key, status, on_complete_url, fail_fast, created_at, ended_at FROM task_groups WHERE key = $1::text

-- name: group_counts
SELECT coalesce(status, ''), count(*) FROM pending_tasks WHERE group_key = $1::text GROUP BY 1 ORDER BY 1

-- name: group_members
-- Of group $1 from beyond id $2, at most $3.
SELECT id, type, payload, idempotency_key, subject, amount_minor, currency, target_url, headers, run_at, deadline_at, priority,
       ordering_key, max_attempts, timeout_seconds, on_complete_url, on_failure_url, wait_for_signal, max_wait_seconds, group_key,
       run_after, run_if, traceparent, status, attempts, lease_epoch, lease_expires_at, leased_by, response_status, start_result,
       result, last_error, progress, checkpoint, created_at, started_at, finished_at, blocks_key, waits_until, delivery_of
FROM pending_tasks WHERE group_key = $1::text AND id > $2::bigint ORDER BY id LIMIT $3::integer

-- name: gauges
-- By type: how many are pending, and since when the first of them that is due has been; and the database's clock. Both indexes of
-- open tasks hold little else.
SELECT type, sum(pending)::bigint, min(due_since), now() FROM (
    SELECT type::text, count(*) AS pending, min(run_at) FILTER (WHERE run_at <= now()) AS due_since
    FROM pending_tasks WHERE dispatchable AND ordering_key IS NULL AND status = 'pending' GROUP BY 1
    UNION ALL
    SELECT type::text, count(*), min(run_at) FILTER (WHERE run_at <= now())
    FROM pending_tasks WHERE dispatchable AND ordering_key IS NOT NULL AND status = 'pending' GROUP BY 1) AS part
GROUP BY type ORDER BY type
