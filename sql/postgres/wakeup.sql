-- The wake-up of mode "auto"; see tallypost_wake in v0001 and PostgresStore+Wait.swift.

-- name: listen
LISTEN tallypost

-- name: guard
-- Exclusive while the relay sleeps: inserts then notify.
SELECT pg_try_advisory_lock(1952541804, 2037411188)

-- name: unguard
SELECT pg_advisory_unlock(1952541804, 2037411188)
