import TallypostCore

/// Sums against sums: several of ours to one of theirs, or several of theirs to one of ours.
extension LedgerJoin {
    /// What has one name and one currency.
    private struct Group {
        var ours: [Int] = []
        var theirs: [Int] = []
    }

    private struct GroupKey: Hashable {
        let name: UInt64
        let currency: CurrencyCode
    }

    mutating func joinGroups(_ partition: Int, _ theirs: [Spill]) throws(LedgerError) {
        var rowBytes: [UInt8] = []
        for spill in theirs { try spill.load(partition, into: &rowBytes) }
        var rows: [LedgerRecord] = []
        var position = 0
        while position < rowBytes.count {
            rows.append(unsafe LedgerRecord(rowBytes.span.bytes, at: position))
            position += rows.last?.length ?? rowBytes.count
        }
        for key in try groups(rows, rowBytes.span) {
            guard matches(key.ours, key.theirs.map { rows[$0] }) else { continue }
            for index in key.theirs { rows[index].hash = 0 }
            try settle(key.ours, key.theirs.map { rows[$0] }, hashes: key.hashes)
        }
        for row in rows where row.hash != 0 { try leaveOver(row, rowBytes.span) }
        for index in entries.indices { try finish(index) }
    }

    /// Groups that have both sides.
    private func groups(
        _ rows: [LedgerRecord], _ rowBytes: Span<UInt8>
    ) throws(LedgerError) -> [(ours: [Int], theirs: [Int], hashes: UInt64)] {
        var groups: [GroupKey: Group] = [:]
        for (index, row) in rows.enumerated() where row.state == LedgerOutcome.completed.rawValue {
            let range = row.range(of: round.theirs)
            guard !range.isEmpty else { continue }
            let name = round.hash(rowBytes, range, row, seed: 1, withMoney: true)
            groups[GroupKey(name: name, currency: row.currency), default: Group()].theirs.append(index)
        }
        guard !groups.isEmpty else { return [] }
        for index in entries.indices {
            let ours = record(index)
            let range = ours.range(of: round.ours)
            guard ours.state == TaskState.completed.rawValue, !range.isEmpty, ours.hasAmount else { continue }
            let name = round.hash(bytes.span, range, ours, seed: 1, withMoney: true)
            let key = GroupKey(name: name, currency: ours.currency)
            if groups[key] != nil { groups[key]?.ours.append(index) }
        }
        return groups.values.map { group in
            // What an earlier import matched goes with the very rows that it was matched with.
            let hashes = group.theirs.reduce(0) { $0 ^ rows[$1].hash }
            let again = group.ours.filter { entries[$0].consumed == hashes }
            let ours = again.isEmpty ? group.ours.filter { entries[$0].consumed == 0 } : again
            return (ours, group.theirs, hashes)
        }
    }

    /// Equal sums, or a difference that the map tolerates; one side has one row, so that nothing is matched by chance.
    private func matches(_ ours: [Int], _ theirs: [LedgerRecord]) -> Bool {
        guard !ours.isEmpty, min(ours.count, theirs.count) == 1, let currency = theirs.first?.currency else { return false }
        let difference =
            theirs.reduce(Int128(0)) { $0 + Int128($1.amount) } - ours.reduce(Int128(0)) { $0 + Int128(record($1).amount) }
        return difference.magnitude <= UInt128(context.map.tolerance[currency.text ?? ""] ?? 0)
    }

    private mutating func settle(_ ours: [Int], _ theirs: [LedgerRecord], hashes: UInt64) throws(LedgerError) {
        guard let currency = theirs.first?.currency else { return }
        let isKnown = ours.allSatisfy { entries[$0].consumed != 0 }
        var (mine, inWindow) = (Tally.zero, Tally.zero)
        for index in ours {
            let task = record(index)
            mine += tally(task)
            if context.window.contains(task.time) { inWindow += tally(task) }
            if !isKnown { try matches.append(id: task.number, hash: hashes) }
            if context.knownTasks.contains(task.number) { result.matchedKnown.insert(task.number) }
            entries[index].consumed = hashes
            entries[index].isUsed = true
            entries[index].isGrouped = true
        }
        var (all, inFile) = (Tally.zero, Tally.zero)
        for row in theirs {
            all += Tally(one: row.amount)
            if row.isInFile { inFile += Tally(one: row.amount) }
            if row.item != 0 { result.settledItems.insert(row.item) }
        }
        if isKnown { result.alreadyImported += Int64(theirs.count) } else { result.matched += Int64(theirs.count) }
        bridge(currency) { bridge in
            let whole = inFile - inWindow
            let isWhole = all == inFile && mine == inWindow
            // Rows of both sides stand for each other in other numbers: the count goes with the difference.
            if !isWhole {
                bridge.otherPeriods += whole
            } else if whole.amount != 0 {
                bridge.tolerated += whole
            } else {
                bridge.amountDifferences += whole
            }
        }
    }
}
