package import TallypostCore

/// Roll-forwards from movements: what was open, what moved, what is open.
package enum RollForward {
    /// What was open before the first of these movements, from all that was recorded before: the balance of each series.
    ///
    /// - Parameter movements: those recorded before the period.
    package static func balances(of movements: some Sequence<(key: MovementKey, value: Tally)>) -> [Series: Tally] {
        var balances: [Series: Tally] = [:]
        for (key, tally) in movements where key.kind.sign != 0 {
            if key.kind.sign > 0 {
                balances[key.series, default: .zero] += tally
            } else {
                balances[key.series, default: .zero] -= tally
            }
        }
        return balances.filter { !$0.value.isZero }
    }

    /// A line for each series that had something open, or that anything happened to.
    ///
    /// - Parameters:
    ///   - opening: the balances at the period's first moment.
    ///   - movements: those recorded in the period; others are passed over.
    ///   - live: open rows of the live table, where the period ends with the run; nil: not compared.
    ///   - explained: what people have explained of the period's residuals, signed.
    package static func lines(
        opening: [Series: Tally], movements: some Sequence<(key: MovementKey, value: Tally)>, in period: Period,
        live: [Series: Tally]? = nil, explained: [Series: Tally] = [:]
    ) -> [RollForwardLine] {
        var lines: [Series: RollForwardLine] = [:]
        for (series, tally) in opening { lines[series, default: RollForwardLine(series: series)].opening += tally }
        for (key, tally) in movements where period.from <= key.recorded && key.recorded < period.to {
            add(key, tally, from: period.from, to: &lines[key.series, default: RollForwardLine(series: key.series)])
        }
        for (series, tally) in explained {
            lines[series, default: RollForwardLine(series: series)].explained += tally
            lines[series]?.residual -= tally
        }
        if let live {
            // A series that only the table has: its check shows it.
            for series in live.keys where lines[series] == nil { lines[series] = RollForwardLine(series: series) }
            for series in lines.keys { lines[series]?.live = live[series] ?? .zero }
        }
        return lines.values.filter { !isEmpty($0) }.sorted { $0.series < $1.series }
    }

    private static func add(_ key: MovementKey, _ tally: Tally, from: Timestamp, to line: inout RollForwardLine) {
        switch key.kind {
        case .created:
            line.created += tally
            if let effective = key.effective, effective < from { line.late += tally }
        case .reopened: line.reopened += tally
        case .completed: line.completed += tally
        case .cancelled: line.cancelled += tally
        case .purgedOpen: line.purged += tally
        case .purgedSettled: break
        case .unexplainedOpen: line.unexplained += tally
        case .unexplained: line.residual += tally
        }
    }

    private static func isEmpty(_ line: RollForwardLine) -> Bool {
        var empty = RollForwardLine(series: line.series)
        empty.live = line.live?.isZero ?? true ? line.live : nil
        return line == empty
    }

    /// What came and went on each of the period's days, over all series; days without anything too.
    package static func flow(
        _ movements: some Sequence<(key: MovementKey, value: Tally)>, in period: Period, zone: Zone
    ) -> [ReconciliationReport.FlowDay] {
        let days = LocalDays(zone: zone)
        var (starts, flow): ([Timestamp], [ReconciliationReport.FlowDay]) = ([], [])
        var day = days.day(of: period.from)
        while days.start(of: day) < period.to {
            // A day that the zone left out has no moment.
            if days.start(of: day) < days.start(of: day + 1) {
                starts.append(days.start(of: day))
                flow.append(.init(day: LocalDays.name(of: day), created: 0, completed: 0, cancelled: 0))
            }
            day += 1
        }
        for (key, tally) in movements where period.from <= key.recorded && key.recorded < period.to {
            guard let place = starts.lastIndex(where: { $0 <= key.recorded }) else { continue }
            switch key.kind {
            case .created: flow[place].created += tally.count
            case .completed: flow[place].completed += tally.count
            case .cancelled: flow[place].cancelled += tally.count
            default: break
            }
        }
        return flow
    }
}
