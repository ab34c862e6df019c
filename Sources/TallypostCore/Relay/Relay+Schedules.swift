// A tick is decided by the database's clock, and only when its insert is known to be committed: until then it is offered again,
// under the same key, so that a lost answer, a crash or another relay never makes two of one.
extension Relay {
    /// Other schedules from now on.
    mutating func reschedule(_ schedules: [Schedule]) {
        scheduleBook.replace(schedules)
        warnOfPausedSchedules()
    }

    /// Adds the tasks of ticks that have come. A drain is about what is there; it adds nothing.
    mutating func addTicks(to order: inout StoreOrder, at now: Instant) {
        guard !scheduleBook.entries.isEmpty, phase == .running, !drains, let clock else { return }
        scheduleBook.wake(at: now)
        let moment = clock.earliest(at: now).microseconds.dividedDown(by: 1_000_000)
        // A clock that was put back by more than a moment would else keep its schedules silent until it has caught up.
        let isBack = scheduleBook.decidedUpTo > moment + limits.tickPatience
        guard isBack || scheduleBook.next.map({ $0 <= moment }) ?? false else { return }
        let latest = clock.latest(at: now).microseconds.dividedDown(by: 1_000_000)
        for index in scheduleBook.entries.indices {
            begin(index, at: moment)
            guard let next = scheduleBook.entries[index].next, next <= moment,
                scheduleBook.entries[index].restsUntil <= now
            else { continue }
            let room = limits.choreBatch - order.inserts.count
            guard room > 0 else { break }
            addTicks(of: index, from: next, upTo: moment, latest: latest, room: room, to: &order)
        }
    }

    /// When the next tick comes, or an insert that was refused is tried again.
    func tickWake(after now: Instant) -> Instant {
        guard !drains, let clock else { return .distantFuture }
        guard let next = scheduleBook.next else { return scheduleBook.restEnds }
        let due = Timestamp(seconds: max(next, 0))
        return min(now + max(.zero, due - clock.earliest(at: now)), scheduleBook.restEnds)
    }

    /// The first look at a schedule, or the first after the clock was put back.
    private mutating func begin(_ index: Int, at moment: Int64) {
        let entry = scheduleBook.entries[index]
        if let decided = entry.decidedUpTo {
            if decided > moment + limits.tickPatience { scheduleBook.change(index) { $0.decide(upTo: moment) } }
            return
        }
        let missed =
            entry.wasThereAtStart && entry.schedule.catchUp == .latest
            ? entry.schedule.times.latest(atOrBefore: moment, notBefore: moment - tickLife) : nil
        scheduleBook.change(index) { $0.decide(upTo: missed.map { $0 - 1 } ?? moment) }
    }

    /// No older tick is offered: seconds. Its row, and so its key, is still there then, whoever inserted it and however soon it ended:
    /// half of the shortest retention is left for the way to the database.
    private var tickLife: Int64 {
        let kept = (retention.policy.shortest?.nanoseconds ?? .max) / 2_000_000_000
        return min(limits.tickLife, kept)
    }

    /// Ticks that come at most a minute late; and of a schedule that catches up, the last one, however late.
    private mutating func addTicks(
        of index: Int, from next: Int64, upTo moment: Int64, latest: Int64, room: Int, to order: inout StoreOrder
    ) {
        let entry = scheduleBook.entries[index]
        let times = entry.schedule.times
        let punctual = latest - min(limits.tickPatience, tickLife)
        var ticks: [Int64] = []
        var tick = next >= punctual ? next : times.next(after: punctual - 1)
        while let time = tick, time <= moment, ticks.count < room {
            ticks.append(time)
            tick = times.next(after: time)
        }
        if ticks.isEmpty, entry.schedule.catchUp == .latest,
            let last = times.latest(atOrBefore: moment, notBefore: max(next, latest - tickLife))
        {
            ticks = [last]
        }
        let upTo = ticks.count < room ? moment : ticks.last ?? moment
        let missedFrom = ticks.first == next ? nil : next
        guard !ticks.isEmpty else {
            actions.append(.report(.ticksMissed(schedule: entry.schedule.name, since: Timestamp(seconds: next))))
            scheduleTally.missed += 1
            scheduleBook.change(index) { $0.decide(upTo: upTo) }
            return
        }
        let drafts = ticks.map(entry.schedule.draft(of:))
        order.inserts += drafts
        scheduleBook.underWay.append(
            .init(name: entry.schedule.name, upTo: upTo, keys: drafts.compactMap(\.idempotencyKey), missedFrom: missedFrom))
    }

    /// After every visit to the database.
    mutating func noteTicks(_ report: StoreReport?, at now: Instant) {
        guard !scheduleBook.underWay.isEmpty else { return }
        let promises = scheduleBook.underWay
        scheduleBook.underWay = []
        // The order failed whole: nobody knows what was inserted, and the keys keep it from being inserted again.
        guard let inserted = report?.inserted else { return }
        scheduleTally.inserted += inserted.inserted
        scheduleTally.known += promises.reduce(0) { $0 + $1.keys.count } - inserted.inserted - inserted.refused.count
        scheduleTally.refused += inserted.refused.count
        if inserted.inserted > 0 { isHungry = true }
        for promise in promises {
            // A reload may have changed or removed it meanwhile.
            guard let index = scheduleBook.entries.firstIndex(where: { $0.schedule.name == promise.name }),
                scheduleBook.entries[index].decidedUpTo != nil
            else { continue }
            if let refusal = inserted.refused.first(where: { promise.keys.contains($0.key) }) {
                let restEnds = now + limits.tickRetry
                scheduleBook.change(index) { $0.restsUntil = restEnds }
                actions.append(
                    .report(.tickRefused(schedule: promise.name, key: refusal.key, refusal.error, retryAfter: limits.tickRetry)))
                continue
            }
            scheduleBook.change(index) { $0.decide(upTo: promise.upTo) }
            if let missed = promise.missedFrom {
                actions.append(.report(.ticksMissed(schedule: promise.name, since: Timestamp(seconds: missed))))
                scheduleTally.missed += 1
            }
        }
    }

    /// Tasks of a paused route are inserted, and wait.
    mutating func warnOfPausedSchedules() {
        guard !scheduleBook.entries.isEmpty else { return }
        scheduleBook.toldPaused.formIntersection(paused)
        for entry in scheduleBook.entries where paused.contains(entry.schedule.task.type) {
            let type = entry.schedule.task.type
            guard scheduleBook.toldPaused.insert(type).inserted else { continue }
            actions.append(.report(.scheduleOfPausedRoute(schedule: entry.schedule.name, type: type)))
        }
    }
}

extension Timestamp {
    init(seconds: Int64) { self.init(microseconds: seconds * 1_000_000) }
}
