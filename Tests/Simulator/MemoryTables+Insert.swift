import TallypostCore

/// Tasks that a schedule inserts.
extension MemoryTables {
    mutating func insert(_ drafts: [TaskDraft], now: Timestamp) -> Int {
        var inserted = 0
        for draft in drafts {
            guard draft.idempotencyKey == nil || !rows.contains(where: { $0.idempotencyKey == draft.idempotencyKey }) else {
                continue
            }
            var row = MemoryRow(id: nextID, type: draft.type, now: now)
            if let key = draft.idempotencyKey { row.idempotencyKey = key }
            if let payload = draft.payload { row.payload = Array(payload.utf8) }
            row.subject = draft.others["subject"]
            row.targetURL = draft.others["target_url"]
            row.headers = draft.others["headers"]
            row.orderingKey = draft.others["ordering_key"]
            row.priority = draft.others["priority"].flatMap(Int.init) ?? 0
            row.maxAttempts = draft.others["max_attempts"].flatMap(Int.init)
            row.timeoutSeconds = draft.others["timeout_seconds"].flatMap(Int.init)
            row.traceparent = draft.others["traceparent"]
            insert(row)
            inserted += 1
        }
        return inserted
    }
}
