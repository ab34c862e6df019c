import TallypostCore

/// The relays' store threads and the way to the database: every statement takes time, may fail, and may be carried out though
/// its answer never comes.
extension World {
    func post(_ command: StoreCommand, to process: RelayProcess) {
        process.commands.append(command)
        if process.run == nil {
            serveNext(process)
        } else if case .listen = process.run?.command {
            queue.plan(.listenEnds(process: process.number, token: process.runToken, hint: false), at: time + latency)
        }
    }

    private var latency: Int64 {
        if isTurbulent, random.chance(scenario.storeSlowness) { return random.span(1...4_000) * millisecond }
        return random.span(50...1_500) * microsecond
    }

    private func serveNext(_ process: RelayProcess) {
        guard process.run == nil, !process.commands.isEmpty else { return }
        let command = process.commands.removeFirst()
        process.run = StoreRun(command, at: time)
        process.runToken += 1
        if case .listen(let span) = command {
            note(.listens, process)
            // A word may come from nowhere.
            let isSpurious = isTurbulent && random.chance(20)
            let wait = process.commands.isEmpty ? span.nanoseconds : latency
            queue.plan(
                .listenEnds(process: process.number, token: process.runToken, hint: isSpurious),
                at: time + (isSpurious ? random.span(0...wait) : wait))
        } else {
            planEffect(process)
        }
    }

    private func planEffect(_ process: RelayProcess) {
        queue.plan(.effect(process: process.number, token: process.runToken), at: time + latency)
    }

    /// The statement reaches the database.
    func takeEffect(_ process: RelayProcess, token: Int) {
        guard token == process.runToken, let run = process.run, run.next < run.steps.count else { return }
        let step = run.steps[run.next]
        guard process.isRunning else {
            // Its sender died on the way: sometimes the database had it all.
            if random.chance(500) { awaken(step, of: process) }
            return
        }
        if isTurbulent, random.chance(scenario.storeFaults) { process.store.nextFault = drawFault(step, process) }
        let breaks = breaksConnection(process.store.nextFault)
        carryOut(step, for: process)
        if breaks { process.store.close() }
        checkChanges(by: process)
        queue.plan(.reply(process: process.number, token: token), at: time + latency)
    }

    private func breaksConnection(_ fault: MemoryStore.Fault?) -> Bool {
        switch fault {
        case .before(let error), .after(let error): error.kind == .connection
        case nil: false
        }
    }

    private func drawFault(_ step: StoreStep, _ process: RelayProcess) -> MemoryStore.Fault {
        let lost = StoreError(kind: .connection, code: "08006", operation: "simulated", message: "the line broke")
        let kind = random.pick([0, 0, 1, 1, 2, 3, 4])
        note(.storeFault, process, Int64(kind))
        switch kind {
        case 1: return .after(lost)
        case 2:
            // The line breaks, and the statement is carried out all the same, later.
            queue.plan(.zombie(step, process: process.number), at: time + random.span(0...5_000) * millisecond)
            return .before(lost)
        case 3: return .before(StoreError(kind: .busy, code: "5", operation: "simulated", message: "locked"))
        case 4: return .before(StoreError(kind: .unwritable, code: "13", operation: "simulated", message: "disk full"))
        default: return .before(lost)
        }
    }

    private func carryOut(_ step: StoreStep, for process: RelayProcess) {
        guard var run = process.run else { return }
        let store = process.store
        do throws(StoreError) {
            switch step {
            case .open: try store.open()
            case .pause(let type, let reason):
                try store.pause(route: type, reason: reason)
                run.rest.pauses.removeFirst()
            case .insert(let drafts):
                var report = InsertReport()
                report.inserted = try store.insert(drafts)
                run.report.inserted = report
            case .settle(let outcomes): run.settlement = try store.settle(outcomes)
            case .claim(let request): run.report.batch = try store.claim(request)
            case .sweep(let limit): run.report.swept = try store.sweep(limit: limit)
            case .expired(let limit): run.report.expired = try store.expiredLeases(limit: limit)
            case .survey(let sign): run.report.survey = try store.survey(sign)
            case .leases: run.report.leaseEnd = try store.earliestLeaseEnd()
            case .purge(let policy):
                do throws(StoreError) {
                    run.report.purge = .success(try store.purge(policy))
                } catch {
                    if error.kind == .connection { throw error }
                    run.report.purge = .failure(error)
                }
            }
        } catch {
            run.error = error
        }
        process.run = run
    }

    /// A statement whose sender has given it up for lost, or is dead, is carried out.
    func awaken(_ step: StoreStep, of process: RelayProcess) {
        note(.zombie, process)
        database.transaction { tables, now in
            guard !tables.isAway else { return }
            var precise: ClaimImprecision?
            switch step {
            case .insert(let drafts): _ = tables.insert(drafts, now: now)
            case .settle(let outcomes): _ = tables.settle(outcomes, now: now)
            case .claim(let request): _ = tables.claim(request, now: now, &precise)
            case .sweep(let limit): _ = tables.sweep(limit: limit, now: now)
            case .pause(let type, let reason): if tables.paused[type] == nil { tables.paused[type] = reason }
            case .survey(let sign): _ = tables.survey(sign, now: now)
            case .purge(let policy): _ = tables.purge(policy, now: now)
            case .open, .expired, .leases: break
            }
        }
        checkChanges(by: process)
    }

    /// The database's answer reaches the store thread.
    func goOn(_ process: RelayProcess) {
        guard var run = process.run, run.next < run.steps.count else { return }
        if run.error == nil {
            switch run.steps[run.next] {
            case .settle where run.rest.claim == nil, .claim:
                // A settlement with a claim behind it is reported with it or not at all.
                run.report.settlement = run.settlement ?? run.report.settlement
                run.isDone = true
            default: break
            }
            run.next += 1
            process.run = run
            if run.next < run.steps.count {
                planEffect(process)
                return
            }
        }
        finish(run, process)
    }

    private func finish(_ run: StoreRun, _ process: RelayProcess) {
        process.run = nil
        let event: RelayEvent
        switch (run.command, run.error) {
        case (.open, nil): event = .storeOpened
        case (.open, .some(let error)): event = .storeUnreachable(error)
        case (_, .some(let error)) where !run.isDone: event = .storeFailed(error, run.rest)
        default:
            var report = run.report
            report.failure = run.error
            event = .storeDone(report)
        }
        noteEnd(event, run, process)
        process.mailbox.append(event)
        wake(process)
        serveNext(process)
    }

    private func noteEnd(_ event: RelayEvent, _ run: StoreRun, _ process: RelayProcess) {
        switch event {
        case .storeOpened: note(.opened, process)
        case .storeUnreachable: note(.openFailed, process)
        case .storeDone(let report):
            note(.orderDone, process, Int64(report.settlement.written), Int64(report.batch?.tasks.count ?? -1))
            for id in report.settlement.late { note(.late, process, id) }
        case .storeFailed(_, let rest): note(.orderFailed, process, Int64(rest.outcomes.count))
        default: break
        }
        checkOrder(run, event, of: process)
    }

    // MARK: Listening

    func endListening(_ process: RelayProcess, _ event: RelayEvent) {
        guard case .listen = process.run?.command else { return }
        process.run = nil
        process.runToken += 1
        if case .storeListened(let hint) = event { note(.woken, process, hint ? 1 : 0) }
        process.mailbox.append(event)
        wake(process)
        serveNext(process)
    }

    /// Something was committed: who listens hears of it, nearly always.
    func announce() {
        for process in processes where process.isRunning {
            guard case .listen = process.run?.command, random.chance(isTurbulent ? 800 : 950) else { continue }
            queue.plan(.listenEnds(process: process.number, token: process.runToken, hint: true), at: time + latency)
        }
    }

    func loseDatabase() {
        guard isTurbulent else { return }
        planFault(.goesAway, every: scenario.outages)
        database.goAway()
        note(.databaseAway)
        let span = random.chance(500) ? random.span(1...300) * millisecond : random.span(0...5) * second
        queue.plan(.comesBack, at: time + span)
        for process in processes where process.isRunning {
            guard case .listen = process.run?.command, random.chance(700) else { continue }
            queue.plan(.listenFails(process: process.number, token: process.runToken), at: time + latency)
        }
    }
}
