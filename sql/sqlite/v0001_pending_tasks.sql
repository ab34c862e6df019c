-- v0001: the outbox and what hangs on it. The same columns as PostgreSQL's; times are ISO 8601 UTC text with milliseconds.
--
-- Where the engines differ: SQLite has no in-place update to protect, so indexes may name `status`; it has one writer, so
-- ids commit in order; its times are text, so what is compared is `run_at_ms`, which reads any ISO 8601 form that an
-- application may have written ('2026-01-02 03:04:05', '…T03:04:05+02:00') and is null for a text that is no time.

CREATE TABLE IF NOT EXISTS pending_tasks (
    -- What the application writes. AUTOINCREMENT: an id is never used again, not even after retention removed its row.
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    type             TEXT,
    payload          TEXT    DEFAULT '{}',
    idempotency_key  TEXT    DEFAULT (lower(hex(randomblob(16)))),
    subject          TEXT,
    amount_minor     INTEGER,
    currency         TEXT,
    target_url       TEXT,
    headers          TEXT,
    run_at           TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    deadline_at      TEXT,
    priority         INTEGER NOT NULL DEFAULT 0,
    ordering_key     TEXT,
    max_attempts     INTEGER,
    timeout_seconds  INTEGER,
    on_complete_url  TEXT,
    on_failure_url   TEXT,
    wait_for_signal  INTEGER NOT NULL DEFAULT 0,
    max_wait_seconds INTEGER,
    signal_token     TEXT    DEFAULT (lower(hex(randomblob(32)))),
    group_key        TEXT,
    run_after        INTEGER,
    run_if           TEXT    DEFAULT 'completed',
    traceparent      TEXT,
    -- What the relay writes.
    status           TEXT    DEFAULT 'pending',
    attempts         INTEGER NOT NULL DEFAULT 0,
    lease_epoch      INTEGER NOT NULL DEFAULT 0,
    lease_expires_at TEXT,
    leased_by        TEXT,
    response_status  INTEGER,
    start_result     TEXT,
    result           TEXT,
    last_error       TEXT,
    progress         TEXT,
    checkpoint       TEXT,
    created_at       TEXT    DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    started_at       TEXT,
    finished_at      TEXT,
    blocks_key       INTEGER NOT NULL DEFAULT 0,
    -- Derived. A status that nobody knows is open, so that a claim finds the row and sets it aside. `lane` is the type of a row
    -- that a claim can take; of an open one that no claim can take in its stride, because SQLite's columns hold anything, it is
    -- null: the sweep finds it and sets it aside. Each write of a row computes these anew, and each index that names one does so
    -- again for the old row: hence no expression of one is longer than it must be, the statuses of every task come first, and
    -- what a comparison can tell (numbers sort before text, text before blobs) is not asked of a function.
    run_at_ms        INTEGER AS (CAST((julianday(run_at) - 2440587.5) * 86400000.0 + 0.5 AS INTEGER)) VIRTUAL,
    deadline_at_ms   INTEGER AS (CASE WHEN deadline_at IS NOT NULL THEN CAST((julianday(deadline_at) - 2440587.5) * 86400000.0 + 0.5 AS INTEGER) END) VIRTUAL,
    is_open          INTEGER AS (CASE status WHEN 'processing' THEN 0 WHEN 'pending' THEN 1 WHEN 'completed' THEN 0 WHEN 'failed' THEN 0
                         WHEN 'waiting' THEN 0 WHEN 'blocked' THEN 0 WHEN 'timeout' THEN 0 WHEN 'cancelled' THEN 0 ELSE 1 END) VIRTUAL,
    lane             TEXT    AS (CASE WHEN is_open AND type >= '' AND type < x'' AND priority = CAST(priority AS INTEGER)
                         AND (ordering_key IS NULL OR (ordering_key >= '' AND ordering_key < x''))
                         AND max_attempts IS CAST(max_attempts AS INTEGER) AND timeout_seconds IS CAST(timeout_seconds AS INTEGER)
                         AND julianday(run_at) IS NOT NULL AND (deadline_at IS NULL OR julianday(deadline_at) IS NOT NULL) THEN type END) VIRTUAL,
    holds_key        INTEGER AS (CASE WHEN ordering_key IS NULL THEN 0 WHEN blocks_key THEN 1 ELSE CASE status WHEN 'processing' THEN 1
                         WHEN 'pending' THEN 1 WHEN 'completed' THEN 0 WHEN 'failed' THEN 0 WHEN 'timeout' THEN 0 WHEN 'cancelled' THEN 0
                         ELSE 1 END END) VIRTUAL
);

-- For ever: a second insert with a key fails, ON CONFLICT DO NOTHING dedupes.
CREATE UNIQUE INDEX IF NOT EXISTS pending_tasks_idempotency_key ON pending_tasks (idempotency_key);

-- Claims: one range scan per type and priority. Misfits stand at its start, where `lane` is null.
CREATE INDEX IF NOT EXISTS pending_tasks_due ON pending_tasks (lane, priority, run_at_ms)
    WHERE ordering_key IS NULL AND is_open;

-- Leases that ran out.
CREATE INDEX IF NOT EXISTS pending_tasks_leased ON pending_tasks (lease_expires_at) WHERE status = 'processing';

-- Heads of ordering keys: the lowest id of each key, found by skipping from key to key.
CREATE INDEX IF NOT EXISTS pending_tasks_key_order ON pending_tasks (ordering_key, id)
    WHERE ordering_key IS NOT NULL AND holds_key;

-- One task of a key in flight: the database itself refuses a second, whatever a relay believes.
CREATE UNIQUE INDEX IF NOT EXISTS pending_tasks_key_in_flight ON pending_tasks (ordering_key)
    WHERE ordering_key IS NOT NULL AND (status = 'processing' OR status = 'waiting');

CREATE INDEX IF NOT EXISTS pending_tasks_deadline ON pending_tasks (deadline_at_ms)
    WHERE deadline_at IS NOT NULL AND is_open;

-- What SQLite lets in and no claim can use (no type, a run_at that is no time, a word where a number belongs), where an
-- ordering key is set; the rest is in pending_tasks_due.
CREATE INDEX IF NOT EXISTS pending_tasks_misfit ON pending_tasks (id) WHERE ordering_key IS NOT NULL AND is_open AND lane IS NULL;

CREATE UNIQUE INDEX IF NOT EXISTS pending_tasks_signal_token ON pending_tasks (signal_token) WHERE wait_for_signal;
CREATE INDEX IF NOT EXISTS pending_tasks_group ON pending_tasks (group_key, id) WHERE group_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS pending_tasks_successors ON pending_tasks (run_after) WHERE run_after IS NOT NULL;
CREATE INDEX IF NOT EXISTS pending_tasks_subject ON pending_tasks (subject, type) WHERE subject IS NOT NULL;
-- Dead letters and whatever else did not end well: what people list.
CREATE INDEX IF NOT EXISTS pending_tasks_unsuccessful ON pending_tasks (status, id) WHERE status = 'failed' OR status = 'timeout' OR status = 'cancelled';

-- A successor starts blocked.
CREATE TRIGGER tallypost_block AFTER INSERT ON pending_tasks WHEN NEW.run_after IS NOT NULL AND NEW.status = 'pending'
BEGIN
    UPDATE pending_tasks SET status = 'blocked' WHERE id = NEW.id;
END;

-- Every attempt that the row itself does not tell whole.
CREATE TABLE task_attempts (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id         INTEGER NOT NULL,
    attempt         INTEGER NOT NULL,
    lease_epoch     INTEGER NOT NULL,
    relay           TEXT,
    ended_at        TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    duration_ms     INTEGER NOT NULL,
    response_status INTEGER,
    error           TEXT    NOT NULL,
    response_start  TEXT
);
CREATE INDEX task_attempts_task ON task_attempts (task_id, id);

-- What a person or a policy did.
CREATE TABLE task_events (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id INTEGER,                      -- null: it concerns a route or the whole table
    at      TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    event   TEXT    NOT NULL,             -- retry, cancel, pause, resume, purge, signal …
    by      TEXT    NOT NULL,
    why     TEXT    NOT NULL,
    detail  TEXT
);
CREATE INDEX task_events_task ON task_events (task_id, id);

-- Routes that no relay may claim from.
CREATE TABLE task_routes (
    type      TEXT PRIMARY KEY,
    paused_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    paused_by TEXT NOT NULL,
    reason    TEXT NOT NULL
);

-- Relays that share a rate, or have something to report: signed every few seconds, deleted when they have not signed for long.
-- What does not flow freely is a line of JSON. Without a rowid, a sign changes a single page.
CREATE TABLE tallypost_relays (
    name    TEXT PRIMARY KEY,
    seen_at TEXT NOT NULL,
    state   TEXT
) WITHOUT ROWID;
