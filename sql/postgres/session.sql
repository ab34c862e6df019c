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
-- Of the tasks $1 those whose rows another session holds locked, or a row that their end changes with them (see tallypost_follow): a
-- successor, however far down the chain, a delivery or the task whose delivery it is, a group.
WITH RECURSIVE reached (root, id) AS (
    SELECT asked.id, asked.id FROM unnest($1::bigint[]) AS asked (id)
    UNION
    SELECT reached.root, next.id
    FROM reached JOIN pending_tasks t ON t.id = ANY (ARRAY[reached.id])
    CROSS JOIN LATERAL (
        SELECT s.id FROM pending_tasks s WHERE t.has_dependents AND s.run_after = t.id AND s.status = 'blocked'
        UNION ALL
        SELECT c.id FROM pending_tasks c WHERE t.has_dependents AND c.delivery_of = t.id AND c.status IN ('pending', 'blocked', 'waiting')
        UNION ALL
        SELECT t.delivery_of WHERE t.delivery_of IS NOT NULL) next
), touched AS MATERIALIZED (
    SELECT reached.root, t.id, t.group_key FROM reached JOIN pending_tasks t ON t.id = ANY (ARRAY[reached.id])
), free AS MATERIALIZED (
    SELECT id FROM pending_tasks WHERE id = ANY (ARRAY(SELECT id FROM touched)) FOR NO KEY UPDATE SKIP LOCKED
), free_groups AS MATERIALIZED (
    SELECT key FROM task_groups WHERE key = ANY (ARRAY(SELECT group_key FROM touched)) FOR NO KEY UPDATE SKIP LOCKED
)
SELECT DISTINCT touched.root FROM touched
WHERE touched.id NOT IN (SELECT id FROM free)
   OR (touched.group_key NOT IN (SELECT key FROM free_groups)
       AND EXISTS (SELECT FROM task_groups g WHERE g.key = touched.group_key AND g.ended_at IS NULL))

-- name: purge_patience
-- For one transaction: a step of retention that takes longer is broken off, and so no lock of its is held for longer than 50 ms.
SELECT set_config('statement_timeout', '40ms', true)

-- name: rule_patience
-- For one transaction: a rule that takes longer is broken off.
SELECT set_config('statement_timeout', '5s', true), set_config('transaction_read_only', 'on', true)
