-- What reconciliation asks and writes. The same names as SQLite's (ReconcileStatement).

-- name: scan_tasks
-- Every row beyond id $1, by id. Types are the table's own, which may have been there before us: the reader takes them as they come.
SELECT id, type, status, subject, idempotency_key, amount_minor, currency, created_at, run_at, deadline_at, started_at, finished_at,
       lease_expires_at, attempts, max_attempts, response_status, wait_for_signal, signal_status, has_dependents, waits_until,
       CASE WHEN status IN ('failed', 'timeout', 'cancelled') THEN left(last_error::text, 200) END
FROM pending_tasks WHERE id > $1::bigint ORDER BY id

-- name: acquire_lease
-- For holder $1 for $2 milliseconds, unless somebody else has it. What the last run that was committed has seen.
UPDATE tallypost_reconciler SET holder = $1::text, lease_until = clock_timestamp() + $2::bigint * interval '1 millisecond'
WHERE id = 1 AND (holder IS NULL OR holder = $1::text OR lease_until IS NULL OR lease_until < clock_timestamp())
RETURNING last_run, as_of, last_event, event_gaps

-- name: renew_lease
-- Even one that has run out, as long as nobody has taken it.
UPDATE tallypost_reconciler SET lease_until = clock_timestamp() + $2::bigint * interval '1 millisecond' WHERE id = 1 AND holder = $1::text

-- name: release_lease
UPDATE tallypost_reconciler SET holder = NULL, lease_until = NULL WHERE id = 1 AND holder = $1::text

-- name: reconciler_state
SELECT last_run, as_of, last_event, event_gaps FROM tallypost_reconciler WHERE id = 1

-- name: chunk_ids
-- Chunks whose last version up to run $1 is not empty.
SELECT r.chunk FROM tallypost_register r
WHERE r.run <= $1::bigint AND octet_length(r.data) > 0
  AND NOT EXISTS (SELECT FROM tallypost_register n WHERE n.chunk = r.chunk AND n.run > r.run AND n.run <= $1::bigint)
ORDER BY r.chunk

-- name: read_chunk
-- Chunk $1, its last version up to run $2.
SELECT data FROM tallypost_register WHERE chunk = $1::bigint AND run <= $2::bigint ORDER BY run DESC LIMIT 1

-- name: last_event
SELECT coalesce(max(id), 0) FROM task_events

-- name: event_gaps
-- Numbers up to $1 that no event shows, among the last 5,000: of a transaction that was rolled back, or that is not committed yet.
SELECT n FROM generate_series(greatest($1::bigint - 4999, 1), $1::bigint) AS n
WHERE NOT EXISTS (SELECT FROM task_events e WHERE e.id = n) ORDER BY n DESC LIMIT 1000

-- name: reopenings
-- Settled tasks that were opened again: events beyond $1, or among $3 (JSON), up to $2.
SELECT task_id, at, tallypost_json(detail) ->> 'was' AS was, tallypost_json(detail) ->> 'finished_at'
FROM task_events
WHERE (id > $1::bigint OR id IN (SELECT value::bigint FROM json_array_elements_text($3::json))) AND id <= $2::bigint
  AND event IN ('retry', 'redrive') AND task_id IS NOT NULL AND tallypost_json(detail) ->> 'was' IN ('completed', 'cancelled')
ORDER BY id

-- name: purges
-- Steps of retention: the same.
SELECT tallypost_json(detail) ->> 'from', tallypost_json(detail) ->> 'to', tallypost_json(detail) ->> 'count', tallypost_json(detail) ->> 'sum', at
FROM task_events
WHERE (id > $1::bigint OR id IN (SELECT value::bigint FROM json_array_elements_text($3::json))) AND id <= $2::bigint AND event = 'purge'
ORDER BY id

-- name: cancellations
-- Tasks that somebody called off: the same.
SELECT task_id FROM task_events
WHERE (id > $1::bigint OR id IN (SELECT value::bigint FROM json_array_elements_text($3::json))) AND id <= $2::bigint
  AND event = 'cancel' AND task_id IS NOT NULL
ORDER BY task_id

-- name: movement_sums
-- Before $1. Several rows of one series and kind are to be added up.
SELECT type, currency, kind, sum(count)::bigint, sum(amount::numeric)::text FROM tallypost_movements
WHERE recorded < $1::timestamptz GROUP BY type, currency, kind ORDER BY type, currency, kind

-- name: movements
-- From $1 to before $2.
SELECT recorded, effective, type, currency, kind, count, amount FROM tallypost_movements
WHERE recorded >= $1::timestamptz AND recorded < $2::timestamptz ORDER BY recorded

-- name: movements_of
-- Those whose keys are in $1 (JSON: r, e, t, c, k), as they stand.
SELECT m.recorded, m.effective, m.type, m.currency, m.kind, m.count, m.amount
FROM json_to_recordset($1::json) AS x (r timestamptz, e timestamptz, t text, c text, k text)
JOIN tallypost_movements m ON m.recorded = x.r AND m.effective = x.e AND m.type = x.t AND m.currency = x.c AND m.kind = x.k

-- name: put_movements
-- $1 (JSON: the key as above, n, a): their counts and amounts from now on.
INSERT INTO tallypost_movements (recorded, effective, type, currency, kind, count, amount)
SELECT x.r, x.e, x.t, x.c, x.k, x.n, x.a
FROM json_to_recordset($1::json) AS x (r timestamptz, e timestamptz, t text, c text, k text, n bigint, a text)
ON CONFLICT (recorded, effective, type, currency, kind) DO UPDATE SET count = excluded.count, amount = excluded.amount

-- name: live_breaks
-- Not resolved and not cleared.
SELECT id, class, severity, rule, owner, type, subject, idempotency_key, task_id, amount_minor, currency, since, detail, state, change,
       seen_runs, first_seen, last_seen, last_run, changed_at, by, reason, until
FROM tallypost_findings WHERE state IN ('unconfirmed', 'open', 'acknowledged') ORDER BY id

-- name: breaks_by_id
-- $1: JSON.
SELECT id, class, severity, rule, owner, type, subject, idempotency_key, task_id, amount_minor, currency, since, detail, state, change,
       seen_runs, first_seen, last_seen, last_run, changed_at, by, reason, until
FROM tallypost_findings WHERE id IN (SELECT value FROM json_array_elements_text($1::json)) ORDER BY id

-- name: list_breaks
-- Those in states $1 (JSON), of severity $2, class $3, type $4, owner $5, rule $6 (null: any), the worst first, after rank $7 and id $8;
-- at most $9.
SELECT id, class, severity, rule, owner, type, subject, idempotency_key, task_id, amount_minor, currency, since, detail, state, change,
       seen_runs, first_seen, last_seen, last_run, changed_at, by, reason, until
FROM (SELECT *, CASE severity WHEN 'critical' THEN 3 WHEN 'high' THEN 2 WHEN 'medium' THEN 1 ELSE 0 END AS rank FROM tallypost_findings) f
WHERE state IN (SELECT value FROM json_array_elements_text($1::json)) AND ($2::text IS NULL OR severity = $2::text)
  AND ($3::text IS NULL OR class = $3::text) AND ($4::text IS NULL OR type = $4::text) AND ($5::text IS NULL OR owner = $5::text)
  AND ($6::text IS NULL OR rule = $6::text) AND (rank < $7::bigint OR (rank = $7::bigint AND id > $8::text))
ORDER BY rank DESC, id LIMIT $9::bigint

-- name: changed_breaks
-- Whose state changed from $1 to before $2.
SELECT id, class, severity, rule, owner, type, subject, idempotency_key, task_id, amount_minor, currency, since, detail, state, change,
       seen_runs, first_seen, last_seen, last_run, changed_at, by, reason, until
FROM tallypost_findings WHERE changed_at >= $1::timestamptz AND changed_at < $2::timestamptz ORDER BY changed_at, id

-- name: break_effects
-- What unexplained changes did to the books, of breaks in any state.
SELECT f.id, f.state, x.type, x.currency, x.count, x.amount, x.recorded
FROM tallypost_findings f CROSS JOIN LATERAL json_to_recordset(f.effect::json) AS x (type text, currency text, count bigint, amount text, recorded timestamptz)
WHERE f.class = 'unexplained_change' AND f.effect IS NOT NULL ORDER BY f.id

-- name: put_breaks
-- $1: JSON. What somebody has said of one since the run read it (then its changed_at is not `was`) stands.
INSERT INTO tallypost_findings (id, class, severity, rule, owner, type, subject, idempotency_key, task_id, amount_minor, currency, since, detail,
    state, change, seen_runs, first_seen, last_seen, last_run, changed_at, by, reason, until, effect)
SELECT x.id, x.class, x.severity, x.rule, x.owner, x.type, x.subject, x.key, x.task, x.amount, x.currency, x.since, x.detail, x.state, x.change,
       x.runs, x.first, x.last, x.run, x.changed, x.by, x.reason, x.until, x.effect
FROM json_to_recordset($1::json) AS x (id text, class text, severity text, rule text, owner text, type text, subject text, key text, task bigint,
    amount bigint, currency text, since timestamptz, detail text, state text, change text, runs integer, first timestamptz, last timestamptz,
    run bigint, changed timestamptz, by text, reason text, until timestamptz, effect text)
ON CONFLICT (id) DO UPDATE
SET severity = excluded.severity, rule = excluded.rule, owner = excluded.owner, type = excluded.type, subject = excluded.subject,
    idempotency_key = excluded.idempotency_key, task_id = excluded.task_id, amount_minor = excluded.amount_minor, currency = excluded.currency,
    since = excluded.since, detail = excluded.detail, change = excluded.change, seen_runs = excluded.seen_runs,
    first_seen = excluded.first_seen, last_seen = excluded.last_seen, last_run = excluded.last_run, effect = excluded.effect,
    state = excluded.state, changed_at = excluded.changed_at, by = excluded.by, reason = excluded.reason, until = excluded.until

-- name: said_since
-- Of breaks $1 (JSON: id, was) those of which somebody has said something after the run read them.
SELECT f.id, f.state, f.changed_at, f.by, f.reason, f.until
FROM json_to_recordset($1::json) AS x (id text, was timestamptz) JOIN tallypost_findings f ON f.id = x.id
WHERE f.changed_at IS DISTINCT FROM x.was FOR UPDATE OF f

-- name: list_runs
-- Since $1, the last $2.
SELECT run, as_of, finished_at, made_by, status, low, medium, high, critical, summary FROM tallypost_runs
WHERE as_of >= $1::timestamptz ORDER BY run DESC LIMIT $2::bigint

-- name: list_imports
SELECT id, source, file, sha256, rows, quarantined, from_at, to_at, as_of, made_at, made_by, bridges, summary FROM tallypost_imports ORDER BY id

-- name: list_reports
-- The last $1.
SELECT id, label, zone, from_at, to_at, revision, run, as_of, status, directory, manifest_sha256, made_at, made_by
FROM tallypost_reports ORDER BY id DESC LIMIT $1::bigint

-- name: list_signatures
-- Of the last $1 reports.
SELECT s.report_id, s.role, s.by, s.at, s.note, s.manifest_sha256
FROM tallypost_signatures s WHERE s.report_id IN (SELECT id FROM tallypost_reports ORDER BY id DESC LIMIT $1::bigint) ORDER BY s.report_id, s.role

-- name: report_breaks
-- The breaks that report $1 told.
SELECT x.id, x.amount FROM tallypost_reports r CROSS JOIN LATERAL json_to_recordset(r.breaks::json) AS x (id text, amount text)
WHERE r.id = $1::bigint ORDER BY x.id

-- name: last_signed
-- The report signed by both whose as-of is the latest.
SELECT r.id, r.as_of FROM tallypost_reports r
WHERE (SELECT count(DISTINCT s.role) FROM tallypost_signatures s WHERE s.report_id = r.id AND s.role IN ('preparer', 'reviewer')) = 2
ORDER BY r.as_of DESC, r.id DESC LIMIT 1

-- name: sealed_through
SELECT max(r.to_at) FROM tallypost_reports r
WHERE (SELECT count(DISTINCT s.role) FROM tallypost_signatures s WHERE s.report_id = r.id AND s.role IN ('preparer', 'reviewer')) = 2

-- name: sweep_chunks
-- Versions of runs after $1, which were not committed; at most $2.
DELETE FROM tallypost_register WHERE (chunk, run) IN (SELECT chunk, run FROM tallypost_register WHERE run > $1::bigint LIMIT $2::bigint)

-- name: write_chunk
INSERT INTO tallypost_register (chunk, run, data) VALUES ($1::bigint, $2::bigint, $3::bytea)
ON CONFLICT (chunk, run) DO UPDATE SET data = excluded.data

-- name: drop_superseded
-- Versions with a later one up to run $1; at most $2.
DELETE FROM tallypost_register WHERE (chunk, run) IN (
    SELECT r.chunk, r.run FROM tallypost_register r
    WHERE EXISTS (SELECT FROM tallypost_register n WHERE n.chunk = r.chunk AND n.run > r.run AND n.run <= $1::bigint) LIMIT $2::bigint)

-- name: drop_empty
-- Chunks that are empty up to run $1 and have no earlier version; at most $2.
DELETE FROM tallypost_register WHERE (chunk, run) IN (
    SELECT r.chunk, r.run FROM tallypost_register r
    WHERE r.run <= $1::bigint AND octet_length(r.data) = 0
      AND NOT EXISTS (SELECT FROM tallypost_register o WHERE o.chunk = r.chunk AND o.run < r.run) LIMIT $2::bigint)

-- name: move_on
-- The fence: holder $1 commits run $2 of as-of $3, with events up to $4 but for the gaps $5. No row: it may not.
UPDATE tallypost_reconciler SET last_run = $2::bigint, as_of = $3::timestamptz, last_event = $4::bigint, event_gaps = $5::text
WHERE id = 1 AND holder = $1::text AND last_run = $2::bigint - 1

-- name: insert_run
INSERT INTO tallypost_runs (run, as_of, made_by, status, low, medium, high, critical, summary)
VALUES ($1::bigint, $2::timestamptz, $3::text, $4::text, $5::integer, $6::integer, $7::integer, $8::integer, $9::text)

-- name: break_state
-- Under the lock that a commit takes, so that neither writes over the other.
SELECT f.state, f.task_id FROM tallypost_reconciler r CROSS JOIN tallypost_findings f WHERE r.id = 1 AND f.id = $1::text FOR UPDATE

-- name: set_break_state
-- Of break $1: state $2, by $3, because $4, until $5.
UPDATE tallypost_findings
SET state = $2::text, by = $3::text, reason = $4::text, until = $5::timestamptz, changed_at = clock_timestamp() WHERE id = $1::text

-- name: note_event
-- Of task $1 (null: none): event $2, by $3, because $4, detail $5.
INSERT INTO task_events (task_id, event, by, why, detail) VALUES ($1::bigint, $2::text, $3::text, $4::text, $5::text)

-- name: next_revision
SELECT coalesce(max(revision), 0) + 1 FROM tallypost_reports WHERE label = $1::text AND zone = $2::text

-- name: insert_report
-- No row: that revision is there already.
INSERT INTO tallypost_reports (label, zone, from_at, to_at, revision, run, as_of, status, directory, manifest_sha256, made_by, breaks)
VALUES ($1::text, $2::text, $3::timestamptz, $4::timestamptz, $5::integer, $6::bigint, $7::timestamptz, $8::text, $9::text, $10::text, $11::text, $12::text)
ON CONFLICT (label, zone, revision) DO NOTHING RETURNING id

-- name: report_manifest
SELECT manifest_sha256 FROM tallypost_reports WHERE id = $1::bigint FOR UPDATE

-- name: signatures_of
SELECT role, by FROM tallypost_signatures WHERE report_id = $1::bigint

-- name: insert_signature
INSERT INTO tallypost_signatures (report_id, role, by, note, manifest_sha256) VALUES ($1::bigint, $2::text, $3::text, $4::text, $5::text)
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
-- Our side, as it lies in the table: of the types of a JSON list, or all but our own notices when it is empty. The list's first type goes
-- before the rest: it is mostly the only one, and one comparison.
SELECT id, type, idempotency_key, subject, amount_minor, currency, status, finished_at, group_key
FROM pending_tasks WHERE (type = ($1::json ->> 0) OR json_array_length($1::json) = 0 AND type NOT LIKE 'tallypost.%' OR type IN (SELECT json_array_elements_text($1::json)))

-- name: ledger_tasks_results
-- The same, with what the receiver answered.
SELECT id, type, idempotency_key, subject, amount_minor, currency, status, finished_at, group_key, result
FROM pending_tasks WHERE (type = ($1::json ->> 0) OR json_array_length($1::json) = 0 AND type NOT LIKE 'tallypost.%' OR type IN (SELECT json_array_elements_text($1::json)))

-- name: ledger_ours
-- Completed tasks of a window by currency: how many, and their amounts in billions and the rest, since a sum may need more than 64 bits.
SELECT coalesce(currency, ''), count(*), (sum(amount_minor / 1000000000))::bigint, (sum(amount_minor % 1000000000))::bigint
FROM pending_tasks
WHERE (type = ($1::json ->> 0) OR json_array_length($1::json) = 0 AND type NOT LIKE 'tallypost.%' OR type IN (SELECT json_array_elements_text($1::json))) AND status = 'completed' AND finished_at >= $2::timestamptz AND finished_at < $3::timestamptz
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
    (id, class, severity, type, subject, idempotency_key, task_id, amount_minor, currency, since, detail, owner, rule, state, change, first_seen, last_seen, last_run, changed_at)
SELECT r.id, r.class, r.severity, r.type, r.subject, r.idempotency_key, r.task_id, r.amount_minor, r.currency, r.since, r.detail,
       coalesce(r.owner, ''), $1::text, 'open', 'new', $2::timestamptz, $2::timestamptz, (SELECT last_run FROM tallypost_reconciler), $2::timestamptz
FROM json_to_recordset($3::json) AS r(id text, class text, severity text, type text, subject text, idempotency_key text, task_id bigint, amount_minor bigint, currency text, since timestamptz, detail text, owner text)
WHERE true
ON CONFLICT (id) DO UPDATE SET
    severity = EXCLUDED.severity, subject = EXCLUDED.subject, idempotency_key = EXCLUDED.idempotency_key, task_id = EXCLUDED.task_id,
    amount_minor = EXCLUDED.amount_minor, currency = EXCLUDED.currency, since = EXCLUDED.since, detail = EXCLUDED.detail, owner = EXCLUDED.owner,
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
-- name: alert_backlog
-- Of tasks that are not our own: how many are due at $1, and since when the first has been. The index of due tasks holds little else.
SELECT count(*), min(run_at) FROM pending_tasks
WHERE dispatchable AND status = 'pending' AND run_at <= $1::timestamptz AND type NOT LIKE 'tallypost.%'

-- name: alert_stuck
-- Tasks in processing whose lease ran out before $1, and since when the first has been stuck.
SELECT count(*), min(lease_expires_at) FROM pending_tasks
WHERE dispatchable AND status = 'processing' AND lease_expires_at < $1::timestamptz AND type NOT LIKE 'tallypost.%'

-- name: alert_failures
-- Tasks, not our own, that ended without success since $1; from the index of those.
SELECT count(*) FROM pending_tasks
WHERE unsuccessful IN ('failed', 'timeout') AND finished_at >= $1::timestamptz AND type NOT LIKE 'tallypost.%'

-- name: alert_completions
-- Tasks, not our own, that were completed since $1, among the newest $2.
SELECT count(*) FROM pending_tasks
WHERE id > (SELECT max(id) FROM pending_tasks) - $2::bigint AND status = 'completed' AND finished_at >= $1::timestamptz
  AND type NOT LIKE 'tallypost.%'

-- name: alert_last_run
-- When the last run that was committed looked; null: there was none.
SELECT as_of FROM tallypost_reconciler WHERE id = 1

-- name: alert_states
-- Every alert: its key, whether it is firing, since when, how often it was told, and what was told last.
SELECT name, firing::integer, since, epoch, value FROM tallypost_alerts

-- name: move_alert
-- Alert $1 is firing or not ($2) since $3, which was told $4 times before, as $5 says. Nothing, when somebody else was faster.
INSERT INTO tallypost_alerts (name, firing, since, epoch, value)
VALUES ($1::text, $2::boolean, $3::timestamptz, $4::bigint + 1, $5::text)
ON CONFLICT (name) DO UPDATE SET firing = excluded.firing, since = excluded.since, epoch = excluded.epoch, value = excluded.value
WHERE tallypost_alerts.epoch = $4::bigint
