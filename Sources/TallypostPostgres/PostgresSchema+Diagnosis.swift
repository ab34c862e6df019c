public import TallypostCore

extension PostgresSchema {
    /// Asks the server; changes nothing.
    public func diagnose() -> [Finding] {
        let link: PostgresConnection
        do {
            link = try connect()
        } catch {
            return [
                Finding(
                    level: .problem, check: "database", message: error.description,
                    mend: error.kind == .permission
                        ? "check user, password and database name, and pg_hba.conf" : "check that it runs and can be reached")
            ]
        }
        var findings: [Finding] = []
        do {
            findings += try serverFindings(link)
            try SchemaVersion.require(on: link)
            findings.append(Finding(level: .good, check: "schema", message: "the tables are of version \(SchemaVersion.current)"))
            findings += try permissionFindings(link)
            findings += try tableFindings(link)
            findings += try upkeepFindings(link)
        } catch {
            let (check, mend): (String, String?) =
                switch error.kind {
                case .schema: ("schema", "run `tallypost init`")
                case .permission: ("permissions", "run sql/postgres/grants.sql as the tables' owner")
                default: ("database", nil)
                }
            findings.append(Finding(level: .problem, check: check, message: error.description, mend: mend))
        }
        return findings
    }

    private func serverFindings(_ link: PostgresConnection) throws(StoreError) -> [Finding] {
        let before = Moment.timeOfDay()
        let result = try link.execute(
            """
            SELECT current_setting('server_version_num')::integer, current_setting('server_version'), pg_is_in_recovery(),
                   current_setting('transaction_read_only'), current_setting('synchronous_commit'),
                   (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, current_user
            """, operation: "doctor")
        func text(_ column: Int) -> String { result.text(0, column) ?? "" }
        var findings: [Finding] = []
        if Int(text(0)) ?? 0 < 130_000 {
            findings.append(
                Finding(level: .problem, check: "database", message: "PostgreSQL \(text(1))", mend: "13 or newer is needed"))
        } else {
            findings.append(Finding(level: .good, check: "database", message: "PostgreSQL \(text(1)), as \(text(6))"))
        }
        if text(2) == "t" || text(3) == "on" {
            findings.append(
                Finding(
                    level: .problem, check: "database", message: "it takes no writes (a standby, or read-only)",
                    mend: "name the primary in the URL"))
        }
        if text(4) == "off" {
            findings.append(
                Finding(
                    level: .warning, check: "database",
                    message: "synchronous_commit is off: a crash can lose outcomes, and tasks are then sent again",
                    mend: "ALTER ROLE … SET synchronous_commit = on"))
        }
        let away = Timestamp(microseconds: Int64(text(5)) ?? before.microseconds) - before
        if abs(away.milliseconds) > 1_000 {
            findings.append(
                Finding(
                    level: .warning, check: "clock",
                    message: "the database's clock and this machine's differ by \(abs(away.milliseconds)) ms",
                    mend: "check both with chronyc tracking or timedatectl; leases follow the database's"))
        } else {
            findings.append(Finding(level: .good, check: "clock", message: "the database's clock agrees with this machine's"))
        }
        return findings
    }

    /// What the relay needs of each table: rights a role can lack.
    private func permissionFindings(_ link: PostgresConnection) throws(StoreError) -> [Finding] {
        let result = try link.execute(
            """
            SELECT what FROM (VALUES
                ('SELECT on pending_tasks', has_table_privilege('pending_tasks', 'SELECT')),
                ('UPDATE (status) on pending_tasks', has_column_privilege('pending_tasks', 'status', 'UPDATE')),
                ('UPDATE (lease_epoch) on pending_tasks', has_column_privilege('pending_tasks', 'lease_epoch', 'UPDATE')),
                ('UPDATE (run_at) on pending_tasks', has_column_privilege('pending_tasks', 'run_at', 'UPDATE')),
                ('INSERT on task_attempts', has_table_privilege('task_attempts', 'INSERT')),
                ('INSERT on task_events', has_table_privilege('task_events', 'INSERT')),
                ('SELECT, INSERT, DELETE on task_routes', has_table_privilege('task_routes', 'SELECT')
                    AND has_table_privilege('task_routes', 'INSERT') AND has_table_privilege('task_routes', 'DELETE')),
                ('SELECT, INSERT, UPDATE, DELETE on tallypost_relays', has_table_privilege('tallypost_relays', 'SELECT')
                    AND has_table_privilege('tallypost_relays', 'INSERT') AND has_table_privilege('tallypost_relays', 'UPDATE')
                    AND has_table_privilege('tallypost_relays', 'DELETE')),
                ('EXECUTE on tallypost_purge (for retention)', coalesce((
                    SELECT has_function_privilege(oid, 'EXECUTE') FROM pg_proc
                    WHERE proname = 'tallypost_purge' AND pg_function_is_visible(oid) LIMIT 1), false))
            ) AS needed (what, granted) WHERE NOT granted
            """, operation: "doctor")
        if result.rowCount == 0 {
            return [Finding(level: .good, check: "permissions", message: "this role may do all that the relay does")]
        }
        return (0..<result.rowCount).map { row in
            Finding(
                level: .problem, check: "permissions", message: "this role lacks \(result.text(row, 0) ?? "")",
                mend: "run sql/postgres/grants.sql as the tables' owner")
        }
    }

    private func tableFindings(_ link: PostgresConnection) throws(StoreError) -> [Finding] {
        let result = try link.execute(
            """
            SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'pending_tasks'::regclass AND tgname = 'tallypost_wake' AND tgenabled <> 'D'),
                   coalesce(array_to_string((SELECT reloptions FROM pg_class WHERE oid = 'pending_tasks'::regclass), ','), '')
                       LIKE '%fillfactor=45%'
            """, operation: "doctor")
        var findings: [Finding] = []
        if result.text(0, 0) != "t" {
            findings.append(
                Finding(
                    level: .warning, check: "wake-up",
                    message: "the trigger tallypost_wake is missing or disabled: new tasks wait for the next poll",
                    mend: "ALTER TABLE pending_tasks ENABLE TRIGGER tallypost_wake"))
        }
        if result.text(0, 1) != "t" {
            findings.append(
                Finding(
                    level: .warning, check: "table",
                    message: "pending_tasks has lost its fillfactor of 45: claims then write every index",
                    mend: "ALTER TABLE pending_tasks SET (fillfactor = 45)"))
        }
        return findings.isEmpty
            ? [Finding(level: .good, check: "table", message: "the table's settings and trigger are in place")] : findings
    }
}
