package import TallypostCore

/// What reconciliation keeps in the database, typed: written once for both engines.
///
/// Two connections: one reads from a snapshot for as long as a run lasts, the other writes in short transactions. Nothing here is remembered
/// from one process to the next but by the database; a crash at any point leaves what the last committed run left.
package final class ReconcileStore {
    /// Reads, in the snapshot while there is one.
    package let reading: any ReconcileDatabase
    /// Writes.
    package let writing: any ReconcileDatabase
    /// Numbers below the last event that showed none when the last run looked.
    var eventGaps = "[]"
    /// The same as this run sees it.
    var gapsSeen = "[]"
    /// Who holds the lease by this store, and for how long each time: whatever touches the register asks whether he still does.
    var lease: (holder: String, span: TimeSpan)?
    /// When the state of each break that this run has read had last changed.
    var readStates: [String: Timestamp] = [:]

    /// - Parameters:
    ///   - reading: may be of a role that only reads, or of a standby.
    ///   - writing: of the same database.
    package init(reading: any ReconcileDatabase, writing: any ReconcileDatabase) {
        self.reading = reading
        self.writing = writing
    }

    // MARK: The snapshot

    /// From here to ``endReading()`` every question is answered from one moment. That moment, by the database's clock.
    package func beginReading(statementTimeout: TimeSpan) throws(StoreError) -> Timestamp {
        readStates = [:]
        return try reading.beginReading(statementTimeout: statementTimeout)
    }

    /// Lets it go.
    package func endReading() { reading.endReading() }

    /// Every task, by id (`scan_tasks`).
    package func tasks() throws(StoreError) -> any SQLCursor { try reading.cursor(.scanTasks, [.integer(.min)]) }

    // MARK: Rows

    func rows<Row>(
        _ statement: ReconcileStatement, _ parameters: [SQLValue] = [], from database: (any ReconcileDatabase)? = nil,
        _ read: (any SQLRow) -> Row?
    ) throws(StoreError) -> [Row] {
        var rows: [Row] = []
        try (database ?? reading).run(statement, parameters) { row in
            if let value = read(row) { rows.append(value) }
            return true
        }
        return rows
    }

    /// Values of a JSON list for the statements that take many rows at once; times to what the engine keeps.
    var json: JSONList { JSONList(dialect: writing.dialect) }
}

/// JSON texts that `json_each` and `json_to_recordset` take apart.
struct JSONList {
    let dialect: SQLDialect

    /// Milliseconds on SQLite, as it is stored; microseconds on PostgreSQL.
    func time(_ time: Timestamp) -> String {
        let time = Timestamp(microseconds: min(max(time.microseconds, -62_135_596_800_000_000), 253_402_300_799_999_999))
        let text = time.iso8601
        guard dialect == .postgres else { return ResultText.quoted(text) }
        let rest = time.microseconds % 1_000
        let micros = rest < 0 ? rest + 1_000 : rest
        return ResultText.quoted(text.dropLast() + String(1_000 + micros).dropFirst() + "Z")
    }

    func time(_ time: Timestamp?) -> String { time.map { self.time($0) } ?? "null" }
    /// NUL, which PostgreSQL's text cannot hold, is left out.
    func text(_ text: String) -> String {
        ResultText.quoted(
            text.utf8.contains(0) ? String(text.unicodeScalars.filter { $0.value != 0 }.map { Character($0) }) : text)
    }
    func text(_ text: String?) -> String { text.map { self.text($0) } ?? "null" }
    func number(_ number: Int64?) -> String { number.map { String($0) } ?? "null" }

    static func list(_ texts: some Sequence<String>) -> String { "[" + texts.joined(separator: ",") + "]" }
    static func object(_ members: [(String, String)]) -> String {
        "{" + members.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}"
    }
}
