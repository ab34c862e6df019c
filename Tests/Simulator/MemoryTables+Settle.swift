import TallypostCore

extension MemoryTables {
    mutating func settle(_ outcomes: [Outcome], now: Timestamp) -> Settlement {
        var settlement = Settlement(written: 0, late: [])
        for outcome in outcomes {
            if lockedRows.contains(outcome.id) {
                settlement.locked.append(outcome)
                continue
            }
            guard let index = index(of: outcome.id), rows[index].image.epoch == outcome.epoch else {
                settlement.late.append(outcome.id)
                continue
            }
            let endsSilence =
                isSilent(index, now: now) && (outcome.event == .attemptFailed || outcome.event == .rejected)
            if rows[index].image.status == .known(.processing) || endsSilence {
                settle(index, outcome, now: now)
                settlement.written += 1
                if case .fannedOut(let subscribers) = outcome.change {
                    fanOut(outcome.id, to: subscribers, now: now)
                    settlement.madeDue = true
                }
            } else if rows[index].image.status == .known(outcome.status) {
                // An earlier try wrote it, and its answer was lost.
                settlement.written += 1
            } else {
                settlement.late.append(outcome.id)
            }
        }
        if settlement.written > 0 { version += 1 }
        return settlement
    }

    private mutating func settle(_ index: Int, _ outcome: Outcome, now: Timestamp) {
        if let record = outcome.attempt {
            let row = rows[index]
            attempts.append(
                MemoryAttempt(task: row.id, epoch: outcome.epoch, relay: row.image.relay, endedAt: now, record: record))
        }
        change(index, .settlement(outcome)) { row in
            row.image.status = .known(outcome.status)
            row.image.leaseEnd = nil
            row.image.silentAt = nil
            row.image.blocksKey = outcome.blocksKey
            if outcome.status.isFinal { row.finishedAt = now }
            switch outcome.change {
            case .completed(let status, let result):
                row.responseStatus = status
                row.result = result
            case .fannedOut: break
            case .waiting(let status, let startResult, _, let heartbeat):
                row.image.silentAt = heartbeat.map { now + $0 }
                row.responseStatus = status
                row.startResult = startResult
            case .retry(let delay, let status, let error):
                row.responseStatus = status
                row.lastError = error
                row.putBack(after: delay, now: now)
            case .failed(let status, let error):
                row.responseStatus = status
                row.lastError = error
            case .timedOut(let error): row.lastError = error
            case .released(let delay):
                row.image.attempts -= 1
                row.putBack(after: delay, now: now)
            case .held(let delay, let reason):
                row.image.attempts -= 1
                row.lastError = reason
                row.putBack(after: delay, now: now)
            }
        }
    }
}

extension MemoryRow {
    /// Due after `delay`, but never later than the deadline: then it is found overdue.
    fileprivate mutating func putBack(after delay: TimeSpan, now: Timestamp) {
        let due = now + delay
        image.runAt = min(due, deadlineAt ?? due)
        image.relay = nil
    }
}
