public import TallypostCore

extension PostgresStore {
    public func claim(_ request: ClaimRequest) throws(StoreError) -> ClaimBatch {
        try claim(request, settling: []).1
    }

    /// One visit: a settlement's groups first, when there are any, then the look for due tasks, all in one round trip.
    func claim(
        _ request: ClaimRequest, settling groups: [[PostgresConnection.Step]]
    ) throws(StoreError) -> ([Result<[PostgresResult], StoreError>], ClaimBatch) {
        let started = Moment.now()
        // Busy with full batches, a claim goes on from the mark; it sweeps when it can be afforded, and at the last ten times a second.
        let sweeps =
            request.thorough || (sweepPace.allows(started) && (!lastClaimWasFull || started - sweptAt > .milliseconds(100)))
        let demands = Dictionary(request.demands.map { ($0.type, $0) }, uniquingKeysWith: { first, _ in first })
        var asked = groups
        for type in demands.keys {
            let usual = Lane(type: type, priority: 0)
            if lanes[usual] == nil { lanes[usual] = .start }
        }
        let wanted = lanes.filter { demands[$0.key.type] != nil }
        if !wanted.isEmpty { asked.append([claimStep(wanted, demands, request, fromStart: sweeps)]) }
        let walks = sweeps || !hintedKeys.isEmpty
        if walks { asked.append([keyWalkStep()]) }
        if sweeps { asked.append([step("open_lanes")]) }

        var results = try run(asked)
        let settled = Array(results.prefix(groups.count))
        results.removeFirst(groups.count)
        var tasks: [ClaimedTask] = []
        if !wanted.isEmpty { tasks += try read(results.removeFirst().get()[0]) }
        var keys = hintedKeys
        var moreKeys = false
        if walks { moreKeys = learnHeads(try results.removeFirst().get()[0], demands, &keys) }
        if sweeps {
            let before = Set(lanes.keys)
            try learnLanes(results.removeFirst().get()[0])
            // A type's very first row: do not make it wait for the next visit.
            let fresh = lanes.filter { !before.contains($0.key) && demands[$0.key.type] != nil }
            if !fresh.isEmpty, tasks.count < request.limit {
                try keeping(tasks) { () throws(StoreError) in
                    tasks += try read(run([[claimStep(fresh, demands, request, fromStart: true)]])[0].get()[0])
                }
            }
        }
        if !keys.isEmpty, tasks.count < request.limit {
            try keeping(tasks) { () throws(StoreError) in
                tasks += try claimHeads(keys, demands, request, limit: request.limit - tasks.count)
            }
        }
        if sweeps {
            sweptAt = started
            sweepPace.took(Moment.now() - started, rows: tasks.count, at: Moment.now())
        }
        return (settled, finish(tasks, request, demands, moreKeys: moreKeys))
    }

    /// What is leased already must reach the caller: a failure of a further step is told only when there is nothing else to tell.
    /// The connection, if it broke, says so again at the next call.
    private func keeping(_ tasks: [ClaimedTask], _ step: () throws(StoreError) -> Void) throws(StoreError) {
        do throws(StoreError) { try step() } catch { if tasks.isEmpty { throw error } }
    }

    private func finish(
        _ claimed: [ClaimedTask], _ request: ClaimRequest, _ demands: [String: ClaimRequest.Demand], moreKeys: Bool
    ) -> ClaimBatch {
        var counts: [String: Int] = [:]
        var bytes = 0
        for task in claimed {
            counts[task.type, default: 0] += 1
            bytes += task.payload?.count ?? 0
            if let key = task.orderingKey {
                if keyOfClaimed.count < Self.mostRememberedKeys { keyOfClaimed[task.id] = key }
            } else {
                let lane = Lane(type: task.type, priority: Int64(task.priority))
                if let mark = lanes[lane], (mark.runAt, mark.id) < (task.runAt, task.id) {
                    lanes[lane] = Mark(runAt: task.runAt, id: task.id)
                }
            }
        }
        lastClaimWasFull =
            claimed.count >= request.limit || bytes >= Self.bytesPerClaim || counts.contains { type, count in count >= demands[type]?.limit ?? .max }
        if !claimed.isEmpty, guardState == .on { guardState = .toBeReleased }
        let tasks = claimed.sorted { ($0.turn, $0.id) < ($1.turn, $1.id) }
        return ClaimBatch(tasks: tasks, now: databaseNow(), mayHaveMore: lastClaimWasFull || moreKeys)
    }

    private func claimStep(
        _ wanted: [Lane: Mark], _ demands: [String: ClaimRequest.Demand], _ request: ClaimRequest, fromStart: Bool
    ) -> PostgresConnection.Step {
        let lanes = wanted.sorted { ($0.key.type, $0.key.priority) < ($1.key.type, $1.key.priority) }
        return step("claim_due") {
            $0.append(lanes.map { Optional($0.key.type) })
            $0.append(lanes.map(\.key.priority))
            $0.append(lanes.map { Int64(min(demands[$0.key.type]?.limit ?? 0, request.limit)) })
            $0.append(lanes.map { demands[$0.key.type]?.lease.milliseconds ?? 0 })
            $0.append(lanes.map { Optional(fromStart ? "-infinity" : $0.value.runAt.literal) })
            $0.append(lanes.map { fromStart ? Int64.min : $0.value.id })
            $0.append(request.limit)
            $0.append(request.relay)
            $0.append(Self.bytesPerClaim)
        }
    }

    // MARK: Ordering keys

    private func keyWalkStep() -> PostgresConnection.Step {
        let cursor = keyCursor
        return step("key_heads") {
            $0.append(cursor)
            $0.append(Self.keysPerWalk)
        }
    }

    /// Adds the keys whose head is due and free, and says whether the walk has not come round yet.
    private func learnHeads(_ result: PostgresResult, _ demands: [String: ClaimRequest.Demand], _ keys: inout Set<String>) -> Bool
    {
        if keyCursor.isEmpty {
            nextHeadDue = nil
            keyedTypes = []
        }
        for row in 0..<result.rowCount {
            // The walk begins at its cursor, which the last one has visited; the empty text is a key too.
            if !keyCursor.isEmpty, result.text(row, 0) == keyCursor { continue }
            guard let type = result.text(row, 1), let runAt = result.time(row, 2), let now = result.time(row, 4) else { continue }
            keyedTypes.insert(type)
            guard result.integer(row, 3) == 1 else { continue }
            if runAt > now {
                nextHeadDue = min(nextHeadDue ?? runAt, runAt)
            } else if demands[type] != nil, let key = result.text(row, 0) {
                keys.insert(key)
            }
        }
        let isFull = result.rowCount >= Self.keysPerWalk
        keyCursor = isFull ? result.text(result.rowCount - 1, 0) ?? "" : ""
        return isFull
    }

    private func claimHeads(
        _ keys: Set<String>, _ demands: [String: ClaimRequest.Demand], _ request: ClaimRequest, limit: Int
    ) throws(StoreError) -> [ClaimedTask] {
        let types = demands.values.sorted { $0.type < $1.type }
        let outcome = try run([
            [
                step("claim_heads") {
                    $0.append(keys.sorted().map { Optional($0) })
                    $0.append(types.map { Optional($0.type) })
                    $0.append(types.map { Int64($0.limit) })
                    $0.append(types.map(\.lease.milliseconds))
                    $0.append(limit)
                    $0.append(request.relay)
                    $0.append(Self.bytesPerClaim)
                }
            ]
        ])[0]
        switch outcome {
        case .success(let results):
            hintedKeys.subtract(keys)
            return try read(results[0])
        case .failure(let error):
            // Another relay took a task of one of these keys at the same moment: the database has refused the second.
            if error.code == "23505" { return [] }
            throw error
        }
    }

    // MARK: Rows

    private func read(_ result: PostgresResult) throws(StoreError) -> [ClaimedTask] {
        var tasks: [ClaimedTask] = []
        tasks.reserveCapacity(result.rowCount)
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
                    checkpoint: result.text(row, 20)))
        }
        return tasks
    }
}

extension ClaimedTask {
    /// What decides whose turn it is: waiting makes up for priority at one minute a step.
    fileprivate var turn: Timestamp { runAt + .minutes(-Int64(priority)) }
}
