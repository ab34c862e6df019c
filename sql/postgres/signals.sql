-- What comes in from outside about tasks that wait. The same names as SQLite's.

-- name: take_signals
-- Tokens $1, each once, with statuses $2, results $3 and senders $4. What each found: the place of its token, the task's id, its
-- status and its signal before this. The first signal of a task that has not ended is kept, and ends it if it waits.
WITH given AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS g (token, status, result, sender, place)
), found AS MATERIALIZED (
    SELECT t.id, t.signal_token, t.status AS was, t.signal_status AS had, t.signal_result AS had_result, t.ordering_key, t.wait_for_signal,
           t.on_complete_url IS NOT NULL OR t.on_failure_url IS NOT NULL OR t.group_key IS NOT NULL OR t.delivery_of IS NOT NULL OR t.has_dependents AS follows
    FROM pending_tasks t WHERE t.wait_for_signal AND t.signal_token = ANY ($1::text[]) ORDER BY t.id FOR NO KEY UPDATE
), matched AS MATERIALIZED (
    SELECT g.*, f.* FROM given g JOIN found f ON f.signal_token = g.token
), taken AS (
    UPDATE pending_tasks t
    SET signal_status = m.status, signal_result = m.result, signal_at = now(),
        status = CASE WHEN t.status = 'waiting' THEN m.status ELSE t.status END,
        result = CASE WHEN t.status = 'waiting' THEN m.result ELSE t.result END,
        last_error = CASE WHEN t.status = 'waiting' AND m.status = 'failed' THEN 'signalled as failed' ELSE t.last_error END,
        finished_at = CASE WHEN t.status = 'waiting' THEN now() ELSE t.finished_at END,
        check_at = CASE WHEN t.status = 'waiting' THEN NULL ELSE t.check_at END
    FROM matched m
    WHERE t.id = ANY (ARRAY[m.id]) AND m.had IS NULL AND (m.was IN ('completed', 'failed', 'timeout', 'cancelled')) IS NOT TRUE
    RETURNING t.id, m.was = 'waiting' AS ends, m.was = 'waiting' AND m.follows AS follows, m.was = 'waiting' AND m.ordering_key IS NOT NULL AS frees,
              m.status, m.sender
), noted AS (
    INSERT INTO task_events (task_id, event, by, why) SELECT id, 'signal', sender, 'signalled as ' || status FROM taken
), followed AS MATERIALIZED (
    SELECT CASE WHEN bool_or(follows) THEN tallypost_follow(array_agg(id) FILTER (WHERE follows)) END AS due,
           CASE WHEN bool_or(frees) THEN tallypost_rouse() IS NULL END AS roused
    FROM taken
)
SELECT m.place, m.id, m.was, m.had, m.had_result, followed.due FROM matched m CROSS JOIN followed ORDER BY m.place

-- name: take_heartbeats
-- Tokens $1, each once, with progress $2 and checkpoints $3 (null: as it was). What each found: its place and the task's status.
WITH given AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS g (token, progress, checkpoint, place)
), found AS MATERIALIZED (
    SELECT t.id, t.signal_token, t.status FROM pending_tasks t
    WHERE t.wait_for_signal AND t.signal_token = ANY ($1::text[]) ORDER BY t.id FOR NO KEY UPDATE
), matched AS MATERIALIZED (
    SELECT g.place, g.progress, g.checkpoint, f.id, f.status FROM given g JOIN found f ON f.signal_token = g.token
), taken AS (
    UPDATE pending_tasks t
    SET progress = coalesce(m.progress, t.progress), checkpoint = coalesce(m.checkpoint, t.checkpoint),
        check_at = CASE WHEN t.status = 'waiting' THEN least(t.waits_until, now() + t.heartbeat_ms * interval '1 millisecond') ELSE t.check_at END
    FROM matched m
    WHERE t.id = ANY (ARRAY[m.id]) AND (m.status IN ('completed', 'failed', 'timeout', 'cancelled')) IS NOT TRUE
    RETURNING t.id
)
SELECT m.place, m.status, (SELECT count(*) FROM taken) FROM matched m ORDER BY m.place
