import TallypostCore
import TallypostPostgres
import TallypostSQLite

/// Which adapter serves which database: the only place that names both.
struct Engine: Sendable {
    let database: DatabaseURL

    init(_ database: DatabaseURL) { self.database = database }

    /// The relay's side, not opened yet.
    func makeStore(pollOnly: Bool) -> any TaskStore {
        switch database {
        case .sqlite(let path): SQLiteStore(path: path, pollOnly: pollOnly)
        case .postgres: fatalError()
        }
    }
}
