import Synchronization
import TallypostCore
import TallypostSQLite

/// The receiver's own database: every request as it came, and the effect that the first good one of a key had.
///
/// This is what a receiver has to do for an effect to happen exactly once: look the key up, have the effect and keep the key in
/// one transaction, and only then answer.
final class ReceiverLedger: Sendable {
    /// What became of one request.
    struct Entry: Sendable, Equatable {
        /// The HTTP status that it is answered with.
        var status: Int64
        /// Whether the effect of its key had happened before.
        var isRepeat: Bool
    }

    /// So many times a flaky task is told to come back.
    static let refusals: Int64 = 2

    private let database: Mutex<SQLiteSession>

    /// Makes the tables.
    init(path: String) throws(StoreError) {
        let database = try SQLiteSession(path: path)
        try database.execute(
            """
            CREATE TABLE requests (
                id          INTEGER PRIMARY KEY,
                key         TEXT    NOT NULL,
                type        TEXT    NOT NULL,
                attempt     INTEGER,              -- Tallypost-Task-Attempt
                received_at TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
                status      INTEGER NOT NULL,     -- the answer
                is_repeat   INTEGER NOT NULL      -- 1: its key's effect had happened before; nothing was done again
            );
            CREATE INDEX requests_key ON requests (key);
            CREATE TABLE effects (
                key        TEXT    PRIMARY KEY,
                request_id INTEGER NOT NULL
            );
            """)
        self.database = Mutex(database)
    }

    /// Writes one request down, with its effect if it has one, and commits. Throws when nothing was committed.
    func record(key: String, task: DemoTask, attempt: Int64?) throws(StoreError) -> Entry {
        try database.withLock { database throws(StoreError) in
            try database.write { () throws(StoreError) in
                let entry = try Self.judge(key: key, task: task, in: database)
                try database.run(
                    "INSERT INTO requests (key, type, attempt, status, is_repeat) VALUES (?, ?, ?, ?, ?)",
                    [
                        .text(key), .text(task.rawValue), attempt.map { .integer($0) } ?? .null, .integer(entry.status),
                        .integer(entry.isRepeat ? 1 : 0),
                    ])
                if entry.status == 200 && !entry.isRepeat {
                    try database.run("INSERT INTO effects (key, request_id) VALUES (?, last_insert_rowid())", [.text(key)])
                }
                return entry
            }
        }
    }

    private static func judge(key: String, task: DemoTask, in database: SQLiteSession) throws(StoreError) -> Entry {
        if task == .sendFax { return Entry(status: 400, isRepeat: false) }
        if try database.number("SELECT count(*) FROM effects WHERE key = ?", [.text(key)]) > 0 {
            return Entry(status: 200, isRepeat: true)
        }
        guard task == .updateCRM else { return Entry(status: 200, isRepeat: false) }
        let refused = try database.number("SELECT count(*) FROM requests WHERE key = ? AND status = 409", [.text(key)])
        return Entry(status: refused < refusals ? 409 : 200, isRepeat: false)
    }
}
