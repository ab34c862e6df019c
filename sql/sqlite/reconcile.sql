-- What reconciliation asks and writes. The same names as PostgreSQL's (ReconcileStatement).

-- name: scan_tasks
-- Every row beyond id ?1, by id. SQLite's columns hold anything: the reader takes it as it comes.
SELECT id, type, status, subject, idempotency_key, amount_minor, currency, created_at, run_at, deadline_at, started_at, finished_at,
       lease_expires_at, attempts, max_attempts, response_status, wait_for_signal, signal_status, has_dependents, waits_until,
       CASE WHEN status IN ('failed', 'timeout', 'cancelled') THEN substr(last_error, 1, 200) END
FROM pending_tasks WHERE id > ?1 ORDER BY id;

-- name: acquire_lease
-- For holder ?1 for ?2 milliseconds, unless somebody else has it. What the last run that was committed has seen.
UPDATE tallypost_reconciler SET holder = ?1, lease_until = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', printf('%+.3f seconds', ?2 / 1000.0))
WHERE id = 1 AND (holder IS NULL OR holder = ?1 OR lease_until IS NULL OR lease_until < strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
RETURNING last_run, as_of, last_event, event_gaps;

-- name: renew_lease
-- Even one that has run out, as long as nobody has taken it.
UPDATE tallypost_reconciler SET lease_until = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', printf('%+.3f seconds', ?2 / 1000.0)) WHERE id = 1 AND holder = ?1;

-- name: release_lease
UPDATE tallypost_reconciler SET holder = NULL, lease_until = NULL WHERE id = 1 AND holder = ?1;

-- name: reconciler_state
SELECT last_run, as_of, last_event, event_gaps FROM tallypost_reconciler WHERE id = 1;

-- name: chunk_ids
-- Chunks whose last version up to run ?1 is not empty.
SELECT r.chunk FROM tallypost_register r
WHERE r.run <= ?1 AND length(r.data) > 0
  AND NOT EXISTS (SELECT 1 FROM tallypost_register n WHERE n.chunk = r.chunk AND n.run > r.run AND n.run <= ?1)
ORDER BY r.chunk;

-- name: read_chunk
-- Chunk ?1, its last version up to run ?2.
SELECT data FROM tallypost_register WHERE chunk = ?1 AND run <= ?2 ORDER BY run DESC LIMIT 1;

-- name: last_event
SELECT coalesce(max(id), 0) FROM task_events;

-- name: event_gaps
-- None: ids commit in order.
SELECT 0 WHERE ?1 < 0;

-- name: reopenings
-- Settled tasks that were opened again: events beyond ?1, or among ?3 (JSON), up to ?2.
SELECT task_id, at, CASE WHEN json_valid(detail) THEN json_extract(detail, '$.was') END AS was,
       CASE WHEN json_valid(detail) THEN json_extract(detail, '$.finished_at') END
FROM task_events
WHERE (id > ?1 OR id IN (SELECT value FROM json_each(?3))) AND id <= ?2 AND event IN ('retry', 'redrive') AND task_id IS NOT NULL
  AND CASE WHEN json_valid(detail) THEN json_extract(detail, '$.was') END IN ('completed', 'cancelled')
ORDER BY id;

-- name: purges
-- Steps of retention: the same.
SELECT json_extract(fact, '$.from'), json_extract(fact, '$.to'), json_extract(fact, '$.count'), json_extract(fact, '$.sum'), at
FROM (SELECT id, at, CASE WHEN json_valid(detail) THEN detail END AS fact FROM task_events
      WHERE (id > ?1 OR id IN (SELECT value FROM json_each(?3))) AND id <= ?2 AND event = 'purge')
ORDER BY id;

-- name: cancellations
-- Tasks that somebody called off: the same.
SELECT task_id FROM task_events
WHERE (id > ?1 OR id IN (SELECT value FROM json_each(?3))) AND id <= ?2 AND event = 'cancel' AND task_id IS NOT NULL
ORDER BY task_id;

-- name: movement_sums
-- Before ?1. Several rows of one series and kind are to be added up: SQLite's sums of text are no integers.
SELECT type, currency, kind, count, amount FROM tallypost_movements WHERE recorded < ?1;

-- name: movements
-- From ?1 to before ?2.
SELECT recorded, effective, type, currency, kind, count, amount FROM tallypost_movements
WHERE recorded >= ?1 AND recorded < ?2 ORDER BY recorded;

-- name: movements_of
-- Those whose keys are in ?1 (JSON: r, e, t, c, k), as they stand.
SELECT m.recorded, m.effective, m.type, m.currency, m.kind, m.count, m.amount
FROM json_each(?1) AS x CROSS JOIN tallypost_movements AS m
    ON m.recorded = json_extract(x.value, '$.r') AND m.effective = json_extract(x.value, '$.e') AND m.type = json_extract(x.value, '$.t')
       AND m.currency = json_extract(x.value, '$.c') AND m.kind = json_extract(x.value, '$.k');

-- name: put_movements
-- ?1 (JSON: the key as above, n, a): their counts and amounts from now on.
INSERT INTO tallypost_movements (recorded, effective, type, currency, kind, count, amount)
SELECT json_extract(x.value, '$.r'), json_extract(x.value, '$.e'), json_extract(x.value, '$.t'), json_extract(x.value, '$.c'),
       json_extract(x.value, '$.k'), json_extract(x.value, '$.n'), json_extract(x.value, '$.a')
FROM json_each(?1) AS x WHERE TRUE
ON CONFLICT (recorded, effective, type, currency, kind) DO UPDATE SET count = excluded.count, amount = excluded.amount;

-- name: live_breaks
-- Not resolved and not cleared.
SELECT id, class, severity, rule, owner, type, subject, idempotency_key, task_id, amount_minor, currency, since, detail, state, change,
       seen_runs, first_seen, last_seen, last_run, changed_at, by, reason, until
FROM tallypost_findings WHERE state IN ('unconfirmed', 'open', 'acknowledged') ORDER BY id;

-- name: breaks_by_id
-- ?1: JSON.
SELECT id, class, severity, rule, owner, type, subject, idempotency_key, task_id, amount_minor, currency, since, detail, state, change,
       seen_runs, first_seen, last_seen, last_run, changed_at, by, reason, until
FROM tallypost_findings WHERE id IN (SELECT value FROM json_each(?1)) ORDER BY id;

-- name: list_breaks
-- Those in states ?1 (JSON), of severity ?2, class ?3, type ?4, owner ?5, rule ?6 (null: any), the worst first, after rank ?7 and id ?8;
-- at most ?9.
SELECT id, class, severity, rule, owner, type, subject, idempotency_key, task_id, amount_minor, currency, since, detail, state, change,
       seen_runs, first_seen, last_seen, last_run, changed_at, by, reason, until
FROM (SELECT *, CASE severity WHEN 'critical' THEN 3 WHEN 'high' THEN 2 WHEN 'medium' THEN 1 ELSE 0 END AS rank FROM tallypost_findings) f
WHERE state IN (SELECT value FROM json_each(?1)) AND (?2 IS NULL OR severity = ?2)
  AND (?3 IS NULL OR class = ?3) AND (?4 IS NULL OR type = ?4) AND (?5 IS NULL OR owner = ?5)
  AND (?6 IS NULL OR rule = ?6) AND (rank < ?7 OR (rank = ?7 AND id > ?8))
ORDER BY rank DESC, id LIMIT ?9;

-- name: changed_breaks
-- Whose state changed from ?1 to before ?2.
SELECT id, class, severity, rule, owner, type, subject, idempotency_key, task_id, amount_minor, currency, since, detail, state, change,
       seen_runs, first_seen, last_seen, last_run, changed_at, by, reason, until
FROM tallypost_findings WHERE changed_at >= ?1 AND changed_at < ?2 ORDER BY changed_at, id;

-- name: break_effects
-- What unexplained changes did to the books, of breaks in any state.
SELECT f.id, f.state, json_extract(x.value, '$.type'), json_extract(x.value, '$.currency'), json_extract(x.value, '$.count'),
       json_extract(x.value, '$.amount'), json_extract(x.value, '$.recorded')
FROM tallypost_findings AS f CROSS JOIN json_each(f.effect) AS x
WHERE f.class = 'unexplained_change' AND f.effect IS NOT NULL ORDER BY f.id;

-- name: put_breaks
-- ?1: JSON. What somebody has said of one since the run read it (then its changed_at is not `was`) stands.
INSERT INTO tallypost_findings (id, class, severity, rule, owner, type, subject, idempotency_key, task_id, amount_minor, currency, since, detail,
    state, change, seen_runs, first_seen, last_seen, last_run, changed_at, by, reason, until, effect)
SELECT json_extract(x.value, '$.id'), json_extract(x.value, '$.class'), json_extract(x.value, '$.severity'),
       json_extract(x.value, '$.rule'), json_extract(x.value, '$.owner'), json_extract(x.value, '$.type'),
       json_extract(x.value, '$.subject'), json_extract(x.value, '$.key'), json_extract(x.value, '$.task'),
       json_extract(x.value, '$.amount'), json_extract(x.value, '$.currency'), json_extract(x.value, '$.since'),
       json_extract(x.value, '$.detail'), json_extract(x.value, '$.state'), json_extract(x.value, '$.change'),
       json_extract(x.value, '$.runs'), json_extract(x.value, '$.first'), json_extract(x.value, '$.last'),
       json_extract(x.value, '$.run'), json_extract(x.value, '$.changed'), json_extract(x.value, '$.by'),
       json_extract(x.value, '$.reason'), json_extract(x.value, '$.until'), json_extract(x.value, '$.effect')
FROM json_each(?1) AS x WHERE TRUE
ON CONFLICT (id) DO UPDATE
SET severity = excluded.severity, rule = excluded.rule, owner = excluded.owner, type = excluded.type, subject = excluded.subject,
    idempotency_key = excluded.idempotency_key, task_id = excluded.task_id, amount_minor = excluded.amount_minor, currency = excluded.currency,
    since = excluded.since, detail = excluded.detail, change = excluded.change, seen_runs = excluded.seen_runs,
    first_seen = excluded.first_seen, last_seen = excluded.last_seen, last_run = excluded.last_run, effect = excluded.effect,
    state = excluded.state, changed_at = excluded.changed_at, by = excluded.by, reason = excluded.reason, until = excluded.until;

-- name: said_since
-- Of breaks ?1 (JSON: id, was) those of which somebody has said something after the run read them.
SELECT f.id, f.state, f.changed_at, f.by, f.reason, f.until
FROM json_each(?1) AS x CROSS JOIN tallypost_findings AS f ON f.id = json_extract(x.value, '$.id')
WHERE f.changed_at IS NOT json_extract(x.value, '$.was');

-- name: list_runs
-- Since ?1, the last ?2.
SELECT run, as_of, finished_at, made_by, status, low, medium, high, critical, summary FROM tallypost_runs
WHERE as_of >= ?1 ORDER BY run DESC LIMIT ?2;

-- name: list_imports
SELECT id, source, file, sha256, rows, quarantined, from_at, to_at, as_of, made_at, made_by, bridges, summary FROM tallypost_imports ORDER BY id;

-- name: list_reports
-- The last ?1.
SELECT id, label, zone, from_at, to_at, revision, run, as_of, status, directory, manifest_sha256, made_at, made_by
FROM tallypost_reports ORDER BY id DESC LIMIT ?1;

-- name: list_signatures
-- Of the last ?1 reports.
SELECT s.report_id, s.role, s.by, s.at, s.note, s.manifest_sha256
FROM tallypost_signatures s WHERE s.report_id IN (SELECT id FROM tallypost_reports ORDER BY id DESC LIMIT ?1) ORDER BY s.report_id, s.role;

-- name: report_breaks
-- The breaks that report ?1 told.
SELECT json_extract(x.value, '$.id'), json_extract(x.value, '$.amount')
FROM tallypost_reports AS r CROSS JOIN json_each(r.breaks) AS x WHERE r.id = ?1 ORDER BY 1;

-- name: last_signed
-- The report signed by both whose as-of is the latest.
SELECT r.id, r.as_of FROM tallypost_reports r
WHERE (SELECT count(DISTINCT s.role) FROM tallypost_signatures s WHERE s.report_id = r.id AND s.role IN ('preparer', 'reviewer')) = 2
ORDER BY r.as_of DESC, r.id DESC LIMIT 1;

-- name: sealed_through
SELECT max(r.to_at) FROM tallypost_reports r
WHERE (SELECT count(DISTINCT s.role) FROM tallypost_signatures s WHERE s.report_id = r.id AND s.role IN ('preparer', 'reviewer')) = 2;

-- name: sweep_chunks
-- Versions of runs after ?1, which were not committed; at most ?2.
DELETE FROM tallypost_register WHERE (chunk, run) IN (SELECT chunk, run FROM tallypost_register WHERE run > ?1 LIMIT ?2);

-- name: write_chunk
INSERT INTO tallypost_register (chunk, run, data) VALUES (?1, ?2, ?3)
ON CONFLICT (chunk, run) DO UPDATE SET data = excluded.data;

-- name: drop_superseded
-- Versions with a later one up to run ?1; at most ?2.
DELETE FROM tallypost_register WHERE (chunk, run) IN (
    SELECT r.chunk, r.run FROM tallypost_register r
    WHERE EXISTS (SELECT 1 FROM tallypost_register n WHERE n.chunk = r.chunk AND n.run > r.run AND n.run <= ?1) LIMIT ?2);

-- name: drop_empty
-- Chunks that are empty up to run ?1 and have no earlier version; at most ?2.
DELETE FROM tallypost_register WHERE (chunk, run) IN (
    SELECT r.chunk, r.run FROM tallypost_register r
    WHERE r.run <= ?1 AND length(r.data) = 0
      AND NOT EXISTS (SELECT 1 FROM tallypost_register o WHERE o.chunk = r.chunk AND o.run < r.run) LIMIT ?2);

-- name: move_on
-- The fence: holder ?1 commits run ?2 of as-of ?3, with events up to ?4 but for the gaps ?5. No row: it may not.
UPDATE tallypost_reconciler SET last_run = ?2, as_of = ?3, last_event = ?4, event_gaps = ?5
WHERE id = 1 AND holder = ?1 AND last_run = ?2 - 1;

-- name: insert_run
INSERT INTO tallypost_runs (run, as_of, made_by, status, low, medium, high, critical, summary)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9);

-- name: break_state
SELECT state, task_id FROM tallypost_findings WHERE id = ?1;

-- name: set_break_state
-- Of break ?1: state ?2, by ?3, because ?4, until ?5.
UPDATE tallypost_findings
SET state = ?2, by = ?3, reason = ?4, until = ?5, changed_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = ?1;

-- name: note_event
-- Of task ?1 (null: none): event ?2, by ?3, because ?4, detail ?5.
INSERT INTO task_events (task_id, event, by, why, detail) VALUES (?1, ?2, ?3, ?4, ?5);

-- name: next_revision
SELECT coalesce(max(revision), 0) + 1 FROM tallypost_reports WHERE label = ?1 AND zone = ?2;

-- name: insert_report
-- No row: that revision is there already.
INSERT INTO tallypost_reports (label, zone, from_at, to_at, revision, run, as_of, status, directory, manifest_sha256, made_by, breaks)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
ON CONFLICT (label, zone, revision) DO NOTHING RETURNING id;

-- name: report_manifest
SELECT manifest_sha256 FROM tallypost_reports WHERE id = ?1;

-- name: signatures_of
SELECT role, by FROM tallypost_signatures WHERE report_id = ?1;

-- name: insert_signature
INSERT INTO tallypost_signatures (report_id, role, by, note, manifest_sha256) VALUES (?1, ?2, ?3, ?4, ?5);
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
-- Our side, as it lies in the table: of the types of a JSON list, or all but our own notices when it is empty. The list's first type goes
-- before the rest: it is mostly the only one, and one comparison.
SELECT id, type, idempotency_key, subject, amount_minor, currency, status, finished_at, group_key
FROM pending_tasks WHERE (type = json_extract(?1, '$[0]') OR json_array_length(?1) = 0 AND type NOT LIKE 'tallypost.%' OR type IN (SELECT value FROM json_each(?1)))

-- name: ledger_tasks_results
-- The same, with what the receiver answered.
SELECT id, type, idempotency_key, subject, amount_minor, currency, status, finished_at, group_key, result
FROM pending_tasks WHERE (type = json_extract(?1, '$[0]') OR json_array_length(?1) = 0 AND type NOT LIKE 'tallypost.%' OR type IN (SELECT value FROM json_each(?1)))

-- name: ledger_ours
-- Completed tasks of a window: currency, how many, and their amounts in billions and the rest. A row for each, where PostgreSQL adds up:
-- SQLite would sort them all in memory to group them.
SELECT coalesce(currency, ''), 1, amount_minor / 1000000000, amount_minor % 1000000000
FROM pending_tasks
WHERE (type = json_extract(?1, '$[0]') OR json_array_length(?1) = 0 AND type NOT LIKE 'tallypost.%' OR type IN (SELECT value FROM json_each(?1))) AND status = 'completed' AND finished_at >= ?2 AND finished_at < ?3

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
    (id, class, severity, type, subject, idempotency_key, task_id, amount_minor, currency, since, detail, owner, rule, state, change, first_seen, last_seen, last_run, changed_at)
SELECT r.value ->> '$.id', r.value ->> '$.class', r.value ->> '$.severity', r.value ->> '$.type', r.value ->> '$.subject', r.value ->> '$.idempotency_key', r.value ->> '$.task_id', r.value ->> '$.amount_minor', r.value ->> '$.currency', r.value ->> '$.since', r.value ->> '$.detail',
       coalesce(r.value ->> '$.owner', ''), ?1, 'open', 'new', ?2, ?2, (SELECT last_run FROM tallypost_reconciler), ?2
FROM json_each(?3) AS r
WHERE true
ON CONFLICT (id) DO UPDATE SET
    severity = excluded.severity, subject = excluded.subject, idempotency_key = excluded.idempotency_key, task_id = excluded.task_id,
    amount_minor = excluded.amount_minor, currency = excluded.currency, since = excluded.since, detail = excluded.detail, owner = excluded.owner,
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
-- name: alert_backlog
-- Of tasks that are not our own: how many are due at ?1, and since when the first has been. Both indexes of open tasks hold little else.
SELECT count(*), strftime('%Y-%m-%dT%H:%M:%fZ', min(run_at_ms) / 1000.0, 'unixepoch') FROM (
    SELECT run_at_ms FROM pending_tasks
    WHERE ordering_key IS NULL AND is_open AND lane IS NOT NULL AND lane NOT GLOB 'tallypost.*'
      AND run_at_ms <= CAST(round((julianday(?1) - 2440587.5) * 86400000.0) AS INTEGER)
    UNION ALL
    SELECT run_at_ms FROM pending_tasks
    WHERE ordering_key IS NOT NULL AND holds_key AND lane IS NOT NULL AND status = 'pending' AND lane NOT GLOB 'tallypost.*'
      AND run_at_ms <= CAST(round((julianday(?1) - 2440587.5) * 86400000.0) AS INTEGER));

-- name: alert_stuck
-- Tasks in processing whose lease ran out before ?1, and since when the first has been stuck.
SELECT count(*), min(lease_expires_at) FROM pending_tasks
WHERE status = 'processing' AND lease_expires_at < ?1 AND type NOT GLOB 'tallypost.*';

-- name: alert_failures
-- Tasks, not our own, that ended without success since ?1; from the index of those.
SELECT count(*) FROM pending_tasks
WHERE (status = 'failed' OR status = 'timeout') AND finished_at >= ?1 AND type NOT GLOB 'tallypost.*';

-- name: alert_completions
-- Tasks, not our own, that were completed since ?1, among the newest ?2.
SELECT count(*) FROM pending_tasks
WHERE id > (SELECT max(id) FROM pending_tasks) - ?2 AND status = 'completed' AND finished_at >= ?1 AND type NOT GLOB 'tallypost.*';

-- name: alert_last_run
-- When the last run that was committed looked; null: there was none.
SELECT as_of FROM tallypost_reconciler WHERE id = 1;

-- name: alert_states
-- Every alert: its key, whether it is firing, since when, how often it was told, and what was told last.
SELECT name, firing, since, epoch, value FROM tallypost_alerts;

-- name: move_alert
-- Alert ?1 is firing or not (?2) since ?3, which was told ?4 times before, as ?5 says. Nothing, when somebody else was faster.
INSERT INTO tallypost_alerts (name, firing, since, epoch, value) VALUES (?1, ?2, ?3, ?4 + 1, ?5)
ON CONFLICT (name) DO UPDATE SET firing = excluded.firing, since = excluded.since, epoch = excluded.epoch, value = excluded.value
WHERE tallypost_alerts.epoch = ?4;
