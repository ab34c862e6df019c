import TallypostCore

/// What is old or large enough for `doctor` to speak of.
struct UpkeepLimits {
    /// A transaction that is open for so long.
    var transaction = TimeSpan.minutes(5)
    /// A snapshot kept by a slot or a standby, so many transactions behind.
    var transactionsBehind = 100_000
    /// An index of so many bytes …
    var index = 64 << 20
    /// … with so many for each of its entries. Ours need 20 to 100.
    var bytesPerEntry = 400
}

extension PostgresSchema {
    /// What keeps dead rows in the table, and so makes every claim slower: an old snapshot, no vacuum, indexes that have swollen; and
    /// what keeps retention from its work.
    func upkeepFindings(_ link: PostgresConnection) throws(StoreError) -> [Finding] {
        let snapshots = try snapshotFindings(link)
        let vacuum = try vacuumFindings(link)
        let indexes = try indexFindings(link)
        let references = try referenceFindings(link)
        return snapshots + vacuum + indexes + references
            + (snapshots.isEmpty
                ? [Finding(level: .good, check: "snapshot", message: "no old snapshot keeps dead rows from being vacuumed")] : [])
            + (vacuum.isEmpty ? [Finding(level: .good, check: "vacuum", message: "autovacuum is on")] : [])
    }

    /// All four that can hold the oldest snapshot. What is in other databases does not matter to our tables.
    private func snapshotFindings(_ link: PostgresConnection) throws(StoreError) -> [Finding] {
        let result = try link.execute(
            """
            (SELECT format('process %s (%s, %s, %s) has had a transaction open for %s s', pid, usename,
                           coalesce(nullif(application_name, ''), 'no name'), state,
                           round(extract(epoch FROM clock_timestamp() - xact_start))::bigint),
                    format('end that transaction, or SELECT pg_terminate_backend(%s); idle_in_transaction_session_timeout does it by itself', pid)
             FROM pg_stat_activity
             WHERE datname = current_database() AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) AND pid <> pg_backend_pid()
               AND backend_type <> 'walsender' AND xact_start < clock_timestamp() - \(limits.transaction.milliseconds) * interval '1 millisecond'
             ORDER BY xact_start LIMIT 3)
            UNION ALL
            (SELECT format('the prepared transaction %s of %s waits since %s', quote_literal(gid), owner, date_trunc('second', prepared)),
                    format('COMMIT PREPARED %s, or ROLLBACK PREPARED %s', quote_literal(gid), quote_literal(gid))
             FROM pg_prepared_xacts
             WHERE database = current_database() AND prepared < clock_timestamp() - \(limits.transaction.milliseconds) * interval '1 millisecond'
             ORDER BY prepared LIMIT 3)
            UNION ALL
            (SELECT format('the replication slot %s (%s) keeps a snapshot that is %s transactions old', quote_ident(slot_name),
                           CASE WHEN active THEN 'in use' ELSE 'used by nobody' END, age(xmin)),
                    CASE WHEN active THEN 'look why its reader is behind'
                         ELSE format('SELECT pg_drop_replication_slot(%s), if nobody needs it any more', quote_literal(slot_name)) END
             FROM pg_replication_slots WHERE xmin IS NOT NULL AND age(xmin) > \(limits.transactionsBehind)
             ORDER BY age(xmin) DESC LIMIT 3)
            UNION ALL
            (SELECT format('the standby %s (%s) asks to keep a snapshot that is %s transactions old',
                           coalesce(nullif(application_name, ''), 'without a name'), coalesce(client_addr::text, 'local'), age(backend_xmin)),
                    'end the long query there, or set hot_standby_feedback = off there'
             FROM pg_stat_replication WHERE backend_xmin IS NOT NULL AND age(backend_xmin) > \(limits.transactionsBehind)
             ORDER BY age(backend_xmin) DESC LIMIT 3)
            """, operation: "doctor")
        return (0..<result.rowCount).map { row in
            Finding(
                level: .warning, check: "snapshot",
                message: (result.text(row, 0) ?? "") + ": no row that died since can be vacuumed", mend: result.text(row, 1))
        }
    }

    private func vacuumFindings(_ link: PostgresConnection) throws(StoreError) -> [Finding] {
        let result = try link.execute(
            """
            SELECT format('%s is off: nothing vacuums the tables', name), format('ALTER SYSTEM SET %s = on; SELECT pg_reload_conf()', name)
            FROM (VALUES ('autovacuum'), ('track_counts')) AS needed (name) WHERE current_setting(name) = 'off'
            UNION ALL
            SELECT format('autovacuum is turned off for %s', c.relname), format('ALTER TABLE %s RESET (autovacuum_enabled)', c.relname)
            FROM pg_class c CROSS JOIN LATERAL pg_options_to_table(c.reloptions) AS option
            WHERE c.oid IN ('pending_tasks'::regclass, 'task_attempts'::regclass, 'task_events'::regclass)
              AND option.option_name = 'autovacuum_enabled' AND NOT option.option_value::boolean
            """, operation: "doctor")
        return (0..<result.rowCount).map { row in
            Finding(
                level: .warning, check: "vacuum",
                message: (result.text(row, 0) ?? "") + "; a queue's dead rows are never cleared away, and claims get slower",
                mend: result.text(row, 1))
        }
    }

    /// By what the last ANALYZE counted, if not much has changed since: cheap, and near enough for a warning.
    private func indexFindings(_ link: PostgresConnection) throws(StoreError) -> [Finding] {
        let result = try link.execute(
            """
            SELECT c.relname, pg_relation_size(c.oid) >> 20, round(c.reltuples)::bigint
            FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_stat_user_tables s ON s.relid = i.indrelid
            WHERE i.indrelid IN ('pending_tasks'::regclass, 'task_attempts'::regclass)
              AND greatest(s.last_analyze, s.last_autoanalyze) IS NOT NULL
              AND s.n_mod_since_analyze < 50000 + s.n_live_tup / 5
              AND pg_relation_size(c.oid) > \(limits.index)
              AND pg_relation_size(c.oid) / greatest(c.reltuples, 1) > \(limits.bytesPerEntry)
            ORDER BY 2 DESC
            """, operation: "doctor")
        return (0..<result.rowCount).map { row in
            func text(_ column: Int) -> String { result.text(row, column) ?? "?" }
            return Finding(
                level: .warning, check: "index",
                message: "the index \(text(0)) has grown to \(text(1)) MiB for about \(text(2)) entries",
                mend: "REINDEX INDEX CONCURRENTLY \(text(0)), once nothing keeps dead rows any more")
        }
    }

    /// A foreign key of the application's that says nothing of deletion refuses it.
    private func referenceFindings(_ link: PostgresConnection) throws(StoreError) -> [Finding] {
        let result = try link.execute(
            """
            SELECT conrelid::regclass, conname FROM pg_constraint
            WHERE contype = 'f' AND confrelid = 'pending_tasks'::regclass AND confdeltype IN ('a', 'r') ORDER BY conname
            """, operation: "doctor")
        return (0..<result.rowCount).map { row in
            func text(_ column: Int) -> String { result.text(row, column) ?? "?" }
            return Finding(
                level: .warning, check: "retention",
                message: "\(text(0)) refers to pending_tasks by \(text(1)): retention cannot remove a task that it names",
                mend: "declare it ON DELETE SET NULL or CASCADE, or drop it and keep the bare id")
        }
    }
}
