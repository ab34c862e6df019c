-- Calls of the functions that v0002 makes, which write with the tables' owner's rights. SQLite's follow.sql does the same in steps.

-- name: fan_out
-- Tasks $1 in epochs $2 wait for deliveries to subscribers $3 (their names, joined by /). How many of them did.
SELECT count(*) FILTER (WHERE tallypost_fan_out(o.id, o.epoch, string_to_array(o.subscribers, '/')))
FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS o (id, epoch, subscribers)

-- name: follow
-- What follows from the end of tasks $1, in the transaction that ends them; whether something fell due by it.
SELECT tallypost_follow($1::bigint[])

-- name: insert_task
-- A task for somebody who is not the application: $1 columns, $2 their values as text. Its id, whether it is new, its token.
SELECT id, is_new, token FROM tallypost_insert($1::text[], $2::text[])
