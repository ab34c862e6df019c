-- What the relay tells PostgreSQL about its own session, and asks about the locks of others. SQLite needs none of it.

-- name: session_settings
-- lock_timeout: nobody's lock may hold the relay up for longer. The others keep the planner from trusting the table's size: a
-- plan made while the table was small (an empty night, a purge) would read all of it, for every claim, when a burst comes. So no
-- plan may scan the table; with the statements' `= ANY (ARRAY[...])` joins only a look-up per row is left. (An ordinary join on
-- id could also read the whole primary key in order, which on a small table looks cheaper.)
SELECT set_config(name, value, false) FROM (VALUES ('lock_timeout', '200ms'), ('enable_seqscan', 'off'),
    ('enable_bitmapscan', 'off'), ('jit', 'off'), ('plan_cache_mode', 'force_generic_plan')) AS setting (name, value)

-- name: transaction_settings
-- The same for one transaction, where a pooler stands between.
SELECT set_config(name, value, true) FROM (VALUES ('lock_timeout', '200ms'), ('enable_seqscan', 'off'),
    ('enable_bitmapscan', 'off'), ('jit', 'off')) AS setting (name, value)

-- name: locked_rows
-- Of the tasks $1 those whose rows another session holds locked.
SELECT t.id FROM pending_tasks t
WHERE t.id = ANY ($1::bigint[])
  AND t.id NOT IN (SELECT free.id FROM (SELECT id FROM pending_tasks WHERE id = ANY ($1::bigint[]) FOR NO KEY UPDATE SKIP LOCKED) AS free)

-- name: purge_patience
-- For one transaction: a step of retention that takes longer is broken off, and so no lock of its is held for longer than 50 ms.
SELECT set_config('statement_timeout', '40ms', true)
