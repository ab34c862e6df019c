-- What keeps relays from sending: the tide mark and holds. The same names as PostgreSQL's.

-- name: tide
-- Identity, mark, when it was raised (milliseconds), and the first hold: its name, since when (milliseconds), reason, detail.
SELECT tide.identity, tide.mark, CAST(round((julianday(tide.at) - 2440587.5) * 86400000.0) AS INTEGER),
       hold.name, CAST(round((julianday(hold.since) - 2440587.5) * 86400000.0) AS INTEGER), hold.reason, hold.detail
FROM tallypost_mark AS tide LEFT JOIN tallypost_holds AS hold ON hold.name = (SELECT name FROM tallypost_holds ORDER BY since, name LIMIT 1)
WHERE tide.id = 1;

-- name: raise_mark
-- By one, at ?1; not while there is a hold.
UPDATE tallypost_mark SET mark = mark + 1, at = ?1 WHERE id = 1 AND NOT EXISTS (SELECT 1 FROM tallypost_holds);

-- name: set_hold
-- ?1 name, ?2 since, ?3 reason, ?4 detail. What is there already stays.
INSERT INTO tallypost_holds (name, since, reason, detail) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name) DO NOTHING;

-- name: lift_holds
-- Two steps: all of them, …
DELETE FROM tallypost_holds;
-- … and the mark to ?1, at ?2.
UPDATE tallypost_mark SET mark = ?1, at = ?2 WHERE id = 1;

-- name: open_tally
-- What has not ended and was created before ?1: by type and currency how many, and the amounts in two parts (billions, and the rest),
-- because their sum may need more than 64 bits.
SELECT coalesce(type, ''), currency, count(*), coalesce(sum(amount_minor / 1000000000), 0), coalesce(sum(amount_minor % 1000000000), 0)
FROM pending_tasks
WHERE status IN ('blocked', 'pending', 'processing', 'waiting') AND julianday(created_at) < julianday(?1)
GROUP BY 1, 2 ORDER BY 1, 2;

-- name: open_tasks
-- The same row by row: from beyond id ?2, at most ?3.
SELECT id, type, status, subject, idempotency_key, amount_minor, currency, attempts,
       coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', created_at), created_at) AS created_at, coalesce(target_url, '') AS target_url
FROM pending_tasks
WHERE status IN ('blocked', 'pending', 'processing', 'waiting') AND julianday(created_at) < julianday(?1) AND id > ?2
ORDER BY id LIMIT ?3;

-- name: held_tasks
-- Pending tasks that a rule held when they were last looked at, by type.
SELECT type, count(*) FROM pending_tasks
WHERE ordering_key IS NULL AND is_open AND status = 'pending' AND last_error >= 'held: ' AND last_error < 'held:!'
GROUP BY type
UNION ALL
SELECT type, count(*) FROM pending_tasks
WHERE ordering_key IS NOT NULL AND holds_key AND status = 'pending' AND last_error >= 'held: ' AND last_error < 'held:!'
GROUP BY type ORDER BY 1;
