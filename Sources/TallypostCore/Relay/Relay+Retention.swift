/// What a relay remembers of retention.
struct RetentionState: Sendable {
    var policy: RetentionPolicy
    /// No step before this, but with a chore.
    var nextAt = Instant(nanoseconds: .min)
    /// No step before this, with a chore or without: the walk over the table is over, or something is in the way.
    var pausedUntil = Instant(nanoseconds: .min)
    /// A step is part of the order under way …
    var isUnderWay = false
    /// … and all of it.
    var isAlone = false
    /// How long the store was busy with other things since the last chore, and when that was.
    var busy = TimeSpan.zero
    var countedAt: Instant?
    /// Of the time before the last chore, the part that the store was busy.
    var load = 0.0
    /// Rows removed that nobody was told of, and when somebody was.
    var untold = 0
    var toldAt: Instant?

    /// Retention takes an eighth of the time that the store has left, and no more than a tenth of all: where tasks are few it keeps
    /// up with them, and where they come as fast as they can be sent they hardly notice it.
    func rest(after cost: TimeSpan) -> TimeSpan {
        let part = min(0.1, max(0.001, (1 - load) / 8))
        return min(.seconds(1), max(.milliseconds(1), TimeSpan(nanoseconds: Int64(Double(cost.nanoseconds) * (1 / part - 1)))))
    }

    /// At every chore.
    mutating func measureLoad(at now: Instant) {
        if let countedAt, now > countedAt { load = min(1, busy.seconds / (now - countedAt).seconds) }
        countedAt = now
        busy = .zero
    }
}

/// Retention as one of the relay's chores: a short step at a time.
extension Relay {
    /// What is kept for how long, from now on.
    mutating func retain(_ policy: RetentionPolicy, at now: Instant) {
        guard policy != retention.policy else { return }
        retention.policy = policy
        retention.nextAt = now
        retention.pausedUntil = now
    }

    /// Adds a step to the order when it is time: with a chore, or when there is nothing else to do.
    mutating func addPurge(to order: inout StoreOrder, at now: Instant) {
        let isChore = order.sweepLimit > 0
        if isChore { retention.measureLoad(at: now) }
        guard phase == .running, retention.policy != .never, !retention.isUnderWay, now >= retention.pausedUntil else { return }
        let isAlone = order.isEmpty && outcomes.isEmpty && pauses.isEmpty
        guard isChore || isAlone && now >= retention.nextAt else { return }
        order.retention = retention.policy
        retention.isUnderWay = true
        retention.isAlone = isAlone
    }

    /// When a step should be made though no chore is due.
    var purgeWake: Instant {
        guard retention.policy != .never, !retention.isUnderWay, outcomes.isEmpty else { return .distantFuture }
        return max(retention.nextAt, retention.pausedUntil)
    }

    /// After every visit to the database.
    mutating func notePurge(_ report: StoreReport, at now: Instant) {
        let took = now - askedAt
        if !retention.isAlone { retention.busy = retention.busy + took }
        if retention.isUnderWay { retention.nextAt = now + retention.rest(after: took) }
        switch report.purge {
        case .success(let purge):
            tally.purged += purge.removed
            retention.untold += purge.removed
            if let rest = purge.rest { retention.pausedUntil = now + rest }
        case .failure(let error):
            // Nothing is lost by waiting, and delivery must not suffer from it.
            let isPassing = error.kind == .busy || error.kind == .connection
            retention.pausedUntil = now + (isPassing ? limits.choreInterval : limits.purgeRetry)
            if !isPassing { actions.append(.report(.purgeFailed(error, retryAfter: limits.purgeRetry))) }
        case nil:
            if retention.isUnderWay { retention.pausedUntil = now + limits.choreInterval }
        }
        retention.isUnderWay = false
        retention.isAlone = false
        guard retention.untold > 0, retention.toldAt.map({ now - $0 >= limits.purgeTelling }) ?? true else { return }
        actions.append(.report(.purged(count: retention.untold)))
        retention.untold = 0
        retention.toldAt = now
    }

    /// The order under way failed whole.
    mutating func purgeFailed(at now: Instant) {
        if retention.isUnderWay { retention.pausedUntil = now + limits.choreInterval }
        retention.isUnderWay = false
        retention.isAlone = false
    }
}
