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
