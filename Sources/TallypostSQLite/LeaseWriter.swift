import TallypostCore

/// Reads chosen rows and writes their leases, inside one transaction.
final class LeaseWriter {
    private let statements: StoreStatements
    private let relay: String
    private let now: Timestamp
    private let nowText: String
    /// Nearly every row of a batch has the same lease: its end is written out once.
    private var lastEnd: (lease: TimeSpan, text: String)?
    /// A `timeout_seconds` beyond a year leases no longer than that.
    private static let longestTimeout: Int64 = 366 * 86_400

    init(statements: StoreStatements, relay: String, now: Timestamp) {
        self.statements = statements
        self.relay = relay
        self.now = now
        nowText = now.iso8601
    }

    /// Leases one row; nil when it is no longer there to be leased.
    func lease(_ candidate: ClaimCandidate, for lease: TimeSpan) throws(StoreError) -> ClaimedTask? {
        let read = candidate.key == nil ? statements.readDue : statements.readHead
        try read.bind(1, candidate.id)
        try read.bind(2, now.milliseconds)
        guard let task = try read.firstRow(Self.task) else { return nil }
        let own = task.timeoutSeconds.map { TimeSpan.seconds(min(Int64($0), Self.longestTimeout)) + RoutePolicy.leaseMargin }
        let update = statements.lease
        try update.bind(1, task.id)
        try update.bind(2, task.attempt)
        try update.bind(3, task.epoch)
        try update.bind(4, end(of: max(lease, own ?? lease)))
        try update.bind(5, relay)
        try update.bind(6, nowText)
        try update.run()
        return task
    }

    private func end(of lease: TimeSpan) -> String {
        if let lastEnd, lastEnd.lease == lease { return lastEnd.text }
        let text = (now + lease).iso8601
        lastEnd = (lease, text)
        return text
    }

    /// The row as it will be once it is leased; the columns are those of `claim_due` and `claim_heads`.
    private static func task(_ row: SQLiteStatement) -> ClaimedTask {
        let runAt = row.time(10) ?? Timestamp(microseconds: 0)
        return ClaimedTask(
            id: row.integer(0), epoch: row.integer(1) &+ 1, type: row.text(2) ?? "", attempt: Int(row.integer(3)) &+ 1,
            statusBefore: row.text(4) ?? "", payload: row.bytes(5), idempotencyKey: row.text(6) ?? "", subject: row.text(7),
            targetURL: row.text(8), headers: row.text(9), runAt: runAt, createdAt: row.time(11) ?? runAt,
            deadlineAt: row.time(12),
            priority: Int(row.integer(13)), orderingKey: row.text(14), maxAttempts: row.optionalInteger(15).map { Int($0) },
            timeoutSeconds: row.optionalInteger(16).map { Int($0) }, waitsForSignal: row.integer(17) != 0,
            signalToken: row.text(18), traceparent: row.text(19), checkpoint: row.text(20))
    }
}
