import TallypostCore

/// The rules, as they show in what a relay decides.
extension World {
    /// - Parameter actions: decided just now, not carried out yet.
    func checkDecisions(_ actions: [RelayAction], of process: RelayProcess) {
        var perChannel: [String: Int]?
        for action in actions {
            switch action {
            case .openStore, .order:
                if !process.takesOrder {
                    violated("relay-\(process.number) gives its store a second order while one is under way")
                }
                process.takesOrder = false
                if case .order(let order) = action { checkOrder(order, of: process) }
            case .listen:
                if !process.takesOrder { violated("relay-\(process.number) listens while an order is under way") }
            case .send(let delivery):
                var counts = perChannel ?? countFlights(of: process)
                checkSend(delivery, of: process, &counts)
                perChannel = counts
            case .report(let notice): hear(notice, of: process)
            case .finished: checkFinish(of: process)
            }
        }
    }

    private func countFlights(of process: RelayProcess) -> [String: Int] {
        var counts: [String: Int] = [:]
        for number in process.openFlights {
            let delivery = flights[number].delivery
            counts["\(delivery.task.type) \(delivery.origin.host)", default: 0] += 1
        }
        return counts
    }

    private func checkOrder(_ order: StoreOrder, of process: RelayProcess) {
        if order.isEmpty { violated("relay-\(process.number) gives an empty order") }
        if order.outcomes.count > scenario.limits.settleBatch {
            violated("relay-\(process.number) settles \(order.outcomes.count) at once")
        }
        // The last order that a drain gives is the one that proves it done.
        process.provedFrom = time
        checkAbsences(order.outcomes, of: process)
        for outcome in order.outcomes { ledger.leases[LeaseID(id: outcome.id, epoch: outcome.epoch)]?.isAnswered = true }
        guard let claim = order.claim else { return }
        if process.isStopping { violated("relay-\(process.number) is stopping and claims") }
        let room = min(scenario.limits.claimBatch, scenario.limits.heldTasks)
        if claim.limit < 1 || claim.limit > room { violated("relay-\(process.number) claims \(claim.limit) tasks at once") }
        if claim.demands.isEmpty || claim.demands.contains(where: { $0.limit < 1 }) {
            violated("relay-\(process.number) claims nothing of a type")
        }
    }

    private func checkSend(_ delivery: Delivery, of process: RelayProcess, _ counts: inout [String: Int]) {
        checkBatch(delivery, of: process)
        for task in delivery.items { checkItem(task, of: delivery, process) }
        let who = "relay-\(process.number) sends task \(delivery.task.id), epoch \(delivery.task.epoch)"
        if !process.relay.reachesStore { violated("\(who), while it cannot reach its database") }
        if process.goneTypes.contains(delivery.task.type) { violated("\(who), though a receiver of its type said 410") }
        checkFlow(delivery, of: process)
        let leases = delivery.items.map { LeaseID(id: $0.id, epoch: $0.epoch) }
        process.unanswered.formUnion(leases)
        if delivery.isBatch { process.companions[leases[0]] = leases }
        let channel = "\(delivery.task.type) \(delivery.origin.host)"
        counts[channel, default: 0] += 1
        let places = process.routes[delivery.task.type]?.concurrency ?? .max
        if counts[channel, default: 0] > places { violated("\(who): \(counts[channel, default: 0]) at once to one destination") }
    }

    /// The tasks of one request share what it has only one of, and are no more than the route says.
    private func checkBatch(_ delivery: Delivery, of process: RelayProcess) {
        let who = "relay-\(process.number) sends task \(delivery.task.id) with \(delivery.others.count) others"
        let batch = process.routes[delivery.task.type]?.batch
        if delivery.isBatch != (batch != nil) { violated("\(who), against its route") }
        if delivery.items.count > batch?.most ?? 1 { violated("\(who), and \(batch?.most ?? 1) is the most") }
        for other in delivery.others {
            if other.type != delivery.task.type || other.targetURL != delivery.task.targetURL {
                violated("\(who), and task \(other.id) goes elsewhere")
            }
        }
        let bytes = delivery.items.reduce(0) { $0 + ($1.payload?.count ?? 0) }
        if !delivery.others.isEmpty, bytes > scenario.limits.batchBytes { violated("\(who): \(bytes) bytes") }
    }

    private func checkItem(_ task: ClaimedTask, of delivery: Delivery, _ process: RelayProcess) {
        let who = "relay-\(process.number) sends task \(task.id), epoch \(task.epoch)"
        let lease = LeaseID(id: task.id, epoch: task.epoch)
        guard let held = ledger.leases[lease], held.process == process.number else {
            violated("\(who), which it never leased")
            return
        }
        ledger.leases[lease]?.sends += 1
        if held.sends > 0 { violated("\(who), twice") }
        if held.isAnswered { violated("\(who), of which it has handed in an outcome") }
        if let row = database.row(task.id) {
            if row.image.epoch != task.epoch || row.image.status != .known(.processing) {
                violated("\(who), and the task is \(row.image.status.word ?? "NULL") in epoch \(row.image.epoch)")
            }
            if let most = mostAttempts(of: row), most > 0, task.attempt > most {
                violated("\(who): attempt \(task.attempt) of \(most)")
            }
        }
        if databaseTime + delivery.timeout > held.end { violated("\(who), though its lease can end before the request does") }
        if let deadline = effectiveDeadline(of: task.id), databaseTime > deadline + Self.clockTolerance {
            violated("\(who), \((databaseTime - deadline).milliseconds) ms after its deadline")
        }
    }

    /// When a relay says that it has finished.
    private func checkFinish(of process: RelayProcess) {
        if let by = process.stopBy, time < by - 10 * millisecond {
            for (lease, held) in ledger.leases where held.process == process.number && held.isKnown {
                guard let row = database.row(lease.id), row.image.epoch == lease.epoch else { continue }
                if row.image.status == .known(.processing) {
                    violated("relay-\(process.number) stopped and keeps the lease of task \(lease.id)")
                }
            }
        }
        let inTime = process.stopBy.map { time < $0 - 10 * millisecond } ?? true
        if inTime, let id = process.owed.keys.min() {
            violated("relay-\(process.number) finished in time and handed in nothing for task \(id)")
        }
        guard process.stopBy == nil else { return }
        guard process.drains else {
            violated("relay-\(process.number) finished, and nobody asked it to")
            return
        }
        let rows = database.rows
        for row in rows where (ledger.changedAt[row.id] ?? 0) < process.provedFrom {
            if row.image.status == .known(.processing) {
                violated("relay-\(process.number) has drained, and task \(row.id) is still leased")
            }
            guard row.image.status.isClaimable, row.image.runAt < databaseStart + TimeSpan(nanoseconds: process.provedFrom),
                let type = row.type, database.pausedRoutes[type] == nil, (ledger.resumedAt[type] ?? 0) < process.provedFrom
            else { continue }
            let isBehind = rows.contains { other in
                guard let key = row.orderingKey, other.orderingKey == key, other.id != row.id else { return false }
                let changed = ledger.changedAt[other.id] ?? 0
                return other.image.status.isInFlight || other.id < row.id && other.holdsKey || changed >= process.provedFrom
            }
            if !isBehind { violated("relay-\(process.number) has drained, and task \(row.id) is due") }
        }
    }

    // MARK: What comes back from its store

    func checkOrder(_ run: StoreRun, _ event: RelayEvent, of process: RelayProcess) {
        process.takesOrder = true
        if case .open = run.command { process.idleOrders = 0 }
        guard case .order(let order) = run.command, case .storeDone(let report) = event else { return }
        for outcome in order.outcomes where process.owed[outcome.id] == outcome.epoch { process.owed[outcome.id] = nil }
        // A task leased anew is owed anew: the answer to the lost lease is nobody's.
        for task in report.batch?.tasks ?? [] { process.owed[task.id] = task.epoch }
        for task in report.batch?.tasks ?? [] { ledger.leases[LeaseID(id: task.id, epoch: task.epoch)]?.isKnown = true }
        let broughtNothing =
            order.outcomes.isEmpty && order.pauses.isEmpty && (report.batch?.tasks.isEmpty ?? true) && (report.swept ?? 0) == 0
            && (report.expired?.isEmpty ?? true)
        guard broughtNothing, report.failure == nil, scenario.falseAlarms == 0 else { return }
        if time - process.idleSince > second || process.idleSince < changedAt {
            process.idleSince = time
            process.idleOrders = 0
        }
        process.idleOrders += 1
        if process.idleOrders > Self.mostIdleOrders {
            violated(
                "relay-\(process.number) asks its database \(process.idleOrders) times within a second in which nothing changes")
        }
    }

    /// Orders of one relay within a second that bring nothing, while nothing changes in the database.
    static let mostIdleOrders = 40

    /// The bounds of its memory.
    func checkBounds(of process: RelayProcess) {
        let limits = scenario.limits
        let relay = process.relay
        if relay.heldCount > limits.heldTasks {
            violated("relay-\(process.number) holds \(relay.heldCount) tasks of \(limits.heldTasks)")
        }
        if relay.heldCount > process.holdBound {
            violated("relay-\(process.number) holds \(relay.heldCount) tasks, and its routes warrant \(process.holdBound)")
        }
        if relay.inFlightCount > limits.inFlight {
            violated("relay-\(process.number) has \(relay.inFlightCount) requests in flight")
        }
        if relay.inFlightCount != process.openFlights.count + process.answers.count {
            violated(
                "relay-\(process.number) counts \(relay.inFlightCount) requests in flight; there are \(process.openFlights.count)"
            )
        }
        if process.isStopping, process.takesOrder, relay.reachesStore, relay.unsettledCount == 0,
            let (id, epoch) = process.owed.filter({ ledger.leases[LeaseID(id: $0, epoch: $1)]?.sends == 0 }).min(by: {
                $0.key < $1.key
            })
        {
            violated("relay-\(process.number) stops and keeps task \(id), epoch \(epoch), which it has not sent")
        }
        let most = limits.heldTasks + 3 * limits.choreBatch + limits.claimBatch + limits.settleBatch
        if relay.unsettledCount > most { violated("relay-\(process.number) keeps \(relay.unsettledCount) outcomes") }
    }

    /// For each type its places, what it fetches ahead, and a round more for each destination that rows may name.
    func holdBound(of routes: [String: RoutePolicy]) -> Int {
        let targets = scenario.hasRowTargets || scenario.hasOddRows ? scenario.origins.count + 1 : 0
        return routes.values.reduce(0) { sum, policy in
            let places = policy.concurrency * (policy.batch?.most ?? 1)
            let ahead = max(scenario.limits.prefetch, policy.concurrency, policy.batch?.most ?? 1)
            return sum + places + ahead + targets * 2 * places
        }
    }
}
