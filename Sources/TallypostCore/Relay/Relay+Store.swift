extension Relay {
    /// Gives the store its next order, lets it listen, or opens it, whichever is due. Only one of them at a time.
    mutating func visitStore(at now: Instant) {
        switch store {
        case .opening, .working: return
        case .closed(let tryAt):
            guard now >= tryAt else { return }
            store = .opening
            actions.append(.openStore)
            return
        case .resting(let until):
            guard now >= until else { return }
            store = .free
            sendWhatCanBe(at: now)
        case .free, .listening: break
        }
        let order = nextOrder(at: now)
        if !order.isEmpty {
            store = .working
            askedAt = now
            claimsUnderOldRoutes = false
            // Chores and proofs may look at much; only claims and settlements tell how quick the database is.
            isPaced =
                (order.claim != nil || !order.outcomes.isEmpty) && order.sweepLimit == 0 && !order.asksLeases
                && order.inserts.isEmpty
            actions.append(.order(order))
        } else if store == .free, phase == .running, !isHungry {
            store = .listening
            actions.append(.listen(upTo: limits.pollInterval))
        }
    }

    private mutating func nextOrder(at now: Instant) -> StoreOrder {
        var order = StoreOrder()
        let proving = drains && phase == .running && isIdle && now >= proveAt
        if now >= choresAt, phase == .running {
            choresAt = now + limits.choreInterval
            order.sweepLimit = limits.choreBatch
            // Only when this order writes all that was decided: leases found before would be found, and judged, again.
            if outcomes.count <= limits.settleBatch { order.expiredLimit = limits.choreBatch }
            order.surveys = true
            forgetTheQuiet(at: now)
            order.sign = signIfDue(at: now)
        }
        order.claim = claimWanted(thorough: proving, at: now)
        if proving {
            drainProof = .looking
            order.asksLeases = true
            // A new type without a route is due work too: its rows are to be set aside.
            order.surveys = true
            isHungry = order.claim != nil
        }
        if wantsSurvey, phase == .running, now >= surveyAt { order.surveys = true }
        if order.surveys {
            // Read after the claim, so what it says is not what the claim has just taken.
            wantsSurvey = false
            surveyAt = now + limits.surveyInterval
            surveying = true
        }
        addTicks(to: &order, at: now)
        addPurge(to: &order, at: now)
        swap(&order.pauses, &pauses)
        let isFull = outcomes.count >= limits.settleBatch / 2
        let isOld = !outcomes.isEmpty && now - oldestOutcomeAt >= outcomePatience
        if isFull || isOld || phase != .running || !order.isEmpty { takeOutcomes(into: &order) }
        return order
    }

    /// How long an outcome waits for company.
    var outcomePatience: TimeSpan { isHungry && !settlesKeyed ? limits.settleWithinBacklog : limits.settleWithin }

    /// Nothing in hand, nothing to write, nothing known to be due.
    private var isIdle: Bool { !isHungry && held.isEmpty && outcomes.isEmpty && inFlight == 0 && drainProof == .none }

    private mutating func takeOutcomes(into order: inout StoreOrder) {
        settlingKeyed = settlesKeyed
        if outcomes.count <= limits.settleBatch {
            swap(&order.outcomes, &outcomes)
            settlesKeyed = false
        } else {
            order.outcomes = Array(outcomes.prefix(limits.settleBatch))
            outcomes.removeFirst(limits.settleBatch)
        }
    }

    // MARK: What comes back

    mutating func storeOpened() {
        store = .free
        // It may be another machine now, with another clock: whatever it shows next is believed.
        clockIsOfOldConnection = true
        isHungry = true
        wantsSurvey = true
        if backoff > limits.shortestBackoff { actions.append(.report(.storeBack)) }
        backoff = limits.shortestBackoff
    }

    mutating func storeListened(_ hint: Bool) {
        if store == .listening { store = .free }
        if hint || store == .free { isHungry = true }
    }

    mutating func storeDone(_ report: StoreReport, at now: Instant) {
        store = .free
        judgePace(at: now)
        metrics.visits.add(now - askedAt)
        metrics.written += UInt64(report.settlement.written)
        if report.failure == nil {
            if backoff > limits.shortestBackoff { actions.append(.report(.storeBack)) }
            backoff = limits.shortestBackoff
        }
        notePurge(report, at: now)
        noteTicks(report, at: now)
        if !report.settlement.late.isEmpty {
            tally.late += report.settlement.late.count
            actions.append(.report(.lateOutcomes(ids: report.settlement.late)))
        }
        putAside(report.settlement.locked, at: now)
        // What ended may have freed its ordering key for the next.
        if settlingKeyed || report.settlement.madeDue { isHungry = true }
        settlingKeyed = false
        if let batch = report.batch { receive(batch, askedAt: askedAt, now: now) }
        if let expired = report.expired {
            for lease in expired { recover(lease, at: now) }
            if expired.count >= limits.choreBatch { choresAt = now }
        }
        if let swept = report.swept, swept > 0 {
            if swept >= limits.choreBatch { choresAt = now }
            // What waited for their end may be due now.
            isHungry = true
        }
        if let survey = report.survey { learn(survey, at: now) } else if surveying { wantsSurvey = true }
        surveying = false
        signed(report.survey, at: now)
        if let failure = report.failure {
            drainProof = .none
            storeLost(failure, at: now)
        } else if drainProof == .looking {
            judgeDrain(report, at: now)
        }
    }

    /// Rows that somebody has locked must not hold up the others: their outcomes wait aside.
    private mutating func putAside(_ locked: [Outcome], at now: Instant) {
        guard !locked.isEmpty else { return }
        for outcome in locked { lockedOutcomes[outcome.id] = outcome }
        lockedUntil = min(lockedUntil, now + limits.lockedWait)
        let news = locked.map(\.id).filter { toldLocked.insert($0).inserted }
        if !news.isEmpty { actions.append(.report(.rowsLocked(ids: news))) }
    }

    mutating func retryLocked(at now: Instant) {
        lockedUntil = .distantFuture
        toldLocked.formIntersection(lockedOutcomes.keys)
        outcomes += lockedOutcomes.values.sorted { $0.id < $1.id }
        if !lockedOutcomes.isEmpty { oldestOutcomeAt = min(oldestOutcomeAt, now) }
        lockedOutcomes = [:]
    }

    mutating func readClock(_ reading: Timestamp, at now: Instant) {
        let newer = DatabaseClock(reading: reading, askedAt: askedAt, heardAt: now)
        if let known = clock, !clockIsOfOldConnection { clock = known.refined(by: newer) } else { clock = newer }
        clockIsOfOldConnection = false
    }

    private mutating func learn(_ survey: Survey, at now: Instant) {
        readClock(survey.now, at: now)
        // What was paused here a moment ago may not be written yet.
        let before = paused
        paused = Set(survey.paused).union(pauses.map(\.type))
        for type in paused.subtracting(before).sorted() { giveBackQueued(of: type, at: now) }
        warnOfPausedSchedules()
        if !before.isSubset(of: paused) || survey.mayHaveDue { isHungry = true }
        if let due = survey.nextDue { nextDueAt = min(nextDueAt, now + max(.zero, due - survey.now)) }
        let strangers = Set(survey.types).subtracting(routes.keys)
        // Known strangers are asked for with every claim; only a new one is a reason to claim.
        for type in strangers.subtracting(unknownTypes).sorted() {
            actions.append(.report(.unknownType(type)))
            isHungry = true
        }
        unknownTypes = strangers
    }

    /// After a look everywhere: nothing due and no lease anywhere ends a drain; a lease of another relay is waited for.
    private mutating func judgeDrain(_ report: StoreReport, at now: Instant) {
        guard leftOut.isEmpty || report.survey.map({ leftOut.isDisjoint(with: $0.types) }) == true else {
            // What a rate holds back is due all the same, if there is any of it.
            drainProof = .none
            proveAt = max(now + limits.choreInterval, min(claimAt, now + limits.signLife))
            return
        }
        let foundNothing = report.batch?.tasks.isEmpty ?? true
        if foundNothing, outcomes.isEmpty, !isHungry, report.leaseEnd == nil {
            drainProof = .shown
            return
        }
        drainProof = .none
        if let end = report.leaseEnd, let moment = clock?.earliest(at: now), foundNothing {
            // Take it over when it has ended; look again soon, in case its relay settles.
            choresAt = min(choresAt, now + min(max(.zero, end - moment), limits.choreInterval))
            proveAt = now + limits.choreInterval
        }
    }

    mutating func storeFailed(_ error: StoreError, _ order: StoreOrder, at now: Instant) {
        // Listening failed when an order had already interrupted it: that order is under way and will tell for itself.
        if order.isEmpty, store == .working { return }
        purgeFailed(at: now)
        noteTicks(nil, at: now)
        outcomes.insert(contentsOf: order.outcomes, at: 0)
        pauses.insert(contentsOf: order.pauses, at: 0)
        if order.surveys { wantsSurvey = true }
        signed(nil, at: now)
        settlesKeyed = settlesKeyed || settlingKeyed
        settlingKeyed = false
        if order.claim != nil { isHungry = true }
        drainProof = .none
        storeLost(error, at: now)
    }

    /// Waits with full jitter, doubling: relays that lost the same database do not come back all at once.
    mutating func storeLost(_ error: StoreError, at now: Instant) {
        metrics.storeFailures += 1
        let wait = TimeSpan(nanoseconds: Int64(random.next(upTo: UInt64(backoff.nanoseconds)))) + .milliseconds(1)
        backoff = min(backoff + backoff, limits.longestBackoff)
        actions.append(.report(.storeAway(error, retryAfter: wait)))
        switch error.kind {
        case .busy, .unwritable, .data, .defect: store = .resting(until: now + wait)
        case .connection, .schema, .permission, .corrupt: store = .closed(tryAt: now + wait)
        }
    }
}
