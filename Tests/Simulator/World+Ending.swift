import TallypostCore

/// How a run comes to rest: the faults cease, what is left is delivered, the relays are asked to stop.
extension World {
    /// Virtual time that everything has to come to rest once the faults have ceased.
    private static let patience = 240 * second

    func calmDown() {
        isTurbulent = false
        calmAt = time
        note(.calm)
        database.comeBack()
        database.makeWorkersWell()
        for place in moods.indices { moods[place] = .good }
        for process in processes { process.store.imprecision?.overlooked = 0 }
        // Sometimes a route stays paused: then its tasks wait, and nothing else does.
        for place in scenario.types.indices where random.chance(850) { resume(place) }
        // Whatever routes they were given last, in the end all have the same.
        for process in processes where process.isRunning {
            process.mailbox.append(.reconfigured(scenario.routes))
            wake(process)
        }
        if random.chance(700) || !processes.contains(where: { $0.isRunning && !$0.drains && $0.stopBy == nil }) {
            start(draining: false)
        }
        if scenario.drainingRelays > 0 { start(draining: true) }
        queue.plan(.reviews, at: time + second)
    }

    func review() {
        let left =
            pendingTransactions == 0 ? ledger.unfinished(at: databaseTime, in: database.rows, paused: database.pausedRoutes) : []
        if isStopping {
            guard let late = processes.first(where: \.isRunning) else {
                isOver = true
                return
            }
            if time > calmAt + 2 * Self.patience { violated("relay-\(late.number) was asked to stop and never finished") }
        } else if pendingTransactions == 0, left.isEmpty, !processes.contains(where: { $0.isRunning && $0.drains }) {
            isStopping = true
            note(.allStopAsked)
            for process in processes where process.isRunning { askToStop(process, within: 30 * second) }
        } else if time > calmAt + Self.patience {
            if let id = left.first, let row = database.row(id) {
                violated(
                    "task \(id) is still \(row.image.status.word ?? "NULL"), \(Self.patience / second) s after the last fault: type "
                        + "\(row.type ?? "NULL"), key \(row.orderingKey ?? "none"), target \(row.targetURL ?? "none"), attempts "
                        + "\(row.image.attempts), due \((row.image.runAt - databaseTime).seconds) s from now")
            } else if let drain = processes.first(where: { $0.isRunning && $0.drains }) {
                violated("relay-\(drain.number) drains and does not finish, though nothing is due or in flight")
            }
        }
        queue.plan(.reviews, at: time + second / 2)
    }

    func checkTheEnd() {
        let rows = database.rows
        if rows.count + ledger.purged != ledger.committed {
            violated("\(ledger.committed) tasks were committed, \(ledger.purged) removed, \(rows.count) are there")
        }
        let deliveries = Dictionary(grouping: rows.filter { $0.parent != nil }) { $0.parent ?? 0 }
        for row in rows {
            if case .known(.processing) = row.image.status {
                violated("task \(row.id) is left in processing, and nobody sends it")
            }
            if row.image.status == .known(.waiting), let deliveries = deliveries[row.id],
                deliveries.allSatisfy({ $0.image.status.isFinal })
            {
                violated("task \(row.id) waits for deliveries that have all ended")
            }
            if row.image.attempts < 0 { violated("task \(row.id) has \(row.image.attempts) attempts") }
        }
    }
}

extension Ledger {
    /// Tasks that should have ended by now: all but those that a paused route, a blocked ordering key or their own time holds back.
    func unfinished(at now: Timestamp, in rows: [MemoryRow], paused: [String: String]) -> [Int64] {
        // What waits for a signal holds its key, even for rows before it that were committed later.
        var heldKeys = Set(rows.filter { $0.image.status == .known(.waiting) }.compactMap(\.orderingKey))
        var left: [Int64] = []
        for row in rows {
            let excused: Bool
            switch row.image.status {
            case .known(.completed), .known(.cancelled), .known(.waiting), .known(.timeout), .known(.failed): excused = true
            case .known(.processing): excused = false
            default:
                let isPaused = row.type.map { paused[$0] != nil } ?? false
                let isAhead = row.image.runAt > now + .seconds(60)
                let isBehind = row.orderingKey.map { heldKeys.contains($0) } ?? false
                // A paused type is not claimed; its overdue rows are swept all the same.
                excused = isPaused || isAhead || isBehind
            }
            if !excused { left.append(row.id) }
            // What waits for a signal, is blocked or excused holds its key for those behind it.
            if let key = row.orderingKey, row.holdsKey, excused { heldKeys.insert(key) }
        }
        return left
    }
}
