public import TallypostCore

extension PostgresStore {
    /// Short transactions in one round trip.
    public func sweep(limit: Int) throws(StoreError) -> Int {
        let beyond = groupCursor
        let results = try run([
            [step("end_overdue") { $0.append(limit) }], [step("end_waits") { $0.append(limit) }],
            [step("set_aside_untyped") { $0.append(limit) }],
            [
                step("end_groups") {
                    $0.append(beyond)
                    $0.append(limit)
                }
            ],
        ])
        let groups = try results[3].get()[0]
        groupCursor = (groups.integer(0, 1) ?? 0) < Int64(limit) ? "" : groups.text(0, 2) ?? ""
        var swept: Int64 = 0
        for result in results { swept += try result.get()[0].integer(0, 0) ?? 0 }
        return Int(swept)
    }

    /// Of leases, looks no further than what has been claimed, and rests when looking is dear.
    public func expiredLeases(limit: Int) throws(StoreError) -> [ExpiredLease] {
        let now = Moment.now()
        let silent = step("silent_workers") { $0.append(limit) }
        guard expiryPace.allows(now) else {
            return Self.leases(try run([[silent]])[0].get()[0], silence: .worker)
        }
        // Before the first claim nothing is known of the lanes.
        if lanes.isEmpty { learnLanes(try run([[openLanesStep(whole: true)]])[0].get()[0]) }
        let known = lanes.sorted { ($0.key.type, $0.key.priority) < ($1.key.type, $1.key.priority) }
        let bounded = lastClaimWasFull
        let expired = step("expired_leases") {
            $0.append(limit)
            $0.append(known.map { Optional($0.key.type) })
            $0.append(known.map(\.key.priority))
            // A lane that nothing was claimed from here says nothing about what another relay holds.
            $0.append(known.map { Optional(bounded && $0.value != .start ? $0.value.runAt.literal : "infinity") })
        }
        let results = try run([[expired, silent]])[0].get()
        expiryPace.took(visitTook, rows: results[0].rowCount, at: Moment.now())
        return Array((Self.leases(results[0], silence: .relay) + Self.leases(results[1], silence: .worker)).prefix(max(0, limit)))
    }

    private static func leases(_ result: PostgresResult, silence: ExpiredLease.Silence) -> [ExpiredLease] {
        (0..<result.rowCount).map { row in
            ExpiredLease(
                id: result.integer(row, 0) ?? 0, epoch: result.integer(row, 1) ?? 0, type: result.text(row, 2) ?? "",
                attempts: Int(result.integer(row, 3) ?? 0), maxAttempts: result.integer(row, 4).map { Int($0) },
                relay: result.text(row, 5), silence: silence, hasFollowers: result.integer(row, 6) == 1)
        }
    }

    /// One transaction for all, one statement each: ticks are few.
    public func insert(_ drafts: [TaskDraft]) throws(StoreError) -> Int {
        guard !drafts.isEmpty else { return 0 }
        let results = try run([drafts.map { draft in step("insert_task") { $0.append(draft) } }])[0].get()
        return results.reduce(0) { $0 + ($1.integer(0, 1) == 1 ? 1 : 0) }
    }
}

extension PostgresParameters {
    /// The two parameters of `insert_task`.
    mutating func append(_ draft: TaskDraft) {
        var columns: [(String, String)] = [("type", draft.type)]
        if let payload = draft.payload { columns.append(("payload", payload)) }
        if let key = draft.idempotencyKey { columns.append(("idempotency_key", key)) }
        for (name, value) in draft.others.sorted(by: { $0.key < $1.key }) { columns.append((name, value)) }
        append(columns.map { Optional($0.0) })
        append(columns.map { Optional($0.1) })
    }
}
