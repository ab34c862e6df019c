extension Relay {
    /// An attempt ended: frees its place and decides what becomes of its task.
    mutating func take(_ answer: Answer, at now: Instant) {
        let key = LeaseKey(id: answer.id, epoch: answer.epoch)
        if !batches.isEmpty, let batch = batches.removeValue(forKey: key) {
            take(answer, of: batch, at: now)
            return
        }
        guard let task = held[answer.id], task.fit.task.epoch == answer.epoch, task.sentAt != nil else {
            // A stray: we lost that lease, noticed, and hold a newer one or none.
            if let channel = strays.removeValue(forKey: key) {
                learn(from: answer, in: channel, at: now)
                leavePlace(channel)
                tally.late += 1
                actions.append(.report(.lateOutcomes(ids: [answer.id])))
            }
            return
        }
        drop(answer.id)
        learn(from: answer, in: task.channel, at: now)
        let series = channels[task.channel].series
        leavePlace(task.channel)
        settlesKeyed = settlesKeyed || task.fit.task.orderingKey != nil
        let outcome = outcome(of: answer, for: task.fit, at: now)
        metrics.answered(series, after: answer.duration, outcome.change)
        record(outcome, type: task.fit.task.type, series: series, at: now)
    }

    mutating func leavePlace(_ channel: Int) {
        channels[channel].inFlight -= 1
        inFlight -= 1
        markReady(channel)
        dropIfIdle(channel)
    }

    /// - Parameter isRepeated: the answer was judged before, for another task of its batch: what it says of the route is known.
    mutating func outcome(of answer: Answer, for fit: FitTask, isRepeated: Bool = false, at now: Instant) -> Outcome {
        let task = fit.task
        var response: Answer.Response?
        if case .response(let found) = answer.result { response = found }
        let attempt = { (status: Int?, reason: String) in
            AttemptRecord(
                number: task.attempt, duration: answer.duration, responseStatus: status, error: reason,
                responseStart: response.flatMap { ResultText.start(of: $0.body) })
        }
        switch Verdict(answer.result, alsoOn: fit.policy.retry.alsoOn) {
        case .done(let status):
            let result = response.flatMap { ResultText.json(body: $0.body, wasCut: $0.bodyWasCut) }
            let change: Outcome.Change =
                task.waitsForSignal
                ? .waiting(
                    responseStatus: status, startResult: result, longestWait: fit.policy.longestWait,
                    heartbeat: fit.policy.heartbeat)
                : .completed(responseStatus: status, result: result)
            return Outcome(id: task.id, epoch: task.epoch, change: change, hasFollowers: task.hasFollowers)
        case .giveUp(let status, let reason):
            var outcome = fail(fit, status: status, reason: reason)
            outcome.attempt = attempt(status, reason)
            return outcome
        case .gone(let reason):
            // The route's own receiver is gone. One that only this row named says nothing about the route's other tasks.
            if task.targetURL == nil, !isRepeated { pause(task.type, because: "\(fit.origin) \(reason)", at: now) }
            var outcome = fail(fit, status: 410, reason: reason)
            outcome.attempt = attempt(410, reason)
            return outcome
        case .tryAgain(let status, let reason, let retryAfter):
            var outcome = again(fit, status: status, reason: reason, retryAfter: retryAfter, at: now)
            outcome.attempt = attempt(status, reason)
            return outcome
        }
    }

    /// Another attempt, later; or the end, when none is left.
    mutating func again(
        _ fit: FitTask, status: Int?, reason: String, retryAfter: TimeSpan?, at now: Instant
    ) -> Outcome {
        let task = fit.task
        if fit.maxAttempts > 0, task.attempt >= fit.maxAttempts {
            return fail(fit, status: status, reason: "\(reason); attempt \(task.attempt) of \(fit.maxAttempts) was the last")
        }
        var delay = fit.policy.retry.delay(afterAttempt: task.attempt, retryAfter: retryAfter, using: &random)
        if let deadline = fit.deadline, let moment = clock?.earliest(at: now) {
            // Due again at the deadline at the latest, and then found overdue: nobody has to watch for it.
            delay = min(delay, max(.zero, deadline - moment) + .milliseconds(1))
        }
        return Outcome(
            id: task.id, epoch: task.epoch, change: .retry(after: delay, responseStatus: status, error: reason),
            hasFollowers: task.hasFollowers)
    }

    private mutating func pause(_ type: String, because reason: String, at now: Instant) {
        paused.insert(type)
        giveBackQueued(of: type, at: now)
        pauses.append((type, reason))
        actions.append(.report(.routePaused(type: type, reason: reason)))
    }

    func fail(_ fit: FitTask, status: Int?, reason: String) -> Outcome {
        Outcome(
            id: fit.task.id, epoch: fit.task.epoch, change: .failed(responseStatus: status, error: reason),
            blocksKey: fit.task.orderingKey != nil && fit.policy.whenFailed == .block, hasFollowers: fit.task.hasFollowers)
    }

    /// Its deadline has passed.
    func overdue(_ fit: FitTask) -> Outcome {
        Outcome(
            id: fit.task.id, epoch: fit.task.epoch, change: .timedOut(error: "its deadline passed before it could be sent"),
            hasFollowers: fit.task.hasFollowers)
    }

    /// Nothing was sent.
    func release(_ fit: FitTask, after delay: TimeSpan) -> Outcome {
        Outcome(
            id: fit.task.id, epoch: fit.task.epoch, change: .released(after: delay), hasFollowers: fit.task.hasFollowers)
    }

    /// A task of a route with subscribers: they get it, each as a task of its own.
    mutating func fanOut(_ fit: FitTask, at now: Instant) {
        let task = fit.task
        settlesKeyed = settlesKeyed || task.orderingKey != nil
        if let deadline = fit.deadline, let clock, clock.earliest(at: now) > deadline {
            record(overdue(fit), type: task.type, at: now)
        } else if paused.contains(task.type) {
            record(release(fit, after: .zero), type: task.type, at: now)
        } else {
            let change = Outcome.Change.fannedOut(subscribers: fit.policy.subscribers)
            record(
                Outcome(id: task.id, epoch: task.epoch, change: change, hasFollowers: task.hasFollowers), type: task.type, at: now
            )
        }
    }

    /// Puts an outcome where the next visit to the database takes it.
    ///
    /// - Parameter series: where the type is counted; nil: to be looked up.
    mutating func record(_ outcome: Outcome, type: String, series: Int? = nil, at now: Instant) {
        metrics.decided(series ?? metrics.place(of: type), outcome.change)
        if outcomes.isEmpty { oldestOutcomeAt = now }
        outcomes.append(outcome)
        switch outcome.change {
        case .completed: tally.completed += 1
        case .waiting, .fannedOut: tally.waiting += 1
        case .retry(let delay, _, _):
            tally.retried += 1
            nextDueAt = min(nextDueAt, now + delay + outcomePatience)
        case .failed(_, let error):
            tally.failed += 1
            actions.append(.report(.deadLetter(id: outcome.id, type: type, reason: error)))
        case .timedOut:
            tally.timedOut += 1
            actions.append(.report(.timedOut(id: outcome.id, type: type)))
        case .released(let delay), .held(let delay, _):
            tally.released += 1
            nextDueAt = min(nextDueAt, now + delay + outcomePatience)
        }
    }

    /// Nothing was heard of a relay or a worker in time. It is presumed dead and the attempt lost; the task goes on, or ends when
    /// that was its last.
    mutating func recover(_ lease: ExpiredLease, at now: Instant) {
        // Our own, still under way: the request's timeout ends it before anybody else may take it.
        if let own = held[lease.id], own.fit.task.epoch == lease.epoch { return }
        // What became of it is decided, and waits for the row's lock.
        if lockedOutcomes[lease.id]?.epoch == lease.epoch { return }
        let policy = routes[lease.type]
        let most = lease.maxAttempts ?? policy?.maxAttempts ?? 0
        let reason: String
        // What a dead relay was sending can be sent again at once; a worker that fell silent is given the time to come back.
        var delay = TimeSpan.zero
        switch lease.silence {
        case .relay:
            reason =
                "relay \(lease.relay ?? "unknown") stopped answering during attempt \(lease.attempts); its outcome is unknown"
            tally.recovered += 1
            metrics.lost(metrics.place(of: lease.type))
            actions.append(.report(.leaseRecovered(id: lease.id, type: lease.type, from: lease.relay)))
        case .worker:
            reason = policy?.heartbeat.map { "no heartbeat for \($0.milliseconds / 1_000) s" } ?? "no heartbeat in time"
            delay = (policy?.retry ?? RetryPolicy()).delay(afterAttempt: lease.attempts, retryAfter: nil, using: &random)
            actions.append(.report(.workerSilent(id: lease.id, type: lease.type)))
        }
        let isLast = most > 0 && lease.attempts >= most
        let change: Outcome.Change =
            isLast
            ? .failed(responseStatus: nil, error: "\(reason); attempt \(lease.attempts) of \(most) was the last")
            : .retry(after: delay, responseStatus: nil, error: reason)
        let attempt = AttemptRecord(number: lease.attempts, duration: .zero, responseStatus: nil, error: reason)
        record(
            Outcome(
                id: lease.id, epoch: lease.epoch, change: change, attempt: attempt,
                blocksKey: isLast && policy?.whenFailed == .block, hasFollowers: lease.hasFollowers),
            type: lease.type, at: now)
    }
}
