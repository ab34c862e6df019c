package import TallypostCore

/// Watches what no run of the reconciliation sees: backlog, failures, stuck tasks, runs that were missed.
///
/// It is asked every few seconds, and works at most a fiftieth of the time, because it may have to look at every task that waits. Every
/// relay has one; that only one of them tells is ``AlertBook``'s affair.
package final class AlertWatch {
    /// What was read.
    struct Reading: Sendable, Equatable {
        var depth: Int64 = 0
        var oldestDue: Timestamp?
        var stuck: Int64 = 0
        var failures: Int64 = 0
        /// Completions; nil: so few failed that it does not matter.
        var completions: Int64?
        var lastRun: Timestamp?
    }

    /// Rest for each part of work.
    static let restPerWork: Int64 = 49
    /// A rate of fewer ended tasks says nothing.
    static let fewest: Int64 = 20
    /// Over how long failures are counted.
    static let rateSpan = TimeSpan.minutes(5)
    /// A lease that has just run out will be taken over by the next chore.
    static let stuckGrace = TimeSpan.seconds(30)
    /// Completions are looked for among so many of the newest tasks.
    static let newest: Int64 = 1_000_000
    /// What was firing is over below nine tenths of its threshold.
    static let hysteresis = 0.9

    private let receivers: [AlertSettings]
    private let name: String
    private let every: TimeSpan?
    private let clock: () -> Instant
    private var restUntil = Instant(nanoseconds: .min)
    private var startedAt: Timestamp?

    /// - Parameters:
    ///   - receivers: whom to tell what.
    ///   - database: its name in alerts, without a password.
    ///   - every: how often the reconciliation runs; nil: it does not.
    ///   - clock: monotonic.
    package init(_ receivers: [AlertSettings], database: String, every: TimeSpan?, clock: @escaping () -> Instant) {
        self.receivers = receivers
        name = database
        self.every = every
        self.clock = clock
    }

    /// Looks, and tells what has changed. How many tasks it inserted; 0 when it was not time to look yet.
    @discardableResult
    package func evaluate(on database: any ReconcileDatabase) throws(StoreError) -> Int {
        let start = clock()
        guard start >= restUntil else { return 0 }
        defer { restUntil = clock() + TimeSpan(nanoseconds: (clock() - start).nanoseconds * Self.restPerWork) }
        let now = try database.beginReading(statementTimeout: .seconds(30))
        let reading: Reading
        let states: [String: AlertState]
        do throws(StoreError) {
            reading = try read(database, at: now)
            states = try AlertBook(database).states()
            database.endReading()
        } catch {
            database.endReading()
            throw error
        }
        startedAt = startedAt ?? now
        let found = changes(reading, states, now: now)
        guard !found.isEmpty else { return 0 }
        return try database.write { () throws(StoreError) in try AlertBook(database).tell(found, now: now) }
    }

    // MARK: Reading

    private func read(_ database: any ReconcileDatabase, at now: Timestamp) throws(StoreError) -> Reading {
        var reading = Reading()
        if receivers.contains(where: { $0.depthOver != nil || $0.oldestOver != nil }) {
            try database.run(.alertBacklog, [.time(now)]) { row in
                reading.depth = row.integer(0) ?? 0
                reading.oldestDue = row.time(1)
                return false
            }
        }
        if receivers.contains(where: { $0.stuckOver != nil }) {
            try database.run(.alertStuck, [.time(now + TimeSpan(nanoseconds: -Self.stuckGrace.nanoseconds))]) { row in
                reading.stuck = row.integer(0) ?? 0
                return false
            }
        }
        if let least = receivers.compactMap(\.failureRateOver).min() {
            let since = now + TimeSpan(nanoseconds: -Self.rateSpan.nanoseconds)
            try database.run(.alertFailures, [.time(since)]) { row in
                reading.failures = row.integer(0) ?? 0
                return false
            }
            // The dear part: only when it can make a difference.
            if reading.failures > 0, Double(reading.failures) >= least * Self.hysteresis * Double(Self.fewest) {
                try database.run(.alertCompletions, [.time(since), .integer(Self.newest)]) { row in
                    reading.completions = row.integer(0)
                    return false
                }
            }
        }
        if every != nil, receivers.contains(where: \.missedRun) {
            try database.run(.alertLastRun, []) { row in
                reading.lastRun = row.time(0)
                return false
            }
        }
        return reading
    }

    // MARK: Judging

    /// What is to be told: transitions, and reminders of what goes on.
    func changes(_ reading: Reading, _ states: [String: AlertState], now: Timestamp) -> [AlertChange] {
        receivers.flatMap { settings in
            var changes: [AlertChange] = []
            var watched: Set<String> = []
            for (alert, level) in levels(of: settings, reading, now: now) {
                let name = "\(settings.name)/\(alert.key)"
                watched.insert(name)
                let state = states[name]
                let wasFiring = state?.isFiring ?? false
                let isFiring = level > 1 || (wasFiring && level >= Self.hysteresis)
                if isFiring != wasFiring || (isFiring && isDue(state, settings, now)) {
                    changes.append(AlertChange(settings: settings, alert: alert, isFiring: isFiring, before: state))
                }
            }
            for (name, state) in states.sorted(by: { $0.key < $1.key })
            where name.hasPrefix(settings.name + "/") && state.isFiring && !watched.contains(name) {
                guard var told = state.told else { continue }
                let isOfRun = told.condition == "findings" && settings.findings != nil
                if !isOfRun {
                    // Its threshold was taken out of the configuration.
                    told.summary = "\(told.condition) is not watched any more; before: \(told.summary)"
                    changes.append(AlertChange(settings: settings, alert: told, isFiring: false, before: state))
                } else if isDue(state, settings, now) {
                    changes.append(AlertChange(settings: settings, alert: told, isFiring: true, before: state))
                }
            }
            return changes
        }
    }

    private func isDue(_ state: AlertState?, _ settings: AlertSettings, _ now: Timestamp) -> Bool {
        guard let state, let reminder = settings.reminder else { return false }
        let told = state.told?.toldAt ?? state.since.iso8601
        // ISO 8601 in one zone and length: the text's order is that of time.
        return told <= (now + TimeSpan(nanoseconds: -reminder.nanoseconds)).iso8601
    }

    /// Each condition that a receiver watches, and how near to its threshold: above 1 it fires.
    private func levels(of settings: AlertSettings, _ reading: Reading, now: Timestamp) -> [(Alert, Double)] {
        var levels: [(Alert, Double)] = []
        func add(_ condition: String, _ severity: Severity, _ count: Int64, _ level: Double, _ summary: String) {
            levels.append(
                (Alert(condition: condition, severity: severity.rawValue, count: count, summary: summary, database: name), level))
        }
        if let most = settings.depthOver {
            add(
                "depth", .high, reading.depth, Self.level(Double(reading.depth), Double(most)),
                "\(reading.depth) task\(reading.depth == 1 ? " is" : "s are") due and not sent yet; the limit is \(most)")
        }
        if let most = settings.oldestOver {
            let age = reading.oldestDue.map { max(.zero, now - $0) } ?? .zero
            add(
                "oldest", .high, reading.depth, Self.level(age.seconds, most.seconds),
                "the oldest due task has waited for \(age.milliseconds / 1_000) s; the limit is \(most.milliseconds / 1_000) s")
        }
        if let most = settings.stuckOver {
            add(
                "stuck", .high, reading.stuck, Self.level(Double(reading.stuck), Double(most)),
                "\(reading.stuck) task\(reading.stuck == 1 ? " is" : "s are") in processing with a lease that ran out; the limit is \(most)"
            )
        }
        if let most = settings.failureRateOver {
            let total = reading.failures + (reading.completions ?? 0)
            let isEnough = reading.completions != nil && total >= Self.fewest
            let rate = isEnough ? Double(reading.failures) / Double(total) : 0
            add(
                "failure_rate", .high, reading.failures, Self.level(rate, most),
                "\(reading.failures) of \(isEnough ? "\(total)" : "the") tasks that ended in the last 5 minutes failed; the limit is "
                    + "\(Self.percent(most)) %")
        }
        if settings.missedRun, let every {
            let patience = every + every + .minutes(1)
            let last = reading.lastRun ?? startedAt ?? now
            let silence = max(.zero, now - last)
            add(
                "missed_run", .high, 0, Self.level(silence.seconds, patience.seconds),
                reading.lastRun.map {
                    "the last reconciliation looked at \($0.iso8601), \(silence.milliseconds / 1_000) s ago; it should every "
                        + "\(every.milliseconds / 1_000) s"
                } ?? "no reconciliation was completed yet")
        }
        return levels
    }

    /// More than 1 above the threshold; a threshold of 0 is passed by anything.
    private static func level(_ value: Double, _ threshold: Double) -> Double {
        threshold > 0 ? value / threshold : value > 0 ? 2 : 0
    }

    private static func percent(_ share: Double) -> String {
        let tenths = (share * 1_000).rounded()
        return tenths.truncatingRemainder(dividingBy: 10) == 0 ? "\(Int64(tenths) / 10)" : "\(tenths / 10)"
    }
}
