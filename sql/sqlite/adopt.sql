-- Adoption: a pending_tasks that was there before us gets the columns that it lacks, and no row is rewritten. One statement
-- per column, in the table's order; the same columns as in v0001, which makes the indexes afterwards.
--
-- ADD COLUMN takes no expression as a default: where v0001 has one, new rows get theirs from the trigger at the end, which
-- runs after the insert, so that `INSERT … RETURNING signal_token` in an adopted table answers NULL.

-- name: column type
ALTER TABLE pending_tasks ADD COLUMN type TEXT;
-- name: column payload
ALTER TABLE pending_tasks ADD COLUMN payload TEXT DEFAULT '{}';
-- name: column idempotency_key
ALTER TABLE pending_tasks ADD COLUMN idempotency_key TEXT;
-- name: column subject
ALTER TABLE pending_tasks ADD COLUMN subject TEXT;
-- name: column amount_minor
ALTER TABLE pending_tasks ADD COLUMN amount_minor INTEGER;
-- name: column currency
ALTER TABLE pending_tasks ADD COLUMN currency TEXT;
-- name: column target_url
ALTER TABLE pending_tasks ADD COLUMN target_url TEXT;
-- name: column headers
ALTER TABLE pending_tasks ADD COLUMN headers TEXT;
-- name: column run_at
ALTER TABLE pending_tasks ADD COLUMN run_at TEXT NOT NULL DEFAULT '1970-01-01T00:00:00.000Z';
-- name: column deadline_at
ALTER TABLE pending_tasks ADD COLUMN deadline_at TEXT;
-- name: column priority
ALTER TABLE pending_tasks ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
-- name: column ordering_key
ALTER TABLE pending_tasks ADD COLUMN ordering_key TEXT;
-- name: column max_attempts
ALTER TABLE pending_tasks ADD COLUMN max_attempts INTEGER;
-- name: column timeout_seconds
ALTER TABLE pending_tasks ADD COLUMN timeout_seconds INTEGER;
-- name: column on_complete_url
ALTER TABLE pending_tasks ADD COLUMN on_complete_url TEXT;
-- name: column on_failure_url
ALTER TABLE pending_tasks ADD COLUMN on_failure_url TEXT;
-- name: column wait_for_signal
ALTER TABLE pending_tasks ADD COLUMN wait_for_signal INTEGER NOT NULL DEFAULT 0;
-- name: column max_wait_seconds
ALTER TABLE pending_tasks ADD COLUMN max_wait_seconds INTEGER;
-- name: column signal_token
ALTER TABLE pending_tasks ADD COLUMN signal_token TEXT;
-- name: column group_key
ALTER TABLE pending_tasks ADD COLUMN group_key TEXT;
-- name: column run_after
ALTER TABLE pending_tasks ADD COLUMN run_after INTEGER;
-- name: column run_if
ALTER TABLE pending_tasks ADD COLUMN run_if TEXT DEFAULT 'completed';
-- name: column traceparent
ALTER TABLE pending_tasks ADD COLUMN traceparent TEXT;
-- name: column status
ALTER TABLE pending_tasks ADD COLUMN status TEXT DEFAULT 'pending';
-- name: column attempts
ALTER TABLE pending_tasks ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
-- name: column lease_epoch
ALTER TABLE pending_tasks ADD COLUMN lease_epoch INTEGER NOT NULL DEFAULT 0;
-- name: column lease_expires_at
ALTER TABLE pending_tasks ADD COLUMN lease_expires_at TEXT;
-- name: column leased_by
ALTER TABLE pending_tasks ADD COLUMN leased_by TEXT;
-- name: column response_status
ALTER TABLE pending_tasks ADD COLUMN response_status INTEGER;
-- name: column start_result
ALTER TABLE pending_tasks ADD COLUMN start_result TEXT;
-- name: column result
ALTER TABLE pending_tasks ADD COLUMN result TEXT;
-- name: column last_error
ALTER TABLE pending_tasks ADD COLUMN last_error TEXT;
-- name: column progress
ALTER TABLE pending_tasks ADD COLUMN progress TEXT;
-- name: column checkpoint
ALTER TABLE pending_tasks ADD COLUMN checkpoint TEXT;
-- name: column created_at
ALTER TABLE pending_tasks ADD COLUMN created_at TEXT;
-- name: column started_at
ALTER TABLE pending_tasks ADD COLUMN started_at TEXT;
-- name: column finished_at
ALTER TABLE pending_tasks ADD COLUMN finished_at TEXT;
-- name: column blocks_key
ALTER TABLE pending_tasks ADD COLUMN blocks_key INTEGER NOT NULL DEFAULT 0;
-- name: column run_at_ms
ALTER TABLE pending_tasks ADD COLUMN run_at_ms INTEGER AS (CAST((julianday(run_at) - 2440587.5) * 86400000.0 + 0.5 AS INTEGER)) VIRTUAL;
-- name: column deadline_at_ms
ALTER TABLE pending_tasks ADD COLUMN deadline_at_ms INTEGER AS (CASE WHEN deadline_at IS NOT NULL THEN CAST((julianday(deadline_at) - 2440587.5) * 86400000.0 + 0.5 AS INTEGER) END) VIRTUAL;
-- name: column is_open
ALTER TABLE pending_tasks ADD COLUMN is_open INTEGER AS (CASE status WHEN 'processing' THEN 0 WHEN 'pending' THEN 1 WHEN 'completed' THEN 0 WHEN 'failed' THEN 0
    WHEN 'waiting' THEN 0 WHEN 'blocked' THEN 0 WHEN 'timeout' THEN 0 WHEN 'cancelled' THEN 0 ELSE 1 END) VIRTUAL;
-- name: column lane
ALTER TABLE pending_tasks ADD COLUMN lane TEXT AS (CASE WHEN is_open AND type >= '' AND type < x'' AND priority = CAST(priority AS INTEGER)
    AND (ordering_key IS NULL OR (ordering_key >= '' AND ordering_key < x''))
    AND max_attempts IS CAST(max_attempts AS INTEGER) AND timeout_seconds IS CAST(timeout_seconds AS INTEGER)
    AND julianday(run_at) IS NOT NULL AND (deadline_at IS NULL OR julianday(deadline_at) IS NOT NULL) THEN type END) VIRTUAL;
-- name: column holds_key
ALTER TABLE pending_tasks ADD COLUMN holds_key INTEGER AS (CASE WHEN ordering_key IS NULL THEN 0 WHEN blocks_key THEN 1 ELSE CASE status WHEN 'processing' THEN 1
    WHEN 'pending' THEN 1 WHEN 'completed' THEN 0 WHEN 'failed' THEN 0 WHEN 'timeout' THEN 0 WHEN 'cancelled' THEN 0
    ELSE 1 END END) VIRTUAL;

-- name: begun
-- Nobody holds a lease of a keyed row in processing: it starts anew. Two of one key could not both be in flight.
UPDATE pending_tasks SET status = 'pending' WHERE ordering_key IS NOT NULL AND status = 'processing';

-- name: trigger
-- Named to run after tallypost_block.
CREATE TRIGGER tallypost_fill AFTER INSERT ON pending_tasks
WHEN NEW.idempotency_key IS NULL OR NEW.signal_token IS NULL OR NEW.created_at IS NULL OR NEW.run_at = '1970-01-01T00:00:00.000Z'
BEGIN
    UPDATE pending_tasks
    SET idempotency_key = coalesce(idempotency_key, lower(hex(randomblob(16)))),
        signal_token = coalesce(signal_token, lower(hex(randomblob(32)))),
        created_at = coalesce(created_at, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
        run_at = CASE WHEN run_at = '1970-01-01T00:00:00.000Z' THEN strftime('%Y-%m-%dT%H:%M:%fZ', 'now') ELSE run_at END
    WHERE id = NEW.id;
END;
