public import TallypostCore

extension PostgresStore {
    /// One transaction; a value that the database refuses is left out, and the others are written all the same.
    public func settle(_ outcomes: [Outcome]) throws(StoreError) -> Settlement {
        guard !outcomes.isEmpty else { return Settlement(written: 0, late: []) }
        let (free, locked) = try setLockedAside(outcomes)
        guard !free.isEmpty else { return Settlement(written: 0, late: [], locked: locked) }
        let plan = SettlementPlan(free)
        var settlement = try judge(run([plan.steps(step)])[0], free, plan)
        settlement.locked += locked
        return settlement
    }

    /// Both in one round trip.
    public func exchange(_ outcomes: [Outcome], _ request: ClaimRequest) throws(StoreError) -> (Settlement, ClaimBatch) {
        let (free, locked) = try setLockedAside(outcomes)
        guard !free.isEmpty else { return (Settlement(written: 0, late: [], locked: locked), try claim(request)) }
        noteKeys(of: free)
        let plan = SettlementPlan(free)
        let (settled, batch) = try claim(request, settling: [plan.steps(step)])
        do {
            var settlement = try judge(settled[0], free, plan)
            settlement.locked += locked
            return (settlement, batch)
        } catch {
            // The caller will not learn what was claimed: give it back, so that it costs no attempt. What fails here waits for its lease.
            let unseen = batch.tasks.map { Outcome(id: $0.id, epoch: $0.epoch, change: .released(after: .zero)) }
            if !unseen.isEmpty { _ = try? settle(unseen) }
            throw error
        }
    }

    /// SQLSTATE lock_not_available: `lock_timeout` was up.
    private static let lockNotAvailable = "55P03"

    // MARK: Rows that somebody has locked

    /// Rows that were locked the last time are looked at before they are written, so that they cost no wait again.
    private func setLockedAside(_ outcomes: [Outcome]) throws(StoreError) -> (free: [Outcome], locked: [Outcome]) {
        guard !lockedRows.isEmpty else { return (outcomes, []) }
        let suspects = outcomes.filter { lockedRows.contains($0.id) }
        guard !suspects.isEmpty else { return (outcomes, []) }
        let locked = try findLocked(suspects)
        lockedRows.subtract(suspects.map(\.id))
        lockedRows.formUnion(locked)
        return (outcomes.filter { !locked.contains($0.id) }, outcomes.filter { locked.contains($0.id) })
    }

    private func findLocked(_ outcomes: [Outcome]) throws(StoreError) -> Set<Int64> {
        let result = try run("locked_rows") { $0.append(outcomes.map(\.id)) }
        return Set((0..<result.rowCount).compactMap { result.integer($0, 0) })
    }

    /// The settlement waited for a lock in vain: writes what it can, and says what it cannot.
    private func settleAround(_ outcomes: [Outcome], _ error: StoreError) throws(StoreError) -> Settlement {
        let locked = try findLocked(outcomes)
        // Free again, or the lock is on the table: the caller tries again as with any busy database.
        guard !locked.isEmpty else { throw error }
        lockedRows.formUnion(locked)
        var settlement = try settle(outcomes.filter { !locked.contains($0.id) })
        settlement.locked += outcomes.filter { locked.contains($0.id) }
        return settlement
    }

    /// Whatever ends may free its key: the next claim looks at it.
    private func noteKeys(of outcomes: [Outcome]) {
        guard !keyOfClaimed.isEmpty else { return }
        for outcome in outcomes {
            guard let key = keyOfClaimed.removeValue(forKey: outcome.id) else { continue }
            let now = databaseNow()
            switch outcome.change {
            case .retry(let delay, _, _), .released(let delay), .held(let delay, _): keys.expect(key, at: now + delay, now: now)
            default: keys.hint(key)
            }
        }
    }

    private func judge(
        _ result: Result<[PostgresResult], StoreError>, _ outcomes: [Outcome], _ plan: SettlementPlan
    ) throws(StoreError) -> Settlement {
        switch result {
        case .failure(let error):
            if error.code == Self.lockNotAvailable { return try settleAround(outcomes, error) }
            guard error.kind == .data else { throw error }
            return try bisect(outcomes, error)
        case .success(let results):
            noteKeys(of: outcomes)
            let (written, madeDue) = plan.read(results)
            if written == outcomes.count { return Settlement(written: written, late: [], madeDue: madeDue) }
            var settlement = try tellLate(outcomes)
            settlement.madeDue = settlement.madeDue || madeDue
            return settlement
        }
    }

    /// Some rows did not change: were they written by an earlier try, or is the lease lost?
    private func tellLate(_ outcomes: [Outcome]) throws(StoreError) -> Settlement {
        let result = try run("settled_before") {
            $0.append(outcomes.map(\.id))
            $0.append(outcomes.map(\.epoch))
            $0.append(outcomes.map { Optional($0.status.rawValue) })
        }
        let standing = Set((0..<result.rowCount).compactMap { result.integer($0, 0) })
        let missing = outcomes.filter { !standing.contains($0.id) }
        // A successor may have come to hang on one since it was claimed.
        let overtaken = missing.filter { $0.isPlain }
        var settlement = Settlement(written: 0, late: [])
        if !overtaken.isEmpty {
            settlement = try settle(
                overtaken.map {
                    var outcome = $0
                    outcome.hasFollowers = true
                    return outcome
                })
        }
        settlement.late += missing.filter { !$0.isPlain }.map(\.id)
        settlement.written = outcomes.count - settlement.late.count - settlement.locked.count
        return settlement
    }

    /// One value among them was refused: the others must not suffer. The last one alone is written without what it brought.
    private func bisect(_ outcomes: [Outcome], _ error: StoreError) throws(StoreError) -> Settlement {
        if outcomes.count == 1 {
            let bare = outcomes[0].withoutTexts(because: "\(error)")
            guard bare != outcomes[0] else { throw error }
            return try settle([bare])
        }
        let middle = outcomes.count / 2
        let first = try settle(Array(outcomes[..<middle]))
        let second = try settle(Array(outcomes[middle...]))
        return Settlement(
            written: first.written + second.written, late: first.late + second.late, locked: first.locked + second.locked,
            madeDue: first.madeDue || second.madeDue)
    }
}

extension Outcome {
    /// The same outcome with nothing of the receiver's in it.
    fileprivate func withoutTexts(because reason: String) -> Outcome {
        var bare = self
        bare.attempt?.responseStart = nil
        bare.attempt?.error = reason
        switch change {
        case .completed(let status, _): bare.change = .completed(responseStatus: status, result: nil)
        case .waiting(let status, _, let longest, let heartbeat):
            bare.change = .waiting(responseStatus: status, startResult: nil, longestWait: longest, heartbeat: heartbeat)
        case .fannedOut: break
        case .retry(let delay, let status, _): bare.change = .retry(after: delay, responseStatus: status, error: reason)
        case .failed(let status, _): bare.change = .failed(responseStatus: status, error: reason)
        case .timedOut: bare.change = .timedOut(error: reason)
        case .released: break
        case .held(let delay, _): bare.change = .held(after: delay, reason: reason)
        }
        return bare
    }
}
