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
}
