-- What reconciliation asks and writes. The same names as PostgreSQL's (ReconcileStatement).

-- name: scan_tasks
-- Every row beyond id ?1, by id. SQLite's columns hold anything: the reader takes it as it comes.
SELECT id, type, status, subject, idempotency_key, amount_minor, currency, created_at, run_at, deadline_at, started_at, finished_at,
       lease_expires_at, attempts, max_attempts, response_status, wait_for_signal, signal_status, has_dependents, waits_until,
       CASE WHEN status IN ('failed', 'timeout') THEN substr(last_error, 1, 200) END
FROM pending_tasks WHERE id > ?1 ORDER BY id;

-- Ledgers of receivers (import).

-- name: ledger_imports
-- Imports of a source: number and window.
SELECT id, from_at, to_at FROM tallypost_imports WHERE source = ?1 ORDER BY id

-- name: ledger_import_same
-- Whether a file was imported already.
SELECT file, source, made_at FROM tallypost_imports WHERE sha256 = ?1

-- name: ledger_items
-- Rows of a source that nothing of ours matches yet.
SELECT id, external_id, idempotency_key, subject, amount_minor, currency, at, batch
FROM tallypost_ledger_items WHERE source = ?1 ORDER BY id

-- name: ledger_findings
-- Findings of a source, whatever their state.
SELECT id, class, state, since, task_id FROM tallypost_findings WHERE rule = ?1

-- name: ledger_matches
-- Which tasks have been matched with rows of a source, by chunk of ids.
SELECT chunk, data FROM tallypost_ledger_matches WHERE source = ?1 ORDER BY chunk

-- name: ledger_tasks
-- Our side, by id: of the types of a JSON list, or all but our own notices when it is empty.
SELECT id, type, idempotency_key, subject, amount_minor, currency, status, finished_at, group_key
FROM pending_tasks WHERE (json_array_length(?1) = 0 AND type NOT LIKE 'tallypost.%' OR type IN (SELECT value FROM json_each(?1))) ORDER BY id

-- name: ledger_tasks_results
-- The same, with what the receiver answered.
SELECT id, type, idempotency_key, subject, amount_minor, currency, status, finished_at, group_key, result
FROM pending_tasks WHERE (json_array_length(?1) = 0 AND type NOT LIKE 'tallypost.%' OR type IN (SELECT value FROM json_each(?1))) ORDER BY id

-- name: ledger_ours
-- Completed tasks of a window: currency, how many, and their amounts in billions and the rest. A row for each, where PostgreSQL adds up:
-- SQLite would sort them all in memory to group them.
SELECT coalesce(currency, ''), 1, amount_minor / 1000000000, amount_minor % 1000000000
FROM pending_tasks
WHERE (json_array_length(?1) = 0 AND type NOT LIKE 'tallypost.%' OR type IN (SELECT value FROM json_each(?1))) AND status = 'completed' AND finished_at >= ?2 AND finished_at < ?3

-- name: ledger_lock
-- Imports are committed one after the other: SQLite has one writer.
SELECT ?1

-- name: ledger_last_import
-- The last import of a source.
SELECT coalesce(max(id), 0) FROM tallypost_imports WHERE source = ?1

-- name: ledger_import_add
-- An import; its number.
INSERT INTO tallypost_imports (source, file, sha256, rows, quarantined, from_at, to_at, as_of, made_by, bridges, summary)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
RETURNING id

-- name: ledger_items_remove
-- Items of a JSON list of ids.
DELETE FROM tallypost_ledger_items WHERE id IN (SELECT value FROM json_each(?1))

-- name: ledger_items_add
-- Items of a JSON list of rows.
INSERT INTO tallypost_ledger_items (source, import_id, external_id, idempotency_key, subject, amount_minor, currency, at, batch, outcome)
SELECT ?1, ?2, r.value ->> '$.external_id', r.value ->> '$.idempotency_key', r.value ->> '$.subject', r.value ->> '$.amount_minor', r.value ->> '$.currency', r.value ->> '$.at', r.value ->> '$.batch', 'completed'
FROM json_each(?3) AS r

-- name: ledger_match_of
-- A chunk of matches.
SELECT data FROM tallypost_ledger_matches WHERE source = ?1 AND chunk = ?2

-- name: ledger_match_put
-- A chunk of matches, in place of the one there was.
INSERT INTO tallypost_ledger_matches (source, chunk, data) VALUES (?1, ?2, ?3)
ON CONFLICT (source, chunk) DO UPDATE SET data = excluded.data

-- name: ledger_findings_put
-- Findings of a rule, a JSON list of rows, as an import sees them: new ones, or what becomes of those that are there. An acknowledgement
-- ends with its time and with another amount.
INSERT INTO tallypost_findings AS f
    (id, class, severity, type, subject, idempotency_key, task_id, amount_minor, currency, since, detail, rule, state, change, first_seen, last_seen, last_run, changed_at)
SELECT r.value ->> '$.id', r.value ->> '$.class', r.value ->> '$.severity', r.value ->> '$.type', r.value ->> '$.subject', r.value ->> '$.idempotency_key', r.value ->> '$.task_id', r.value ->> '$.amount_minor', r.value ->> '$.currency', r.value ->> '$.since', r.value ->> '$.detail',
       ?1, 'open', 'new', ?2, ?2, (SELECT last_run FROM tallypost_reconciler), ?2
FROM json_each(?3) AS r
WHERE true
ON CONFLICT (id) DO UPDATE SET
    severity = excluded.severity, subject = excluded.subject, idempotency_key = excluded.idempotency_key, task_id = excluded.task_id,
    amount_minor = excluded.amount_minor, currency = excluded.currency, since = excluded.since, detail = excluded.detail,
    last_seen = excluded.last_seen, last_run = excluded.last_run, seen_runs = f.seen_runs + 1,
    change = CASE WHEN f.state IN ('cleared', 'resolved') THEN 'reopened'
                  WHEN f.amount_minor IS NOT excluded.amount_minor OR f.severity <> excluded.severity THEN 'changed'
                  ELSE 'persisting' END,
    changed_at = CASE WHEN f.state IN ('cleared', 'resolved', 'unconfirmed') OR f.state = 'acknowledged' AND (f.until < ?2 OR f.amount_minor IS NOT excluded.amount_minor) THEN excluded.changed_at ELSE f.changed_at END,
    by = CASE WHEN f.state IN ('cleared', 'resolved', 'unconfirmed') OR f.state = 'acknowledged' AND (f.until < ?2 OR f.amount_minor IS NOT excluded.amount_minor) THEN NULL ELSE f.by END,
    reason = CASE WHEN f.state IN ('cleared', 'resolved', 'unconfirmed') OR f.state = 'acknowledged' AND (f.until < ?2 OR f.amount_minor IS NOT excluded.amount_minor) THEN NULL ELSE f.reason END,
    until = CASE WHEN f.state IN ('cleared', 'resolved', 'unconfirmed') OR f.state = 'acknowledged' AND (f.until < ?2 OR f.amount_minor IS NOT excluded.amount_minor) THEN NULL ELSE f.until END,
    state = CASE WHEN f.state IN ('cleared', 'resolved', 'unconfirmed') OR f.state = 'acknowledged' AND (f.until < ?2 OR f.amount_minor IS NOT excluded.amount_minor) THEN 'open' ELSE f.state END

-- name: ledger_findings_clear
-- Findings of a JSON list of ids that are true no longer.
UPDATE tallypost_findings SET state = 'cleared', change = 'cleared', changed_at = ?2
WHERE id IN (SELECT value FROM json_each(?1)) AND state IN ('unconfirmed', 'open', 'acknowledged')
