import TallypostCore

/// Every named statement of this engine, parsed once.
enum StatementLibrary {
    /// Name to SQL.
    static let statements: [String: String] = {
        var all: [String: String] = [:]
        for file in [
            PackageResources.tasks_sql, PackageResources.session_sql, PackageResources.wakeup_sql, PackageResources.desk_sql,
            PackageResources.signals_sql, PackageResources.follow_sql, PackageResources.guards_sql,
            PackageResources.reconcile_sql,
        ] {
            for (name, sql) in StatementFile(file).statements {
                precondition(all[name] == nil, "two statements are named \(name)")
                all[name] = sql
            }
        }
        return all
    }()
}
