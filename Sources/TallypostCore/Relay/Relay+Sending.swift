extension Relay {
    /// Fills free places, one task of each ready channel in turn.
    mutating func sendWhatCanBe(at now: Instant) {
        // With the database away nothing new is sent: its outcome could not be written, and each one would be sent again.
        guard reachesStore, phase == .running, !readyChannels.isEmpty else { return }
        var next = 0
        while next < readyChannels.count, inFlight < limits.inFlight {
            let index = readyChannels[next]
            next += 1
            channels[index].isReady = false
            // A reload may have taken places away since it became ready.
            if let batch = channels[index].batch {
                sendBatch(from: index, batch, at: now)
            } else if channels[index].hasPlace, isPlain(index) || admits(index, at: now), let id = channels[index].dequeue() {
                send(id, from: index, at: now)
            }
            if channels[index].queued > 0, channels[index].hasPlace, !channels[index].isAsleep {
                channels[index].isReady = true
                readyChannels.append(index)
            } else {
                dropIfIdle(index)
            }
        }
        readyChannels.removeFirst(next)
    }

    private mutating func send(_ id: Int64, from channel: Int, at now: Instant) {
        // Given back or lost while it waited: its number is stale. Leased again since, it may stand in another channel.
        guard let task = held[id], task.sentAt == nil, task.channel == channel else { return }
        let fit = task.fit
        guard hasTime(task, at: now) else { return }
        // What waits for a token was claimed ahead by the rate, not by the prefetch.
        if now - task.claimedAt > limits.patience, channels[channel].bucket == nil { shrinkPrefetch(of: fit, at: now) }
        if !isPlain(channel) { account(fit.task, in: channel, at: now) }
        held[id]?.sentAt = now
        channels[task.channel].inFlight += 1
        inFlight += 1
        tally.sent += 1
        if let clock { metrics.sent(channels[channel].series, delay: clock.earliest(at: now) - fit.task.runAt) }
        actions.append(.send(Delivery(task: fit.task, origin: fit.origin, timeout: fit.timeout, deadline: fit.deadline)))
    }

    /// Whether it may still be sent; when its deadline has passed, or its lease is too short, that has been decided here.
    mutating func hasTime(_ task: HeldTask, at now: Instant) -> Bool {
        let fit = task.fit
        if let deadline = fit.deadline, let clock, clock.latest(at: now) > deadline {
            guard clock.earliest(at: now) > deadline else {
                // Perhaps it has passed: the next claim tells, or the sweep.
                giveBack(fit.task.id, after: .zero, at: now)
                return false
            }
            drop(fit.task.id)
            record(overdue(fit), type: fit.task.type, at: now)
            return false
        }
        guard now + fit.timeout + limits.settleMargin <= task.leaseEnd else {
            giveBack(fit.task.id, after: .zero, at: now)
            return false
        }
        return true
    }

    /// Tasks wait too long in memory, where no other relay can take them: ask for fewer. Once a while, not for each of a batch.
    private mutating func shrinkPrefetch(of fit: FitTask, at now: Instant) {
        guard now - shrunkAt > limits.patience else { return }
        shrunkAt = now
        let type = fit.task.type
        prefetch[type] = max(1, (prefetch[type] ?? fit.policy.concurrency) / 2)
    }

    /// Returns a task that was not sent, its attempt refunded.
    mutating func giveBack(_ id: Int64, after delay: TimeSpan, at now: Instant) {
        guard let task = held[id], task.sentAt == nil else { return }
        drop(id)
        record(release(task.fit, after: delay), type: task.fit.task.type, at: now)
    }

    /// Returns whatever of a type has not been sent: its route was paused.
    mutating func giveBackQueued(of type: String, at now: Instant) {
        for id in held.keys.sorted() where held[id]?.fit.task.type == type { giveBack(id, after: .zero, at: now) }
    }

    mutating func drop(_ id: Int64) {
        guard let task = held.removeValue(forKey: id) else { return }
        heldBytes -= task.fit.task.footprint
    }
}
