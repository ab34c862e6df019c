// What a relay writes about itself in the database, and how it paces itself by it.
extension Relay {
    /// A sign of life, where one is due. A relay that shares no rate and finds everything flowing writes none: on SQLite each
    /// would make the write-ahead log longer while the application sleeps.
    mutating func signIfDue(at now: Instant) -> RelaySign? {
        guard now >= signAt || reportChanged else { return nil }
        let report = flowReport(at: now)
        reportChanged = false
        guard sharesRates || report != nil || hasReported else { return nil }
        hasReported = report != nil
        signing = true
        signAt = now + limits.signInterval
        return RelaySign(relay: name, state: report?.json, life: limits.signLife)
    }

    /// The order that may have carried a sign is done, or failed.
    mutating func signed(_ survey: Survey?, at now: Instant) {
        guard signing else { return }
        signing = false
        guard let survey else {
            // Not written, or nobody knows: again with the next chores.
            signAt = now
            hasReported = true
            return
        }
        if let relays = survey.liveRelays { learnShares(relays, at: now) }
    }

    mutating func judgePace(at now: Instant) {
        guard isPaced, let change = pace.visited(for: now - askedAt, limits) else { return }
        reportChanged = true
        switch change {
        case .slowed: actions.append(.report(.storeSlow(took: pace.slowest, batch: pace.batch)))
        case .recovered: actions.append(.report(.storeQuick))
        }
    }

    // MARK: The report

    /// What does not flow freely now; nil: everything does.
    func flowReport(at now: Instant) -> FlowReport? {
        var report = FlowReport()
        for index in restrained {
            if let restraint = restraint(of: destinations[index], at: now) { report.add(restraint) }
        }
        for channel in channels where channelOf[channel.key] != nil {
            if let restraint = restraint(of: channel, at: now) { report.add(restraint) }
        }
        if toldOfBound { report.heldTasks = held.count }
        if pace.isSlow(limits) {
            report.visitMilliseconds = pace.slowest.milliseconds
            report.claimBatch = pace.batch
        }
        return report == FlowReport() ? nil : report
    }

    private func restraint(of destination: Destination, at now: Instant) -> FlowReport.Restraint? {
        var restraint = FlowReport.Restraint(destination: destination.origin.description, reason: .breaker)
        switch destination.breaker.state {
        case .closed:
            guard destination.heldUntil > now else { return nil }
            restraint.reason = .retryAfter
            restraint.until = databaseTime(of: destination.heldUntil, at: now)
        case .open(let until): restraint.until = databaseTime(of: max(until, destination.heldUntil), at: now)
        case .probing: break
        }
        if restraint.reason == .breaker {
            restraint.failures = destination.breaker.seen.failures
            restraint.attempts = destination.breaker.seen.attempts
        }
        return restraint
    }

    private func restraint(of channel: Channel, at now: Instant) -> FlowReport.Restraint? {
        var restraint = FlowReport.Restraint(destination: channel.key.origin.description, reason: .concurrency)
        restraint.type = channel.key.type
        if let bucket = channel.bucket, bucket.ready > now {
            restraint.reason = .rate
            restraint.limit = bucket.limit.text
            restraint.relays = relaysAlive
            return restraint
        }
        guard !channel.hasPlace, channel.queued > 0 else { return nil }
        restraint.limit = String(channel.limit)
        return restraint
    }

    private func databaseTime(of moment: Instant, at now: Instant) -> String? {
        clock.map { ($0.earliest(at: now) + (moment - now)).iso8601 }
    }
}
