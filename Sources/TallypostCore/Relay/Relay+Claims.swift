extension Relay {
    /// What to ask for now: every type that has room, when one of them has enough to be worth a visit. Nil when there is no
    /// reason to claim, no room, or memory is at its bound.
    mutating func claimWanted(thorough: Bool, at now: Instant) -> ClaimRequest? {
        guard phase == .running, isHungry || thorough else { return nil }
        guard held.count < limits.heldTasks, heldBytes < limits.heldBytes else {
            if !toldOfBound { actions.append(.report(.memoryBound(tasks: held.count, bytes: heldBytes))) }
            toldOfBound = true
            return nil
        }
        toldOfBound = false
        var load: [String: Int] = [:]
        for channel in channels {
            let type = channel.key.type
            if channel.key.origin == routes[type]?.origin {
                // The route's own destination counts whole, or its backlog would be fetched into memory.
                load[type, default: 0] += channel.inFlight * channel.perRequest + channel.queued
            } else if !channel.isCrowded {
                // Of one that rows name, only what waits: many that hang, each with a few requests in flight, must not keep the
                // rest of the type from being claimed. What is in flight is bounded over all of them.
                load[type, default: 0] += channel.queued
            }
        }

        var demands: [ClaimRequest.Demand] = []
        var isWorthIt = thorough
        leftOut = []
        claimAt = .distantFuture
        for (type, policy) in routes where !paused.contains(type) {
            let most = policy.batch?.most ?? 1
            // Of a batch enough for the next one while the others are on their way.
            let ahead = max(prefetch[type] ?? policy.concurrency, most)
            let free = min(policy.concurrency * most + ahead - (load[type] ?? 0), pace.batch)
            guard free > 0 else { continue }
            let allowed = allowance(of: policy, at: now)
            let room = min(free, allowed.room)
            guard room > 0 else { continue }
            if room >= max(1, min(ahead, allowed.ahead, pace.batch) / 2) { isWorthIt = true }
            demands.append(.init(type: type, limit: room, lease: policy.wholeLease))
        }
        for type in unknownTypes {
            isWorthIt = true
            demands.append(.init(type: type, limit: limits.choreBatch, lease: limits.setAsideLease))
        }
        // Every route paused, or none at all: nothing to be hungry for until a survey or a reload says otherwise.
        if demands.isEmpty, held.isEmpty { isHungry = false }
        guard isWorthIt, !demands.isEmpty else { return nil }
        guard inFlight < limits.inFlight else { return nil }
        // The same order for the same state, so that a run of the simulator can be replayed.
        demands.sort { $0.type < $1.type }
        // Large payloads: no more rows than the average says will fit.
        let average = held.isEmpty ? footprint : max(footprint, heldBytes / held.count)
        let fitting = max(1, (limits.heldBytes - heldBytes) / average)
        let limit = min(pace.batch, limits.heldTasks - held.count, fitting)
        return ClaimRequest(relay: name, demands: demands, limit: limit, thorough: thorough)
    }

    /// Takes leased tasks in hand. `askedAt` is when the claim left, so that leases are never believed to last longer than they do.
    mutating func receive(_ batch: ClaimBatch, askedAt: Instant, now: Instant) {
        readClock(batch.now, at: now)
        tally.claimed += batch.tasks.count
        isHungry = batch.mayHaveMore
        lookAt = now + limits.pollInterval
        if !batch.mayHaveMore { wantsSurvey = true }
        if batch.mayHaveMore { growPrefetch(for: batch) }
        if !batch.tasks.isEmpty { footprint = max(512, batch.tasks.reduce(0) { $0 + $1.footprint } / batch.tasks.count) }
        for task in batch.tasks { receive(task, askedAt: askedAt, now: now) }
        if drains, !isHungry { stopGathering() }
        claimsUnderOldRoutes = false
    }

    /// A full batch that found places empty came too late: ask for more the next time.
    private mutating func growPrefetch(for batch: ClaimBatch) {
        var grown: Set<String> = []
        for task in batch.tasks where grown.insert(task.type).inserted {
            guard let policy = routes[task.type], let origin = policy.origin else { continue }
            let index = channelOf[ChannelKey(type: task.type, origin: origin)]
            let starved = index.map { channels[$0].queued == 0 && channels[$0].hasPlace } ?? true
            if starved { prefetch[task.type] = min(max(1, prefetch[task.type] ?? policy.concurrency) * 2, limits.prefetch) }
        }
    }

    private mutating func receive(_ task: ClaimedTask, askedAt: Instant, now: Instant) {
        if let old = held[task.id] { abandon(old) }
        let fit: FitTask
        do {
            fit = try task.check(policy: routes[task.type], parser: parser)
        } catch {
            let outcome = Outcome(
                id: task.id, epoch: task.epoch, change: .failed(responseStatus: nil, error: error.reason),
                hasFollowers: task.hasFollowers)
            settlesKeyed = settlesKeyed || task.orderingKey != nil
            record(outcome, type: task.type, at: now)
            return
        }
        if fit.maxAttempts > 0, task.attempt > fit.maxAttempts {
            let reason = "no attempts left: \(task.attempt - 1) of \(fit.maxAttempts) were made"
            record(fail(fit, status: nil, reason: reason), type: task.type, at: now)
            return
        }
        guard fit.policy.subscribers.isEmpty else {
            fanOut(fit, at: now)
            return
        }
        let index = channel(for: ChannelKey(type: task.type, origin: fit.origin), under: fit.policy)
        if fit.origin != fit.policy.origin { mixedTypes.insert(task.type) }
        let lease =
            fit.task.timeoutSeconds.map { max(fit.policy.wholeLease, .seconds(Int64($0)) + RoutePolicy.leaseMargin) }
            ?? fit.policy.wholeLease
        held[task.id] = HeldTask(fit: fit, claimedAt: askedAt, leaseEnd: askedAt + lease, channel: index, sentAt: nil)
        heldBytes += task.footprint
        if phase != .running || paused.contains(task.type) || claimsUnderOldRoutes {
            // Asked for before the stop, the pause or the reload: its lease may be shorter than the route now says.
            giveBack(task.id, after: .zero, at: now)
            dropIfIdle(index)
            return
        }
        if channels[index].isCrowded, fit.origin != fit.policy.origin {
            // Its destination is slow, and others of its type may stand behind it: let them by.
            giveBack(task.id, after: limits.crowdedDelay, at: now)
            return
        }
        if !isPlain(index), let delay = delayInsteadOfQueueing(fit, in: index, at: now) {
            giveBack(task.id, after: delay, at: now)
            dropIfIdle(index)
            return
        }
        channels[index].enqueue(task.id)
        stopGathering(index)
        markReady(index)
    }

    /// We hold an older lease of a task that we have just leased again: that one is lost.
    private mutating func abandon(_ old: HeldTask) {
        let task = old.fit.task
        if old.sentAt != nil, !old.isInBatch { strays[LeaseKey(id: task.id, epoch: task.epoch)] = old.channel }
        held[task.id] = nil
        heldBytes -= task.footprint
    }

    // MARK: Channels

    mutating func channel(for key: ChannelKey, under policy: RoutePolicy) -> Int {
        if let index = channelOf[key] { return index }
        let destination = destination(for: key.origin)
        var made = Channel(
            key: key, destination: destination, limit: policy.concurrency, bucket: policy.rate.map { freshBucket($0) },
            batch: policy.batch)
        made.series = metrics.place(of: key.type)
        let index: Int
        if let free = freeChannels.popLast() {
            channels[free] = made
            index = free
        } else {
            index = channels.count
            channels.append(made)
        }
        channelOf[key] = index
        destinations[destination].channels.append(index)
        return index
    }

    mutating func markReady(_ index: Int) {
        guard !channels[index].isReady, !channels[index].isAsleep, channels[index].queued > 0, channels[index].hasPlace else {
            return
        }
        channels[index].isReady = true
        readyChannels.append(index)
    }

    /// Forgets a channel with nothing in it, so that rows with ever new targets cost no memory. What was taken of a rate is kept
    /// until a chore finds that it has come back.
    mutating func dropIfIdle(_ index: Int, forgetsRate: Bool = false) {
        // Asked for every answer: a busy channel is not even copied.
        guard channels[index].inFlight == 0, channels[index].queued == 0 else { return }
        let channel = channels[index]
        guard !channel.isReady, !channel.isAsleep, channelOf[channel.key] == index,
            forgetsRate || channel.bucket == nil
        else { return }
        if routes[channel.key.type]?.origin == channel.key.origin { return }
        channelOf[channel.key] = nil
        destinations[channel.destination].channels.removeAll { $0 == index }
        freeChannels.append(index)
    }
}
