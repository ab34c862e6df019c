public import TallypostCore

/// Signals and heartbeats, written on a connection of their own: one statement a call, however many they are.
///
/// A token is found through its index, by its whole value; with 256 random bits nothing can be guessed from how long that takes.
public final class PostgresSignalBox: SignalBox {
    private let url: String
    private var link: PostgresConnection?

    /// - Parameter url: what libpq understands. Nothing needs a session, so a pooler may stand between.
    public init(url: String) { self.url = url }

    /// Checks the schema's version.
    public func open() throws(StoreError) {
        link = nil
        let connection = try PostgresConnection(url: url, statements: StatementLibrary.statements, keepsSession: false)
        try SchemaVersion.require(on: connection)
        link = connection
    }

    /// Again is a no-op.
    public func close() { link = nil }

    /// One transaction.
    public func deliver(_ signals: [TaskSignal]) throws(StoreError) -> [SignalVerdict] {
        let ledger = SignalLedger(signals)
        let firsts = ledger.firsts
        guard !firsts.isEmpty else { return [] }
        let result = try run("take_signals") {
            $0.append(firsts.map { Optional($0.token) })
            $0.append(firsts.map { Optional($0.isCompleted ? "completed" : "failed") })
            $0.append(firsts.map(\.result))
            $0.append(firsts.map { Optional($0.sender) })
        }
        var entries: [String: SignalLedger.Entry] = [:]
        for row in 0..<result.rowCount {
            guard let place = result.integer(row, 0), firsts.indices.contains(Int(place) - 1) else { continue }
            entries[firsts[Int(place) - 1].token] = SignalLedger.Entry(
                status: result.text(row, 2).flatMap { TaskStatus(rawValue: $0) }, signalStatus: result.text(row, 3),
                signalResult: result.text(row, 4))
        }
        return ledger.verdicts(entries)
    }

    /// One transaction. Of two heartbeats for one task the later one's words stand.
    public func report(_ heartbeats: [Heartbeat]) throws(StoreError) -> [SignalVerdict] {
        let last = Heartbeat.merged(heartbeats)
        guard !last.isEmpty else { return [] }
        let result = try run("take_heartbeats") {
            $0.append(last.map { Optional($0.token) })
            $0.append(last.map(\.progress))
            $0.append(last.map(\.checkpoint))
        }
        var verdicts: [String: SignalVerdict] = [:]
        for row in 0..<result.rowCount {
            guard let place = result.integer(row, 0), last.indices.contains(Int(place) - 1) else { continue }
            let status = result.text(row, 1).flatMap { TaskStatus(rawValue: $0) }
            verdicts[last[Int(place) - 1].token] = SignalVerdict(heartbeatOf: status)
        }
        return heartbeats.map { verdicts[$0.token] ?? .unknown }
    }

    private func run(_ name: String, _ fill: (inout PostgresParameters) -> Void) throws(StoreError) -> PostgresResult {
        guard let link else {
            throw StoreError(kind: .connection, code: "closed", operation: name, message: "the box is not open")
        }
        var step = PostgresConnection.Step(name: name, binary: true)
        fill(&step.parameters)
        do {
            return try link.run([step])[0]
        } catch {
            if error.kind == .connection { self.link = nil }
            throw error
        }
    }
}
