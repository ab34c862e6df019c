/// A request under way that carries several tasks.
struct SentBatch {
    /// Whose place it takes.
    let channel: Int
    /// Its tasks, the first one included. Some may have been leased again since.
    let items: [Relay.LeaseKey]
}

// Several tasks in one request: one place in flight, one token of a rate, one word about the destination.
//
// A channel of a route with batches sleeps until one is full or its first task has waited long enough. A batch goes early when
// waiting would cost something: a task its deadline or its lease, the relay its memory. Items share what a request has only
// one of: the URL, the row's headers, the time-out.
extension Relay {
    // MARK: Gathering

    /// Sends a batch, or lets the channel sleep until one is due.
    mutating func sendBatch(from index: Int, _ policy: BatchPolicy, at now: Instant) {
        guard channels[index].hasPlace, channels[index].queued > 0 else { return }
        let due = dueTime(of: index, policy, at: now)
        guard due <= now else {
            sleep(index, until: due, gathering: true)
            return
        }
        guard isPlain(index) || admits(index, at: now) else { return }
        let items = takeItems(of: index, atMost: policy.most, at: now)
        guard let first = items.first else { return }
        if !isPlain(index) { account(first.task, in: index, at: now) }
        let keys = items.map { LeaseKey(id: $0.task.id, epoch: $0.task.epoch) }
        batches[keys[0]] = SentBatch(channel: index, items: keys)
        channels[index].inFlight += 1
        inFlight += 1
        tally.sent += 1
        if let clock {
            for item in items { metrics.sent(channels[index].series, delay: clock.earliest(at: now) - item.task.runAt) }
        }
        let delivery = Delivery(
            task: first.task, others: items.dropFirst().map(\.task), isBatch: true, origin: first.origin, timeout: first.timeout,
            deadline: first.deadline)
        actions.append(.send(delivery))
    }

    /// When the batch that a channel gathers has to leave.
    private mutating func dueTime(of index: Int, _ policy: BatchPolicy, at now: Instant) -> Instant {
        if held.count >= limits.heldTasks || heldBytes >= limits.heldBytes { return now }
        // Nobody will come to make it larger.
        if drains, !isHungry { return now }
        if gate(of: channels[index].destination, at: now) == .probe { return now }
        var due = now + policy.wait
        var bytes = 0
        // Given back and leased again, a task may stand in the queue twice.
        var seen: Set<Int64> = []
        for id in channels[index].pending {
            guard let task = held[id], task.sentAt == nil, task.channel == index, seen.insert(id).inserted else { continue }
            bytes += task.fit.task.itemSize
            if seen.count >= policy.most || bytes >= limits.batchBytes { return now }
            due = min(due, task.claimedAt + policy.wait, lastMoment(of: task, at: now))
        }
        return due
    }

    /// When a task should be on its way, lest it be too late for its lease or its deadline.
    private func lastMoment(of task: HeldTask, at now: Instant) -> Instant {
        let need = task.fit.timeout + limits.settleMargin + limits.settleMargin
        let byLease = task.leaseEnd + TimeSpan(nanoseconds: -need.nanoseconds)
        guard let deadline = task.fit.deadline, let clock else { return byLease }
        return min(byLease, now + (deadline - clock.latest(at: now)) + .milliseconds(-100))
    }

    /// Takes the tasks of one request out of the queue: the first that can be sent, and those behind it that can go with it.
    private mutating func takeItems(of index: Int, atMost most: Int, at now: Instant) -> [FitTask] {
        var items: [FitTask] = []
        var kept: [Int64] = []
        var seen = 0
        var bytes = 0
        for id in channels[index].pending {
            guard items.count < most else { break }
            seen += 1
            guard let task = held[id], task.sentAt == nil, task.channel == index else { continue }
            let size = task.fit.task.itemSize
            if let first = items.first, !first.shares(requestWith: task.fit) || bytes + size > limits.batchBytes {
                kept.append(id)
                continue
            }
            guard hasTime(task, at: now) else { continue }
            // At once, lest it be found a second time.
            held[id]?.sentAt = now
            held[id]?.isInBatch = true
            items.append(task.fit)
            bytes += size
        }
        channels[index].dequeue(seen, keeping: kept)
        return items
    }

    /// Lets a channel that gathers look again: something has changed.
    mutating func stopGathering(_ index: Int) {
        guard channels[index].isGathering else { return }
        channels[index].isGathering = false
        channels[index].isAsleep = false
        sleepers.removeAll { $0 == index }
        markReady(index)
    }

    /// Lets all of them look again.
    mutating func stopGathering() {
        for index in sleepers { stopGathering(index) }
    }

    // MARK: The answer

    /// Bytes of the answer that each item keeps: a hundred items keep a hundred copies.
    static let keptOfBatchAnswer = 1_024

    /// A batch was answered: every item that this relay still holds has its own outcome.
    mutating func take(_ answer: Answer, of batch: SentBatch, at now: Instant) {
        var items: [FitTask] = []
        var late: [Int64] = []
        for key in batch.items {
            guard let task = held[key.id], task.fit.task.epoch == key.epoch else {
                late.append(key.id)
                continue
            }
            drop(key.id)
            items.append(task.fit)
        }
        learn(from: answer, in: batch.channel, at: now)
        let series = channels[batch.channel].series
        leavePlace(batch.channel)
        if !late.isEmpty {
            tally.late += late.count
            actions.append(.report(.lateOutcomes(ids: late)))
        }
        var answer = answer
        if case .response(var response) = answer.result, response.body.count > Self.keptOfBatchAnswer {
            response.body.removeLast(response.body.count - Self.keptOfBatchAnswer)
            response.bodyWasCut = true
            answer.result = .response(response)
        }
        for (place, fit) in items.enumerated() {
            settlesKeyed = settlesKeyed || fit.task.orderingKey != nil
            let outcome = itemOutcome(of: answer, for: fit, isRepeated: place > 0, at: now)
            metrics.answered(series, after: answer.duration, outcome.change)
            record(outcome, type: fit.task.type, series: series, at: now)
        }
    }

    private mutating func itemOutcome(of answer: Answer, for fit: FitTask, isRepeated: Bool, at now: Instant) -> Outcome {
        guard case .response(let response) = answer.result, (200...299).contains(response.status), !response.forbidsRetry,
            let reason = response.failures.reason(for: fit.task.idempotencyKey)
        else { return outcome(of: answer, for: fit, isRepeated: isRepeated, at: now) }
        var outcome = again(fit, status: response.status, reason: reason, retryAfter: nil, at: now)
        outcome.attempt = AttemptRecord(
            number: fit.task.attempt, duration: answer.duration, responseStatus: response.status, error: reason,
            responseStart: ResultText.start(of: response.body))
        return outcome
    }
}

extension FitTask {
    /// Whether both may go in one request.
    func shares(requestWith other: FitTask) -> Bool {
        timeout == other.timeout && task.targetURL == other.task.targetURL && task.headers == other.task.headers
    }
}

extension ClaimedTask {
    /// Bytes that it takes in a batch's body, near enough for a bound.
    var itemSize: Int { footprint + idempotencyKey.utf8.count + (subject?.utf8.count ?? 0) }
}
