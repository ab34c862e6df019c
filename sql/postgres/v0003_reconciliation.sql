-- v0003: what reconciliation keeps: its runs, the register of rows as the last run saw them, movements, breaks, reports and their
-- signatures, imported ledgers, alerts, and holds on dispatch.

-- One row: who reconciles now, and what the last run that was committed has seen.
CREATE TABLE tallypost_reconciler (
    id          integer     PRIMARY KEY CHECK (id = 1),
    holder      text,
    lease_until timestamptz,
    last_run    bigint      NOT NULL DEFAULT 0,
    as_of       timestamptz,                      -- of the last run's snapshot
    last_event  bigint      NOT NULL DEFAULT 0,    -- the last row of task_events that it took into account
    event_gaps  text        NOT NULL DEFAULT '[]'  -- JSON: numbers below it that showed no event: theirs may be committed later
);
INSERT INTO tallypost_reconciler (id) VALUES (1);

CREATE TABLE tallypost_runs (
    run         bigint      PRIMARY KEY,
    as_of       timestamptz NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    made_by     text        NOT NULL,
    status      text        NOT NULL,             -- clean, breaks, incomplete
    low         integer     NOT NULL DEFAULT 0,   -- breaks, by severity
    medium      integer     NOT NULL DEFAULT 0,
    high        integer     NOT NULL DEFAULT 0,
    critical    integer     NOT NULL DEFAULT 0,
    summary     text        NOT NULL DEFAULT '{}' -- JSON
);
CREATE INDEX tallypost_runs_as_of ON tallypost_runs (as_of);

-- Every row of pending_tasks as the last run saw it, 4,096 ids a chunk, packed (Sources/TallypostReconciliation). A run writes chunks
-- that changed under its own number; those of runs that were not committed are swept by the next.
CREATE TABLE tallypost_register (
    chunk bigint NOT NULL,
    run   bigint NOT NULL,
    data  bytea  NOT NULL,
    PRIMARY KEY (chunk, run)
);
ALTER TABLE tallypost_register ALTER COLUMN data SET STORAGE EXTERNAL;  -- packed already

-- The books: movements of a quarter of an hour. Amounts are decimal text: sums of bigints need more than a bigint.
CREATE TABLE tallypost_movements (
    recorded  timestamptz NOT NULL,
    effective timestamptz NOT NULL,               -- earlier than recorded for late arrivals, else equal
    type      text        NOT NULL,
    currency  text        NOT NULL DEFAULT '',    -- '': without money
    kind      text        NOT NULL,
    count     bigint      NOT NULL,
    amount    text        NOT NULL,
    PRIMARY KEY (recorded, effective, type, currency, kind)
);

-- The register of breaks: one row for each finding there ever was.
CREATE TABLE tallypost_findings (
    id              text        PRIMARY KEY,
    class           text        NOT NULL,
    severity        text        NOT NULL,
    rule            text        NOT NULL,
    owner           text        NOT NULL DEFAULT '',
    type            text        NOT NULL DEFAULT '',
    subject         text,
    idempotency_key text,
    task_id         bigint,
    amount_minor    bigint,
    currency        text,
    since           timestamptz,
    detail          text        NOT NULL,
    state           text        NOT NULL,         -- unconfirmed, open, acknowledged, resolved, cleared
    change          text,                         -- new, changed, persisting, cleared, reopened: to the run before
    seen_runs       integer     NOT NULL DEFAULT 1,
    first_seen      timestamptz NOT NULL,
    last_seen       timestamptz NOT NULL,
    last_run        bigint      NOT NULL,
    changed_at      timestamptz NOT NULL,         -- when its state last changed
    by              text,
    reason          text,
    until           timestamptz,
    effect          text                          -- JSON: what an unexplained change did to the books
);
CREATE INDEX tallypost_findings_open ON tallypost_findings (state, severity, id) WHERE state IN ('unconfirmed', 'open', 'acknowledged');
CREATE INDEX tallypost_findings_changed ON tallypost_findings (changed_at);

-- Reports that were written, and who put a name under them.
CREATE TABLE tallypost_reports (
    id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    label           text        NOT NULL,         -- 2026-11
    zone            text        NOT NULL,
    from_at         timestamptz NOT NULL,
    to_at           timestamptz NOT NULL,
    revision        integer     NOT NULL,
    run             bigint      NOT NULL,
    as_of           timestamptz NOT NULL,
    status          text        NOT NULL,
    directory       text        NOT NULL,
    manifest_sha256 text        NOT NULL,
    made_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    made_by         text        NOT NULL,
    breaks          text        NOT NULL DEFAULT '[]',  -- JSON: ids and amounts of the breaks that it told
    UNIQUE (label, zone, revision)
);
CREATE TABLE tallypost_signatures (
    report_id       bigint      NOT NULL,
    role            text        NOT NULL,         -- preparer, reviewer
    by              text        NOT NULL,
    at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    note            text,
    manifest_sha256 text        NOT NULL,
    PRIMARY KEY (report_id, role)
);

-- Ledgers of receivers.
CREATE TABLE tallypost_imports (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source      text        NOT NULL,
    file        text        NOT NULL,
    sha256      text        NOT NULL UNIQUE,
    rows        bigint      NOT NULL,
    quarantined bigint      NOT NULL,
    from_at     timestamptz,
    to_at       timestamptz,
    as_of       timestamptz NOT NULL,
    made_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    made_by     text        NOT NULL,
    bridges     text        NOT NULL DEFAULT '[]', -- JSON, a member for each currency
    summary     text        NOT NULL DEFAULT '{}'  -- JSON: control totals, quarantined lines
);
-- Which row of a source's ledgers each completed task was matched with: 4,096 ids a chunk, packed.
CREATE TABLE tallypost_ledger_matches (
    source text   NOT NULL,
    chunk  bigint NOT NULL,
    data   bytea  NOT NULL,
    PRIMARY KEY (source, chunk)
);
ALTER TABLE tallypost_ledger_matches ALTER COLUMN data SET STORAGE EXTERNAL;
-- Rows of ledgers that nothing of ours matches yet: tried again with each import.
CREATE TABLE tallypost_ledger_items (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source          text   NOT NULL,
    import_id       bigint NOT NULL,
    external_id     text,
    idempotency_key text,
    subject         text,
    amount_minor    bigint,
    currency        text,
    at              timestamptz,
    batch           text,
    outcome         text   NOT NULL
);
CREATE INDEX tallypost_ledger_items_source ON tallypost_ledger_items (source, id);

-- Alerts: whether each is firing. A transition and the task that tells it are one transaction, so N relays tell it once.
CREATE TABLE tallypost_alerts (
    name    text        PRIMARY KEY,
    firing  boolean     NOT NULL,
    since   timestamptz NOT NULL,
    epoch   bigint      NOT NULL,                 -- counts the transitions
    value   text
);

-- What keeps all relays from sending; no row: nothing does.
CREATE TABLE tallypost_holds (
    name   text        PRIMARY KEY,               -- restore
    since  timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason text        NOT NULL,
    detail text        NOT NULL DEFAULT '{}'      -- JSON
);
-- The tide mark: raised every few seconds by a relay, who remembers it outside of the database. A database that shows a lower one than
-- somebody remembers went back in time.
CREATE TABLE tallypost_mark (
    id   integer     PRIMARY KEY CHECK (id = 1),
    mark bigint      NOT NULL,
    at   timestamptz NOT NULL,
    -- Of this database and of every copy of it; another one that is made in its place has another.
    identity text    NOT NULL DEFAULT gen_random_uuid()
) WITH (fillfactor = 50);
INSERT INTO tallypost_mark (id, mark, at) VALUES (1, 0, now());

-- Retention, as in v0002, but for two things that the books need: what it removes is told with the sum of the ids, so that a row which
-- somebody else removed is told from them; and where a run was committed in the last day, what ended after its snapshot waits for the
-- next, so that no row goes unseen.
CREATE OR REPLACE FUNCTION tallypost_purge(beyond bigint, look integer, most integer, completed_ms bigint, final_ms bigint, reason text)
    RETURNS TABLE (removed bigint, looked bigint, last_id bigint, at_end boolean) LANGUAGE plpgsql SECURITY DEFINER AS $$
#variable_conflict use_variable
DECLARE
    seen_up_to timestamptz := (SELECT r.as_of FROM tallypost_reconciler r WHERE r.id = 1 AND r.as_of > now() - interval '1 day');
BEGIN
    RETURN QUERY
    WITH seen AS MATERIALIZED (
        SELECT t.id, t.status, t.finished_at,
               (t.created_at > now() - least(completed_ms, final_ms) * interval '1 millisecond') IS TRUE AS is_young,
               t.finished_at < now() - CASE t.status WHEN 'completed' THEN completed_ms WHEN 'failed' THEN final_ms
                                           WHEN 'timeout' THEN final_ms WHEN 'cancelled' THEN final_ms END * interval '1 millisecond'
               AND (seen_up_to IS NULL OR t.finished_at <= seen_up_to)
               AND NOT t.blocks_key
               AND (t.group_key IS NULL OR EXISTS (SELECT FROM task_groups team WHERE team.key = t.group_key AND team.ended_at IS NOT NULL OFFSET 0))
               AND NOT EXISTS (SELECT FROM pending_tasks next
                               WHERE next.run_after = t.id
                                 AND (next.status IN ('completed', 'failed', 'timeout', 'cancelled')) IS NOT TRUE
                               OFFSET 0) AS is_old
        FROM pending_tasks t WHERE t.id > beyond ORDER BY t.id LIMIT look
    ), old AS MATERIALIZED (
        SELECT seen.id, seen.status, seen.finished_at FROM seen WHERE seen.is_old ORDER BY seen.id LIMIT most
    ), doomed AS MATERIALIZED (
        -- Asked again of the row as it is now: somebody may have retried the task meanwhile.
        SELECT t.id FROM old JOIN pending_tasks t ON t.id = ANY (ARRAY[old.id])
        WHERE t.status = old.status AND t.finished_at = old.finished_at AND NOT t.blocks_key
        FOR UPDATE OF t SKIP LOCKED
    ), gone AS (
        DELETE FROM pending_tasks t USING doomed WHERE t.id = ANY (ARRAY[doomed.id])
    ), attempts AS (
        DELETE FROM task_attempts a USING doomed WHERE a.task_id = ANY (ARRAY[doomed.id])
    ), noted AS (
        INSERT INTO task_events (event, by, why, detail)
        SELECT 'purge', 'tallypost', reason,
               json_build_object('count', total.count, 'from', total.first, 'to', total.last, 'sum', total.sum)::text
        FROM (SELECT count(*), min(doomed.id) AS first, max(doomed.id) AS last, sum(doomed.id) AS sum FROM doomed) AS total
        WHERE total.count > 0
    )
    SELECT (SELECT count(*) FROM doomed), total.count,
           CASE WHEN was.cut THEN (SELECT max(old.id) FROM old) ELSE coalesce(total.last, beyond) END,
           NOT was.cut AND (total.count < look OR total.all_young)
    FROM (SELECT count(*), max(seen.id) AS last, bool_and(seen.is_young) AS all_young FROM seen) AS total,
         (SELECT count(*) >= most AS cut FROM old) AS was;
    DELETE FROM task_groups team USING (
        SELECT g.key FROM task_groups g WHERE g.ended_at < now() - final_ms * interval '1 millisecond' ORDER BY g.ended_at LIMIT 20) old
    WHERE team.key = old.key AND NOT EXISTS (SELECT FROM pending_tasks t WHERE t.group_key = old.key);
END
$$;
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION tallypost_purge(bigint, integer, integer, bigint, bigint, text) SET search_path = %s, pg_temp',
                   (SELECT quote_ident(n.nspname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = 'pending_tasks'::regclass));
END
$$;
REVOKE ALL ON FUNCTION tallypost_purge(bigint, integer, integer, bigint, bigint, text) FROM PUBLIC;
