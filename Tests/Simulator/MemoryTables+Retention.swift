import TallypostCore

extension MemoryTables {
    /// Rows that one step removes, at most.
    static let rowsPerPurge = 100

    mutating func purge(_ policy: RetentionPolicy, now: Timestamp) -> Purge {
        var doomed: [Int64] = []
        for row in rows where doomed.count < Self.rowsPerPurge && mayRemove(row, policy, now: now) { doomed.append(row.id) }
        for id in doomed {
            guard let index = index(of: id) else { continue }
            let row = rows.remove(at: index)
            note(id, .purge(row), before: row.image, after: row.image)
        }
        if !doomed.isEmpty {
            let gone = Set(doomed)
            attempts.removeAll { gone.contains($0.task) }
        }
        return Purge(removed: doomed.count, rest: doomed.count < Self.rowsPerPurge ? .seconds(1) : nil)
    }

    private func mayRemove(_ row: MemoryRow, _ policy: RetentionPolicy, now: Timestamp) -> Bool {
        guard case .known(let status) = row.image.status, let span = policy.span(for: status), let end = row.finishedAt,
            end + span < now, !row.image.blocksKey, row.groupKey == nil, !lockedRows.contains(row.id)
        else { return false }
        return !rows.contains { $0.runAfter == row.id && $0.image.status.isOpen }
    }
}
