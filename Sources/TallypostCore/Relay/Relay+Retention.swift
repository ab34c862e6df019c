/// What a relay remembers of retention.
struct RetentionState: Sendable {
    var policy: RetentionPolicy
    /// No step before this.
    var nextAt = Instant(nanoseconds: .min)
    /// A step is part of the order under way.
    var isUnderWay = false
    /// When tasks were last claimed or written.
    var workedAt = Instant(nanoseconds: .min)
    /// Rows removed that nobody was told of, and when somebody was.
    var untold = 0
    var toldAt: Instant?
}

/// Retention as one of the relay's chores: a short step at a time, at most one a chore while there is work.
extension Relay {
    /// What is kept for how long, from now on.
    mutating func retain(_ policy: RetentionPolicy, at now: Instant) {
        guard policy != retention.policy else { return }
        retention.policy = policy
        if !retention.isUnderWay { retention.nextAt = now }
    }

    /// Adds a step to the order when it is time: with the chores, or by itself while the relay has had nothing to do for a while.
    mutating func addPurge(to order: inout StoreOrder, at now: Instant) {
        guard phase == .running, retention.policy != .never, !retention.isUnderWay, now >= retention.nextAt else { return }
        guard order.sweepLimit > 0 || isQuiet && now >= quietAt else { return }
        order.retention = retention.policy
        retention.isUnderWay = true
    }

    /// When a step should be made though no chore is due; far in the future while there is work.
    var purgeWake: Instant {
        guard retention.policy != .never, !retention.isUnderWay, isQuiet else { return .distantFuture }
        return max(retention.nextAt, quietAt)
    }

    private var isQuiet: Bool { !isHungry && held.isEmpty && outcomes.isEmpty && inFlight == 0 }
    /// A step would be in the way of a task that comes meanwhile: where one has just come, another may.
    private var quietAt: Instant { retention.workedAt + limits.quietSpan }

    /// After every visit to the database.
    mutating func notePurge(_ report: StoreReport, at now: Instant) {
        if report.settlement.written > 0 || !(report.batch?.tasks.isEmpty ?? true) { retention.workedAt = now }
        switch report.purge {
        case .success(let purge):
            tally.purged += purge.removed
            retention.untold += purge.removed
            retention.nextAt = now + (purge.rest ?? limits.purgeRest)
        case .failure(let error):
            // Nothing is lost by waiting, and delivery must not suffer from it.
            let isPassing = error.kind == .busy || error.kind == .connection
            retention.nextAt = now + (isPassing ? limits.choreInterval : limits.purgeRetry)
            if !isPassing { actions.append(.report(.purgeFailed(error, retryAfter: limits.purgeRetry))) }
        case nil:
            if retention.isUnderWay { retention.nextAt = now + limits.choreInterval }
        }
        retention.isUnderWay = false
        guard retention.untold > 0, retention.toldAt.map({ now - $0 >= limits.purgeTelling }) ?? true else { return }
        actions.append(.report(.purged(count: retention.untold)))
        retention.untold = 0
        retention.toldAt = now
    }

    /// The order under way failed whole.
    mutating func purgeFailed(at now: Instant) {
        if retention.isUnderWay { retention.nextAt = now + limits.choreInterval }
        retention.isUnderWay = false
    }
}
