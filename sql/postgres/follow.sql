-- Calls of the functions that v0002 makes, which write with the tables' owner's rights. SQLite's follow.sql does the same in steps.

-- name: fan_out
-- Tasks $1 in epochs $2 wait for deliveries to subscribers $3 (their names, joined by /). How many of them did. Deliveries that had been
-- called off are opened anew by it: their events say that they were settled, because the books must know.
WITH reopened AS (
    INSERT INTO task_events (task_id, event, by, why, detail)
    SELECT c.id, 'redrive', 'tallypost', 'task ' || parent.id || ', whose delivery this is, is sent anew',
           '{"was":"cancelled","finished_at":' || coalesce('"' || to_char(c.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null') || '}'
    FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS o (id, epoch, subscribers)
    JOIN pending_tasks AS parent ON parent.id = o.id AND parent.lease_epoch = o.epoch AND parent.status = 'processing' AND parent.has_dependents
    JOIN pending_tasks AS c ON c.delivery_of = parent.id AND c.status = 'cancelled'
        AND substr(c.type, length(parent.type) + 2) = ANY (string_to_array(o.subscribers, '/'))
)
SELECT count(*) FILTER (WHERE tallypost_fan_out(o.id, o.epoch, string_to_array(o.subscribers, '/')))
FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS o (id, epoch, subscribers)

-- name: follow
-- What follows from the end of tasks $1, in the transaction that ends them; whether something fell due by it.
SELECT tallypost_follow($1::bigint[])

-- name: insert_task
-- A task for somebody who is not the application: $1 columns, $2 their values as text. Its id, whether it is new, its token.
SELECT id, is_new, token FROM tallypost_insert($1::text[], $2::text[])
