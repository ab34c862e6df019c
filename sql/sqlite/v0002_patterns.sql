-- v0002: what follows from a task's end (notices, groups, successors, deliveries to subscribers), and waiting for a signal. The same
-- columns as PostgreSQL's, but for check_at, which is in milliseconds. What follows is written by follow.sql, in the
-- transaction that ends the task.

-- A successor or a delivery hangs on this task's end. Set with the insert of what hangs on it.
ALTER TABLE pending_tasks ADD COLUMN has_dependents INTEGER NOT NULL DEFAULT 0;
-- The task whose delivery to one subscriber this is.
ALTER TABLE pending_tasks ADD COLUMN delivery_of INTEGER;
-- While it waits: no longer than this; and the longest silence of its worker.
ALTER TABLE pending_tasks ADD COLUMN waits_until TEXT;
ALTER TABLE pending_tasks ADD COLUMN heartbeat_ms INTEGER;
-- The earlier of waits_until and the end of the silence. Of a task that was cancelled by its own insert: that what follows from it is
-- still to be written.
ALTER TABLE pending_tasks ADD COLUMN check_at INTEGER;
-- The first signal that came, whether the task waited for it already or not.
ALTER TABLE pending_tasks ADD COLUMN signal_status TEXT;
ALTER TABLE pending_tasks ADD COLUMN signal_result TEXT;
ALTER TABLE pending_tasks ADD COLUMN signal_at TEXT;

CREATE INDEX pending_tasks_check ON pending_tasks (check_at) WHERE check_at IS NOT NULL;
CREATE INDEX pending_tasks_deliveries ON pending_tasks (delivery_of, status) WHERE delivery_of IS NOT NULL;
-- Whether a group has a member that has not ended.
CREATE INDEX pending_tasks_group_status ON pending_tasks (group_key, status) WHERE group_key IS NOT NULL;

CREATE TABLE task_groups (
    key             TEXT PRIMARY KEY NOT NULL,
    on_complete_url TEXT,
    -- The first member that fails calls off those that have not started.
    fail_fast       INTEGER NOT NULL DEFAULT 0,
    created_at      TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    status          TEXT NOT NULL DEFAULT 'open',  -- open, completed, failed, cancelled
    ended_at        TEXT
);
CREATE INDEX task_groups_open ON task_groups (key) WHERE ended_at IS NULL;
CREATE INDEX task_groups_ended ON task_groups (ended_at) WHERE ended_at IS NOT NULL;

-- A successor starts blocked, unless its predecessor has ended already.
DROP TRIGGER tallypost_block;
CREATE TRIGGER tallypost_block AFTER INSERT ON pending_tasks WHEN NEW.run_after IS NOT NULL AND NEW.status = 'pending'
BEGIN
    SELECT RAISE(ABORT, 'run_after names a task that is not there: insert the predecessor first; the same transaction will do')
    WHERE NOT EXISTS (SELECT 1 FROM pending_tasks WHERE id = NEW.run_after AND id <> NEW.id);
    SELECT RAISE(ABORT, 'run_if is one of completed, failed, finished') WHERE coalesce(NEW.run_if, 'completed') NOT IN ('completed', 'failed', 'finished');
    UPDATE pending_tasks SET has_dependents = 1
    WHERE id = NEW.run_after AND NOT has_dependents AND status NOT IN ('completed', 'failed', 'timeout', 'cancelled');
    UPDATE pending_tasks
    SET run_if = coalesce(NEW.run_if, 'completed'),
        status = (SELECT CASE WHEN coalesce(before.status NOT IN ('completed', 'failed', 'timeout', 'cancelled'), 1) THEN 'blocked'
                              WHEN NEW.run_if = 'finished' OR (NEW.run_if = 'failed' AND before.status IN ('failed', 'timeout'))
                                   OR (coalesce(NEW.run_if, 'completed') = 'completed' AND before.status = 'completed') THEN 'pending'
                              ELSE 'cancelled' END
                  FROM pending_tasks AS before WHERE before.id = NEW.run_after)
    WHERE id = NEW.id;
    UPDATE pending_tasks
    SET finished_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), check_at = 0,
        last_error = 'not run: task ' || NEW.run_after || ', which it runs after, ended as '
                     || (SELECT before.status FROM pending_tasks AS before WHERE before.id = NEW.run_after)
    WHERE id = NEW.id AND status = 'cancelled';
END;

-- Nobody joins a group that has ended: its results were told.
CREATE TRIGGER tallypost_join AFTER INSERT ON pending_tasks WHEN NEW.group_key IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'the group of group_key has ended: insert a group and its members in one transaction, or further members while one is still open')
    WHERE EXISTS (SELECT 1 FROM task_groups WHERE key = NEW.group_key AND ended_at IS NOT NULL);
END;

-- What waited in a database of v0001, which let no successor go: from now on their predecessors know of them, and where these have
-- ended already, or are gone, they run or are called off now. The sweep writes what follows from that.
UPDATE pending_tasks SET has_dependents = 1 WHERE id IN (SELECT run_after FROM pending_tasks WHERE run_after IS NOT NULL AND status = 'blocked');
UPDATE pending_tasks AS next
SET status = CASE WHEN judged.runs THEN 'pending' ELSE 'cancelled' END,
    finished_at = CASE WHEN NOT judged.runs THEN strftime('%Y-%m-%dT%H:%M:%fZ', 'now') END, check_at = CASE WHEN NOT judged.runs THEN 0 END,
    last_error = CASE WHEN judged.runs THEN next.last_error ELSE 'not run: task ' || next.run_after || ', which it runs after, ended as ' || judged.ending END
FROM (SELECT s.id, coalesce(p.status, 'gone') AS ending,
             coalesce(CASE s.run_if WHEN 'finished' THEN p.id IS NOT NULL WHEN 'failed' THEN p.status IN ('failed', 'timeout') ELSE p.status = 'completed' END, 0) AS runs
      FROM pending_tasks AS s LEFT JOIN pending_tasks AS p ON p.id = s.run_after
      WHERE s.run_after IS NOT NULL AND s.status = 'blocked' AND (p.id IS NULL OR p.status IN ('completed', 'failed', 'timeout', 'cancelled'))) AS judged
WHERE next.id = judged.id;
