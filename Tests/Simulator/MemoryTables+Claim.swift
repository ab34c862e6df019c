import TallypostCore

/// How a real engine may differ from one that sees everything at once, within what ``TaskStore`` allows.
struct ClaimImprecision: Sendable {
    var random: RandomSource
    /// How many of a thousand due rows a claim overlooks (a low-water mark, a cursor that is elsewhere), unless it is thorough.
    var overlooked = 0
    /// How many of a thousand claims say that there may be more when there is not (another relay was faster).
    var falseAlarms = 0
    /// Rows of one claim, at most.
    var rowsPerClaim = Int.max
}

extension MemoryTables {
    /// What is known of an ordering key during one claim.
    private struct KeyState {
        /// The lowest `id` that holds the key.
        var head: Int64
        var isInFlight: Bool
    }

    mutating func claim(_ request: ClaimRequest, now: Timestamp, _ imprecision: inout ClaimImprecision?) -> ClaimBatch {
        var room: [String: Int] = [:]
        var leases: [String: TimeSpan] = [:]
        for demand in request.demands where paused[demand.type] == nil {
            room[demand.type] = demand.limit
            leases[demand.type] = demand.lease
        }
        var due = dueRows(of: room, now: now)
        var hasMore = false
        if var engine = imprecision, !request.thorough {
            due.removeAll { _ in engine.random.next(upTo: 999) < UInt64(engine.overlooked) }
            hasMore = engine.random.next(upTo: 999) < UInt64(engine.falseAlarms)
            imprecision = engine
        }
        due.sort { (rows[$0].turn, rows[$0].id) < (rows[$1].turn, rows[$1].id) }

        let limit = min(request.limit, imprecision?.rowsPerClaim ?? .max)
        var tasks: [ClaimedTask] = []
        for index in due {
            guard let type = rows[index].type, let left = room[type], let lease = leases[type] else { continue }
            guard left > 0, tasks.count < limit else {
                hasMore = true
                continue
            }
            room[type] = left - 1
            let statusBefore = rows[index].image.status.word
            change(index, .claim) { row in
                row.image.status = .known(.processing)
                row.image.attempts += 1
                row.image.epoch += 1
                // A time that no row may have is not waited for: the row is to be set aside.
                let own = row.timeoutSeconds.flatMap { (1...ClaimedTask.longestTimeoutSeconds).contains($0) ? $0 : nil }
                row.image.leaseEnd = now + max(lease, own.map { .seconds(Int64($0)) + RoutePolicy.leaseMargin } ?? .zero)
                row.image.relay = request.relay
                row.startedAt = now
            }
            tasks.append(rows[index].claimed(statusBefore: statusBefore))
        }
        return ClaimBatch(tasks: tasks, now: now, mayHaveMore: hasMore)
    }

    private func dueRows(of room: [String: Int], now: Timestamp) -> [Int] {
        var keys: [String: KeyState]?
        var due: [Int] = []
        for index in rows.indices {
            guard rows[index].image.status.isClaimable, !lockedRows.contains(rows[index].id), rows[index].image.runAt <= now,
                let type = rows[index].type, room[type] != nil
            else { continue }
            if let key = rows[index].orderingKey {
                let states = keys ?? keyStates()
                keys = states
                guard let state = states[key], state.head == rows[index].id, !state.isInFlight else { continue }
            }
            due.append(index)
        }
        return due
    }

    private func keyStates() -> [String: KeyState] {
        var states: [String: KeyState] = [:]
        for index in rows.indices {
            guard let key = rows[index].orderingKey, rows[index].holdsKey else { continue }
            let isInFlight = rows[index].image.status.isInFlight
            if states[key] == nil {
                states[key] = KeyState(head: rows[index].id, isInFlight: isInFlight)
            } else if isInFlight {
                states[key]?.isInFlight = true
            }
        }
        return states
    }
}
