-- Rights for three roles, so that none can do another's work. Run it as the tables' owner, after `tallypost init` and after every
-- upgrade; again changes nothing. The roles are yours to make (CREATE ROLE name LOGIN); one that is not named is left out:
--
--   psql -v app=shop -v relay=tallypost -v report=auditor -f grants.sql "$DATABASE_URL"
--
-- app     inserts tasks and reads what became of them; it cannot claim to have been delivered.
-- relay   reads everything and writes what the relay writes; it cannot change what was ordered. It adds tasks only by functions
--         (notices, deliveries to subscribers, schedules, the API), and removes only what ended long ago, by tallypost_purge.
-- report  reads everything but the tokens that end a wait.
--
-- Rights that a role has already (by ownership, from PUBLIC, as a member) are not taken away.
\set ON_ERROR_STOP on
\set relay_columns 'status, attempts, lease_epoch, lease_expires_at, leased_by, response_status, start_result, result, last_error, progress, checkpoint, started_at, finished_at, waits_until, heartbeat_ms, check_at, signal_status, signal_result, signal_at'

SELECT :{?app} AS has_app, :{?relay} AS has_relay, :{?report} AS has_report \gset
\if :has_app \else \set app '' \endif
\if :has_relay \else \set relay '' \endif
\if :has_report \else \set report '' \endif

SELECT :'app' = '' AND :'relay' = '' AND :'report' = '' AS no_role_named,
       string_agg(role, ', ') AS missing_roles, count(role) > 0 AS is_role_missing,
       string_agg(format('CREATE ROLE %I LOGIN;', role), ' ') AS mend,
       to_regclass('pending_tasks') IS NULL AS no_tables
FROM unnest(array_remove(ARRAY[:'app', :'relay', :'report'], '')) AS role
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) \gset

\if :no_role_named
    \warn 'No role is named. Use: psql -v app=ROLE -v relay=ROLE -v report=ROLE -f grants.sql DATABASE'
    SELECT 1 / 0 AS "no role is named";
\endif
\if :is_role_missing
    \warn 'There is no role ' :missing_roles '. Make it first, or leave it out:' :mend
    SELECT 1 / 0 AS "a role is missing";
\endif
\if :no_tables
    \warn 'There is no table pending_tasks here. Run `tallypost init` first, or set the search_path.'
    SELECT 1 / 0 AS "the tables are missing";
\endif

BEGIN;
-- One at a time: of two that grant at once PostgreSQL fails one ("tuple concurrently updated").
SELECT pg_advisory_xact_lock(1952541804, 1735549294) AS turn \gset
-- The schema that the tables are in.
SELECT relnamespace::regnamespace AS tables_in FROM pg_class WHERE oid = 'pending_tasks'::regclass \gset

\if :has_app
GRANT USAGE ON SCHEMA :tables_in TO :"app";
-- Every column but those that the relay writes or that are derived; an adopted table keeps columns of its own.
SELECT format('GRANT INSERT (%s) ON pending_tasks TO %I', string_agg(quote_ident(attname), ', ' ORDER BY attnum), :'app')
FROM pg_attribute
WHERE attrelid = 'pending_tasks'::regclass AND attnum > 0 AND NOT attisdropped
  AND attname <> ALL (string_to_array(:'relay_columns', ', '))
  AND attname NOT IN ('blocks_key', 'created_at', 'dispatchable', 'holds_key', 'in_flight_key', 'unsuccessful', 'has_dependents', 'delivery_of') \gexec
GRANT INSERT (key, on_complete_url, fail_fast), SELECT ON task_groups TO :"app";
-- What became of it; RETURNING and ON CONFLICT read as well.
GRANT SELECT (id, type, subject, idempotency_key, signal_token, group_key, run_after, run_at, status, attempts, response_status,
              start_result, result, last_error, progress, created_at, started_at, finished_at) ON pending_tasks TO :"app";
-- An adopted table may draw its ids from a sequence that is not an identity's.
SELECT format('GRANT USAGE ON SEQUENCE %s TO %I', pg_get_serial_sequence('pending_tasks', 'id'), :'app')
WHERE pg_get_serial_sequence('pending_tasks', 'id') IS NOT NULL \gexec
\endif

\if :has_relay
GRANT USAGE ON SCHEMA :tables_in TO :"relay";
GRANT SELECT ON pending_tasks, task_groups, task_attempts, task_events, task_routes, tallypost_relays, tallypost_schema TO :"relay";
-- What the relay alone writes, and what a retry moves.
GRANT UPDATE (:relay_columns, run_at, blocks_key) ON pending_tasks TO :"relay";
-- History is added to, never changed.
GRANT INSERT ON task_attempts, task_events TO :"relay";
GRANT INSERT, DELETE ON task_routes TO :"relay";
-- Its own sign of life, and those of relays that are dead.
GRANT INSERT, UPDATE, DELETE ON tallypost_relays TO :"relay";
-- What reconciliation keeps. A signature is only ever added; a run, a report and a ledger that was imported are not taken back.
GRANT SELECT ON tallypost_reconciler, tallypost_runs, tallypost_register, tallypost_movements, tallypost_findings, tallypost_reports,
    tallypost_signatures, tallypost_imports, tallypost_ledger_matches, tallypost_ledger_items, tallypost_alerts, tallypost_holds,
    tallypost_mark TO :"relay";
GRANT INSERT ON tallypost_signatures TO :"relay";
GRANT INSERT, UPDATE ON tallypost_runs, tallypost_findings, tallypost_reports, tallypost_imports TO :"relay";
GRANT UPDATE ON tallypost_reconciler TO :"relay";
GRANT INSERT, UPDATE, DELETE ON tallypost_register, tallypost_movements, tallypost_ledger_matches, tallypost_ledger_items,
    tallypost_alerts, tallypost_holds, tallypost_mark TO :"relay";
-- Retention: the one way to remove a task.
GRANT EXECUTE ON FUNCTION tallypost_purge TO :"relay";
-- What follows from a task's end, and what schedules and the API order: tasks that these functions insert, and no others.
GRANT EXECUTE ON FUNCTION tallypost_follow, tallypost_fan_out, tallypost_close_groups, tallypost_insert TO :"relay";
\endif

\if :has_report
GRANT USAGE ON SCHEMA :tables_in TO :"report";
GRANT SELECT ON task_groups, task_attempts, task_events, task_routes, tallypost_relays, tallypost_schema TO :"report";
GRANT SELECT ON tallypost_reconciler, tallypost_runs, tallypost_register, tallypost_movements, tallypost_findings, tallypost_reports,
    tallypost_signatures, tallypost_imports, tallypost_ledger_matches, tallypost_ledger_items, tallypost_alerts, tallypost_holds,
    tallypost_mark TO :"report";
-- Every column but the token, those of an adopted table's own included.
SELECT format('GRANT SELECT (%s) ON pending_tasks TO %I', string_agg(quote_ident(attname), ', ' ORDER BY attnum), :'report')
FROM pg_attribute
WHERE attrelid = 'pending_tasks'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'signal_token' \gexec
\endif
COMMIT;
