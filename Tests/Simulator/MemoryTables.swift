import TallypostCore

/// The tables behind a ``MemoryDatabase``. Whoever holds it holds the one lock of the database.
struct MemoryTables: Sendable {
    /// Committed rows, by `id` ascending.
    var rows: [MemoryRow] = []
    var nextID: Int64 = 1
    var attempts: [MemoryAttempt] = []
    /// Paused types and the first reason given.
    var paused: [String: String] = [:]
    /// Relays that signed: when, and with what state.
    var relays: [String: (seenAt: Timestamp, state: String?)] = [:]
    /// Counts whatever may have made work due, for those who wait for it.
    var version = 0
    /// Connections of an older generation are broken.
    var generation = 1
    var isAway = false
    /// All workers send their heartbeats.
    var workersAreWell = false
    /// Rows that a person's transaction holds locked.
    var lockedRows: Set<Int64> = []
    /// The clock, where it is virtual.
    var virtualNow: Timestamp
    /// Changes since somebody took them; kept only when somebody does.
    var journal: [RowChange] = []
    var keepsJournal = false

    func index(of id: Int64) -> Int? {
        // Ids are nearly always 1, 2, 3 …
        let guess = Int(id) - 1
        if rows.indices.contains(guess), rows[guess].id == id { return guess }
        let place = insertionPoint(of: id)
        return place < rows.count && rows[place].id == id ? place : nil
    }

    func insertionPoint(of id: Int64) -> Int {
        if let last = rows.last, last.id < id { return rows.count }
        var (low, high) = (0, rows.count)
        while low < high {
            let middle = (low + high) / 2
            if rows[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low
    }

    mutating func insert(_ row: MemoryRow) {
        rows.insert(row, at: insertionPoint(of: row.id))
        nextID = max(nextID, row.id + 1)
        note(row.id, .insert, before: nil, after: row.image)
        version += 1
    }

    mutating func note(_ id: Int64, _ cause: RowChange.Cause, before: RowImage?, after: RowImage) {
        if keepsJournal { journal.append(RowChange(id: id, cause: cause, before: before, after: after)) }
    }

    mutating func change(_ index: Int, _ cause: RowChange.Cause, _ edit: (inout MemoryRow) -> Void) {
        let before = rows[index].image
        edit(&rows[index])
        note(rows[index].id, cause, before: before, after: rows[index].image)
        if let parent = rows[index].parent, case .known(let status) = rows[index].image.status, status.isFinal { join(parent) }
    }

    // MARK: Chores

    func expiredLeases(limit: Int, now: Timestamp) -> [ExpiredLease] {
        let found = rows.indices.filter { index in
            if isSilent(index, now: now) { return true }
            guard rows[index].image.status == .known(.processing) else { return false }
            guard let end = rows[index].image.leaseEnd else { return true }
            return end < now
        }
        let oldest = found.sorted { a, b in
            let (x, y) = (rows[a].image.leaseEnd, rows[b].image.leaseEnd)
            if x == y { return a < b }
            guard let x else { return true }
            guard let y else { return false }
            return x < y
        }
        return oldest.prefix(max(0, limit)).map { index in
            let row = rows[index]
            return ExpiredLease(
                id: row.id, epoch: row.image.epoch, type: row.type ?? "", attempts: row.image.attempts,
                maxAttempts: row.maxAttempts, relay: row.image.relay,
                silence: row.image.status == .known(.waiting) ? .worker : .relay, hasFollowers: row.parent != nil)
        }
    }

    /// Whether a worker has sent no heartbeat in time.
    func isSilent(_ index: Int, now: Timestamp) -> Bool {
        guard !workersAreWell, rows[index].image.status == .known(.waiting), let silentAt = rows[index].image.silentAt else {
            return false
        }
        return silentAt < now
    }

    mutating func sweep(limit: Int, now: Timestamp) -> Int {
        var changed = 0
        for index in rows.indices where changed < limit {
            let row = rows[index]
            if row.image.status == .known(.pending), let deadline = row.deadlineAt, deadline < now, row.type != nil {
                change(index, .sweep) { row in
                    row.image.status = .known(.timeout)
                    row.finishedAt = now
                    row.lastError = "deadline_at passed before it could be sent"
                }
            } else if row.image.status.isClaimable, row.type == nil {
                change(index, .sweep) { row in
                    row.image.status = .known(.failed)
                    row.finishedAt = now
                    row.lastError = "type is NULL"
                }
            } else {
                continue
            }
            changed += 1
        }
        if changed > 0 { version += 1 }
        return changed
    }

    mutating func survey(_ sign: RelaySign?, now: Timestamp) -> Survey {
        if let sign {
            relays = relays.filter { now - $0.value.seenAt <= sign.life }
            relays[sign.relay] = (now, sign.state)
        }
        var types: [String] = []
        var nextDue: Timestamp?
        for index in rows.indices where rows[index].image.status.isClaimable {
            if let type = rows[index].type, !types.contains(type) { types.append(type) }
            let runAt = rows[index].image.runAt
            if runAt > now { nextDue = min(nextDue ?? runAt, runAt) }
        }
        return Survey(
            types: types.sorted(), paused: paused.keys.sorted(), nextDue: nextDue, now: now,
            liveRelays: sign == nil ? nil : relays.count)
    }

    func earliestLeaseEnd(now: Timestamp) -> Timestamp? {
        var earliest: Timestamp?
        for index in rows.indices where rows[index].image.status == .known(.processing) {
            // No lease at all has ended already.
            let end = rows[index].image.leaseEnd ?? now
            earliest = min(earliest ?? end, end)
        }
        return earliest
    }
}
