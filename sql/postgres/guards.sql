-- What keeps relays from sending: the tide mark and holds. The same names as SQLite's.

-- name: tide
-- Identity, mark, when it was raised, and the first hold: its name, since when, reason, detail.
SELECT tide.identity, tide.mark, tide.at, hold.name, hold.since, hold.reason, hold.detail
FROM tallypost_mark tide LEFT JOIN tallypost_holds hold ON hold.name = (SELECT name FROM tallypost_holds ORDER BY since, name LIMIT 1)
WHERE tide.id = 1

-- name: raise_mark
-- By one; not while there is a hold.
UPDATE tallypost_mark SET mark = mark + 1, at = clock_timestamp() WHERE id = 1 AND NOT EXISTS (SELECT FROM tallypost_holds)

-- name: set_hold
-- $1 name, $2 reason, $3 detail, by $4 because $5. What is there already stays; the event is recorded with it.
WITH made AS (
    INSERT INTO tallypost_holds (name, reason, detail) VALUES ($1::text, $2::text, $3::text) ON CONFLICT (name) DO NOTHING RETURNING name
)
INSERT INTO task_events (event, by, why, detail) SELECT 'hold', $4::text, $5::text, $3::text FROM made

-- name: lift_holds
-- All of them, and the mark to $1, by $2 because $3; the event, and what wakes the relays.
WITH gone AS (
    DELETE FROM tallypost_holds RETURNING name, reason
), raised AS (
    UPDATE tallypost_mark SET mark = $1::bigint, at = clock_timestamp() WHERE id = 1 AND EXISTS (SELECT FROM gone)
), noted AS (
    INSERT INTO task_events (event, by, why, detail)
    SELECT 'release', $2::text, $3::text, string_agg(reason, '; ' ORDER BY name) FROM gone HAVING count(*) > 0
)
SELECT count(*), pg_notify('tallypost', '') FROM gone

-- name: open_tally
-- What has not ended and was created before $1: by type and currency how many, and the amounts in two parts (billions, and the rest),
-- because their sum may need more than 64 bits.
SELECT coalesce(type, ''), currency, count(*), coalesce(sum(amount_minor / 1000000000), 0)::bigint,
       coalesce(sum(amount_minor % 1000000000), 0)::bigint
FROM pending_tasks
WHERE status IN ('blocked', 'pending', 'processing', 'waiting') AND created_at < $1::timestamptz
GROUP BY 1, 2 ORDER BY 1, 2

-- name: open_tasks
-- The same row by row: from beyond id $2, at most $3.
SELECT id, type, status, subject, idempotency_key, amount_minor, currency, attempts, created_at, coalesce(target_url, '') AS target_url
FROM pending_tasks
WHERE status IN ('blocked', 'pending', 'processing', 'waiting') AND created_at < $1::timestamptz AND id > $2::bigint
ORDER BY id LIMIT $3::integer

-- name: held_tasks
-- Pending tasks that a rule held when they were last looked at, by type.
SELECT type::text, count(*) FROM pending_tasks
WHERE dispatchable AND status = 'pending' AND last_error LIKE 'held: %' GROUP BY 1 ORDER BY 1
