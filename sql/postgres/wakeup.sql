-- The wake-up of mode "auto"; see tallypost_wake in v0001 and PostgresStore+Wait.swift.

-- name: listen
LISTEN tallypost

-- name: guard
-- Exclusive while the relay sleeps: inserts then notify. Refused, the second column tells by whom: a shared lock can be had beside
-- an application's transactions (and is given back when this ends), but not beside another relay that sleeps.
SELECT mine, CASE WHEN NOT mine THEN pg_try_advisory_xact_lock_shared(1952541804, 2037411188) END
FROM (SELECT pg_try_advisory_lock(1952541804, 2037411188) AS mine OFFSET 0) AS attempt

-- name: unguard
SELECT pg_advisory_unlock(1952541804, 2037411188)

-- name: newest_keyed
-- The newest open task with an ordering key.
SELECT max(id + 0) FROM pending_tasks WHERE dispatchable AND ordering_key IS NOT NULL

-- name: new_keys
-- Open tasks with an ordering key that are newer than $1, oldest first, at most $2; what commits late is left to the walk over the
-- keys. (id + 0: the index of keyed tasks, never the primary key, which holds all the others as well.)
SELECT id, ordering_key::text, type::text, run_at::timestamptz, now() FROM pending_tasks
WHERE dispatchable AND ordering_key IS NOT NULL AND id + 0 > $1::bigint ORDER BY id + 0 LIMIT $2::integer
