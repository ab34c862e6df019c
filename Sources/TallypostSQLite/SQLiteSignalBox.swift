public import TallypostCore

/// Signals and heartbeats, written on a connection of their own: one transaction a call, however many they are.
///
/// A token is found through its index, by its whole value; with 256 random bits nothing can be guessed from how long that takes.
public final class SQLiteSignalBox: SignalBox {
    private let path: String
    private var session: Session?

    private struct Session {
        let connection: SQLiteConnection
        let following: Following
        let find: SQLiteStatement
        let keep: SQLiteStatement
        let findWorker: SQLiteStatement
        let beat: SQLiteStatement
        let recordEvent: SQLiteStatement
    }

    /// - Parameter path: the database file. It must be there.
    public init(path: String) { self.path = path }

    /// Checks the schema's version.
    public func open() throws(StoreError) {
        session = nil
        let connection = try SQLiteConnection(path: path, mode: .existing)
        try SchemaVersion.require(on: connection)
        let signals = try connection.prepareAll(StoreStatements.signals["take_signals"], operation: "take_signals")
        let heartbeats = try connection.prepareAll(StoreStatements.signals["take_heartbeats"], operation: "take_heartbeats")
        precondition(signals.count == 2 && heartbeats.count == 2, "signals and heartbeats are taken in two steps")
        session = Session(
            connection: connection, following: try Following(connection), find: signals[0], keep: signals[1],
            findWorker: heartbeats[0], beat: heartbeats[1],
            recordEvent: try connection.prepare(StoreStatements.desk["record_event"], operation: "record_event"))
    }

    /// Again is a no-op.
    public func close() { session = nil }

    /// In transactions of ``SQLiteStore/rowsPerTransaction``; none that is told of is lost when a later one fails.
    public func deliver(_ signals: [TaskSignal]) throws(StoreError) -> [SignalVerdict] {
        let session = try opened(for: "take_signals")
        let ledger = SignalLedger(signals)
        var entries: [String: SignalLedger.Entry] = [:]
        // What no task has costs no lock.
        var known: [TaskSignal] = []
        for signal in ledger.firsts {
            try session.find.bind(1, signal.token)
            if try session.find.firstRow({ _ in true }) ?? false { known.append(signal) }
        }
        var rest = known[...]
        while !rest.isEmpty {
            let part = rest.prefix(SQLiteStore.rowsPerTransaction)
            rest = rest.dropFirst(part.count)
            try session.connection.write { () throws(StoreError) in
                let now = Timestamp.machineNow
                var followed: [Int64] = []
                for signal in part {
                    let found = try Self.find(signal, session)
                    guard let found else { continue }
                    entries[signal.token] = found.entry
                    guard found.entry.signalStatus == nil, found.entry.status?.isFinal != true else { continue }
                    try Self.keep(signal, on: found.id, at: now, session)
                    if found.entry.status == .waiting, found.follows { followed.append(found.id) }
                }
                try session.following.follow(followed, at: now)
            }
        }
        return ledger.verdicts(entries)
    }

    private static func find(
        _ signal: TaskSignal, _ session: Session
    ) throws(StoreError) -> (id: Int64, entry: SignalLedger.Entry, follows: Bool)? {
        try session.find.bind(1, signal.token)
        return try session.find.firstRow { row in
            (
                id: row.integer(0),
                entry: SignalLedger.Entry(
                    status: row.text(1).flatMap { TaskStatus(rawValue: $0) }, signalStatus: row.text(2), signalResult: row.text(3)
                ),
                follows: row.integer(5) != 0
            )
        }
    }

    private static func keep(_ signal: TaskSignal, on id: Int64, at now: Timestamp, _ session: Session) throws(StoreError) {
        let word = signal.isCompleted ? "completed" : "failed"
        try session.keep.bind(1, id)
        try session.keep.bind(2, word)
        try session.keep.bind(3, signal.result)
        try session.keep.bind(4, now.iso8601)
        try session.keep.run()
        let event = session.recordEvent
        try event.bind(1, id)
        try event.bind(2, now.iso8601)
        try event.bind(3, "signal")
        try event.bind(4, signal.sender)
        try event.bind(5, "signalled as \(word)")
        try event.bindNull(6)
        try event.run()
    }

    /// One transaction. Of two heartbeats for one task the later one's words stand.
    public func report(_ heartbeats: [Heartbeat]) throws(StoreError) -> [SignalVerdict] {
        let session = try opened(for: "take_heartbeats")
        var verdicts: [String: SignalVerdict] = [:]
        try session.connection.write { () throws(StoreError) in
            let now = Timestamp.machineNow
            for heartbeat in Heartbeat.merged(heartbeats) {
                try session.findWorker.bind(1, heartbeat.token)
                let found = try session.findWorker.firstRow { (id: $0.integer(0), status: $0.text(1)) }
                guard let found else { continue }
                let verdict = SignalVerdict(heartbeatOf: found.status.flatMap { TaskStatus(rawValue: $0) })
                verdicts[heartbeat.token] = verdict
                guard verdict == .taken else { continue }
                try session.beat.bind(1, found.id)
                try session.beat.bind(2, heartbeat.progress)
                try session.beat.bind(3, heartbeat.checkpoint)
                try session.beat.bind(4, now.milliseconds)
                try session.beat.run()
            }
        }
        return heartbeats.map { verdicts[$0.token] ?? .unknown }
    }

    private func opened(for operation: String) throws(StoreError) -> Session {
        guard let session else {
            throw StoreError(kind: .connection, code: "closed", operation: operation, message: "the box is not open")
        }
        return session
    }
}
