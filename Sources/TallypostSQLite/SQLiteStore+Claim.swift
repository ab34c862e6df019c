public import TallypostCore

extension SQLiteStore {
    /// At most ``rowsPerTransaction`` rows, whatever was asked for.
    public func claim(_ request: ClaimRequest) throws(StoreError) -> ClaimBatch {
        try lease(try look(for: request), relay: request.relay)
    }

    /// What is due, found and read without the write lock.
    struct Look {
        /// `data_version` before it began.
        let version: Int64
        let now: Timestamp
        var demands: [String: ClaimRequest.Demand] = [:]
        var chosen: [ClaimCandidate] = []
        var tasks: [ClaimedTask] = []
        var mayHaveMore = false
    }

    func look(for request: ClaimRequest) throws(StoreError) -> Look {
        let session = try opened(for: "claim_due")
        try session.connection.requireSameFile()
        var look = Look(version: try session.connection.dataVersion(), now: .machineNow)
        seenVersion = look.version
        let limit = min(request.limit, Self.rowsPerTransaction)
        look.demands = try demandsToServe(request, session.statements)
        guard limit > 0, !look.demands.isEmpty else { return look }

        var choice = ClaimChoice(demands: look.demands, limit: limit)
        try lookInLanes(for: &choice, now: look.now, session.statements)
        let sawAllKeys = try lookAtKeys(for: &choice, now: look.now, thorough: request.thorough, session.statements)
        let (chosen, leftSome) = choice.take(startingAt: turn)
        turn &+= 1
        look.chosen = chosen
        look.tasks = try ClaimReader(statements: session.statements, now: look.now).read(chosen)
        look.mayHaveMore = leftSome || !sawAllKeys || look.tasks.count < chosen.count
        return look
    }

    /// Writes the leases of what a look found. As long as nobody else has committed since it began, all that it read still
    /// holds; else the rows are read again under the lock, since one of them may be what was changed.
    func lease(_ look: Look, relay: String) throws(StoreError) -> ClaimBatch {
        var batch = ClaimBatch(tasks: look.tasks, now: look.now, mayHaveMore: look.mayHaveMore)
        guard !look.tasks.isEmpty else { return batch }
        let session = try opened(for: "claim_due")
        try session.connection.write { () throws(StoreError) in
            batch.now = .machineNow
            if try session.connection.dataVersion() != look.version {
                batch.tasks = try ClaimReader(statements: session.statements, now: batch.now).read(look.chosen)
                batch.tasks.removeAll { look.demands[$0.type] == nil }
                batch.mayHaveMore = batch.mayHaveMore || batch.tasks.count < look.chosen.count
            }
            try LeaseWriter(statements: session.statements, relay: relay, now: batch.now).lease(batch.tasks, for: look.demands)
        }
        remember(look.chosen)
        return batch
    }

    /// Which key each task in flight holds, so that its settlement says where a successor may be due. A hint: what is
    /// forgotten is found by the walk over the keys.
    private func remember(_ chosen: [ClaimCandidate]) {
        if keysInFlight.count > Self.mostKeysRemembered { keysInFlight.removeAll() }
        for candidate in chosen {
            if let key = candidate.key { keysInFlight[candidate.id] = key }
        }
    }

    private static let mostKeysRemembered = 50_000

    private func demandsToServe(
        _ request: ClaimRequest, _ statements: StoreStatements
    ) throws(StoreError) -> [String: ClaimRequest.Demand] {
        var demands: [String: ClaimRequest.Demand] = [:]
        for demand in request.demands where demand.limit > 0 { demands[demand.type] = demand }
        for type in try statements.pausedRoutes.rows({ $0.text(0) ?? "" }) { demands[type] = nil }
        return demands
    }

    /// What is due without an ordering key: one range scan per type and priority, from the index alone.
    private func lookInLanes(
        for choice: inout ClaimChoice, now: Timestamp, _ statements: StoreStatements
    ) throws(StoreError) {
        let lanes = try statements.openLanes.rows { Lane($0) }.filter { choice.wants($0.type) }
        // Nearly always a handful. Where somebody uses hundreds of priorities, each lane shows fewer of its rows: it gets
        // its turn one claim later.
        let crowd = max(1, lanes.count / 16)
        let scan = statements.dueInLane
        for lane in lanes {
            try scan.bind(1, text: lane.typeBytes)
            try scan.bind(2, lane.priority)
            try scan.bind(3, now.milliseconds)
            // One more than can be taken, to know whether any were left.
            let wanted = choice.most(of: lane.type) + 1
            try scan.bind(4, max(min(wanted, 4), wanted / crowd))
            try scan.forEachRow { row in
                choice.offer(
                    ClaimCandidate(
                        id: row.integer(0), type: lane.type, runAt: Timestamp(milliseconds: row.integer(1)),
                        priority: lane.priority))
            }
        }
    }

    /// Heads of ordering keys that may be claimed: first of the keys that were settled here, then onwards round the ring
    /// until there are enough. True when no key has been left out that could have one.
    private func lookAtKeys(
        for choice: inout ClaimChoice, now: Timestamp, thorough: Bool, _ statements: StoreStatements
    ) throws(StoreError) -> Bool {
        var offered: Set<Int64> = []
        func offer(_ head: KeyWalk.Head) -> Bool {
            guard head.isFree, head.runAt <= now, choice.wants(head.type) else { return false }
            if offered.insert(head.id).inserted {
                choice.offer(
                    ClaimCandidate(id: head.id, type: head.type, runAt: head.runAt, priority: head.priority, key: head.key))
            }
            return true
        }
        for key in hintedKeys {
            if let head = try KeyWalk.head(of: key, statements.keyHeads) { _ = offer(head) }
        }
        hintedKeys.removeAll(keepingCapacity: true)

        if thorough { claimWalk = KeyWalk() }
        let startsRound = claimWalk.cursor == nil
        var stretches = 0
        while offered.count <= choice.limit, thorough || stretches < Self.stretchesPerClaim {
            stretches += 1
            if case .endOfRound(let barren) = try claimWalk.advance(statements.keyHeads, now: now, visit: offer) {
                // What earlier calls met in this round may have been left to the next.
                return startsRound || barren
            }
        }
        return false
    }

    /// Stretches of the ring of keys that one claim walks, at most.
    private static let stretchesPerClaim = 4
}

/// Rows that share a type and a priority.
private struct Lane {
    let type: String
    /// As the database holds it: it need not be UTF-8.
    let typeBytes: [UInt8]
    let priority: Int64

    init(_ row: SQLiteStatement) {
        typeBytes = row.bytes(0) ?? []
        type = row.text(0) ?? ""
        priority = row.integer(1)
    }
}
