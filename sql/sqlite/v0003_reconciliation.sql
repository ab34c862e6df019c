-- v0003: what reconciliation keeps, as PostgreSQL's: its runs, the register of rows as the last run saw them, movements, breaks, reports
-- and their signatures, imported ledgers, alerts, and holds on dispatch.

-- One row: who reconciles now, and what the last run that was committed has seen.
CREATE TABLE tallypost_reconciler (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    holder      TEXT,
    lease_until TEXT,
    last_run    INTEGER NOT NULL DEFAULT 0,
    as_of       TEXT, -- of the last run's snapshot
    last_event  INTEGER NOT NULL DEFAULT 0, -- the last row of task_events that it took into account
    event_gaps  TEXT    NOT NULL DEFAULT '[]' -- JSON: numbers below it that showed no event: theirs may be committed later
);
INSERT INTO tallypost_reconciler (id) VALUES (1);

CREATE TABLE tallypost_runs (
    run         INTEGER PRIMARY KEY,
    as_of       TEXT    NOT NULL,
    finished_at TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    made_by     TEXT    NOT NULL,
    status      TEXT    NOT NULL, -- clean, breaks, incomplete
    low         INTEGER NOT NULL DEFAULT 0, -- breaks, by severity
    medium      INTEGER NOT NULL DEFAULT 0,
    high        INTEGER NOT NULL DEFAULT 0,
    critical    INTEGER NOT NULL DEFAULT 0,
    summary     TEXT    NOT NULL DEFAULT '{}' -- JSON
);
CREATE INDEX tallypost_runs_as_of ON tallypost_runs (as_of);

-- Every row of pending_tasks as the last run saw it, 4,096 ids a chunk, packed (Sources/TallypostReconciliation). A run writes chunks
-- that changed under its own number; those of runs that were not committed are swept by the next.
CREATE TABLE tallypost_register (
    chunk INTEGER NOT NULL,
    run   INTEGER NOT NULL,
    data  BLOB    NOT NULL,
    PRIMARY KEY (chunk, run)
);

-- The books: movements of a quarter of an hour. Amounts are decimal text: sums of bigints need more than a bigint.
CREATE TABLE tallypost_movements (
    recorded  TEXT    NOT NULL,
    effective TEXT    NOT NULL, -- earlier than recorded for late arrivals, else equal
    type      TEXT    NOT NULL,
    currency  TEXT    NOT NULL DEFAULT '', -- '': without money
    kind      TEXT    NOT NULL,
    count     INTEGER NOT NULL,
    amount    TEXT    NOT NULL,
    PRIMARY KEY (recorded, effective, type, currency, kind)
);

-- The register of breaks: one row for each finding there ever was.
CREATE TABLE tallypost_findings (
    id              TEXT    PRIMARY KEY NOT NULL,
    class           TEXT    NOT NULL,
    severity        TEXT    NOT NULL,
    rule            TEXT    NOT NULL,
    owner           TEXT    NOT NULL DEFAULT '',
    type            TEXT    NOT NULL DEFAULT '',
    subject         TEXT,
    idempotency_key TEXT,
    task_id         INTEGER,
    amount_minor    INTEGER,
    currency        TEXT,
    since           TEXT,
    detail          TEXT    NOT NULL,
    state           TEXT    NOT NULL, -- unconfirmed, open, acknowledged, resolved, cleared
    change          TEXT, -- new, changed, persisting, cleared, reopened: to the run before
    seen_runs       INTEGER NOT NULL DEFAULT 1,
    first_seen      TEXT    NOT NULL,
    last_seen       TEXT    NOT NULL,
    last_run        INTEGER NOT NULL,
    changed_at      TEXT    NOT NULL, -- when its state last changed
    by              TEXT,
    reason          TEXT,
    until           TEXT,
    effect          TEXT -- JSON: what an unexplained change did to the books
);
CREATE INDEX tallypost_findings_open ON tallypost_findings (state, severity, id) WHERE state IN ('unconfirmed', 'open', 'acknowledged');
CREATE INDEX tallypost_findings_changed ON tallypost_findings (changed_at);

-- Reports that were written, and who put a name under them.
CREATE TABLE tallypost_reports (
    id              INTEGER PRIMARY KEY,
    label           TEXT    NOT NULL, -- 2026-11
    zone            TEXT    NOT NULL,
    from_at         TEXT    NOT NULL,
    to_at           TEXT    NOT NULL,
    revision        INTEGER NOT NULL,
    run             INTEGER NOT NULL,
    as_of           TEXT    NOT NULL,
    status          TEXT    NOT NULL,
    directory       TEXT    NOT NULL,
    manifest_sha256 TEXT    NOT NULL,
    made_at         TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    made_by         TEXT    NOT NULL,
    breaks          TEXT    NOT NULL DEFAULT '[]', -- JSON: ids and amounts of the breaks that it told
    UNIQUE (label, zone, revision)
);
CREATE TABLE tallypost_signatures (
    report_id       INTEGER NOT NULL,
    role            TEXT    NOT NULL, -- preparer, reviewer
    by              TEXT    NOT NULL,
    at              TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    note            TEXT,
    manifest_sha256 TEXT    NOT NULL,
    PRIMARY KEY (report_id, role)
);

-- Ledgers of receivers.
CREATE TABLE tallypost_imports (
    id          INTEGER PRIMARY KEY,
    source      TEXT    NOT NULL,
    file        TEXT    NOT NULL,
    sha256      TEXT    NOT NULL UNIQUE,
    rows        INTEGER NOT NULL,
    quarantined INTEGER NOT NULL,
    from_at     TEXT,
    to_at       TEXT,
    as_of       TEXT    NOT NULL,
    made_at     TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    made_by     TEXT    NOT NULL,
    bridges     TEXT    NOT NULL DEFAULT '[]', -- JSON, a member for each currency
    summary     TEXT    NOT NULL DEFAULT '{}' -- JSON: control totals, quarantined lines
);
-- Which row of a source's ledgers each completed task was matched with: 4,096 ids a chunk, packed.
CREATE TABLE tallypost_ledger_matches (
    source TEXT    NOT NULL,
    chunk  INTEGER NOT NULL,
    data   BLOB    NOT NULL,
    PRIMARY KEY (source, chunk)
);
-- Rows of ledgers that nothing of ours matches yet: tried again with each import.
CREATE TABLE tallypost_ledger_items (
    id              INTEGER PRIMARY KEY,
    source          TEXT    NOT NULL,
    import_id       INTEGER NOT NULL,
    external_id     TEXT,
    idempotency_key TEXT,
    subject         TEXT,
    amount_minor    INTEGER,
    currency        TEXT,
    at              TEXT,
    batch           TEXT,
    outcome         TEXT    NOT NULL
);
CREATE INDEX tallypost_ledger_items_source ON tallypost_ledger_items (source, id);

-- Alerts: whether each is firing. A transition and the task that tells it are one transaction, so N relays tell it once.
CREATE TABLE tallypost_alerts (
    name   TEXT    PRIMARY KEY NOT NULL,
    firing INTEGER NOT NULL,
    since  TEXT    NOT NULL,
    epoch  INTEGER NOT NULL, -- counts the transitions
    value  TEXT
);

-- What keeps all relays from sending; no row: nothing does.
CREATE TABLE tallypost_holds (
    name   TEXT PRIMARY KEY NOT NULL, -- restore
    since  TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    reason TEXT NOT NULL,
    detail TEXT NOT NULL DEFAULT '{}' -- JSON
);
-- The tide mark: raised every few seconds by a relay, who remembers it outside of the database. A database that shows a lower one than
-- somebody remembers went back in time.
CREATE TABLE tallypost_mark (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    mark INTEGER NOT NULL,
    at   TEXT    NOT NULL,
    -- Of this database and of every copy of it; another one that is made in its place has another.
    identity TEXT NOT NULL DEFAULT (lower(hex(randomblob(16))))
);
INSERT INTO tallypost_mark (id, mark, at) VALUES (1, 0, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'));
