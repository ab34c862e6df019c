/// What a relay remembers of its schedules.
struct ScheduleBook: Sendable {
    struct Entry: Sendable {
        var schedule: Schedule
        /// Ticks up to here, seconds since 1970 by the database's clock, are inserted or given up; nil: nothing is decided yet.
        var decidedUpTo: Int64?
        /// The first tick after that; nil: none, or nothing is decided yet.
        var next: Int64?
        /// Whether it was there when the relay started: ticks from before are then caught up with, as `catchUp` says.
        var wasThereAtStart: Bool
        /// No insert before this: the database refused one. The other schedules go on.
        var restsUntil = Instant(nanoseconds: .min)

        mutating func decide(upTo moment: Int64) {
            decidedUpTo = moment
            next = schedule.times.next(after: moment)
        }
    }

    /// What the order under way inserts of one schedule.
    struct Promise: Sendable {
        var name: String
        var upTo: Int64
        var keys: [String]
        /// The first of the ticks that came too late to be inserted.
        var missedFrom: Int64?
    }

    private(set) var entries: [Entry] = []
    var underWay: [Promise] = []
    /// Paused types that were told of.
    var toldPaused: Set<String> = []
    // Kept beside the entries, as the relay asks at every turn.
    /// The next tick of all that is not decided; `.min` while one has to be begun with; nil: there is none.
    private(set) var next: Int64?
    /// When the first entry that rests may be tried again.
    private(set) var restEnds = Instant.distantFuture
    /// The latest moment that a schedule is decided up to.
    private(set) var decidedUpTo = Int64.min

    init(_ schedules: [Schedule]) {
        entries = schedules.sorted { $0.name < $1.name }.map { Entry(schedule: $0, wasThereAtStart: true) }
        look()
    }

    /// Changes one entry.
    mutating func change(_ index: Int, _ edit: (inout Entry) -> Void) {
        edit(&entries[index])
        look()
    }

    /// Ends the rests that are over.
    mutating func wake(at now: Instant) {
        guard now >= restEnds else { return }
        for index in entries.indices where entries[index].restsUntil <= now {
            entries[index].restsUntil = Instant(nanoseconds: .min)
        }
        look()
    }

    private mutating func look() {
        (next, restEnds, decidedUpTo) = (nil, .distantFuture, .min)
        for entry in entries {
            decidedUpTo = max(decidedUpTo, entry.decidedUpTo ?? .min)
            guard let found = entry.decidedUpTo == nil ? .min : entry.next else { continue }
            if entry.restsUntil.nanoseconds > .min {
                restEnds = min(restEnds, entry.restsUntil)
            } else {
                next = min(next ?? found, found)
            }
        }
    }

    /// A schedule whose times are as they were goes on where it was. Another one begins now: this relay was there, and its earlier
    /// ticks were not asked for.
    mutating func replace(_ schedules: [Schedule]) {
        let old = Dictionary(uniqueKeysWithValues: entries.map { ($0.schedule.name, $0) })
        entries = schedules.sorted { $0.name < $1.name }.map { schedule in
            guard var entry = old[schedule.name], entry.schedule.times == schedule.times else {
                return Entry(schedule: schedule, wasThereAtStart: false)
            }
            entry.schedule = schedule
            // What was refused may be mended.
            entry.restsUntil = Instant(nanoseconds: .min)
            return entry
        }
        look()
    }
}
