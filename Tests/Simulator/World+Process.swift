import TallypostCore

/// The relays' processes: their dispatch loops, and what befalls them.
extension World {
    func start(draining: Bool) {
        guard !isStopping else { return }
        let number = processes.count
        let store = MemoryStore(database)
        store.imprecision = ClaimImprecision(
            random: RandomSource(seed: random.next()), overlooked: isTurbulent ? scenario.overlookedRows : 0,
            falseAlarms: isTurbulent ? scenario.falseAlarms : 0, rowsPerClaim: random.pick([2, 100, 100]))
        let relay = Relay(
            name: "relay-\(number)", routes: scenario.routes, parser: PlainTargetParser(), drains: draining,
            retention: scenario.retention, seed: random.next(), limits: scenario.limits)
        let process = RelayProcess(
            number: number, relay: relay, store: store, routes: scenario.routes, drains: draining,
            clockStart: random.span(0...(1_000_000 * second)), drift: random.span(-scenario.drift...scenario.drift))
        process.holdBound = holdBound(of: scenario.routes)
        processes.append(process)
        note(.started, process, draining ? 1 : 0)
        wake(process)
    }

    /// Makes sure that the loop turns soon.
    func wake(_ process: RelayProcess) { planTurn(process, at: time + random.span(0...200) * microsecond) }

    private func planTurn(_ process: RelayProcess, at moment: Int64) {
        guard moment < process.turnAt, moment < .max else { return }
        process.turnAt = moment
        process.turnToken += 1
        queue.plan(.turn(process: process.number, token: process.turnToken), at: moment)
    }

    /// One turn of the loop, as the dispatcher makes it: answers, words of the store thread, a tick.
    func turn(_ process: RelayProcess) {
        process.turnAt = .max
        var didSomething = !process.answers.isEmpty || !process.mailbox.isEmpty
        if !process.interrupted.isEmpty {
            let rest = process.interrupted
            process.interrupted = []
            didSomething = true
            perform(rest, process)
        }
        if !process.answers.isEmpty, canGoOn(process) {
            var answers: [Answer] = []
            swap(&answers, &process.answers)
            if scenario.wireFaults > 0 { answers.shuffle(using: &random) }
            tell(process, .answered(answers))
        }
        while canGoOn(process), !process.mailbox.isEmpty { tell(process, process.mailbox.removeFirst()) }
        guard canGoOn(process) else { return }
        if tell(process, .tick) > 0 { didSomething = true }
        guard canGoOn(process) else { return }
        checkBounds(of: process)
        let here = process.clock(at: time)
        let wake = process.relay.nextWake(after: here)
        if wake <= here {
            process.barrenTurns = didSomething ? 0 : process.barrenTurns + 1
            if process.barrenTurns > 2 {
                violated("relay-\(process.number) spins: it wants to be woken at once and then does nothing")
            }
            planTurn(process, at: time + 1_000)
        } else {
            process.barrenTurns = 0
            planTurn(process, at: max(process.worldTime(of: wake), time + 1))
        }
    }

    private func canGoOn(_ process: RelayProcess) -> Bool { process.isRunning && !process.isFrozen && broken == nil }

    /// Says how many actions it led to.
    @discardableResult private func tell(_ process: RelayProcess, _ event: RelayEvent) -> Int {
        switch event {
        case .stopRequested: process.isStopping = true
        case .answered(let answers):
            for answer in answers {
                let lease = LeaseID(id: answer.id, epoch: answer.epoch)
                process.unanswered.subtract(process.companions.removeValue(forKey: lease) ?? [lease])
            }
        // Types without a route any more go on under the old one.
        case .reconfigured(let routes): process.routes.merge(routes) { $1 }
        default: break
        }
        process.relay.handle(event, at: process.clock(at: time))
        let actions = process.relay.takeActions()
        checkDecisions(actions, of: process)
        if !actions.isEmpty, isTurbulent, random.chance(scenario.freezesInMidTurn) {
            process.interrupted = actions
            freeze(process)
        } else {
            perform(actions, process)
        }
        return actions.count
    }

    private func perform(_ actions: [RelayAction], _ process: RelayProcess) {
        for action in actions {
            switch action {
            case .openStore: post(.open, to: process)
            case .order(let order):
                noteOrder(order, process)
                post(.order(order), to: process)
            case .listen(let span): post(.listen(span), to: process)
            case .send(let delivery): launch(delivery, from: process)
            case .report(let notice):
                if case .routePaused = notice { note(.routePaused, process) }
            case .finished:
                process.state = .finished
                note(.finished, process)
                if isTurbulent {
                    queue.plan(.starts(draining: random.chance(scenario.drainingRelays)), at: time + random.span(0...second))
                }
            }
        }
    }

    private func noteOrder(_ order: StoreOrder, _ process: RelayProcess) {
        var bits = Int64(order.outcomes.count) << 16
        for (bit, isThere) in [
            !order.pauses.isEmpty, order.claim != nil, order.sweepLimit > 0, order.expiredLimit > 0, order.surveys,
            order.asksLeases, order.retention != nil,
        ].enumerated() where isThere { bits |= 1 << Int64(bit) }
        note(.ordered, process, bits, Int64(order.claim?.limit ?? 0))
    }

    // MARK: What befalls them

    func disturb(_ event: WorldEvent) {
        guard isTurbulent else { return }
        let running = processes.filter { $0.isRunning && !$0.isFrozen }
        switch event {
        case .crashes:
            planFault(event, every: scenario.crashes)
            if !running.isEmpty { crash(random.pick(running)) }
        case .freezes:
            planFault(event, every: scenario.freezes)
            if !running.isEmpty { freeze(random.pick(running)) }
        case .stops:
            planFault(event, every: scenario.stops)
            if !running.isEmpty { askToStop(random.pick(running), within: random.span(0...(10 * second))) }
        case .reconfigures:
            planFault(event, every: scenario.reconfigurations)
            if !running.isEmpty { reconfigure(random.pick(running)) }
        default: break
        }
    }

    private func crash(_ process: RelayProcess) {
        process.state = .crashed
        process.stalled = []
        note(.crashed, process)
        queue.plan(.starts(draining: random.chance(scenario.drainingRelays)), at: time + random.span(0...(3 * second)))
    }

    private func freeze(_ process: RelayProcess) {
        // Mostly shorter than a lease, at times longer.
        let span = random.chance(600) ? random.span(1...500) * millisecond : random.span(1...20) * second
        process.isFrozen = true
        note(.froze, process, span)
        queue.plan(.thaws(process: process.number), at: time + span)
    }

    func thaw(_ process: RelayProcess) {
        process.isFrozen = false
        guard process.isRunning else { return }
        note(.thawed, process)
        var stalled: [WorldEvent] = []
        swap(&stalled, &process.stalled)
        for event in stalled { queue.plan(event, at: time) }
        process.turnAt = .max
        wake(process)
    }

    func askToStop(_ process: RelayProcess, within span: Int64) {
        guard process.stopBy == nil else { return }
        note(.stopAsked, process, span)
        process.stopBy = time + span
        process.mailbox.append(.stopRequested(within: TimeSpan(nanoseconds: span)))
        wake(process)
    }

    private func reconfigure(_ process: RelayProcess) {
        var routes = scenario.routes
        for type in scenario.types {
            if scenario.removesRoutes, random.chance(200) {
                routes[type] = nil
            } else {
                routes[type]?.concurrency = random.pick([1, 2, 4, 64])
            }
        }
        note(.reconfigured, process, Int64(routes.count))
        process.mailbox.append(.reconfigured(routes))
        process.holdBound = max(process.holdBound, holdBound(of: routes))
        wake(process)
    }
}
