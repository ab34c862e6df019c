-- What the relay asks of PostgreSQL. The same names as SQLite's. Every statement is a transaction or, sent with others before
-- one Sync, a part of one. All times are the database's clock. Rows are joined by `= ANY (ARRAY[id])`: see session.sql.

-- name: schema_version
SELECT max(version) FROM tallypost_schema

-- name: open_lanes
-- Every type and priority with dispatchable rows, due or not. Of the lanes that are known ($1 types, $2 priorities) those with a row
-- beyond their marks ($3 run_at, $4 id); and all lanes between them, each entered once. So what is dead in a known lane, and cannot
-- be removed while an old snapshot lives, is walked over only when the mark says so.
WITH RECURSIVE known AS MATERIALIZED (
    SELECT type, priority, mark_at, mark_id, lead(type) OVER by_lane AS next_type, lead(priority) OVER by_lane AS next_priority,
           row_number() OVER by_lane = 1 AS is_first
    FROM unnest($1::text[], $2::integer[], $3::timestamptz[], $4::bigint[]) AS known (type, priority, mark_at, mark_id)
    WINDOW by_lane AS (ORDER BY type, priority)
), gap (type, priority, next_type, next_priority) AS (
    SELECT type, priority, next_type, next_priority FROM known
    UNION ALL
    SELECT '', -2147483648, known.type, known.priority FROM known WHERE is_first
    UNION ALL
    SELECT '', -2147483648, NULL, NULL WHERE cardinality($1::text[]) = 0
), lane (type, priority, next_type, next_priority) AS (
    SELECT found.type, found.priority, gap.next_type, gap.next_priority
    FROM gap CROSS JOIN LATERAL (
        (SELECT t.type, t.priority FROM pending_tasks t
         WHERE gap.next_type IS NOT NULL AND t.dispatchable AND t.ordering_key IS NULL
           AND (t.type, t.priority) > (gap.type, gap.priority) AND (t.type, t.priority) < (gap.next_type, gap.next_priority)
         ORDER BY t.type, t.priority LIMIT 1)
        UNION ALL
        (SELECT t.type, t.priority FROM pending_tasks t
         WHERE gap.next_type IS NULL AND t.dispatchable AND t.ordering_key IS NULL
           AND (t.type, t.priority) > (gap.type, gap.priority)
         ORDER BY t.type, t.priority LIMIT 1)) found
    UNION ALL
    SELECT found.type, found.priority, lane.next_type, lane.next_priority
    FROM lane CROSS JOIN LATERAL (
        (SELECT t.type, t.priority FROM pending_tasks t
         WHERE lane.next_type IS NOT NULL AND t.dispatchable AND t.ordering_key IS NULL
           AND (t.type, t.priority) > (lane.type, lane.priority) AND (t.type, t.priority) < (lane.next_type, lane.next_priority)
         ORDER BY t.type, t.priority LIMIT 1)
        UNION ALL
        (SELECT t.type, t.priority FROM pending_tasks t
         WHERE lane.next_type IS NULL AND t.dispatchable AND t.ordering_key IS NULL
           AND (t.type, t.priority) > (lane.type, lane.priority)
         ORDER BY t.type, t.priority LIMIT 1)) found
)
SELECT type, priority FROM lane
UNION ALL
SELECT known.type, known.priority FROM known CROSS JOIN LATERAL (
    SELECT FROM pending_tasks t
    WHERE t.dispatchable AND t.ordering_key IS NULL AND t.type = known.type AND t.priority = known.priority
      AND (t.run_at, t.id) > (known.mark_at, known.mark_id)
    ORDER BY t.run_at, t.id LIMIT 1) beyond

-- name: next_due
-- When the first row of each lane ($1 types, $2 priorities) that is not due yet falls due, and the database's clock.
SELECT min(head.run_at), now()
FROM unnest($1::text[], $2::integer[]) AS lane (type, priority)
CROSS JOIN LATERAL (
    SELECT t.run_at FROM pending_tasks t
    WHERE t.dispatchable AND t.ordering_key IS NULL AND t.type = lane.type AND t.priority = lane.priority AND t.run_at > now()
    ORDER BY t.run_at LIMIT 1) head

-- name: claim_due
-- Lanes: $1 types, $2 priorities, $3 limits, $4 leases in milliseconds, $5 and $6 marks (run_at, id) behind which nothing is
-- looked for; $7 limit of all, $8 relay, $9 bytes of payload after which no further row
-- is taken. Waiting makes up for priority at one minute a step. Rows being sent stay in the index (see v0001) and are passed over, as are final rows of an adopted table; a status that nobody knows is claimed, to be set aside.
-- The casts are for adopted tables, whose payload may be jsonb, whose key a uuid; on our own they cost nothing.
WITH lane AS MATERIALIZED (
    SELECT * FROM unnest($1::text[], $2::integer[], $3::integer[], $4::bigint[], $5::timestamptz[], $6::bigint[])
        AS lane (type, priority, wanted, lease_ms, mark_at, mark_id)
    WHERE NOT EXISTS (SELECT FROM task_routes paused WHERE paused.type = lane.type)
), candidate AS MATERIALIZED (
    SELECT found.id, found.status, lane.type, lane.wanted, lane.lease_ms,
           found.bytes, extract(epoch FROM found.run_at)::float8 - 60.0 * lane.priority AS turn
    FROM lane CROSS JOIN LATERAL (
        SELECT t.id, t.status, t.run_at, octet_length(t.payload::text) AS bytes FROM pending_tasks t
        WHERE t.dispatchable AND t.ordering_key IS NULL AND t.type = lane.type AND t.priority = lane.priority
          AND (t.run_at, t.id) > (lane.mark_at, lane.mark_id) AND t.run_at <= now()
          AND (t.status = 'pending' OR (t.status IN ('processing', 'blocked', 'waiting', 'completed', 'failed', 'timeout', 'cancelled')) IS NOT TRUE)
        ORDER BY t.run_at, t.id LIMIT lane.wanted FOR UPDATE SKIP LOCKED) found
), due AS MATERIALIZED (
    SELECT id, status, lease_ms
    FROM (SELECT *, row_number() OVER (PARTITION BY type ORDER BY turn, id) AS place,
                 coalesce(sum(bytes) OVER (ORDER BY turn, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS bytes_before
          FROM candidate) AS placed
    WHERE place <= wanted AND bytes_before < $9::bigint ORDER BY turn, id LIMIT $7::integer
)
UPDATE pending_tasks t
SET status = 'processing', attempts = least(coalesce(t.attempts, 0), 2147483646) + 1,
    lease_epoch = coalesce(t.lease_epoch, 0) + 1, leased_by = $8::text, started_at = now(),
    lease_expires_at = now() + (CASE WHEN t.timeout_seconds IS NULL THEN due.lease_ms
                                     ELSE greatest(due.lease_ms, (least(t.timeout_seconds, 86400) + 30::bigint) * 1000) END) * interval '1 millisecond'
FROM due WHERE t.id = ANY (ARRAY[due.id])
RETURNING t.id, t.lease_epoch, t.type::text, t.attempts, due.status::text, t.payload::text, t.idempotency_key::text, t.subject::text,
    t.target_url::text, t.headers::text, t.run_at::timestamptz, t.created_at::timestamptz, t.deadline_at::timestamptz, t.priority,
    t.ordering_key::text, t.max_attempts, t.timeout_seconds, t.wait_for_signal,
    CASE WHEN t.wait_for_signal THEN t.signal_token::text END, t.traceparent::text, t.checkpoint::text, t.run_after,
    CASE WHEN t.run_after IS NOT NULL THEN (SELECT p.result::text FROM pending_tasks p WHERE p.id = t.run_after) END,
    t.on_complete_url IS NOT NULL OR t.on_failure_url IS NOT NULL OR t.group_key IS NOT NULL OR t.delivery_of IS NOT NULL OR t.has_dependents,
    (SELECT tide.mark FROM tallypost_mark AS tide WHERE tide.id = 1)

-- name: key_heads
-- The first task of each of at most $2 ordering keys from key $1 on, and whether it could be claimed were it due. One step in
-- the index per key, however many tasks stand behind its head.
WITH RECURSIVE head (ordering_key, id, n) AS (
    (SELECT ordering_key, id, 1 FROM pending_tasks
     WHERE holds_key AND ordering_key IS NOT NULL AND ordering_key >= $1::text ORDER BY ordering_key, id LIMIT 1)
    UNION ALL
    SELECT next.ordering_key, next.id, head.n + 1
    FROM head CROSS JOIN LATERAL (
        SELECT t.ordering_key, t.id FROM pending_tasks t
        WHERE t.holds_key AND t.ordering_key IS NOT NULL AND t.ordering_key > head.ordering_key
        ORDER BY t.ordering_key, t.id LIMIT 1) next
    WHERE head.n < $2::integer
)
SELECT head.ordering_key, t.type, t.run_at,
       (t.status IN ('processing', 'blocked', 'waiting', 'completed', 'failed', 'timeout', 'cancelled')) IS NOT TRUE
       AND NOT EXISTS (SELECT FROM pending_tasks other WHERE other.in_flight_key = head.ordering_key) AS free, now()
FROM head JOIN pending_tasks t ON t.id = ANY (ARRAY[head.id])
ORDER BY head.n

-- name: claim_heads
-- The heads of keys $1, of types $2 (limits $3, leases $4 in milliseconds), at most $5, for relay $6; $7 bytes of
-- payload after which no further row is taken. The unique index pending_tasks_key_in_flight stands behind the condition that nothing else of a key is in flight.
WITH wanted AS MATERIALIZED (
    SELECT * FROM unnest($2::text[], $3::integer[], $4::bigint[]) AS wanted (type, wanted, lease_ms)
    WHERE NOT EXISTS (SELECT FROM task_routes paused WHERE paused.type = wanted.type)
), head AS MATERIALIZED (
    SELECT first.id FROM unnest($1::text[]) AS key (ordering_key)
    CROSS JOIN LATERAL (
        SELECT t.id FROM pending_tasks t WHERE t.holds_key AND t.ordering_key = key.ordering_key ORDER BY t.id LIMIT 1) first
    WHERE NOT EXISTS (SELECT FROM pending_tasks other WHERE other.in_flight_key = key.ordering_key)
), candidate AS MATERIALIZED (
    SELECT t.id, t.status, wanted.type, wanted.wanted, wanted.lease_ms, octet_length(t.payload::text) AS bytes,
           extract(epoch FROM t.run_at)::float8 - 60.0 * t.priority AS turn
    FROM head JOIN pending_tasks t ON t.id = ANY (ARRAY[head.id]) JOIN wanted ON wanted.type = t.type
    WHERE t.run_at <= now()
      AND (t.status IN ('processing', 'blocked', 'waiting', 'completed', 'failed', 'timeout', 'cancelled')) IS NOT TRUE
    FOR UPDATE OF t SKIP LOCKED
), due AS MATERIALIZED (
    SELECT id, status, lease_ms
    FROM (SELECT *, row_number() OVER (PARTITION BY type ORDER BY turn, id) AS place,
                 coalesce(sum(bytes) OVER (ORDER BY turn, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS bytes_before
          FROM candidate) AS placed
    WHERE place <= wanted AND bytes_before < $7::bigint ORDER BY turn, id LIMIT $5::integer
)
UPDATE pending_tasks t
SET status = 'processing', attempts = least(coalesce(t.attempts, 0), 2147483646) + 1,
    lease_epoch = coalesce(t.lease_epoch, 0) + 1, leased_by = $6::text, started_at = now(),
    lease_expires_at = now() + (CASE WHEN t.timeout_seconds IS NULL THEN due.lease_ms
                                     ELSE greatest(due.lease_ms, (least(t.timeout_seconds, 86400) + 30::bigint) * 1000) END) * interval '1 millisecond'
FROM due WHERE t.id = ANY (ARRAY[due.id])
RETURNING t.id, t.lease_epoch, t.type::text, t.attempts, due.status::text, t.payload::text, t.idempotency_key::text, t.subject::text,
    t.target_url::text, t.headers::text, t.run_at::timestamptz, t.created_at::timestamptz, t.deadline_at::timestamptz, t.priority,
    t.ordering_key::text, t.max_attempts, t.timeout_seconds, t.wait_for_signal,
    CASE WHEN t.wait_for_signal THEN t.signal_token::text END, t.traceparent::text, t.checkpoint::text, t.run_after,
    CASE WHEN t.run_after IS NOT NULL THEN (SELECT p.result::text FROM pending_tasks p WHERE p.id = t.run_after) END,
    t.on_complete_url IS NOT NULL OR t.on_failure_url IS NOT NULL OR t.group_key IS NOT NULL OR t.delivery_of IS NOT NULL OR t.has_dependents,
    (SELECT tide.mark FROM tallypost_mark AS tide WHERE tide.id = 1)

-- name: record_attempts
-- Attempts of tasks whose lease still holds: $1 ids, $2 epochs, $3 numbers, $4 durations in milliseconds, $5 HTTP statuses,
-- $6 errors, $7 starts of answers. Sent before the settlement, in its transaction; the rows are locked for it.
INSERT INTO task_attempts (task_id, attempt, lease_epoch, relay, duration_ms, response_status, error, response_start)
SELECT t.id, o.attempt, o.epoch, t.leased_by, o.duration_ms, o.response_status, o.error, o.response_start
FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::bigint[], $5::integer[], $6::text[], $7::text[])
    AS o (id, epoch, attempt, duration_ms, response_status, error, response_start)
JOIN (SELECT id, lease_epoch, leased_by FROM pending_tasks
      WHERE id = ANY ($1::bigint[]) AND (status = 'processing' OR (status = 'waiting' AND check_at < now())) FOR NO KEY UPDATE) t
    ON t.id = o.id AND t.lease_epoch = o.epoch

-- name: settle_completed
-- $1 ids, $2 epochs, $3 HTTP statuses, $4 results. Fenced: a row that has moved on is not touched; nor is one on which a successor
-- has come to hang since it was claimed: that is settled as below.
UPDATE pending_tasks t
SET status = 'completed', response_status = o.response_status, result = o.result, finished_at = now(), lease_expires_at = NULL
FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::text[]) AS o (id, epoch, response_status, result)
WHERE t.id = ANY (ARRAY[o.id]) AND t.lease_epoch = o.epoch AND t.status = 'processing' AND NOT t.has_dependents

-- name: settle_followed
-- The same for tasks whose end has followers; `follow` comes after it, in its transaction.
UPDATE pending_tasks t
SET status = 'completed', response_status = o.response_status, result = o.result, finished_at = now(), lease_expires_at = NULL
FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::text[]) AS o (id, epoch, response_status, result)
WHERE t.id = ANY (ARRAY[o.id]) AND t.lease_epoch = o.epoch AND t.status = 'processing'

-- name: settle_waiting
-- $1 ids, $2 epochs, $3 HTTP statuses, $4 answers, $5 the longest wait and $6 the longest silence in milliseconds (null: none). A
-- signal that is kept already ends the task at once.
UPDATE pending_tasks t
SET status = coalesce(t.signal_status, 'waiting'), response_status = o.response_status, start_result = o.start_result,
    result = CASE WHEN t.signal_status IS NULL THEN t.result ELSE t.signal_result END,
    last_error = CASE WHEN t.signal_status = 'failed' THEN 'signalled as failed' ELSE t.last_error END,
    finished_at = CASE WHEN t.signal_status IS NOT NULL THEN now() END,
    waits_until = now() + coalesce(t.max_wait_seconds * interval '1 second', o.longest_ms * interval '1 millisecond'),
    heartbeat_ms = o.heartbeat_ms,
    check_at = CASE WHEN t.signal_status IS NULL THEN
        least(now() + coalesce(t.max_wait_seconds * interval '1 second', o.longest_ms * interval '1 millisecond'),
              now() + o.heartbeat_ms * interval '1 millisecond') END,
    lease_expires_at = NULL
FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::text[], $5::bigint[], $6::bigint[])
    AS o (id, epoch, response_status, start_result, longest_ms, heartbeat_ms)
WHERE t.id = ANY (ARRAY[o.id]) AND t.lease_epoch = o.epoch AND t.status = 'processing'

-- name: settle_other
-- $1 ids, $2 epochs, $3 statuses, $4 HTTP statuses, $5 errors, $6 delays in milliseconds of what goes back to pending, $7
-- whether it goes on holding its key, $8 attempts refunded (1: nothing was sent). A kept signal shows that the receiver had the task
-- and knows its end: it goes before an attempt that failed without a definite answer. A task that waits is changed only when its
-- time, or its worker's, was up.
UPDATE pending_tasks t
SET status = CASE WHEN o.is_signalled THEN t.signal_status ELSE o.status END,
    attempts = t.attempts - o.refund,
    response_status = CASE WHEN o.refund = 1 THEN t.response_status ELSE o.response_status END,
    result = CASE WHEN o.is_signalled THEN t.signal_result ELSE t.result END,
    last_error = CASE WHEN o.is_signalled AND t.signal_status = 'failed' THEN 'signalled as failed' ELSE coalesce(o.error, t.last_error) END,
    run_at = CASE WHEN o.delay_ms IS NULL OR o.is_signalled THEN t.run_at ELSE least(now() + o.delay_ms * interval '1 millisecond', t.deadline_at) END,
    finished_at = CASE WHEN o.is_signalled OR o.status IN ('failed', 'timeout') THEN now() END,
    blocks_key = o.blocks_key AND NOT o.is_signalled,
    leased_by = CASE WHEN o.delay_ms IS NULL THEN t.leased_by END,
    check_at = NULL,
    lease_expires_at = NULL
FROM (SELECT o.*, locked.signal_status IS NOT NULL AND o.refund = 0 AND o.status IN ('pending', 'failed')
                  AND (o.response_status IS NULL OR o.response_status IN (408, 409, 425, 429) OR o.response_status >= 500) AS is_signalled
      FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::integer[], $5::text[], $6::bigint[], $7::boolean[], $8::integer[])
          AS o (id, epoch, status, response_status, error, delay_ms, blocks_key, refund)
      JOIN (SELECT id, signal_status FROM pending_tasks WHERE id = ANY ($1::bigint[]) FOR NO KEY UPDATE) locked ON locked.id = o.id) o
WHERE t.id = ANY (ARRAY[o.id]) AND t.lease_epoch = o.epoch AND (t.status = 'processing' OR (t.status = 'waiting' AND t.check_at < now()))

-- name: settled_before
-- Of the outcomes ($1 ids, $2 epochs, $3 statuses) those that stand in the table; the others are late.
SELECT t.id FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS o (id, epoch, status)
JOIN pending_tasks t ON t.id = ANY (ARRAY[o.id]) AND t.lease_epoch = o.epoch AND t.status = o.status

-- name: expired_leases
-- Tasks whose holder is presumed dead: at most $1, the oldest first. What is claimed stands at or behind a lane's mark ($2 types,
-- $3 priorities, $4 marks), so nothing beyond it is looked at, however much is due; and keyed tasks through the key that they hold.
SELECT id, lease_epoch, type, attempts, max_attempts, leased_by, has_followers FROM (
    (SELECT found.* FROM unnest($2::text[], $3::integer[], $4::timestamptz[]) AS lane (type, priority, mark_at)
     CROSS JOIN LATERAL (
         SELECT t.id, t.lease_epoch, t.type, t.attempts, t.max_attempts, t.leased_by, t.lease_expires_at,
             t.on_complete_url IS NOT NULL OR t.on_failure_url IS NOT NULL OR t.group_key IS NOT NULL OR t.delivery_of IS NOT NULL OR t.has_dependents AS has_followers
         FROM pending_tasks t
         WHERE t.dispatchable AND t.ordering_key IS NULL AND t.type = lane.type AND t.priority = lane.priority
           AND t.run_at <= least(lane.mark_at, now())
           AND t.status = 'processing' AND (t.lease_expires_at < now() OR t.lease_expires_at IS NULL)
         ORDER BY t.run_at, t.id LIMIT $1::integer) found)
    UNION ALL
    (SELECT t.id, t.lease_epoch, t.type, t.attempts, t.max_attempts, t.leased_by, t.lease_expires_at,
         t.on_complete_url IS NOT NULL OR t.on_failure_url IS NOT NULL OR t.group_key IS NOT NULL OR t.delivery_of IS NOT NULL OR t.has_dependents
     FROM pending_tasks t
     WHERE t.in_flight_key IS NOT NULL AND t.status = 'processing' AND (t.lease_expires_at < now() OR t.lease_expires_at IS NULL))
) AS expired
ORDER BY lease_expires_at NULLS FIRST, id LIMIT $1::integer

-- name: earliest_lease
-- The first lease to end, and whether there is any ($1 types, $2 priorities: the lanes).
SELECT min(held.lease_expires_at), count(*) FROM (
    SELECT found.lease_expires_at FROM unnest($1::text[], $2::integer[]) AS lane (type, priority)
    CROSS JOIN LATERAL (
        SELECT t.lease_expires_at FROM pending_tasks t
        WHERE t.dispatchable AND t.ordering_key IS NULL AND t.type = lane.type AND t.priority = lane.priority AND t.run_at <= now()
          AND t.status = 'processing') found
    UNION ALL
    SELECT t.lease_expires_at FROM pending_tasks t WHERE t.in_flight_key IS NOT NULL AND t.status = 'processing') held

-- name: silent_workers
-- Tasks that wait and whose worker has sent no heartbeat for too long, at most $1, the oldest first.
SELECT t.id, t.lease_epoch, t.type::text, t.attempts, t.max_attempts, t.leased_by,
       t.on_complete_url IS NOT NULL OR t.on_failure_url IS NOT NULL OR t.group_key IS NOT NULL OR t.delivery_of IS NOT NULL OR t.has_dependents
FROM pending_tasks t
WHERE t.check_at < now() AND t.status = 'waiting' AND (t.waits_until IS NULL OR t.waits_until > now())
ORDER BY t.check_at LIMIT $1::integer

-- name: end_overdue
-- Pending tasks that can no longer be sent, at most $1. How many.
WITH ended AS (
    UPDATE pending_tasks t
    SET status = 'timeout', finished_at = now(), last_error = 'deadline_at passed before it could be sent'
    FROM (SELECT id FROM pending_tasks
          WHERE dispatchable AND deadline_at < now() AND status = 'pending'
          ORDER BY deadline_at LIMIT $1::integer FOR UPDATE SKIP LOCKED) overdue
    WHERE t.id = ANY (ARRAY[overdue.id]) RETURNING t.id
)
SELECT count(*), tallypost_follow(coalesce(array_agg(id), '{}')) FROM ended

-- name: end_waits
-- Tasks whose signal has not come in time, at most $1. How many.
WITH ended AS (
    UPDATE pending_tasks t
    SET status = 'timeout', finished_at = now(), check_at = NULL,
        last_error = 'no signal came by ' || tallypost_time(t.waits_until)
    FROM (SELECT id FROM pending_tasks
          WHERE check_at < now() AND status = 'waiting' AND waits_until <= now()
          ORDER BY check_at LIMIT $1::integer FOR UPDATE SKIP LOCKED) overdue
    WHERE t.id = ANY (ARRAY[overdue.id]) RETURNING t.id
)
SELECT count(*), tallypost_follow(coalesce(array_agg(id), '{}')) FROM ended

-- name: end_groups
-- Of the open groups beyond key $1, at most $2, those without an open member end: how many did, how many were looked at, the last.
WITH open AS MATERIALIZED (SELECT key FROM task_groups WHERE ended_at IS NULL AND key > $1::text ORDER BY key LIMIT $2::integer)
SELECT coalesce((SELECT tallypost_close_groups(array_agg(open.key)) FROM open
                 WHERE NOT EXISTS (SELECT FROM pending_tasks t WHERE t.group_key = open.key AND t.holds_key
                                   AND (t.status IN ('completed', 'failed', 'timeout', 'cancelled')) IS NOT TRUE)), 0)::bigint,
       count(*), max(key) FROM open

-- name: set_aside_untyped
-- Rows of an adopted table that no claim can take, at most $1: the index of misfits holds nothing else. How many.
WITH ended AS (
    UPDATE pending_tasks t
    SET status = 'failed', finished_at = now(),
        last_error = CASE WHEN t.type IS NULL THEN 'type' WHEN t.priority IS NULL THEN 'priority' ELSE 'run_at' END || ' is NULL'
    FROM (SELECT id FROM pending_tasks WHERE dispatchable AND (type IS NULL OR priority IS NULL OR run_at IS NULL)
          LIMIT $1::integer FOR UPDATE SKIP LOCKED) misfit
    WHERE t.id = ANY (ARRAY[misfit.id]) RETURNING t.id
)
SELECT count(*), tallypost_follow(coalesce(array_agg(id), '{}')) FROM ended

-- name: paused_routes
SELECT type, paused_at, paused_by, reason FROM task_routes ORDER BY type

-- name: pause_route
-- Type $1 by $2 because $3. The first reason is kept; the event is recorded with it.
WITH paused AS (
    INSERT INTO task_routes (type, paused_by, reason) VALUES ($1::text, $2::text, $3::text) ON CONFLICT (type) DO NOTHING RETURNING type
)
INSERT INTO task_events (event, by, why, detail) SELECT 'pause', $2::text, $3::text, type FROM paused

-- name: sign_relay
-- Relay $1 signs, with state $2; relays that have not signed for $3 milliseconds are deleted. The relays left, this one
-- included. Dead rows that somebody else is at are passed over, so that two relays never wait for each other.
WITH dead AS (
    DELETE FROM tallypost_relays WHERE name IN (
        SELECT name FROM tallypost_relays
        WHERE seen_at < now() - $3::bigint * interval '1 millisecond' AND name <> $1::text FOR UPDATE SKIP LOCKED)
), signed AS (
    INSERT INTO tallypost_relays (name, seen_at, state) VALUES ($1::text, now(), $2::text)
    ON CONFLICT (name) DO UPDATE SET seen_at = now(), state = excluded.state
)
SELECT count(*) + 1 FROM tallypost_relays
WHERE name <> $1::text AND seen_at >= now() - $3::bigint * interval '1 millisecond'

-- name: live_relays
-- Every relay that has signed, and when.
SELECT name, seen_at, state FROM tallypost_relays ORDER BY name

-- name: purge_final
-- One step of retention, by the tables' owner's right: see tallypost_purge in v0001. Beyond id $1 at most $2 rows are looked at and
-- $3 removed: completed ones $4 milliseconds after their end, others $5 (null: never), because $6. What was removed, how many rows
-- were looked at, the last of them, and whether the walk has come to its end.
SELECT removed, looked, last_id, at_end FROM tallypost_purge($1::bigint, $2::integer, $3::integer, $4::bigint, $5::bigint, $6::text)
