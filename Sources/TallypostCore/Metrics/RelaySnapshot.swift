/// All that a relay can tell of itself at one moment, for a thread that is not its own.
public struct RelaySnapshot: Sendable {
    let metrics: RelayMetrics
    let tally: RelayTally
    let scheduleTally: ScheduleTally
    /// By destination: those of the routes by name, all that rows name as "(other)".
    let destinations: [Traffic]
    let heldTasks: Int
    let heldBytes: Int
    let unsettled: Int
    /// Whether the database answered when it was last asked.
    public let reachesStore: Bool
    /// Whether it claims nothing more: it was told to stop, or has finished.
    public let isStopping: Bool

    struct Traffic: Sendable {
        var destination: String
        var inFlight = 0
        var isOpen = false
    }

    /// Since the relay began.
    public var requestsSent: Int { tally.sent }

    /// As families, in the order of their names.
    public var families: [MetricFamily] { (byType + byDestination + ownState).sorted { $0.name < $1.name } }

    private func samples(_ label: String, _ values: [(String, KeyPath<RelayMetrics.Series, UInt64>)]) -> [MetricFamily.Sample] {
        zip(metrics.types, metrics.series).flatMap { type, series in
            values.map { word, path in
                .init(.count(Int64(clamping: series[keyPath: path])), labels: [("type", type), (label, word)])
            }
        }
    }

    private func histograms(_ path: KeyPath<RelayMetrics.Series, Histogram>) -> [MetricFamily.Sample] {
        zip(metrics.types, metrics.series).map { .init(.histogram($1[keyPath: path]), labels: [("type", $0)]) }
    }

    private var byType: [MetricFamily] {
        [
            MetricFamily(
                "tallypost_tasks_finished_total", .counter,
                "Tasks that ended, as this relay decided; the few whose lease was lost are in tallypost_late_outcomes_total too.",
                samples("status", [("completed", \.completed), ("failed", \.failed), ("timeout", \.timedOut)])),
            MetricFamily(
                "tallypost_attempts_total", .counter,
                "Attempts by what followed: accepted means that the task now waits for a signal, lost that its relay died.",
                samples(
                    "outcome",
                    [
                        ("success", \.succeeded), ("accepted", \.accepted), ("retry", \.retried), ("failed", \.rejected),
                        ("lost", \.lost),
                    ])),
            MetricFamily(
                "tallypost_attempt_duration_seconds", .histogram, "From sending a request to its answer, or to giving it up.",
                histograms(\.duration)),
            MetricFamily(
                "tallypost_dispatch_delay_seconds", .histogram,
                "From the time an attempt was due to its sending, by the database's clock.", histograms(\.delay)),
        ]
    }

    private var byDestination: [MetricFamily] {
        [
            MetricFamily(
                "tallypost_in_flight", .gauge, "Requests that wait for their answer.",
                destinations.map { .init(.count(Int64($0.inFlight)), labels: [("destination", $0.destination)]) }),
            MetricFamily(
                "tallypost_breaker_open", .gauge,
                "1 while nothing but a probe is sent to a destination, as too many attempts failed.",
                destinations.map { .init(.count($0.isOpen ? 1 : 0), labels: [("destination", $0.destination)]) }),
        ]
    }

    private var ownState: [MetricFamily] {
        func counter(_ name: String, _ help: String, _ value: Int) -> MetricFamily {
            MetricFamily("tallypost_\(name)_total", .counter, help, Int64(value))
        }
        func gauge(_ name: String, _ help: String, _ value: Int) -> MetricFamily {
            MetricFamily("tallypost_\(name)", .gauge, help, Int64(value))
        }
        let ticks = [
            ("inserted", scheduleTally.inserted), ("known", scheduleTally.known), ("missed", scheduleTally.missed),
            ("refused", scheduleTally.refused),
        ]
        return [
            counter("late_outcomes", "Outcomes dropped because their lease was lost.", tally.late),
            counter("tasks_claimed", "Tasks leased by this relay.", tally.claimed),
            counter("tasks_released", "Leases given back with nothing sent.", tally.released),
            counter("leases_recovered", "Leases of relays that stopped answering, taken up by this one.", tally.recovered),
            counter("tasks_purged", "Tasks removed because retention said so.", tally.purged),
            counter("outcomes_written", "Outcomes that the database has.", Int(clamping: metrics.written)),
            counter("store_failures", "Visits to the database that failed.", Int(clamping: metrics.storeFailures)),
            MetricFamily(
                "tallypost_schedule_ticks_total", .counter,
                "Ticks of schedules: known means that another relay, or an earlier try, had inserted them.",
                ticks.map { .init(.count(Int64($1)), labels: [("outcome", $0)]) }),
            MetricFamily(
                "tallypost_store_visit_duration_seconds", .histogram, "What a visit to the database takes.",
                [.init(.histogram(metrics.visits))]),
            gauge("held_tasks", "Tasks leased and in memory.", heldTasks),
            gauge("held_bytes", "What they take of memory, near enough.", heldBytes),
            gauge("unwritten_outcomes", "Outcomes that wait for the database.", unsettled),
        ]
    }
}

extension Relay {
    /// What it can tell of itself now. Costs as much as it has destinations; for once a second.
    public func snapshot() -> RelaySnapshot {
        var named: [Origin: Int] = [:]
        var traffic: [RelaySnapshot.Traffic] = []
        for origin in Set(routes.values.compactMap(\.origin)).sorted(by: { $0.description < $1.description }) {
            named[origin] = traffic.count
            traffic.append(.init(destination: origin.description))
        }
        let other = traffic.count
        traffic.append(.init(destination: "(other)"))
        let places = destinations.map { named[$0.origin] ?? other }
        for channel in channels where channel.inFlight > 0 { traffic[places[channel.destination]].inFlight += channel.inFlight }
        // Those that are not free are few; a free one has no open breaker.
        for index in restrained where destinations[index].breaker.state != .closed { traffic[places[index]].isOpen = true }
        return RelaySnapshot(
            metrics: metrics, tally: tally, scheduleTally: scheduleTally, destinations: traffic, heldTasks: held.count,
            heldBytes: heldBytes, unsettled: unsettledCount, reachesStore: reachesStore, isStopping: phase != .running)
    }
}
