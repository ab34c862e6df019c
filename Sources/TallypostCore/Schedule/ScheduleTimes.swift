/// When a schedule ticks. Times are whole seconds since 1970, UTC.
public enum ScheduleTimes: Sendable, Equatable {
    /// By a calendar and a clock on the wall.
    case cron(CronPattern, Zone)
    /// Every so many seconds, counted from 1970, so that all relays, whenever they started, agree.
    case every(Int64)

    /// The first tick after a moment; nil: none comes any more.
    ///
    /// Where the clock on the wall is put forward, what falls into the gap ticks once, at the first moment after it. Where it is put
    /// back, what comes twice ticks the first time. A pattern for every hour goes by elapsed time instead: it ticks whenever the clock
    /// on the wall fits, so an hour that comes twice has it twice and one that is skipped has it not.
    public func next(after moment: Int64) -> Int64? {
        switch self {
        case .every(let seconds): return (moment.dividedDown(by: seconds) + 1) * seconds
        case .cron(let pattern, let zone): return Self.next(pattern, zone, after: moment)
        }
    }

    private static func next(_ pattern: CronPattern, _ zone: Zone, after moment: Int64) -> Int64? {
        let goesByWall = !pattern.isEveryHour
        var from = moment + 1
        while true {
            let segment = zone.segment(at: from)
            if from == segment.start, goesByWall, segment.offset > segment.offsetBefore,
                let skipped = pattern.next(from: from + segment.offsetBefore), skipped < from + segment.offset
            {
                return from
            }
            var local = from + segment.offset
            if goesByWall, segment.offset < segment.offsetBefore { local = max(local, segment.start + segment.offsetBefore) }
            guard let found = pattern.next(from: local) else { return nil }
            if found - segment.offset < segment.end { return found - segment.offset }
            from = segment.end
        }
    }

    /// The last tick at or before a moment, but not before `earliest`; nil when there is none between them.
    public func latest(atOrBefore moment: Int64, notBefore earliest: Int64) -> Int64? {
        if case .every(let seconds) = self {
            let tick = moment.dividedDown(by: seconds) * seconds
            return tick >= earliest ? tick : nil
        }
        // Looks at a short stretch first, so that a pattern for every minute is not counted through a whole day.
        var stretch: Int64 = 300
        while true {
            let start = max(earliest, moment - stretch)
            var found: Int64?
            var tick = next(after: start - 1)
            while let time = tick, time <= moment {
                found = time
                tick = next(after: time)
            }
            if found != nil || start == earliest { return found }
            stretch *= 8
        }
    }
}
