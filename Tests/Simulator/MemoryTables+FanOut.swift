import TallypostCore

extension MemoryTables {
    /// Inserts a delivery for each subscriber, or opens it again where it did not end well the last time.
    mutating func fanOut(_ id: Int64, to subscribers: [String], now: Timestamp) {
        guard let index = index(of: id) else { return }
        let parent = rows[index]
        for subscriber in subscribers {
            let type = RoutePolicy.subscription(of: parent.type ?? "", to: subscriber)
            guard let known = rows.firstIndex(where: { $0.parent == id && $0.type == type }) else {
                var row = MemoryRow(id: nextID, type: type, now: now)
                row.payload = parent.payload
                row.idempotencyKey = "\(parent.idempotencyKey ?? "pending_tasks-\(id)")/\(subscriber)"
                row.parent = id
                insert(row)
                continue
            }
            guard case .known(let status) = rows[known].image.status, status.isFinal, status != .completed else { continue }
            change(known, .person(.retry)) { row in
                row.image.status = .known(.pending)
                row.image.attempts = 0
                row.image.runAt = now
                row.image.blocksKey = false
                row.finishedAt = nil
            }
        }
        join(id)
    }

    /// Ends a task that was fanned out, when its last delivery has ended: well, if all did.
    mutating func join(_ id: Int64) {
        guard let index = index(of: id), rows[index].image.status == .known(.waiting) else { return }
        var isWell = true
        for row in rows where row.parent == id {
            guard case .known(let status) = row.image.status, status.isFinal else { return }
            if status != .completed { isWell = false }
        }
        let now = virtualNow
        change(index, .joined) { row in
            row.image.status = .known(isWell ? .completed : .failed)
            row.finishedAt = now
        }
        version += 1
    }
}
