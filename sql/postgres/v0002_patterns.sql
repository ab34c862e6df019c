-- v0002: what follows from a task's end (notices, groups, successors, deliveries to subscribers), and waiting for a signal.
--
-- Whatever follows is written in the transaction that ends the task, by tallypost_follow: its callers end tasks with finished_at =
-- now(), the transaction's time, and hand it their ids; it follows those alone that ended in this very transaction. So an outcome
-- that came too late, or was written by an earlier try, causes nothing a second time.

ALTER TABLE pending_tasks
    -- A successor or a delivery hangs on this task's end. Set with the insert of what hangs on it.
    ADD COLUMN IF NOT EXISTS has_dependents boolean NOT NULL DEFAULT false,
    -- The task whose delivery to one subscriber this is.
    ADD COLUMN IF NOT EXISTS delivery_of    bigint,
    -- While it waits: no longer than this; and the longest silence of its worker.
    ADD COLUMN IF NOT EXISTS waits_until    timestamptz,
    ADD COLUMN IF NOT EXISTS heartbeat_ms   bigint,
    -- The earlier of waits_until and the end of the silence.
    ADD COLUMN IF NOT EXISTS check_at       timestamptz,
    -- The first signal that came, whether the task waited for it already or not.
    ADD COLUMN IF NOT EXISTS signal_status  text,
    ADD COLUMN IF NOT EXISTS signal_result  text,
    ADD COLUMN IF NOT EXISTS signal_at      timestamptz;

-- Waits that end by themselves. A claim and a settlement that ends a task change nothing in it.
CREATE INDEX IF NOT EXISTS pending_tasks_check ON pending_tasks (check_at) WHERE check_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS pending_tasks_deliveries ON pending_tasks (delivery_of, id) WHERE delivery_of IS NOT NULL;
-- Members of a group that have not ended. Asked from the highest id down: the last member mostly ends last.
CREATE INDEX IF NOT EXISTS pending_tasks_group_open ON pending_tasks (group_key, id) WHERE holds_key AND group_key IS NOT NULL;

CREATE TABLE task_groups (
    key             text        PRIMARY KEY,
    on_complete_url text,
    -- The first member that fails calls off those that have not started.
    fail_fast       boolean     NOT NULL DEFAULT false,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    status          text        NOT NULL DEFAULT 'open',  -- open, completed, failed, cancelled
    ended_at        timestamptz
);
CREATE INDEX task_groups_open ON task_groups (key) WHERE ended_at IS NULL;
CREATE INDEX task_groups_ended ON task_groups (ended_at) WHERE ended_at IS NOT NULL;

-- JSON as it was written; a text that is none becomes a JSON string.
CREATE FUNCTION tallypost_json(value text) RETURNS json LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN value::json;
EXCEPTION WHEN others THEN
    RETURN to_json(value);
END
$$;

-- As everywhere in what Tallypost says: ISO 8601, UTC, milliseconds.
CREATE FUNCTION tallypost_time(at timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$ SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') $$;

-- The body of a notice: every column but secrets (the token; headers may carry credentials) and what is derived.
CREATE FUNCTION tallypost_notice(t pending_tasks) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'event', 'task.' || t.status,
        'task', json_build_object(
            'id', t.id, 'type', t.type, 'payload', tallypost_json(t.payload::text), 'idempotency_key', t.idempotency_key,
            'subject', t.subject, 'amount_minor', t.amount_minor, 'currency', t.currency, 'target_url', t.target_url,
            'run_at', tallypost_time(t.run_at), 'deadline_at', tallypost_time(t.deadline_at), 'priority', t.priority,
            'ordering_key', t.ordering_key, 'max_attempts', t.max_attempts, 'timeout_seconds', t.timeout_seconds,
            'on_complete_url', t.on_complete_url, 'on_failure_url', t.on_failure_url, 'wait_for_signal', t.wait_for_signal,
            'max_wait_seconds', t.max_wait_seconds, 'group_key', t.group_key, 'run_after', t.run_after, 'run_if', t.run_if,
            'traceparent', t.traceparent, 'status', t.status, 'attempts', t.attempts, 'lease_epoch', t.lease_epoch,
            'leased_by', t.leased_by, 'response_status', t.response_status, 'start_result', tallypost_json(t.start_result),
            'result', tallypost_json(t.result), 'last_error', t.last_error, 'progress', tallypost_json(t.progress),
            'checkpoint', tallypost_json(t.checkpoint), 'created_at', tallypost_time(t.created_at),
            'started_at', tallypost_time(t.started_at), 'finished_at', tallypost_time(t.finished_at)),
        'result', tallypost_json(t.result), 'startResult', tallypost_json(t.start_result))::text
$$;

-- Keys and payloads of rows that we insert ourselves, in the types that an adopted table has for them. A text that is no uuid becomes
-- one by its hash, and one that is too long for its column becomes its hash: the same text always the same.
DO $$
DECLARE
    kind   text;
    longest integer;
BEGIN
    SELECT format_type(atttypid, NULL), CASE WHEN atttypid = 'varchar'::regtype AND atttypmod > 4 THEN atttypmod - 4 END INTO kind, longest
    FROM pg_attribute WHERE attrelid = 'pending_tasks'::regclass AND attname = 'idempotency_key';
    EXECUTE format('CREATE FUNCTION tallypost_key(value text) RETURNS %s LANGUAGE sql IMMUTABLE AS %L', kind, CASE
        WHEN kind = 'uuid' THEN
            $f$ SELECT CASE WHEN value ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN value ELSE md5(value) END::uuid $f$
        WHEN longest IS NOT NULL THEN format(' SELECT CASE WHEN length(value) <= %s THEN value ELSE md5(value) END::varchar ', longest)
        ELSE format(' SELECT value::%s ', kind) END);
    SELECT format_type(atttypid, NULL) INTO kind FROM pg_attribute WHERE attrelid = 'pending_tasks'::regclass AND attname = 'payload';
    EXECUTE format('CREATE FUNCTION tallypost_payload(value text) RETURNS %s LANGUAGE sql IMMUTABLE AS %L', kind, format(' SELECT value::%s ', kind));
END
$$;

-- Wakes a relay that sleeps, as tallypost_wake does, where a row falls due by an update.
CREATE FUNCTION tallypost_rouse() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock_shared(1952541804, 2037411188) THEN
        PERFORM pg_notify('tallypost', '');
    END IF;
END
$$;

-- Ends a group whose last member has ended. Its notice lists the members' results in their order, up to a megabyte; the rest is to
-- be had from the API, from beyond the member that `next` names.
CREATE FUNCTION tallypost_end_group(wanted text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    ending text;
    counts json;
    url    text;
    entries text[];
    ids    bigint[];
    fitting integer;
    list   text;
    shown  bigint;
    final  bigint;
    -- A notice should pass where a body may have a megabyte.
    most   constant integer := 1000000;
BEGIN
    SELECT CASE WHEN bool_or(m.status IN ('failed', 'timeout')) THEN 'failed' WHEN bool_or(m.status = 'cancelled') THEN 'cancelled'
                ELSE 'completed' END, coalesce(json_object_agg(m.status, m.members), '{}'), max(m.last)
    INTO ending, counts, final
    FROM (SELECT t.status, count(*) AS members, max(t.id) AS last FROM pending_tasks t WHERE t.group_key = wanted GROUP BY t.status) m;
    UPDATE task_groups SET status = ending, ended_at = now() WHERE key = wanted RETURNING on_complete_url INTO url;
    IF url IS NULL THEN RETURN; END IF;
    -- In the order of the inner query; more than so many members never fit. Put together by hand: json_build_object takes twice the time.
    SELECT array_agg(m.entry), array_agg(m.id) INTO entries, ids
    FROM (SELECT t.id, '{"id":' || t.id || ',"type":' || coalesce(to_json(t.type)::text, 'null') || ',"idempotency_key":'
                 || coalesce(to_json(t.idempotency_key)::text, 'null') || ',"subject":' || coalesce(to_json(t.subject)::text, 'null')
                 || ',"status":' || to_json(t.status) || ',"result":' || coalesce(tallypost_json(t.result)::text, 'null')
                 || ',"error":' || coalesce(to_json(t.last_error)::text, 'null') || '}' AS entry
          FROM pending_tasks t WHERE t.group_key = wanted ORDER BY t.id LIMIT 15000) m;
    SELECT count(*) INTO fitting
    FROM (SELECT sum(octet_length(e.entry) + 1) OVER (ORDER BY e.place) AS bytes FROM unnest(entries) WITH ORDINALITY AS e (entry, place)) sized
    WHERE sized.bytes <= most;
    list := array_to_string(entries[1:fitting], ',');
    shown := ids[fitting];
    INSERT INTO pending_tasks (type, payload, idempotency_key, subject, target_url)
    VALUES ('tallypost.notice', tallypost_payload(
            '{"event":' || to_json('group.' || ending) || ',"group":' || json_build_object('key', wanted, 'status', ending,
                'counts', counts, 'created_at', (SELECT tallypost_time(created_at) FROM task_groups WHERE key = wanted),
                'ended_at', tallypost_time(now()))
            || ',"results":[' || coalesce(list, '') || '],"next":' || CASE WHEN shown IS DISTINCT FROM final
                THEN to_json(coalesce(shown, 0)::text)::text ELSE 'null' END || '}'),
            tallypost_key('notice-group-' || wanted || '-' || (extract(epoch FROM now()) * 1000)::bigint), wanted, url);
END
$$;

CREATE FUNCTION tallypost_has_open_member(wanted text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    -- From the highest id down, past what has died at the lower end. (EXISTS alone would let the planner begin anywhere.)
    PERFORM t.id FROM pending_tasks t WHERE t.group_key = wanted AND t.holds_key
        AND (t.status IN ('completed', 'failed', 'timeout', 'cancelled')) IS NOT TRUE ORDER BY t.group_key DESC, t.id DESC LIMIT 1;
    RETURN FOUND;
END
$$;

-- Ends an open group without an open member, unless somebody is about to join it: whose insert holds the row (tallypost_join), and is
-- not waited for. The member that he inserts ends the group with its own end; if he thinks better of it, the next sweep does.
CREATE FUNCTION tallypost_close_group(wanted text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM task_groups g WHERE g.key = wanted AND g.ended_at IS NULL FOR UPDATE SKIP LOCKED;
    -- Now nobody joins any more; who did a moment ago is seen.
    IF NOT FOUND OR tallypost_has_open_member(wanted) THEN RETURN false; END IF;
    PERFORM tallypost_end_group(wanted);
    RETURN true;
END
$$;

-- Ends tasks that wait for their deliveries, once all of those have ended; those that it ended. One that had failed, because of a
-- delivery that has been retried since and is now done, is completed after all.
CREATE FUNCTION tallypost_end_parents(parents bigint[]) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    parent record;
    ended  bigint[] := '{}';
    bad    text;
BEGIN
    FOR parent IN SELECT t.id, t.status, t.type FROM pending_tasks t
                  WHERE t.id = ANY (parents) AND t.status IN ('waiting', 'failed') AND t.has_dependents ORDER BY t.id FOR NO KEY UPDATE LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pending_tasks c WHERE c.delivery_of = parent.id
                              AND (c.status IN ('completed', 'failed', 'timeout', 'cancelled')) IS NOT TRUE);
        SELECT string_agg(substr(c.type, length(parent.type) + 2) || ' ' || c.status, ', ' ORDER BY c.id) INTO bad
        FROM pending_tasks c WHERE c.delivery_of = parent.id AND c.status <> 'completed';
        CONTINUE WHEN parent.status = 'failed' AND bad IS NOT NULL;
        UPDATE pending_tasks t
        SET status = CASE WHEN bad IS NULL THEN 'completed' ELSE 'failed' END, finished_at = now(), check_at = NULL,
            last_error = CASE WHEN bad IS NULL THEN t.last_error ELSE 'deliveries that did not succeed: ' || bad END,
            result = (SELECT json_object_agg(substr(c.type, length(parent.type) + 2), json_build_object('id', c.id, 'status', c.status,
                          'response_status', c.response_status) ORDER BY c.id)::text FROM pending_tasks c WHERE c.delivery_of = parent.id)
        WHERE t.id = parent.id;
        IF parent.status = 'failed' THEN
            INSERT INTO task_events (task_id, event, by, why) VALUES (parent.id, 'redrive', 'tallypost', 'its deliveries have all succeeded now');
        END IF;
        ended := ended || parent.id;
    END LOOP;
    RETURN ended;
END
$$;

-- What follows from the end of these tasks; only of those that ended in this transaction. Whether something fell due by it.
CREATE FUNCTION tallypost_follow(ended bigint[]) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    batch    bigint[] := ended;
    more     bigint[];
    part     bigint[];
    told     bigint[];
    heads    bigint[];
    keys     text[];
    parents  bigint[];
    released boolean := false;
    due      boolean := false;
    team     record;
    n        bigint;
BEGIN
    WHILE cardinality(batch) > 0 LOOP
        SELECT array_agg(t.id) FILTER (WHERE (t.on_complete_url IS NOT NULL OR t.on_failure_url IS NOT NULL) AND t.type <> 'tallypost.notice'),
               array_agg(t.id) FILTER (WHERE t.has_dependents), array_agg(DISTINCT t.group_key) FILTER (WHERE t.group_key IS NOT NULL),
               array_agg(DISTINCT t.delivery_of) FILTER (WHERE t.delivery_of IS NOT NULL)
        INTO told, heads, keys, parents
        FROM pending_tasks t
        WHERE t.id = ANY (batch) AND t.finished_at = now() AND t.status IN ('completed', 'failed', 'timeout', 'cancelled');
        more := '{}';

        IF told IS NOT NULL THEN
            INSERT INTO pending_tasks (type, payload, idempotency_key, subject, target_url, traceparent)
            SELECT 'tallypost.notice', tallypost_payload(tallypost_notice(t)),
                   tallypost_key('notice-' || t.id || '-' || word.kind || '-' || (extract(epoch FROM t.finished_at) * 1000)::bigint),
                   t.subject, word.url, t.traceparent
            FROM pending_tasks t
            CROSS JOIN LATERAL (
                SELECT 'complete' AS kind, t.on_complete_url AS url WHERE t.on_complete_url IS NOT NULL
                UNION ALL
                SELECT 'failure', t.on_failure_url WHERE t.status IN ('failed', 'timeout') AND t.on_failure_url <> coalesce(t.on_complete_url, '')) word
            WHERE t.id = ANY (told)
            ORDER BY t.id
            ON CONFLICT DO NOTHING;
            GET DIAGNOSTICS n = ROW_COUNT;
            due := due OR n > 0;
        END IF;

        IF heads IS NOT NULL THEN
            WITH chosen AS (
                SELECT s.id, s.run_if, p.id AS after, p.status AS ending
                FROM pending_tasks p JOIN pending_tasks s ON s.run_after = p.id
                WHERE p.id = ANY (heads) AND s.status = 'blocked' ORDER BY s.id FOR NO KEY UPDATE OF s
            ), judged AS (
                SELECT c.*, CASE c.run_if WHEN 'finished' THEN true WHEN 'failed' THEN c.ending IN ('failed', 'timeout')
                                          ELSE c.ending = 'completed' END AS runs FROM chosen c
            ), changed AS (
                UPDATE pending_tasks s
                SET status = CASE WHEN j.runs THEN 'pending' ELSE 'cancelled' END,
                    run_at = CASE WHEN j.runs THEN greatest(s.run_at, now()) ELSE s.run_at END,
                    finished_at = CASE WHEN NOT j.runs THEN now() END,
                    last_error = CASE WHEN j.runs THEN s.last_error ELSE format('not run: task %s, which it runs after, ended as %s', j.after, j.ending) END
                FROM judged j WHERE s.id = j.id RETURNING s.id, j.runs
            )
            SELECT coalesce(array_agg(c.id) FILTER (WHERE NOT c.runs), '{}'), coalesce(bool_or(c.runs), false) INTO part, released FROM changed c;
            more := more || part;
            IF released THEN
                due := true;
                PERFORM tallypost_rouse();
            END IF;
            -- Deliveries of a task that was called off are called off with it.
            WITH changed AS (
                UPDATE pending_tasks c SET status = 'cancelled', finished_at = now(), check_at = NULL, last_error = format('task %s, whose delivery this is, ended as %s', p.id, p.status)
                FROM pending_tasks p
                WHERE p.id = ANY (heads) AND p.status IN ('cancelled', 'timeout') AND c.delivery_of = p.id AND c.status IN ('pending', 'blocked', 'waiting')
                RETURNING c.id
            )
            SELECT coalesce(array_agg(c.id), '{}') INTO part FROM changed c;
            more := more || part;
        END IF;

        IF keys IS NOT NULL THEN
            -- Locked in one order. Whoever ends the last but one member and whoever ends the last meet here, and the second sees the first.
            FOR team IN SELECT g.key, g.fail_fast FROM task_groups g WHERE g.key = ANY (keys) AND g.ended_at IS NULL ORDER BY g.key FOR NO KEY UPDATE LOOP
                IF team.fail_fast AND EXISTS (SELECT FROM pending_tasks t WHERE t.id = ANY (batch) AND t.group_key = team.key
                                              AND t.status IN ('failed', 'timeout') AND t.finished_at = now()) THEN
                    -- Not what runs because something failed.
                    WITH chosen AS (
                        SELECT t.id FROM pending_tasks t
                        WHERE t.group_key = team.key AND t.holds_key AND t.attempts = 0 AND t.status IN ('pending', 'blocked')
                          AND (t.run_after IS NULL OR t.run_if = 'completed') ORDER BY t.id FOR UPDATE SKIP LOCKED
                    ), changed AS (
                        UPDATE pending_tasks t SET status = 'cancelled', finished_at = now(), last_error = 'not run: another member of its group failed'
                        FROM chosen WHERE t.id = chosen.id RETURNING t.id
                    )
                    SELECT coalesce(array_agg(c.id), '{}') INTO part FROM changed c;
                    more := more || part;
                END IF;
                IF NOT tallypost_has_open_member(team.key) AND tallypost_close_group(team.key) THEN due := true; END IF;
            END LOOP;
        END IF;

        IF parents IS NOT NULL THEN more := more || tallypost_end_parents(parents); END IF;
        batch := more;
    END LOOP;
    RETURN due;
END
$$;

-- A claimed task becomes one delivery for each subscriber and waits for them. Whether its lease still held. Again, after a retry,
-- the deliveries that did not succeed are opened anew. One whose key a stranger has gets the task's id at its end.
CREATE FUNCTION tallypost_fan_out(task bigint, epoch bigint, subscribers text[]) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE pending_tasks t SET status = 'waiting', has_dependents = true, lease_expires_at = NULL
    WHERE t.id = task AND t.lease_epoch = epoch AND t.status = 'processing';
    IF NOT FOUND THEN RETURN false; END IF;
    INSERT INTO pending_tasks AS c (type, payload, idempotency_key, subject, headers, deadline_at, priority, max_attempts, timeout_seconds,
                               wait_for_signal, max_wait_seconds, traceparent, delivery_of)
    SELECT t.type || '/' || s.name, t.payload,
           CASE WHEN EXISTS (SELECT FROM pending_tasks x WHERE x.idempotency_key = tallypost_key(own.key || '/' || s.name) AND x.delivery_of IS DISTINCT FROM t.id)
                THEN tallypost_key(own.key || '/' || s.name || '/' || t.id) ELSE tallypost_key(own.key || '/' || s.name) END, t.subject, t.headers, t.deadline_at, t.priority,
           t.max_attempts, t.timeout_seconds, t.wait_for_signal, t.max_wait_seconds, t.traceparent, t.id
    FROM pending_tasks t CROSS JOIN LATERAL (SELECT coalesce(t.idempotency_key::text, 'pending_tasks-' || t.id) AS key) own
    CROSS JOIN unnest(subscribers) WITH ORDINALITY AS s (name, place)
    WHERE t.id = task ORDER BY s.place
    ON CONFLICT (idempotency_key) DO UPDATE
    SET status = 'pending', attempts = 0, run_at = now(), finished_at = NULL, signal_status = NULL, signal_result = NULL, signal_at = NULL
    WHERE c.delivery_of = excluded.delivery_of AND c.status IN ('failed', 'timeout', 'cancelled');
    PERFORM tallypost_rouse();
    PERFORM tallypost_follow(tallypost_end_parents(ARRAY[task]));
    RETURN true;
END
$$;

-- Inserts a task for somebody who is not the application (the API, a schedule): the named columns and their values as text. With an
-- idempotency key that is there already nothing is inserted, and that task is named.
CREATE FUNCTION tallypost_insert(names text[], vals text[], OUT id bigint, OUT is_new boolean, OUT token text)
    LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    stranger text;
BEGIN
    SELECT n INTO stranger FROM unnest(names) AS n
    WHERE n NOT IN ('type', 'payload', 'idempotency_key', 'subject', 'amount_minor', 'currency', 'target_url', 'headers', 'run_at',
                    'deadline_at', 'priority', 'ordering_key', 'max_attempts', 'timeout_seconds', 'on_complete_url', 'on_failure_url',
                    'wait_for_signal', 'max_wait_seconds', 'group_key', 'run_after', 'run_if', 'traceparent') LIMIT 1;
    IF stranger IS NOT NULL THEN RAISE invalid_column_reference USING MESSAGE = 'no application writes the column ' || stranger; END IF;
    EXECUTE format('INSERT INTO pending_tasks (%s) VALUES (%s) ON CONFLICT (idempotency_key) DO NOTHING RETURNING id, CASE WHEN wait_for_signal THEN signal_token END',
                   (SELECT string_agg(quote_ident(n), ', ' ORDER BY place) FROM unnest(names) WITH ORDINALITY AS u (n, place)),
                   (SELECT string_agg(CASE WHEN n = 'idempotency_key' THEN format('tallypost_key(%L)', v) ELSE quote_nullable(v) END, ', ' ORDER BY place)
                    FROM unnest(names, vals) WITH ORDINALITY AS u (n, v, place)))
    INTO id, token;
    is_new := id IS NOT NULL;
    IF NOT is_new THEN
        SELECT t.id INTO id FROM pending_tasks t WHERE t.idempotency_key = tallypost_key(vals[array_position(names, 'idempotency_key')]);
    END IF;
END
$$;

-- A successor starts blocked, unless its predecessor has ended already. The predecessor's row is locked, so that it cannot end at
-- this moment without either seeing the other.
CREATE OR REPLACE FUNCTION tallypost_block() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    ending text;
    runs   boolean;
BEGIN
    IF NEW.run_if IS NULL THEN NEW.run_if := 'completed'; END IF;
    IF NEW.run_if NOT IN ('completed', 'failed', 'finished') THEN
        RAISE check_violation USING MESSAGE = format('run_if is "%s"', NEW.run_if), HINT = 'It is one of completed, failed, finished.';
    END IF;
    SELECT t.status INTO ending FROM pending_tasks t WHERE t.id = NEW.run_after FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE foreign_key_violation USING MESSAGE = format('run_after names task %s, which is not there', NEW.run_after),
            HINT = 'Insert the predecessor first; the same transaction will do.';
    END IF;
    IF ending IN ('completed', 'failed', 'timeout', 'cancelled') THEN
        runs := CASE NEW.run_if WHEN 'finished' THEN true WHEN 'failed' THEN ending IN ('failed', 'timeout') ELSE ending = 'completed' END;
        IF NOT runs THEN
            NEW.status := 'cancelled';
            NEW.finished_at := now();
            NEW.last_error := format('not run: task %s, which it runs after, ended as %s', NEW.run_after, ending);
        END IF;
    ELSE
        NEW.status := 'blocked';
        UPDATE pending_tasks t SET has_dependents = true WHERE t.id = NEW.run_after AND NOT t.has_dependents;
    END IF;
    RETURN NEW;
END
$$;

-- One that is cancelled as it comes has followers of its own.
CREATE FUNCTION tallypost_stillborn() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM tallypost_follow(ARRAY[NEW.id]);
    RETURN NULL;
END
$$;
CREATE TRIGGER tallypost_stillborn AFTER INSERT ON pending_tasks
    FOR EACH ROW WHEN (NEW.run_after IS NOT NULL AND NEW.status = 'cancelled') EXECUTE FUNCTION tallypost_stillborn();

-- Nobody joins a group that has ended: its results were told.
CREATE FUNCTION tallypost_join() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    ended timestamptz;
BEGIN
    SELECT g.ended_at INTO ended FROM task_groups g WHERE g.key = NEW.group_key FOR KEY SHARE;
    IF ended IS NOT NULL THEN
        RAISE check_violation USING MESSAGE = format('the group "%s" has ended at %s', NEW.group_key, tallypost_time(ended)),
            HINT = 'Insert a group and its members in one transaction, or further members while one is still open.';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER tallypost_join BEFORE INSERT ON pending_tasks
    FOR EACH ROW WHEN (NEW.group_key IS NOT NULL) EXECUTE FUNCTION tallypost_join();

-- Ends those of the groups that have no open member left: empty ones, and what a change by hand left behind. How many.
CREATE FUNCTION tallypost_close_groups(wanted text[]) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    team  record;
    ended integer := 0;
BEGIN
    FOR team IN SELECT g.key FROM task_groups g WHERE g.key = ANY (wanted) AND g.ended_at IS NULL ORDER BY g.key FOR NO KEY UPDATE SKIP LOCKED LOOP
        IF tallypost_close_group(team.key) THEN ended := ended + 1; END IF;
    END LOOP;
    RETURN ended;
END
$$;

-- As in v0001, but members of groups that have ended go like other tasks, and the groups when their last member is gone.
CREATE OR REPLACE FUNCTION tallypost_purge(beyond bigint, look integer, most integer, completed_ms bigint, final_ms bigint, reason text)
    RETURNS TABLE (removed bigint, looked bigint, last_id bigint, at_end boolean) LANGUAGE plpgsql SECURITY DEFINER AS $$
#variable_conflict use_variable
BEGIN
    RETURN QUERY
    WITH seen AS MATERIALIZED (
        SELECT t.id, t.status, t.finished_at,
               (t.created_at > now() - least(completed_ms, final_ms) * interval '1 millisecond') IS TRUE AS is_young,
               t.finished_at < now() - CASE t.status WHEN 'completed' THEN completed_ms WHEN 'failed' THEN final_ms
                                           WHEN 'timeout' THEN final_ms WHEN 'cancelled' THEN final_ms END * interval '1 millisecond'
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
               json_build_object('count', total.count, 'from', total.first, 'to', total.last)::text
        FROM (SELECT count(*), min(doomed.id) AS first, max(doomed.id) AS last FROM doomed) AS total
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

-- Nobody may put tables of his own before ours, and nobody may call what writes with the owner's rights whom grants.sql does not name.
DO $$
DECLARE
    home text := (SELECT quote_ident(n.nspname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = 'pending_tasks'::regclass);
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['tallypost_follow(bigint[])', 'tallypost_fan_out(bigint, bigint, text[])', 'tallypost_insert(text[], text[])', 'tallypost_close_groups(text[])',
                                'tallypost_block()', 'tallypost_stillborn()', 'tallypost_join()',
                                'tallypost_purge(bigint, integer, integer, bigint, bigint, text)'] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %s, pg_temp', name, home);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', name);
    END LOOP;
END
$$;

-- What waited in a database of v0001, which let no successor go: from now on their predecessors know of them, and where these have
-- ended already, or are gone, they run or are called off now.
DO $$
DECLARE
    over bigint[];
BEGIN
    UPDATE pending_tasks SET has_dependents = true
    WHERE id IN (SELECT s.run_after FROM pending_tasks s WHERE s.run_after IS NOT NULL AND s.status = 'blocked');
    WITH judged AS (
        SELECT s.id, s.run_after, coalesce(p.status, 'gone') AS ending,
               coalesce(CASE s.run_if WHEN 'finished' THEN p.id IS NOT NULL WHEN 'failed' THEN p.status IN ('failed', 'timeout') ELSE p.status = 'completed' END, false) AS runs
        FROM pending_tasks s LEFT JOIN pending_tasks p ON p.id = s.run_after
        WHERE s.run_after IS NOT NULL AND s.status = 'blocked' AND (p.id IS NULL OR p.status IN ('completed', 'failed', 'timeout', 'cancelled'))
    ), changed AS (
        UPDATE pending_tasks s
        SET status = CASE WHEN j.runs THEN 'pending' ELSE 'cancelled' END, finished_at = CASE WHEN NOT j.runs THEN now() END,
            last_error = CASE WHEN j.runs THEN s.last_error ELSE format('not run: task %s, which it runs after, ended as %s', j.run_after, j.ending) END
        FROM judged j WHERE s.id = j.id RETURNING s.id, j.runs
    )
    SELECT array_agg(c.id) INTO over FROM changed c WHERE NOT c.runs;
    IF over IS NOT NULL THEN PERFORM tallypost_follow(over); END IF;
END
$$;
