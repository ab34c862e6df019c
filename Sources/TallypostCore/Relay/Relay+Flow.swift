// What keeps a task from its destination though it has a place: the destination's breaker, its Retry-After, the route's rate.
//
// A channel without a rate whose destination is free pays two comparisons for all of this. Whatever has to wait for longer
// than a second does not wait in memory: it is given back, its attempt refunded, and comes again. A route's own destination
// that is closed is not claimed for; tasks of one that rows name are claimed among others, and given back with a delay.
extension Relay {
    // MARK: Sending

    /// Whether requests of this channel need no further look.
    func isPlain(_ index: Int) -> Bool { channels[index].bucket == nil && destinations[channels[index].destination].isFree }

    /// The closer look. When the answer is no, the channel has been put to sleep or emptied.
    mutating func admits(_ index: Int, at now: Instant) -> Bool {
        switch gate(of: channels[index].destination, at: now) {
        case .free, .probe: break
        case .closed, .probing:
            holdBack(index, at: now)
            return false
        }
        guard let bucket = channels[index].bucket else { return true }
        // Frozen, or cut off from the database, for long: others have taken up this relay's share.
        let until = now < sharesUntil ? bucket.ready : now + limits.choreInterval
        guard until > now else { return true }
        sleep(index, until: until)
        return false
    }

    mutating func gate(of destination: Int, at now: Instant) -> Destination.Gate {
        guard !destinations[destination].isFree else { return .free }
        let gate = destinations[destination].gate(at: now)
        if gate == .free { release(destination) }
        return gate
    }

    /// Takes a token for a request that leaves now, and makes it the probe where one is due.
    mutating func account(_ task: ClaimedTask, in index: Int, at now: Instant) {
        channels[index].bucket?.take(at: now)
        let destination = channels[index].destination
        guard !destinations[destination].isFree, gate(of: destination, at: now) == .probe else { return }
        destinations[destination].breaker.probe(with: LeaseKey(id: task.id, epoch: task.epoch))
    }

    mutating func sleep(_ index: Int, until moment: Instant, gathering: Bool = false) {
        channels[index].wakesAt = moment
        channels[index].isGathering = gathering
        flowAt = min(flowAt, moment)
        guard !channels[index].isAsleep else { return }
        channels[index].isAsleep = true
        sleepers.append(index)
    }

    /// Wakes the channels whose time has come.
    mutating func wakeSleepers(at now: Instant) {
        guard now >= flowAt else { return }
        flowAt = .distantFuture
        var waking: [Int] = []
        sleepers.removeAll { index in
            if channels[index].wakesAt <= now {
                waking.append(index)
                return true
            }
            flowAt = min(flowAt, channels[index].wakesAt)
            return false
        }
        for index in waking {
            channels[index].isAsleep = false
            channels[index].isGathering = false
            markReady(index)
            dropIfIdle(index)
        }
    }

    // MARK: Answers

    /// What an answer says about its destination.
    mutating func learn(from answer: Answer, in index: Int, at now: Instant) {
        let destination = channels[index].destination
        if case .response(let response) = answer.result, let span = response.hold {
            hold(destination, for: min(span, limits.breakerLongest), at: now)
        }
        let key = LeaseKey(id: answer.id, epoch: answer.epoch)
        let wasProbe = !destinations[destination].isFree && destinations[destination].breaker.state == .probing(key)
        let word = answer.wasOnClosedConnection ? Breaker.Word.nothing : answer.result.aboutDestination
        let underWay = word == .failing ? destinations[destination].channels.reduce(0) { $0 + channels[$1].inFlight } : 0
        let change = destinations[destination].breaker.record(
            word, of: key, underWay: underWay, at: now, limits, &random)
        // What waits in the database for the probe's answer is asked for again.
        if wasProbe { isHungry = true }
        guard let change else { return }
        let origin = destinations[destination].origin
        switch change {
        case .opened(let failures, let attempts, let wait):
            actions.append(.report(.breakerOpened(origin, failures: failures, attempts: attempts, retryAfter: wait)))
            restrain(destination, at: now)
        case .staysOpen(let wait):
            actions.append(.report(.breakerStaysOpen(origin, retryAfter: wait)))
            restrain(destination, at: now)
        case .closed:
            actions.append(.report(.breakerClosed(origin)))
            reportChanged = true
            _ = gate(of: destination, at: now)
        }
    }

    private mutating func hold(_ destination: Int, for span: TimeSpan, at now: Instant) {
        let until = now + span
        guard until > destinations[destination].heldUntil else { return }
        if destinations[destination].toldAt.map({ now - $0 >= limits.breakerMemory }) ?? true {
            destinations[destination].toldAt = now
            actions.append(.report(.slowedDown(destinations[destination].origin, for: span)))
        }
        destinations[destination].heldUntil = until
        restrain(destination, at: now)
    }

    private mutating func restrain(_ destination: Int, at now: Instant) {
        if destinations[destination].isFree {
            destinations[destination].isFree = false
            restrained.append(destination)
        }
        for index in destinations[destination].channels { holdBack(index, at: now) }
        // The next look finds when to come back.
        isHungry = true
        reportChanged = true
    }

    private mutating func release(_ destination: Int) {
        destinations[destination].isFree = true
        restrained.removeAll { $0 == destination }
        reportChanged = true
        for index in destinations[destination].channels { markReady(index) }
    }

    /// Puts a channel whose destination is closed to sleep, or gives its tasks back.
    private mutating func holdBack(_ index: Int, at now: Instant) {
        guard channels[index].queued > 0 else { return }
        let gate = gate(of: channels[index].destination, at: now)
        switch gate {
        case .free, .probe:
            stopGathering(index)
            markReady(index)
        case .closed(let until) where until - now <= limits.keepWithin: sleep(index, until: until)
        case .closed, .probing:
            while let id = channels[index].dequeue() {
                guard let task = held[id], task.sentAt == nil, task.channel == index else { continue }
                giveBack(id, after: absence(of: task.fit, gate, channels[index].destination, at: now), at: now)
            }
        }
    }

    // MARK: Giving back

    /// For how long a task that has just been claimed is given back; nil: it can wait its turn here.
    mutating func delayInsteadOfQueueing(_ fit: FitTask, in index: Int, at now: Instant) -> TimeSpan? {
        let destination = channels[index].destination
        let gate = gate(of: destination, at: now)
        switch gate {
        case .free: break
        case .closed(let until) where until - now <= limits.keepWithin: break
        case .probe where !hasQueued(destination): break
        case .closed, .probe, .probing: return absence(of: fit, gate, destination, at: now)
        }
        // Of a route's own destination no more is claimed than the rate lets through.
        guard let bucket = channels[index].bucket, fit.origin != fit.policy.origin || takesAnyway(fit.task.type) else {
            return nil
        }
        let interval = TimeSpan(nanoseconds: bucket.interval)
        let turn =
            max(bucket.ready, now)
            + TimeSpan(nanoseconds: bucket.interval * Int64(channels[index].queued / channels[index].perRequest))
        guard turn - now > limits.keepWithin else { return nil }
        // Each comes back in a turn of its own.
        let promised = min(max(channels[index].promisedUntil + interval, turn), now + limits.breakerLongest)
        channels[index].promisedUntil = promised
        return promised - now
    }

    /// How long a task stays away from a destination that is closed.
    private mutating func absence(of fit: FitTask, _ gate: Destination.Gate, _ destination: Int, at now: Instant) -> TimeSpan {
        let stays = fit.origin == fit.policy.origin && !takesAnyway(fit.task.type)
        let held = max(.zero, destinations[destination].heldUntil - now)
        // Nothing is claimed for a route's own destination that is closed: its tasks can stand in the queue, for every relay.
        if stays { return held }
        switch gate {
        case .closed(let until): return until - now + jitter(upTo: limits.crowdedDelay)
        case .free, .probe, .probing: return held + limits.crowdedDelay + jitter(upTo: fit.timeout)
        }
    }

    private mutating func jitter(upTo span: TimeSpan) -> TimeSpan {
        TimeSpan(nanoseconds: Int64(random.next(upTo: UInt64(max(0, span.nanoseconds)))))
    }

    private func hasQueued(_ destination: Int) -> Bool {
        destinations[destination].channels.contains { channels[$0].queued > 0 }
    }

    /// Whether tasks of a type are claimed though its own destination takes none now: rows of the type name others, which must not
    /// wait for it; or the relay drains, and what cannot be sent now is put off for the next run.
    func takesAnyway(_ type: String) -> Bool { drains || mixedTypes.contains(type) }

    // MARK: Claiming

    /// How many more tasks of a type its own destination and its rate can take soon; `.max`: any number. Zero sets the time to look
    /// again. `ahead` is how many it takes in the time that tasks are claimed ahead.
    mutating func allowance(of policy: RoutePolicy, at now: Instant) -> (room: Int, ahead: Int) {
        guard policy.rate != nil || !restrained.isEmpty else { return (.max, .max) }
        if let origin = policy.origin, let destination = destinationOf[origin], !takesAnyway(policy.type) {
            switch gate(of: destination, at: now) {
            case .free: break
            case .closed(let until):
                leaveOut(policy.type, until: until, at: now)
                return (0, 0)
            case .probing:
                leaveOut(policy.type, until: .distantFuture, at: now)
                return (0, 0)
            case .probe: return hasQueued(destination) ? (0, 0) : (1, 1)
            }
        }
        guard policy.rate != nil, let origin = policy.origin, !mixedTypes.contains(policy.type) else { return (.max, .max) }
        guard now < sharesUntil else {
            leaveOut(policy.type, until: now + limits.choreInterval, at: now)
            return (0, 0)
        }
        let index = channel(for: ChannelKey(type: policy.type, origin: origin), under: policy)
        guard let bucket = channels[index].bucket else { return (.max, .max) }
        // A token lets a whole batch through.
        let perToken = channels[index].perRequest
        let ahead = max(1, bucket.income(in: limits.rateAhead)) * perToken
        let room = bucket.tokens(at: now, and: limits.rateAhead) * perToken - channels[index].queued
        let worthwhile = max(1, min(ahead, limits.claimBatch) / 2)
        guard room < worthwhile else { return (room, ahead) }
        let missing = TimeSpan(nanoseconds: bucket.interval * Int64((worthwhile - room + perToken - 1) / perToken))
        let earliest = bucket.ready + TimeSpan(nanoseconds: -limits.rateAhead.nanoseconds - bucket.interval)
        leaveOut(policy.type, until: max(now, earliest) + missing, at: now)
        return (0, ahead)
    }

    private mutating func leaveOut(_ type: String, until moment: Instant, at now: Instant) {
        leftOut.insert(type)
        claimAt = min(claimAt, max(moment, now + .milliseconds(1)))
    }

    // MARK: Sharing a rate

    /// So many relays share the rates, this one included.
    mutating func learnShares(_ relays: Int, at now: Instant) {
        // Nobody reckons with this relay yet, or they have ceased to: it waits until all have heard of it.
        if relaysAlive == 0 || askedAt >= sharesUntil {
            relaysAlive = relays
            startsFull = relays <= 1
            sharesFrom = relays > 1 ? now + limits.signInterval + limits.choreInterval : now
            for index in channels.indices {
                if let bucket = channels[index].bucket { channels[index].bucket = freshBucket(bucket.limit) }
            }
            isHungry = isHungry || sharesRates
        } else if relays != relaysAlive {
            relaysAlive = relays
            for index in channels.indices { channels[index].bucket?.share(among: relays, at: now) }
        }
        sharesUntil = askedAt + limits.signLife
    }

    /// A bucket that has been filling since this relay took its share. A relay that came to others starts with nothing; one that is
    /// alone starts with what has come in since its predecessor can have sent at the latest, and one.
    func freshBucket(_ limit: RateLimit) -> TokenBucket {
        var bucket = TokenBucket(limit, among: max(1, relaysAlive), tokens: 0, at: sharesFrom)
        if startsFull {
            let tokens = max(1, bucket.income(in: limits.signLife))
            bucket = TokenBucket(limit, among: max(1, relaysAlive), tokens: tokens, at: sharesFrom)
        }
        return bucket
    }

    /// Other routes: other rates. What was taken of an old one stays taken.
    mutating func applyRate(_ rate: RateLimit?, to index: Int, at now: Instant) {
        guard channels[index].bucket?.limit != rate else { return }
        guard let rate else {
            channels[index].bucket = nil
            return
        }
        if let old = channels[index].bucket {
            let tokens = old.tokens(at: now)
            channels[index].bucket = TokenBucket(rate, among: max(1, relaysAlive), tokens: tokens, at: max(now, sharesFrom))
        } else {
            channels[index].bucket = freshBucket(rate)
        }
    }

    // MARK: Remembering

    mutating func destination(for origin: Origin) -> Int {
        if let index = destinationOf[origin] { return index }
        let index: Int
        if let free = freeDestinations.popLast() {
            destinations[free] = Destination(origin: origin)
            index = free
        } else {
            index = destinations.count
            destinations.append(Destination(origin: origin))
        }
        destinationOf[origin] = index
        return index
    }

    /// A chore: forgets what has gone quiet, so that rows with ever new targets cost no memory. Beyond the bound it forgets the rest too.
    mutating func forgetTheQuiet(at now: Instant) {
        if sharesRates {
            let isCrowded = channelOf.count > limits.remembered
            for index in channels.indices {
                guard let bucket = channels[index].bucket, isCrowded || bucket.isFull(at: now) else { continue }
                dropIfIdle(index, forgetsRate: true)
            }
        }
        guard destinationOf.count > routes.count || !restrained.isEmpty else { return }
        let isCrowded = destinationOf.count > limits.remembered
        for index in destinations.indices where destinations[index].channels.isEmpty {
            let destination = destinations[index]
            guard destinationOf[destination.origin] == index else { continue }
            guard isCrowded || destination.isQuiet(at: now, limits) else { continue }
            if !destination.isFree { restrained.removeAll { $0 == index } }
            destinationOf[destination.origin] = nil
            destinations[index].isFree = true
            freeDestinations.append(index)
        }
    }
}
