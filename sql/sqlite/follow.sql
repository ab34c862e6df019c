-- What follows from the end of tasks, in the transaction that ends them. PostgreSQL has it in tallypost_follow (v0002). ?1 is a JSON
-- array of ids wherever nothing else is said.

-- name: ended
-- What hangs on these tasks, as they ended.
SELECT id, status, (on_complete_url IS NOT NULL OR on_failure_url IS NOT NULL) AND type <> 'tallypost.notice', has_dependents, group_key, delivery_of
FROM pending_tasks WHERE id IN (SELECT value FROM json_each(?1)) AND status IN ('completed', 'failed', 'timeout', 'cancelled');

-- name: notify
-- A notice for each URL: every column but secrets (the token; headers may carry credentials) and what is derived. JSON holds no
-- blobs, and a column of SQLite may: as hexadecimal digits.
INSERT INTO pending_tasks (type, payload, idempotency_key, subject, target_url, traceparent)
SELECT 'tallypost.notice',
       json_object('event', 'task.' || t.status, 'task', json_object(
            'id', t.id, 'type', iif(typeof(t.type) = 'blob', hex(t.type), t.type),
            'payload', CASE WHEN json_valid(t.payload) THEN json(t.payload) WHEN typeof(t.payload) = 'blob' THEN hex(t.payload) ELSE CAST(t.payload AS TEXT) END,
            'idempotency_key', iif(typeof(t.idempotency_key) = 'blob', hex(t.idempotency_key), t.idempotency_key),
            'subject', iif(typeof(t.subject) = 'blob', hex(t.subject), t.subject),
            'amount_minor', iif(typeof(t.amount_minor) = 'blob', hex(t.amount_minor), t.amount_minor),
            'currency', iif(typeof(t.currency) = 'blob', hex(t.currency), t.currency),
            'target_url', iif(typeof(t.target_url) = 'blob', hex(t.target_url), t.target_url),
            'run_at', strftime('%Y-%m-%dT%H:%M:%fZ', t.run_at), 'deadline_at', strftime('%Y-%m-%dT%H:%M:%fZ', t.deadline_at),
            'priority', iif(typeof(t.priority) = 'blob', hex(t.priority), t.priority),
            'ordering_key', iif(typeof(t.ordering_key) = 'blob', hex(t.ordering_key), t.ordering_key),
            'max_attempts', iif(typeof(t.max_attempts) = 'blob', hex(t.max_attempts), t.max_attempts),
            'timeout_seconds', iif(typeof(t.timeout_seconds) = 'blob', hex(t.timeout_seconds), t.timeout_seconds),
            'on_complete_url', iif(typeof(t.on_complete_url) = 'blob', hex(t.on_complete_url), t.on_complete_url),
            'on_failure_url', iif(typeof(t.on_failure_url) = 'blob', hex(t.on_failure_url), t.on_failure_url),
            'wait_for_signal', json(CASE WHEN t.wait_for_signal THEN 'true' ELSE 'false' END),
            'max_wait_seconds', iif(typeof(t.max_wait_seconds) = 'blob', hex(t.max_wait_seconds), t.max_wait_seconds),
            'group_key', iif(typeof(t.group_key) = 'blob', hex(t.group_key), t.group_key),
            'run_after', iif(typeof(t.run_after) = 'blob', hex(t.run_after), t.run_after),
            'run_if', iif(typeof(t.run_if) = 'blob', hex(t.run_if), t.run_if),
            'traceparent', iif(typeof(t.traceparent) = 'blob', hex(t.traceparent), t.traceparent),
            'status', t.status, 'attempts', t.attempts, 'lease_epoch', t.lease_epoch,
            'leased_by', iif(typeof(t.leased_by) = 'blob', hex(t.leased_by), t.leased_by), 'response_status', t.response_status,
            'start_result', CASE WHEN json_valid(t.start_result) THEN json(t.start_result) ELSE t.start_result END,
            'result', CASE WHEN json_valid(t.result) THEN json(t.result) ELSE t.result END, 'last_error', iif(typeof(t.last_error) = 'blob', hex(t.last_error), t.last_error),
            'progress', CASE WHEN json_valid(t.progress) THEN json(t.progress) ELSE t.progress END,
            'checkpoint', CASE WHEN json_valid(t.checkpoint) THEN json(t.checkpoint) ELSE t.checkpoint END,
            'created_at', strftime('%Y-%m-%dT%H:%M:%fZ', t.created_at), 'started_at', t.started_at, 'finished_at', t.finished_at),
          'result', CASE WHEN json_valid(t.result) THEN json(t.result) ELSE t.result END,
          'startResult', CASE WHEN json_valid(t.start_result) THEN json(t.start_result) ELSE t.start_result END),
       'notice-' || t.id || '-' || word.kind || '-' || CAST(round((julianday(t.finished_at) - 2440587.5) * 86400000.0) AS INTEGER),
       t.subject, word.url, t.traceparent
FROM pending_tasks AS t CROSS JOIN (
    SELECT id AS of, 'complete' AS kind, on_complete_url AS url FROM pending_tasks
    WHERE id IN (SELECT value FROM json_each(?1)) AND on_complete_url IS NOT NULL
    UNION ALL
    SELECT id, 'failure', on_failure_url FROM pending_tasks
    WHERE id IN (SELECT value FROM json_each(?1)) AND status IN ('failed', 'timeout') AND on_failure_url <> coalesce(on_complete_url, '')) AS word
WHERE t.id = word.of AND t.id IN (SELECT value FROM json_each(?1))
ORDER BY t.id
ON CONFLICT DO NOTHING;

-- name: successors
-- Tasks that were blocked by these, and whether they run now; in one list for each answer.
SELECT next.id, CASE next.run_if WHEN 'finished' THEN 1 WHEN 'failed' THEN before.status IN ('failed', 'timeout') ELSE before.status = 'completed' END
FROM pending_tasks AS before CROSS JOIN pending_tasks AS next ON next.run_after = before.id
WHERE before.id IN (SELECT value FROM json_each(?1)) AND next.status = 'blocked' ORDER BY next.id;

-- name: release
-- These run now: at ?2, as text, or later if they say so.
UPDATE pending_tasks SET status = 'pending', run_at = CASE WHEN run_at_ms > ?3 THEN run_at ELSE ?2 END WHERE id IN (SELECT value FROM json_each(?1));

-- name: call_off
-- These can no longer run, at ?2.
UPDATE pending_tasks
SET status = 'cancelled', finished_at = ?2,
    last_error = 'not run: task ' || run_after || ', which it runs after, ended as ' || (SELECT before.status FROM pending_tasks AS before WHERE before.id = pending_tasks.run_after)
WHERE id IN (SELECT value FROM json_each(?1));

-- name: call_off_deliveries
-- Deliveries of tasks that were called off are called off with them, at ?2.
UPDATE pending_tasks
SET status = 'cancelled', finished_at = ?2, check_at = NULL, last_error = 'task ' || delivery_of || ', whose delivery this is, was called off'
WHERE delivery_of IN (SELECT value FROM json_each(?1)) AND status IN ('pending', 'blocked', 'waiting')
RETURNING id;

-- name: open_group
-- Whether group ?1 is open, and fails fast.
SELECT fail_fast FROM task_groups WHERE key = ?1 AND ended_at IS NULL;

-- name: call_off_group
-- Members of group ?1 that have not started, at ?2; not those that run because something failed.
UPDATE pending_tasks
SET status = 'cancelled', finished_at = ?2, last_error = 'not run: another member of its group failed'
WHERE group_key = ?1 AND status IN ('pending', 'blocked') AND attempts = 0 AND (run_after IS NULL OR coalesce(run_if, 'completed') = 'completed')
RETURNING id;

-- name: has_open_member
SELECT EXISTS (SELECT 1 FROM pending_tasks WHERE group_key = ?1 AND status IN ('pending', 'processing', 'waiting', 'blocked'))
    OR EXISTS (SELECT 1 FROM pending_tasks WHERE group_key = ?1 AND status IS NULL);

-- name: member_counts
-- Members of group ?1 by status.
SELECT coalesce(status, ''), count(*) FROM pending_tasks WHERE group_key = ?1 GROUP BY 1 ORDER BY 1;

-- name: members
-- What a notice says of each member of group ?1, in their order.
SELECT id, json_object('id', id, 'type', iif(typeof(type) = 'blob', hex(type), type), 'idempotency_key', iif(typeof(idempotency_key) = 'blob', hex(idempotency_key), idempotency_key),
    'subject', iif(typeof(subject) = 'blob', hex(subject), subject), 'status', status,
    'result', CASE WHEN json_valid(result) THEN json(result) ELSE result END, 'error', last_error)
FROM pending_tasks WHERE group_key = ?1 ORDER BY id;

-- name: end_group
-- Group ?1 ends as ?2 at ?3.
UPDATE task_groups SET status = ?2, ended_at = ?3 WHERE key = ?1 AND ended_at IS NULL RETURNING on_complete_url, created_at;

-- name: notify_of_group
-- The notice ?1 (payload) with key ?2 about group ?3 to ?4.
INSERT INTO pending_tasks (type, payload, idempotency_key, subject, target_url) VALUES ('tallypost.notice', ?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING;

-- name: end_parent
-- Task ?1, which waits for its deliveries (or failed because of one that has succeeded since), ends at ?2 if all of them have ended.
UPDATE pending_tasks AS parent
SET status = CASE WHEN bad.list IS NULL THEN 'completed' ELSE 'failed' END, finished_at = ?2, check_at = NULL,
    last_error = CASE WHEN bad.list IS NULL THEN parent.last_error ELSE 'deliveries that did not succeed: ' || bad.list END,
    result = (SELECT json_group_object(substr(c.type, length(parent.type) + 2), json_object('id', c.id, 'status', c.status, 'response_status', c.response_status))
              FROM pending_tasks AS c WHERE c.delivery_of = parent.id)
FROM (SELECT group_concat(substr(c.type, instr(c.type, '/') + 1) || ' ' || c.status, ', ') AS list
      FROM (SELECT type, status FROM pending_tasks WHERE delivery_of = ?1 AND status <> 'completed' ORDER BY id) AS c) AS bad
WHERE parent.id = ?1 AND parent.has_dependents AND (parent.status = 'waiting' OR (parent.status = 'failed' AND bad.list IS NULL))
  AND NOT EXISTS (SELECT 1 FROM pending_tasks AS c WHERE c.delivery_of = ?1 AND coalesce(c.status NOT IN ('completed', 'failed', 'timeout', 'cancelled'), 1));

-- name: fan_out
-- Three steps: task ?1 in epoch ?2 waits for its deliveries …
UPDATE pending_tasks SET status = 'waiting', has_dependents = 1, lease_expires_at = NULL WHERE id = ?1 AND lease_epoch = ?2 AND status = 'processing';
-- … that the one to subscriber ?2 had been called off is noted, at ?3: it is opened anew, and the books must know that it was settled …
INSERT INTO task_events (task_id, at, event, by, why, detail)
SELECT c.id, ?3, 'redrive', 'tallypost', 'task ' || parent.id || ', whose delivery this is, is sent anew',
       json_object('was', c.status, 'finished_at', c.finished_at)
FROM pending_tasks AS parent JOIN pending_tasks AS c ON c.delivery_of = parent.id AND c.status = 'cancelled'
WHERE parent.id = ?1 AND c.type = parent.type || '/' || ?2;
-- … and the one to subscriber ?2 is inserted, due at ?3; one that did not succeed the last time is opened anew. Its key,
-- should a stranger have it, gets the task's id at its end.
INSERT INTO pending_tasks (type, payload, idempotency_key, subject, headers, run_at, deadline_at, priority, max_attempts, timeout_seconds,
                           wait_for_signal, max_wait_seconds, traceparent, delivery_of)
SELECT type || '/' || ?2, payload,
       iif(EXISTS (SELECT 1 FROM pending_tasks AS x WHERE x.idempotency_key = own.key AND x.delivery_of IS NOT ?1), own.key || '/' || ?1, own.key), subject, headers, ?3, deadline_at, priority, max_attempts, timeout_seconds,
       wait_for_signal, max_wait_seconds, traceparent, id
FROM pending_tasks CROSS JOIN (SELECT coalesce(idempotency_key, 'pending_tasks-' || id) || '/' || ?2 AS key FROM pending_tasks WHERE id = ?1) AS own
WHERE id = ?1
ON CONFLICT (idempotency_key) DO UPDATE
SET status = 'pending', attempts = 0, run_at = excluded.run_at, finished_at = NULL, signal_status = NULL, signal_result = NULL, signal_at = NULL
WHERE delivery_of = excluded.delivery_of AND status IN ('failed', 'timeout', 'cancelled');
