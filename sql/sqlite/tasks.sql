-- What the relay asks of SQLite. The same names as PostgreSQL's; where a name holds several statements, they are one step,
-- taken in that order inside one write transaction unless it says otherwise.
--
-- Times come in as milliseconds since 1970 or as the text that is stored; both from the machine's clock, read once a
-- transaction, because SQLite has no server and no clock of its own.

-- name: schema_version
SELECT max(version) FROM tallypost_schema;

-- name: open_lanes
-- Every type and priority with rows to claim, due or not: the index is entered once a lane, however long the lanes are.
WITH RECURSIVE last (type, priority) AS (
    SELECT type, priority FROM (
        SELECT lane AS type, priority FROM pending_tasks WHERE ordering_key IS NULL AND is_open AND lane IS NOT NULL
        ORDER BY lane, priority LIMIT 1)
    UNION ALL
    SELECT head.type, head.priority
    FROM last JOIN pending_tasks AS head ON head.id = coalesce(
        (SELECT id FROM pending_tasks WHERE ordering_key IS NULL AND is_open AND lane = last.type AND priority > last.priority
         ORDER BY priority LIMIT 1),
        (SELECT id FROM pending_tasks WHERE ordering_key IS NULL AND is_open AND lane > last.type
         ORDER BY lane, priority LIMIT 1))
)
SELECT type, priority FROM last;

-- name: next_due
-- When the first row of a lane (?1 type, ?2 priority) that is not due at ?3 falls due.
SELECT run_at_ms FROM pending_tasks
WHERE lane = ?1 AND priority = ?2 AND ordering_key IS NULL AND is_open AND run_at_ms > ?3
ORDER BY run_at_ms LIMIT 1;

-- name: claim_due
-- Three steps, because PostgreSQL's one would return the status after the change and hold the write lock while it looks.
-- First, before the transaction: what is due at ?3 in a lane, from the index alone, at most ?4.
SELECT id, run_at_ms FROM pending_tasks
WHERE lane = ?1 AND priority = ?2 AND ordering_key IS NULL AND is_open AND run_at_ms <= ?3
ORDER BY run_at_ms, id LIMIT ?4;
-- Then, still before it, the rows that were chosen (?1: a JSON array of ids), in that order, if they can be claimed at ?2. Asked
-- again inside the transaction, but only if somebody else has committed in between.
SELECT task.id, lease_epoch, task.type, attempts, status, payload, coalesce(idempotency_key, 'pending_tasks-' || task.id), subject,
       target_url, headers, run_at_ms, CAST((julianday(created_at) - 2440587.5) * 86400000.0 + 0.5 AS INTEGER), deadline_at_ms,
       priority, ordering_key, max_attempts, timeout_seconds, wait_for_signal, signal_token, traceparent, checkpoint, run_after,
       CASE WHEN run_after IS NOT NULL THEN (SELECT before.result FROM pending_tasks AS before WHERE before.id = task.run_after) END,
       on_complete_url IS NOT NULL OR on_failure_url IS NOT NULL OR group_key IS NOT NULL OR delivery_of IS NOT NULL OR has_dependents
FROM json_each(?1) AS chosen CROSS JOIN pending_tasks AS task ON task.id = chosen.value
WHERE ordering_key IS NULL AND is_open AND run_at_ms <= ?2;
-- And their leases, one statement for all (?1, as before) that shall have the same: ?2 attempts, ?3 epoch, ?4 its end, ?5 relay,
-- ?6 now. A statement costs nearly as much to begin and to end as a row costs to change.
UPDATE pending_tasks
SET status = 'processing', attempts = ?2, lease_epoch = ?3, lease_expires_at = ?4, leased_by = ?5, started_at = ?6
WHERE id IN (SELECT value FROM json_each(?1));

-- name: key_heads
-- The first task of each of at most ?2 ordering keys, from key ?1 on in byte order. One step in the index per key.
WITH RECURSIVE head (id, ordering_key, n) AS (
    SELECT id, ordering_key, 1 FROM (
        SELECT id, ordering_key FROM pending_tasks WHERE ordering_key IS NOT NULL AND holds_key AND ordering_key >= ?1
        ORDER BY ordering_key, id LIMIT 1)
    UNION ALL
    SELECT next.id, next.ordering_key, head.n + 1
    FROM head JOIN pending_tasks AS next ON next.id = (
        SELECT id FROM pending_tasks WHERE ordering_key IS NOT NULL AND holds_key AND ordering_key > head.ordering_key
        ORDER BY ordering_key, id LIMIT 1)
    WHERE head.n < ?2
)
SELECT task.id, task.ordering_key, task.type, task.priority, task.run_at_ms, task.lane IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM pending_tasks AS other
                       WHERE other.ordering_key = task.ordering_key AND (other.status = 'processing' OR other.status = 'waiting'))
FROM head JOIN pending_tasks AS task ON task.id = head.id;

-- name: claim_heads
-- A head ?1 that was chosen, if at ?2 it still is one and nothing of its key is in flight; read and leased as under claim_due. The
-- unique index pending_tasks_key_in_flight stands behind this.
SELECT id, lease_epoch, type, attempts, status, payload, coalesce(idempotency_key, 'pending_tasks-' || id), subject, target_url,
       headers, run_at_ms, CAST((julianday(created_at) - 2440587.5) * 86400000.0 + 0.5 AS INTEGER), deadline_at_ms, priority,
       ordering_key, max_attempts, timeout_seconds, wait_for_signal, signal_token, traceparent, checkpoint, run_after,
       CASE WHEN run_after IS NOT NULL THEN (SELECT before.result FROM pending_tasks AS before WHERE before.id = task.run_after) END,
       on_complete_url IS NOT NULL OR on_failure_url IS NOT NULL OR group_key IS NOT NULL OR delivery_of IS NOT NULL OR has_dependents
FROM pending_tasks AS task
WHERE id = ?1 AND ordering_key IS NOT NULL AND is_open AND run_at_ms <= ?2
  AND NOT EXISTS (SELECT 1 FROM pending_tasks AS other
                  WHERE other.ordering_key = task.ordering_key AND other.holds_key AND other.id < task.id)
  AND NOT EXISTS (SELECT 1 FROM pending_tasks AS other
                  WHERE other.ordering_key = task.ordering_key AND (other.status = 'processing' OR other.status = 'waiting'));

-- name: record_attempts
-- One attempt (?3 number, ?4 now, ?5 duration, ?6 status, ?7 error, ?8 start of the answer; ?9 now in milliseconds) of task ?1, if
-- epoch ?2 still holds.
INSERT INTO task_attempts (task_id, attempt, lease_epoch, relay, ended_at, duration_ms, response_status, error, response_start)
SELECT id, ?3, lease_epoch, leased_by, ?4, ?5, ?6, ?7, ?8
FROM pending_tasks WHERE id = ?1 AND lease_epoch = ?2 AND (status = 'processing' OR (status = 'waiting' AND check_at < ?9));

-- name: settle_completed
-- Task ?1 in epoch ?2 is done: ?3 HTTP status, ?4 result, ?5 now. Not one on which a successor has come to hang since it was claimed:
-- that is settled as below.
UPDATE pending_tasks
SET status = 'completed', response_status = ?3, result = ?4, finished_at = ?5, lease_expires_at = NULL
WHERE id = ?1 AND lease_epoch = ?2 AND status = 'processing' AND NOT has_dependents;
-- The same for all tasks (?1: a JSON array of ids) that ended alike in the same epoch.
UPDATE pending_tasks
SET status = 'completed', response_status = ?3, result = ?4, finished_at = ?5, lease_expires_at = NULL
WHERE id IN (SELECT value FROM json_each(?1)) AND lease_epoch = ?2 AND status = 'processing' AND NOT has_dependents;

-- name: settle_followed
-- The same for a task whose end has followers.
UPDATE pending_tasks
SET status = 'completed', response_status = ?3, result = ?4, finished_at = ?5, lease_expires_at = NULL
WHERE id = ?1 AND lease_epoch = ?2 AND status = 'processing';

-- name: settle_waiting
-- Task ?1 in epoch ?2 waits: ?3 HTTP status, ?4 answer, ?5 the longest wait and ?6 the longest silence in milliseconds (null: none), ?7
-- now as text and ?8 in milliseconds. A signal that is kept already ends the task at once.
UPDATE pending_tasks
SET status = coalesce(signal_status, 'waiting'), response_status = ?3, start_result = ?4,
    result = CASE WHEN signal_status IS NULL THEN result ELSE signal_result END,
    last_error = CASE WHEN signal_status = 'failed' THEN 'signalled as failed' ELSE last_error END,
    finished_at = CASE WHEN signal_status IS NOT NULL THEN ?7 END,
    waits_until = strftime('%Y-%m-%dT%H:%M:%fZ', (?8 + coalesce(max_wait_seconds * 1000, ?5)) / 1000.0, 'unixepoch'),
    heartbeat_ms = ?6,
    check_at = CASE WHEN signal_status IS NULL THEN min(coalesce(?8 + coalesce(max_wait_seconds * 1000, ?5), ?8 + ?6),
                                                        coalesce(?8 + ?6, ?8 + coalesce(max_wait_seconds * 1000, ?5))) END,
    lease_expires_at = NULL
WHERE id = ?1 AND lease_epoch = ?2 AND status = 'processing'
RETURNING status;

-- name: settle_other
-- Task ?1 in epoch ?2 goes to status ?3: ?4 HTTP status, ?5 error, ?6 now, ?7 when a task that goes back is due, in milliseconds, ?8
-- whether it goes on holding its key, ?9 attempts refunded (1: nothing was sent), ?10 now in milliseconds. A kept signal shows that
-- the receiver had the task and knows its end: it goes before an attempt that failed without a definite answer. A task that waits is
-- changed only when its time, or its worker's, was up.
UPDATE pending_tasks
SET status = CASE WHEN signalled.yes THEN signal_status ELSE ?3 END,
    attempts = attempts - ?9,
    response_status = CASE WHEN ?9 THEN response_status ELSE ?4 END,
    result = CASE WHEN signalled.yes THEN signal_result ELSE result END,
    last_error = CASE WHEN signalled.yes AND signal_status = 'failed' THEN 'signalled as failed' ELSE coalesce(?5, last_error) END,
    run_at = CASE WHEN ?7 IS NULL OR signalled.yes THEN run_at
                  ELSE strftime('%Y-%m-%dT%H:%M:%fZ', min(?7, coalesce(deadline_at_ms, ?7)) / 1000.0, 'unixepoch') END,
    finished_at = CASE WHEN signalled.yes OR ?3 IN ('failed', 'timeout') THEN ?6 END,
    blocks_key = CASE WHEN signalled.yes THEN 0 ELSE ?8 END,
    leased_by = CASE WHEN ?7 IS NULL THEN leased_by END,
    check_at = NULL,
    lease_expires_at = NULL
FROM (SELECT signal_status IS NOT NULL AND NOT ?9 AND ?3 IN ('pending', 'failed')
             AND (?4 IS NULL OR ?4 IN (408, 409, 425, 429) OR ?4 >= 500) AS yes FROM pending_tasks WHERE id = ?1) AS signalled
WHERE id = ?1 AND lease_epoch = ?2 AND (status = 'processing' OR (status = 'waiting' AND check_at < ?10))
RETURNING status;

-- name: settled_before
-- Whether an earlier try wrote this outcome (task ?1, epoch ?2, status ?3); if not, it is late.
SELECT 1 FROM pending_tasks WHERE id = ?1 AND lease_epoch = ?2 AND status = ?3;

-- name: expired_leases
-- Tasks whose holder is presumed dead at ?1 (text): those with no lease at all, then the oldest; at most ?2.
SELECT * FROM (
    SELECT id, lease_epoch, type, attempts, max_attempts, leased_by,
           on_complete_url IS NOT NULL OR on_failure_url IS NOT NULL OR group_key IS NOT NULL OR delivery_of IS NOT NULL OR has_dependents
    FROM pending_tasks WHERE status = 'processing' AND lease_expires_at IS NULL LIMIT ?2)
UNION ALL
SELECT * FROM (
    SELECT id, lease_epoch, type, attempts, max_attempts, leased_by,
           on_complete_url IS NOT NULL OR on_failure_url IS NOT NULL OR group_key IS NOT NULL OR delivery_of IS NOT NULL OR has_dependents
    FROM pending_tasks WHERE status = 'processing' AND lease_expires_at < ?1 ORDER BY lease_expires_at, id LIMIT ?2)
LIMIT ?2;

-- name: earliest_lease
-- The first lease to end, in milliseconds; null: a task is being sent without one.
SELECT CAST((julianday(lease_expires_at) - 2440587.5) * 86400000.0 + 0.5 AS INTEGER)
FROM pending_tasks WHERE status = 'processing' ORDER BY lease_expires_at LIMIT 1;

-- name: silent_workers
-- Tasks that wait and whose worker has sent no heartbeat for too long at ?1 (milliseconds; ?2 the same as text), at most ?3.
SELECT id, lease_epoch, type, attempts, max_attempts, leased_by,
       on_complete_url IS NOT NULL OR on_failure_url IS NOT NULL OR group_key IS NOT NULL OR delivery_of IS NOT NULL OR has_dependents
FROM pending_tasks
WHERE check_at IS NOT NULL AND check_at < ?1 AND status = 'waiting' AND (waits_until IS NULL OR waits_until > ?2)
ORDER BY check_at LIMIT ?3;

-- name: end_overdue
-- Pending tasks whose deadline is before ?1 (milliseconds; ?2 the same as text) can no longer be sent; at most ?3.
UPDATE pending_tasks
SET status = 'timeout', finished_at = ?2, last_error = 'deadline_at passed before it could be sent'
WHERE id IN (SELECT id FROM pending_tasks
             WHERE deadline_at IS NOT NULL AND is_open AND deadline_at_ms < ?1 AND status = 'pending' AND lane IS NOT NULL
             ORDER BY deadline_at_ms LIMIT ?3)
RETURNING id;

-- name: end_waits
-- Two steps: tasks whose signal has not come at ?1 (milliseconds; ?2 the same as text), at most ?3, and those that their own insert
-- cancelled …
SELECT id, status FROM pending_tasks
WHERE check_at IS NOT NULL AND check_at <= ?1 AND (status = 'cancelled' OR (status = 'waiting' AND waits_until <= ?2))
ORDER BY check_at LIMIT ?3;
-- … of which each, ?1, ends at ?2.
UPDATE pending_tasks
SET status = CASE WHEN status = 'waiting' THEN 'timeout' ELSE status END, finished_at = CASE WHEN status = 'waiting' THEN ?2 ELSE finished_at END,
    last_error = CASE WHEN status = 'waiting' THEN 'no signal came by ' || waits_until ELSE last_error END, check_at = NULL
WHERE id = ?1;

-- name: end_groups
-- Of the open groups beyond key ?1, at most ?2: their keys, and whether they have no open member.
SELECT team.key, NOT EXISTS (SELECT 1 FROM pending_tasks WHERE group_key = team.key AND status IN ('pending', 'processing', 'waiting', 'blocked'))
FROM task_groups AS team WHERE team.ended_at IS NULL AND team.key > ?1 ORDER BY team.key LIMIT ?2;

-- name: set_aside_untyped
-- Rows that no claim can take (see lane in v0001) fail with the reason; ?1 now, at most ?2.
UPDATE pending_tasks
SET status = 'failed', finished_at = ?1, last_error = CASE
    WHEN type IS NULL THEN 'type is NULL'
    WHEN typeof(type) <> 'text' THEN 'type is no text'
    WHEN run_at_ms IS NULL THEN 'run_at is no time: ' || coalesce(substr(CAST(run_at AS TEXT), 1, 200), 'NULL')
    WHEN deadline_at IS NOT NULL AND deadline_at_ms IS NULL THEN 'deadline_at is no time: ' || substr(CAST(deadline_at AS TEXT), 1, 200)
    WHEN typeof(priority) <> 'integer' THEN 'priority is no integer: ' || coalesce(substr(CAST(priority AS TEXT), 1, 200), 'NULL')
    WHEN typeof(ordering_key) NOT IN ('text', 'null') THEN 'ordering_key is no text'
    WHEN typeof(max_attempts) NOT IN ('integer', 'null') THEN 'max_attempts is no integer: ' || substr(CAST(max_attempts AS TEXT), 1, 200)
    ELSE 'timeout_seconds is no integer: ' || substr(CAST(timeout_seconds AS TEXT), 1, 200) END
WHERE id IN (SELECT id FROM pending_tasks WHERE ordering_key IS NULL AND is_open AND lane IS NULL
             UNION ALL SELECT id FROM pending_tasks WHERE ordering_key IS NOT NULL AND is_open AND lane IS NULL LIMIT ?2)
RETURNING id;

-- name: paused_routes
SELECT type, CAST((julianday(paused_at) - 2440587.5) * 86400000.0 + 0.5 AS INTEGER), paused_by, reason FROM task_routes ORDER BY type;

-- name: pause_route
-- Type ?1 at ?2 by ?3 because ?4. The first reason is kept.
INSERT INTO task_routes (type, paused_at, paused_by, reason) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (type) DO NOTHING;

-- name: sign_relay
-- Relays that have not signed since ?1 are deleted.
DELETE FROM tallypost_relays WHERE seen_at < ?1;
-- Relay ?1 signs at ?2, with state ?3.
INSERT INTO tallypost_relays (name, seen_at, state) VALUES (?1, ?2, ?3)
ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at, state = excluded.state;
-- The relays left.
SELECT count(*) FROM tallypost_relays;

-- name: live_relays
-- Every relay that has signed, and when.
SELECT name, CAST(round((julianday(seen_at) - 2440587.5) * 86400000.0) AS INTEGER), state FROM tallypost_relays ORDER BY name;

-- name: purge_final
-- Five steps. First, before the transaction: the rows beyond id ?1, at most ?2, and of each whether it ended before ?3
-- (completed) or ?4 (another end; milliseconds, null: never) and nothing needs it any more, and whether it was inserted after ?5.
SELECT task.id,
       ((task.status = 'completed' AND CAST(round((julianday(task.finished_at) - 2440587.5) * 86400000.0) AS INTEGER) < ?3)
        OR (task.status IN ('failed', 'timeout', 'cancelled')
            AND CAST(round((julianday(task.finished_at) - 2440587.5) * 86400000.0) AS INTEGER) < ?4))
       AND NOT task.blocks_key
       AND (task.group_key IS NULL OR EXISTS (SELECT 1 FROM task_groups AS team WHERE team.key = task.group_key AND team.ended_at IS NOT NULL))
       AND NOT EXISTS (SELECT 1 FROM pending_tasks AS next WHERE next.run_after = task.id
                       AND coalesce(next.status NOT IN ('completed', 'failed', 'timeout', 'cancelled'), 1)),
       CAST(round((julianday(task.created_at) - 2440587.5) * 86400000.0) AS INTEGER) > ?5
FROM pending_tasks AS task WHERE task.id > ?1 ORDER BY task.id LIMIT ?2;
-- Then, in it, each row ?1 that was chosen, if that still holds (?2 and ?3 as ?3 and ?4 above).
DELETE FROM pending_tasks AS task
WHERE task.id = ?1
  AND ((task.status = 'completed' AND CAST(round((julianday(task.finished_at) - 2440587.5) * 86400000.0) AS INTEGER) < ?2)
        OR (task.status IN ('failed', 'timeout', 'cancelled')
            AND CAST(round((julianday(task.finished_at) - 2440587.5) * 86400000.0) AS INTEGER) < ?3))
       AND NOT task.blocks_key
       AND (task.group_key IS NULL OR EXISTS (SELECT 1 FROM task_groups AS team WHERE team.key = task.group_key AND team.ended_at IS NOT NULL))
       AND NOT EXISTS (SELECT 1 FROM pending_tasks AS next WHERE next.run_after = task.id
                       AND coalesce(next.status NOT IN ('completed', 'failed', 'timeout', 'cancelled'), 1));
-- And its attempts. Its events stay: they are history.
DELETE FROM task_attempts WHERE task_id = ?1;
-- Groups that ended before ?1 (text) and whose members are gone, a few at a time.
DELETE FROM task_groups WHERE key IN (
    SELECT team.key FROM task_groups AS team
    WHERE team.ended_at IS NOT NULL AND team.ended_at < ?1 AND NOT EXISTS (SELECT 1 FROM pending_tasks WHERE group_key = team.key)
    ORDER BY team.ended_at LIMIT 20);
-- What the last run of reconciliation saw: where one was committed in the last day, what ended after it waits for the next.
SELECT CAST(round((julianday(as_of) - 2440587.5) * 86400000.0) AS INTEGER) FROM tallypost_reconciler
WHERE id = 1 AND julianday(as_of) > julianday('now', '-1 day');
