public import TallypostCore

extension PostgresStore {
    /// Several short transactions in one round trip; what one leased is handed over even if a later one fails.
    public func claim(_ request: ClaimRequest) throws(StoreError) -> ClaimBatch {
        try claim(request, settling: []).1
    }

    /// One visit: a settlement's groups first, when there are any, then the look for due tasks. A busy visit is one round trip; one
    /// that sweeps or walks the keys looks first at what there is, so that keyed tasks get their share of the batch.
    func claim(
        _ request: ClaimRequest, settling groups: [[PostgresConnection.Step]]
    ) throws(StoreError) -> ([Result<[PostgresResult], StoreError>], ClaimBatch) {
        let started = Moment.now()
        // Busy with full batches, a claim goes on from the mark; it sweeps when it can be afforded, and at the last ten times a second.
        let sweeps =
            request.thorough || (sweepPace.allows(started) && (!lastClaimWasFull || started - sweptAt > .milliseconds(100)))
        let demands = Dictionary(request.demands.map { ($0.type, $0) }, uniquingKeysWith: { first, _ in first })
        keys.takeDue(at: databaseNow())
        for type in demands.keys {
            let usual = Lane(type: type, priority: 0)
            if lanes[usual] == nil { lanes[usual] = .start }
        }
        // What was settled just now may have freed its key: known only when it is written, so the settlement goes first.
        var settled: [Result<[PostgresResult], StoreError>] = []
        var looking = TimeSpan.zero
        if sweeps, hasLookedRound, !request.thorough, !lastClaimWasFull, !keys.mayHaveDue {
            let quick = try claimQuickly(request, demands, settling: groups, at: started)
            if let batch = quick.batch { return (quick.settled, batch) }
            settled = quick.settled
        }
        // Keys are looked for when sweeps are too dear, too: new tasks of theirs are found by their ids.
        if sweeps || keys.walk.isUnderWay || hasNews || started - lookedAt > .milliseconds(100) {
            hasNews = false
            lookedAt = started
            let keySteps = keySteps(thorough: request.thorough)
            var asked = settled.isEmpty ? groups : []
            let pending = asked.count
            asked.append(keySteps + (sweeps ? [openLanesStep(whole: true)] : []))
            var results = try run(asked)
            settled += results.prefix(pending)
            results.removeFirst(pending)
            let seen = try results.removeFirst().get()
            learnKeys(seen[...], keySteps)
            if sweeps {
                learnLanes(seen[keySteps.count])
                hasLookedRound = true
            }
            if keySteps.count == 1 { looking = visitTook }
        }
        let plan = ClaimPlan(request, demands, lanes, open: openLanes, keys: keys.hinted, marksApply: !sweeps, turn: &keyTurn)
        var asked = settled.isEmpty ? groups : []
        let pending = asked.count
        if let heads = plan.heads { asked.append([headsStep(heads, plan.keys, request)]) }
        if !plan.lanes.isEmpty { asked.append([lanesStep(plan, request)]) }
        var tasks: [ClaimedTask] = []
        var keysAreLeft = keys.walk.isUnderWay
        if !asked.isEmpty {
            var results = try run(asked)
            settled += results.prefix(pending)
            results.removeFirst(pending)
            if let heads = plan.heads { keysAreLeft = try takeHeads(results.removeFirst(), heads, plan, &tasks) || keysAreLeft }
            if !plan.lanes.isEmpty {
                // Heads that are leased already must reach the caller: a failure is told only when there is nothing else to tell.
                do throws(StoreError) { tasks += try read(results.removeFirst().get()[0]) } catch {
                    if tasks.isEmpty { throw error }
                }
            }
            looking = looking + visitTook
        }
        if sweeps {
            sweptAt = started
            sweepPace.took(looking, rows: tasks.count, at: Moment.now())
        }
        var batch = finish(tasks, request, plan, keysAreLeft: keysAreLeft)
        if !sweeps, !batch.mayHaveMore, sweepPace.allows(started) {
            // A backlog seems to have ended here. Behind the marks may be rows that committed late or came back: look before resting.
            if batch.tasks.isEmpty { batch = try claim(request, settling: []).1 } else { batch.mayHaveMore = true }
        }
        return (settled, batch)
    }

    /// One round trip, for a store at rest: what is due in the lanes that are known. After news nothing else is asked, and the
    /// survey that follows finds what else there is; without news the look goes round the table in the same visit. No batch
    /// when there is more to ask about: a lane or a key that was not known yet.
    private func claimQuickly(
        _ request: ClaimRequest, _ demands: [String: ClaimRequest.Demand], settling groups: [[PostgresConnection.Step]],
        at started: Instant
    ) throws(StoreError) -> (settled: [Result<[PostgresResult], StoreError>], batch: ClaimBatch?) {
        let followsNews = hasNews
        hasNews = false
        let plan = ClaimPlan(request, demands, lanes, open: openLanes, keys: [], marksApply: false, turn: &keyTurn)
        guard !plan.lanes.isEmpty else { return ([], nil) }
        let keySteps = followsNews ? [] : keySteps(thorough: false)
        let looksAround = followsNews ? [] : [keySteps + [openLanesStep(whole: true)]]
        var results = try run(groups + [[lanesStep(plan, request)]] + looksAround)
        let settled = Array(results.prefix(groups.count))
        results.removeFirst(groups.count)
        let tasks = try read(results.removeFirst().get()[0])
        if followsNews, tasks.isEmpty { return (settled, nil) }
        var isLeft = false
        if !followsNews {
            let knew = Set(lanes.keys)
            lookedAt = started
            // Tasks that are leased already must reach the caller, whatever else fails.
            if let seen = try? results.removeFirst().get() {
                learnKeys(seen[...], keySteps)
                learnLanes(seen[keySteps.count])
            }
            isLeft = keys.mayHaveDue || !openLanes.isSubset(of: knew)
            if isLeft, tasks.isEmpty { return (settled, nil) }
        }
        sweptAt = started
        // A step of the walk is paced by itself.
        if keySteps.count < 2 { sweepPace.took(visitTook, rows: tasks.count, at: Moment.now()) }
        return (settled, finish(tasks, request, plan, keysAreLeft: isLeft))
    }

    private func finish(_ claimed: [ClaimedTask], _ request: ClaimRequest, _ plan: ClaimPlan, keysAreLeft: Bool) -> ClaimBatch {
        var counts: [String: Int] = [:]
        var unkeyed = 0
        var bytes = 0
        for task in claimed {
            bytes += task.payload?.count ?? 0
            if let key = task.orderingKey {
                if keyOfClaimed.count < Self.mostRememberedKeys { keyOfClaimed[task.id] = key }
                continue
            }
            unkeyed += 1
            counts[task.type, default: 0] += 1
            let lane = Lane(type: task.type, priority: Int64(task.priority))
            if let mark = lanes[lane], (mark.runAt, mark.id) < (task.runAt, task.id) {
                lanes[lane] = Mark(runAt: task.runAt, id: task.id)
            }
        }
        lastClaimWasFull =
            unkeyed >= plan.laneLimit || bytes >= Self.bytesPerClaim
            || plan.laneLimits.contains { type, limit in counts[type, default: 0] >= limit }
        if request.limit <= 0 || plan.types.isEmpty { lastClaimWasFull = false }
        if !claimed.isEmpty { guardWait = Self.shortestGuardWait }
        // A trickle is best told task by task; a flood is found without being told, and its commits should not notify.
        if claimed.count >= Self.flood { guardState = guardState == .on || guardState == .toBeReleased ? .toBeReleased : .off }
        let tasks = claimed.sorted { ($0.turn, $0.id) < ($1.turn, $1.id) }
        return ClaimBatch(tasks: tasks, now: databaseNow(), mayHaveMore: lastClaimWasFull || keysAreLeft, mark: takeMark())
    }

    /// So many tasks at once mean that the next look need not be asked for.
    private static let flood = 8

    private func lanesStep(_ plan: ClaimPlan, _ request: ClaimRequest) -> PostgresConnection.Step {
        step("claim_due") {
            $0.append(plan.lanes.map { Optional($0.lane.type) })
            $0.append(plan.lanes.map(\.lane.priority))
            $0.append(plan.lanes.map { Int64(min(plan.laneLimits[$0.lane.type] ?? 0, plan.laneLimit)) })
            $0.append(plan.lanes.map { plan.leases[$0.lane.type] ?? 0 })
            $0.append(plan.lanes.map { Optional($0.mark.runAt.literal) })
            $0.append(plan.lanes.map(\.mark.id))
            $0.append(plan.laneLimit)
            $0.append(request.relay)
            $0.append(Self.bytesPerClaim)
        }
    }

    // MARK: Ordering keys

    /// What is asked of the keys beside anything else.
    func keySteps(thorough: Bool) -> [PostgresConnection.Step] {
        let (newest, cursor) = (keys.newestID, keys.walk.cursor)
        let new = step("new_keys") {
            $0.append(Int(newest))
            $0.append(Self.keysPerWalk)
        }
        guard thorough || keys.walks(at: Moment.now()) else { return [new] }
        let walk = step("key_heads") {
            $0.append(cursor)
            $0.append(Self.keysPerWalk)
        }
        return [new, walk]
    }

    /// Takes the answers to ``keySteps(thorough:)``, which come first.
    func learnKeys(_ results: ArraySlice<PostgresResult>, _ steps: [PostgresConnection.Step]) {
        guard let new = results.first else { return }
        keys.learnNew(new)
        guard steps.count > 1 else { return }
        keys.learnHeads(results[results.startIndex + 1], limit: Self.keysPerWalk, took: visitTook, at: Moment.now())
    }

    private func headsStep(_ heads: ClaimPlan.Heads, _ keys: [String], _ request: ClaimRequest) -> PostgresConnection.Step {
        step("claim_heads") {
            $0.append(keys.map { Optional($0) })
            $0.append(heads.limits.map { Optional($0.type) })
            $0.append(heads.limits.map { Int64($0.limit) })
            $0.append(heads.limits.map { $0.lease })
            $0.append(heads.limit)
            $0.append(request.relay)
            $0.append(Self.bytesPerClaim)
        }
    }

    /// Adds the heads that were claimed, and says whether keys are left to be asked about at once.
    private func takeHeads(
        _ outcome: Result<[PostgresResult], StoreError>, _ heads: ClaimPlan.Heads, _ plan: ClaimPlan, _ tasks: inout [ClaimedTask]
    ) throws(StoreError) -> Bool {
        switch outcome {
        case .success(let results):
            let claimed = try read(results[0])
            tasks += claimed
            var counts: [String: Int] = [:]
            for task in claimed { counts[task.type, default: 0] += 1 }
            let isCut =
                claimed.count >= heads.limit || claimed.reduce(0) { $0 + ($1.payload?.count ?? 0) } >= Self.bytesPerClaim
                || heads.limits.contains { counts[$0.type, default: 0] >= $0.limit }
            // Cut short, the others keep their hint. Else they have nothing due: whatever changes that hints anew.
            keys.forget(isCut ? claimed.compactMap(\.orderingKey) : plan.keys)
            return !keys.hinted.isEmpty
        case .failure(let error):
            // Another relay took a task of one of these keys at the same moment: the database has refused the second. Ask again.
            guard error.code == "23505" else { throw error }
            return true
        }
    }

    // MARK: Rows

    private func takeMark() -> Int64? {
        defer { markSeen = nil }
        return markSeen
    }

    private func read(_ result: PostgresResult) throws(StoreError) -> [ClaimedTask] {
        var tasks: [ClaimedTask] = []
        tasks.reserveCapacity(result.rowCount)
        // The same in all of them.
        if result.rowCount > 0, let mark = result.integer(0, 24) { markSeen = min(markSeen ?? mark, mark) }
        for row in 0..<result.rowCount {
            guard let id = result.integer(row, 0), let epoch = result.integer(row, 1), let runAt = result.time(row, 10) else {
                throw StoreError(
                    kind: .defect, code: "", operation: "claim_due", message: "a claimed row has no id, epoch or run_at")
            }
            tasks.append(
                ClaimedTask(
                    id: id, epoch: epoch, type: result.text(row, 2) ?? "", attempt: Int(result.integer(row, 3) ?? 1),
                    statusBefore: result.text(row, 4) ?? "NULL", payload: result.bytes(row, 5),
                    idempotencyKey: result.text(row, 6) ?? "pending_tasks-\(id)", subject: result.text(row, 7),
                    targetURL: result.text(row, 8), headers: result.text(row, 9), runAt: runAt,
                    createdAt: result.time(row, 11) ?? runAt, deadlineAt: result.time(row, 12),
                    priority: Int(result.integer(row, 13) ?? 0), orderingKey: result.text(row, 14),
                    maxAttempts: result.integer(row, 15).map { Int($0) }, timeoutSeconds: result.integer(row, 16).map { Int($0) },
                    waitsForSignal: result.integer(row, 17) == 1, signalToken: result.text(row, 18),
                    traceparent: result.text(row, 19),
                    checkpoint: result.text(row, 20), previousTask: result.integer(row, 21), previousResult: result.text(row, 22),
                    hasFollowers: result.integer(row, 23) == 1))
        }
        return tasks
    }
}

extension ClaimedTask {
    /// What decides whose turn it is: waiting makes up for priority at one minute a step.
    fileprivate var turn: Timestamp { runAt + .minutes(-Int64(priority)) }
}
