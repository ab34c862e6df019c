import TallypostCore

/// Reads rows that were chosen, as they will be once they are leased.
struct ClaimReader {
    let statements: StoreStatements
    /// Rows that are not due by then are left out.
    let now: Timestamp

    /// The rows that can be claimed, in the order given: fewer than were chosen when another relay was faster, or when their
    /// payloads are more than one claim may bring along.
    func read(_ chosen: [ClaimCandidate]) throws(StoreError) -> [ClaimedTask] {
        var tasks: [ClaimedTask] = []
        tasks.reserveCapacity(chosen.count)
        var bytes = 0
        func take(_ row: SQLiteStatement) -> Bool {
            let task = Self.task(row)
            bytes += task.footprint
            tasks.append(task)
            return bytes < SQLiteStore.bytesPerClaim
        }
        var rest = chosen[...]
        while let first = rest.first, bytes < SQLiteStore.bytesPerClaim {
            if first.key != nil {
                rest.removeFirst()
                try statements.readHead.bind(1, first.id)
                try statements.readHead.bind(2, now.milliseconds)
                try statements.readHead.eachRow(while: take)
            } else {
                let run = rest.prefix { $0.key == nil }
                rest = rest.dropFirst(run.count)
                try statements.readDue.bind(1, text: Self.list(run.lazy.map(\.id)))
                try statements.readDue.bind(2, now.milliseconds)
                try statements.readDue.eachRow(while: take)
            }
        }
        return tasks
    }

    /// The JSON array that `json_each` takes apart.
    static func list(_ ids: some Collection<Int64>) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(2 + ids.count * 8)
        for id in ids {
            text.append(text.isEmpty ? UInt8(ascii: "[") : UInt8(ascii: ","))
            text.append(contentsOf: String(id).utf8)
        }
        if text.isEmpty { text.append(UInt8(ascii: "[")) }
        text.append(UInt8(ascii: "]"))
        return text
    }

    /// The columns are those of `claim_due` and `claim_heads`.
    private static func task(_ row: SQLiteStatement) -> ClaimedTask {
        let runAt = row.time(10) ?? Timestamp(microseconds: 0)
        return ClaimedTask(
            id: row.integer(0), epoch: row.integer(1) &+ 1, type: row.text(2) ?? "", attempt: Int(row.integer(3)) &+ 1,
            statusBefore: row.text(4) ?? "", payload: row.bytes(5), idempotencyKey: row.text(6) ?? "", subject: row.text(7),
            targetURL: row.text(8), headers: row.text(9), runAt: runAt, createdAt: row.time(11) ?? runAt,
            deadlineAt: row.time(12),
            priority: Int(row.integer(13)), orderingKey: row.text(14), maxAttempts: row.optionalInteger(15).map { Int($0) },
            timeoutSeconds: row.optionalInteger(16).map { Int($0) }, waitsForSignal: row.integer(17) != 0,
            signalToken: row.text(18), traceparent: row.text(19), checkpoint: row.text(20),
            previousTask: row.optionalInteger(21), previousResult: row.text(22), hasFollowers: row.integer(23) != 0)
    }
}
