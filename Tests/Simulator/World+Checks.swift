import TallypostCore

/// The rules, as they show in the database: every change of a row is looked at.
extension World {
    /// - Parameter process: on whose behalf it was done; nil: the application's or a person's.
    func checkChanges(by process: RelayProcess?) {
        for change in database.takeChanges() {
            ledger.changedAt[change.id] = time
            changedAt = time
            switch change.cause {
            case .insert:
                ledger.committed += 1
                ledger.ids.append(change.id)
            case .claim:
                note(.claimed, process, change.id, change.after.epoch)
                checkClaim(change, by: process)
            case .settlement(let outcome):
                note(kind(of: outcome), process, change.id, change.after.epoch)
                checkSettlement(change, outcome, by: process)
            case .sweep:
                note(.swept, process, change.id)
                checkSweep(change)
            case .joined:
                note(.joined, process, change.id)
                checkJoin(change)
            case .purge(let row):
                note(.purged, process, change.id)
                checkPurge(row)
            case .person(let action):
                checkTransition(change, action == .retry ? .reopened : .cancelled)
            }
        }
    }

    private func kind(of outcome: Outcome) -> TraceEvent.Kind {
        switch outcome.change {
        case .completed: .completed
        case .waiting, .fannedOut: .waiting
        case .retry: .retried
        case .failed: .failed
        case .timedOut: .timedOut
        case .released, .held: .released
        }
    }

    private func checkTransition(_ change: RowChange, _ event: TaskEvent) {
        guard let before = change.before else { return }
        // A word that no relay wrote is claimed as if it were pending.
        let from: TaskStatus
        if case .known(let status) = before.status { from = status } else { from = .pending }
        guard let to = from.after(event), change.after.status == .known(to) else {
            violated(
                "task \(change.id) went from \(before.status.word ?? "NULL") to \(change.after.status.word ?? "NULL") by \(event)"
            )
            return
        }
    }

    private func checkClaim(_ change: RowChange, by process: RelayProcess?) {
        checkTransition(change, .claimed)
        guard let process, let before = change.before else { return }
        if change.after.epoch != before.epoch + 1 || change.after.attempts != before.attempts + 1 {
            violated(
                "the claim of task \(change.id) did not count: epoch \(change.after.epoch), attempts \(change.after.attempts)")
        }
        let lease = LeaseID(id: change.id, epoch: change.after.epoch)
        if ledger.leases[lease] != nil { violated("task \(change.id) was leased twice in epoch \(change.after.epoch)") }
        guard let end = change.after.leaseEnd, end > database.now else {
            violated("the lease of task \(change.id) ended before it began")
            return
        }
        ledger.leases[lease] = Ledger.Lease(process: process.number, end: end)
        guard let row = database.row(change.id) else { return }
        if let type = row.type, database.pausedRoutes[type] != nil {
            violated("task \(row.id) was claimed, and its route is paused")
        }
        if row.image.runAt > database.now { violated("task \(row.id) was claimed before it was due") }
        if let most = mostAttempts(of: row), most > 0, row.image.attempts > most {
            violated("attempt \(row.image.attempts) of task \(row.id) begins, and \(most) is the most")
        }
        guard let key = row.orderingKey else { return }
        for other in database.rows where other.orderingKey == key && other.id != row.id {
            if other.image.status.isInFlight {
                violated("task \(row.id) was leased while task \(other.id) of its key is in flight")
            }
            if other.id < row.id, other.holdsKey {
                violated("task \(row.id) was leased before task \(other.id) of its key had ended")
            }
        }
    }

    private func checkSettlement(_ change: RowChange, _ outcome: Outcome, by process: RelayProcess?) {
        checkTransition(change, outcome.event)
        guard let process, let before = change.before else { return }
        let lease = LeaseID(id: outcome.id, epoch: outcome.epoch)
        let wasSilent = before.status == .known(.waiting) && before.silentAt.map { $0 < database.now } ?? false
        guard before.epoch == outcome.epoch, before.status == .known(.processing) || wasSilent, let held = ledger.leases[lease]
        else {
            violated("an outcome of epoch \(outcome.epoch) was written over task \(outcome.id) in epoch \(before.epoch)")
            return
        }
        let isOwn = held.process == process.number
        if !isOwn { note(.recovered, process, outcome.id, Int64(held.process)) }
        if !isOwn, !wasSilent, database.now <= held.end {
            violated("relay-\(process.number) settled task \(outcome.id), whose lease of relay-\(held.process) had not ended")
        }
        if outcome.blocksKey, outcome.status != .failed {
            violated("task \(outcome.id) is \(outcome.status.rawValue) and blocks its key for ever")
        }
        switch outcome.change {
        case .completed, .waiting:
            if !ledger.acknowledged.contains(lease) {
                violated(
                    "task \(outcome.id) is \(outcome.status.rawValue), and no receiver answered 2xx in epoch \(outcome.epoch)")
            }
        case .released, .held:
            if held.sends > 0 { violated("task \(outcome.id) was sent, and then released as if it had not been") }
            if change.after.attempts != before.attempts - 1 { violated("the attempt of task \(outcome.id) was not refunded") }
        case .fannedOut(let subscribers):
            if held.sends > 0 { violated("task \(outcome.id) was sent, and then fanned out") }
            if let type = database.row(outcome.id)?.type, process.routes[type]?.subscribers != subscribers {
                violated("task \(outcome.id) was fanned out to \(subscribers), against its route")
            }
        case .retry, .failed, .timedOut: break
        }
        if outcome.status != .pending || outcome.event == .attemptFailed, change.after.attempts != before.attempts {
            violated("the settlement of task \(outcome.id) changed its attempts")
        }
        if let row = database.row(outcome.id), outcome.hasFollowers != (row.parent != nil) {
            violated("the outcome of task \(outcome.id) does not say rightly whether something hangs on it")
        }
        if let deadline = database.row(outcome.id)?.deadlineAt, outcome.status == .pending, change.after.runAt > deadline {
            violated("task \(outcome.id) is due again only after its deadline")
        }
        if outcome.status == .timeout { checkDeadlinePassed(change.id, outcome) }
    }

    /// Nil while relays may have different routes and so different opinions.
    func mostAttempts(of row: MemoryRow) -> Int? {
        if let own = row.maxAttempts { return own }
        return scenario.removesRoutes ? nil : row.type.flatMap { scenario.routes[$0]?.maxAttempts }
    }

    /// The relay's idea of the database's clock may be a little off, never much.
    static let clockTolerance = TimeSpan.milliseconds(20)

    private func checkDeadlinePassed(_ id: Int64, _ outcome: Outcome) {
        guard let deadline = effectiveDeadline(of: id) else {
            violated("task \(id) timed out and has no deadline")
            return
        }
        if database.now + Self.clockTolerance < deadline { violated("task \(id) timed out before its deadline") }
    }

    func effectiveDeadline(of id: Int64) -> Timestamp? {
        guard let row = database.row(id) else { return nil }
        if let own = row.deadlineAt { return own }
        guard let span = row.type.flatMap({ scenario.routes[$0]?.deadline }) else { return nil }
        return (row.createdAt ?? row.image.runAt) + span
    }

    /// Retention takes only what has ended, long enough ago, and what nobody waits for.
    private func checkPurge(_ row: MemoryRow) {
        ledger.purged += 1
        guard case .known(let status) = row.image.status, status.isFinal else {
            violated("task \(row.id) was removed, and it is \(row.image.status.word ?? "NULL")")
            return
        }
        if row.image.blocksKey { violated("task \(row.id) was removed, and it holds its ordering key") }
        guard let span = scenario.retention.span(for: status), let end = row.finishedAt, end + span < database.now else {
            violated("task \(row.id), \(status.rawValue), was removed before its time")
            return
        }
        if database.row(row.id) != nil || !database.attempts(of: row.id).isEmpty {
            violated("task \(row.id) was removed, and something of it is left")
        }
    }

    /// A task ends with the last of its deliveries.
    private func checkJoin(_ change: RowChange) {
        let deliveries = database.rows.filter { $0.parent == change.id }
        let isWell = deliveries.allSatisfy { $0.image.status == .known(.completed) }
        if !deliveries.allSatisfy({ $0.image.status.isFinal }) {
            violated("task \(change.id) has ended, and a delivery to a subscriber has not")
        }
        checkTransition(change, isWell ? .signalledCompleted : .signalledFailed)
    }

    private func checkSweep(_ change: RowChange) {
        guard let row = database.row(change.id), row.type != nil else { return }
        checkTransition(change, .deadlinePassed)
        if let deadline = row.deadlineAt, deadline < database.now { return }
        violated("task \(change.id) was swept before its deadline")
    }
}
