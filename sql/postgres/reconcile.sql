-- What reconciliation asks and writes. The same names as SQLite's (ReconcileStatement).

-- name: scan_tasks
-- Every row beyond id $1, by id. Types are the table's own, which may have been there before us: the reader takes them as they come.
SELECT id, type, status, subject, idempotency_key, amount_minor, currency, created_at, run_at, deadline_at, started_at, finished_at,
       lease_expires_at, attempts, max_attempts, response_status, wait_for_signal, signal_status, has_dependents, waits_until,
       CASE WHEN status IN ('failed', 'timeout') THEN left(last_error::text, 200) END
FROM pending_tasks WHERE id > $1::bigint ORDER BY id

-- Ledgers of receivers (import).

-- name: ledger_imports
-- Imports of a source: number and window.
SELECT id, from_at, to_at FROM tallypost_imports WHERE source = $1 ORDER BY id

-- name: ledger_import_same
-- Whether a file was imported already.
SELECT file, source, made_at FROM tallypost_imports WHERE sha256 = $1

-- name: ledger_items
-- Rows of a source that nothing of ours matches yet.
SELECT id, external_id, idempotency_key, subject, amount_minor, currency, at, batch
FROM tallypost_ledger_items WHERE source = $1 ORDER BY id

-- name: ledger_findings
-- Findings of a source, whatever their state.
SELECT id, class, state, since, task_id FROM tallypost_findings WHERE rule = $1

-- name: ledger_matches
-- Which tasks have been matched with rows of a source, by chunk of ids.
SELECT chunk, data FROM tallypost_ledger_matches WHERE source = $1 ORDER BY chunk

-- name: ledger_tasks
-- Our side, by id: of the types of a JSON list, or all but our own notices when it is empty.
SELECT id, type, idempotency_key, subject, amount_minor, currency, status, finished_at, group_key
FROM pending_tasks WHERE (json_array_length($1::json) = 0 AND type NOT LIKE 'tallypost.%' OR type IN (SELECT json_array_elements_text($1::json))) ORDER BY id

-- name: ledger_tasks_results
-- The same, with what the receiver answered.
SELECT id, type, idempotency_key, subject, amount_minor, currency, status, finished_at, group_key, result
FROM pending_tasks WHERE (json_array_length($1::json) = 0 AND type NOT LIKE 'tallypost.%' OR type IN (SELECT json_array_elements_text($1::json))) ORDER BY id

-- name: ledger_ours
-- Completed tasks of a window by currency: how many, and their amounts in billions and the rest, since a sum may need more than 64 bits.
SELECT coalesce(currency, ''), count(*), (sum(amount_minor / 1000000000))::bigint, (sum(amount_minor % 1000000000))::bigint
FROM pending_tasks
WHERE (json_array_length($1::json) = 0 AND type NOT LIKE 'tallypost.%' OR type IN (SELECT json_array_elements_text($1::json))) AND status = 'completed' AND finished_at >= $2::timestamptz AND finished_at < $3::timestamptz
GROUP BY coalesce(currency, '')

-- name: ledger_lock
-- Imports of one source are committed one after the other.
SELECT pg_advisory_xact_lock(1952541804, hashtext($1))

-- name: ledger_last_import
-- The last import of a source.
SELECT coalesce(max(id), 0) FROM tallypost_imports WHERE source = $1

-- name: ledger_import_add
-- An import; its number.
INSERT INTO tallypost_imports (source, file, sha256, rows, quarantined, from_at, to_at, as_of, made_by, bridges, summary)
VALUES ($1, $2, $3, $4::bigint, $5::bigint, $6::timestamptz, $7::timestamptz, $8::timestamptz, $9, $10, $11)
RETURNING id

-- name: ledger_items_remove
-- Items of a JSON list of ids.
DELETE FROM tallypost_ledger_items WHERE id IN (SELECT json_array_elements_text($1::json)::bigint)

-- name: ledger_items_add
-- Items of a JSON list of rows.
INSERT INTO tallypost_ledger_items (source, import_id, external_id, idempotency_key, subject, amount_minor, currency, at, batch, outcome)
SELECT $1::text, $2::bigint, r.external_id, r.idempotency_key, r.subject, r.amount_minor, r.currency, r.at, r.batch, 'completed'
FROM json_to_recordset($3::json) AS r(external_id text, idempotency_key text, subject text, amount_minor bigint, currency text, at timestamptz, batch text)

-- name: ledger_match_of
-- A chunk of matches.
SELECT data FROM tallypost_ledger_matches WHERE source = $1 AND chunk = $2::bigint

-- name: ledger_match_put
-- A chunk of matches, in place of the one there was.
INSERT INTO tallypost_ledger_matches (source, chunk, data) VALUES ($1, $2::bigint, $3::bytea)
ON CONFLICT (source, chunk) DO UPDATE SET data = EXCLUDED.data

-- name: ledger_findings_put
-- Findings of a rule, a JSON list of rows, as an import sees them: new ones, or what becomes of those that are there. An acknowledgement
-- ends with its time and with another amount.
INSERT INTO tallypost_findings AS f
    (id, class, severity, type, subject, idempotency_key, task_id, amount_minor, currency, since, detail, rule, state, change, first_seen, last_seen, last_run, changed_at)
SELECT r.id, r.class, r.severity, r.type, r.subject, r.idempotency_key, r.task_id, r.amount_minor, r.currency, r.since, r.detail,
       $1::text, 'open', 'new', $2::timestamptz, $2::timestamptz, (SELECT last_run FROM tallypost_reconciler), $2::timestamptz
FROM json_to_recordset($3::json) AS r(id text, class text, severity text, type text, subject text, idempotency_key text, task_id bigint, amount_minor bigint, currency text, since timestamptz, detail text)
WHERE true
ON CONFLICT (id) DO UPDATE SET
    severity = EXCLUDED.severity, subject = EXCLUDED.subject, idempotency_key = EXCLUDED.idempotency_key, task_id = EXCLUDED.task_id,
    amount_minor = EXCLUDED.amount_minor, currency = EXCLUDED.currency, since = EXCLUDED.since, detail = EXCLUDED.detail,
    last_seen = EXCLUDED.last_seen, last_run = EXCLUDED.last_run, seen_runs = f.seen_runs + 1,
    change = CASE WHEN f.state IN ('cleared', 'resolved') THEN 'reopened'
                  WHEN f.amount_minor IS DISTINCT FROM EXCLUDED.amount_minor OR f.severity <> EXCLUDED.severity THEN 'changed'
                  ELSE 'persisting' END,
    changed_at = CASE WHEN f.state IN ('cleared', 'resolved', 'unconfirmed') OR f.state = 'acknowledged' AND (f.until < $2::timestamptz OR f.amount_minor IS DISTINCT FROM EXCLUDED.amount_minor) THEN EXCLUDED.changed_at ELSE f.changed_at END,
    by = CASE WHEN f.state IN ('cleared', 'resolved', 'unconfirmed') OR f.state = 'acknowledged' AND (f.until < $2::timestamptz OR f.amount_minor IS DISTINCT FROM EXCLUDED.amount_minor) THEN NULL ELSE f.by END,
    reason = CASE WHEN f.state IN ('cleared', 'resolved', 'unconfirmed') OR f.state = 'acknowledged' AND (f.until < $2::timestamptz OR f.amount_minor IS DISTINCT FROM EXCLUDED.amount_minor) THEN NULL ELSE f.reason END,
    until = CASE WHEN f.state IN ('cleared', 'resolved', 'unconfirmed') OR f.state = 'acknowledged' AND (f.until < $2::timestamptz OR f.amount_minor IS DISTINCT FROM EXCLUDED.amount_minor) THEN NULL ELSE f.until END,
    state = CASE WHEN f.state IN ('cleared', 'resolved', 'unconfirmed') OR f.state = 'acknowledged' AND (f.until < $2::timestamptz OR f.amount_minor IS DISTINCT FROM EXCLUDED.amount_minor) THEN 'open' ELSE f.state END

-- name: ledger_findings_clear
-- Findings of a JSON list of ids that are true no longer.
UPDATE tallypost_findings SET state = 'cleared', change = 'cleared', changed_at = $2::timestamptz
WHERE id IN (SELECT json_array_elements_text($1::json)) AND state IN ('unconfirmed', 'open', 'acknowledged')
