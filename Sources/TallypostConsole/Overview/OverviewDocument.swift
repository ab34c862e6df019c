import TallypostCore

/// `GET /v1/overview`: all of the front page's figures in one answer.
struct OverviewDocument {
    /// What the relay tells of itself, as for `/metrics`.
    var families: [MetricFamily]
    var isLive: Bool
    var isDraining: Bool
    /// Whether reconciliation is there to be asked.
    var hasFindings: Bool
    /// Nil: not by itself.
    var reconcilesEvery: TimeSpan?

    func answer(_ reading: OverviewReading) -> HTTPAnswer {
        .json { json in
            json.name("relay")
            json.object { relay(&$0) }
            json.name("database")
            json.object { json in
                json.name("up")
                // A lock that is held says that it is there.
                json.truth(reading.problem == nil || !reading.gauges.isEmpty || reading.overview != nil)
                json.member("problem", reading.problem)
            }
            json.name("waiting")
            json.array { json in for gauge in reading.gauges { Self.waiting(&json, gauge) } }
            json.name("statuses")
            if let overview = reading.overview {
                json.object { Self.statuses(&$0, overview) }
            } else {
                json.raw("null")
            }
            json.name("pausedRoutes")
            json.array { json in for route in reading.paused { Self.paused(&json, route) } }
            json.name("relays")
            json.array { json in for relay in reading.relays { Self.signed(&json, relay) } }
            json.name("reconciliation")
            guard hasFindings else { return json.raw("null") }
            json.object { json in
                json.name("lastRun")
                if let run = reading.lastRun { json.run(run) } else { json.raw("null") }
                json.name("everySeconds")
                if let every = reconcilesEvery { json.integer(every.milliseconds / 1_000) } else { json.raw("null") }
            }
        }
    }

    // MARK: This relay

    private func relay(_ json: inout JSONBuilder) {
        json.member("version", samples("build_info").first?.labels.first { $0.name == "version" }?.value)
        json.name("live")
        json.truth(isLive)
        json.name("draining")
        json.truth(isDraining)
        json.name("heldTasks")
        json.integer(samples("held_tasks").first.map(Self.number) ?? 0)
        json.name("destinations")
        let open = Set(samples("breaker_open").filter { Self.number($0) > 0 }.compactMap { $0.labels.first?.value })
        json.array { json in
            for sample in samples("in_flight") {
                let destination = sample.labels.first?.value ?? ""
                let inFlight = Self.number(sample)
                // Those that no row of the table names are left out while nothing goes there.
                if destination == "(other)" && inFlight == 0 && !open.contains(destination) { continue }
                json.object { json in
                    json.member("destination", destination)
                    json.name("inFlight")
                    json.integer(inFlight)
                    json.name("breakerOpen")
                    json.truth(open.contains(destination))
                }
            }
        }
        json.name("types")
        json.array { types(&$0) }
    }

    /// Counters of this relay since it started, by type.
    private func types(_ json: inout JSONBuilder) {
        let counters = [("tasks_finished_total", "status", "finished"), ("attempts_total", "outcome", "attempts")]
        var found: [String: [String: [(name: String, count: Int64)]]] = [:]
        for (family, label, member) in counters {
            for sample in samples(family) {
                guard let type = sample.labels.first(where: { $0.name == "type" })?.value,
                    let word = sample.labels.first(where: { $0.name == label })?.value
                else { continue }
                found[type, default: [:]][member, default: []].append((word, Self.number(sample)))
            }
        }
        for (type, members) in found.sorted(by: { $0.key < $1.key }) {
            json.object { json in
                json.member("type", type)
                for (_, _, member) in counters {
                    json.name(member)
                    json.object { json in
                        for (word, count) in members[member] ?? [] {
                            json.name(word)
                            json.integer(count)
                        }
                    }
                }
            }
        }
    }

    private func samples(_ name: String) -> [MetricFamily.Sample] {
        families.first { $0.name == "tallypost_\(name)" }?.samples ?? []
    }

    private static func number(_ sample: MetricFamily.Sample) -> Int64 {
        if case .count(let count) = sample.value { count } else { 0 }
    }

    // MARK: The database

    private static func waiting(_ json: inout JSONBuilder, _ gauge: PendingGauge) {
        json.object { json in
            json.member("type", gauge.type)
            json.name("pending")
            json.integer(gauge.pending)
            json.name("oldestAgeSeconds")
            json.raw("\(Double(gauge.oldestAge.milliseconds) / 1_000)")
        }
    }

    private static func statuses(_ json: inout JSONBuilder, _ overview: Overview) {
        json.member("asOf", overview.now.iso8601)
        json.name("due")
        json.integer(overview.due)
        json.name("finishedLastMinute")
        json.object { json in
            for (status, count) in overview.finishedLastMinute.sorted(by: { $0.key < $1.key }) {
                json.name(status)
                json.integer(count)
            }
        }
        json.name("types")
        json.array { json in
            for (type, lines) in Dictionary(grouping: overview.lines, by: \.type).sorted(by: { $0.key < $1.key }) {
                json.object { json in
                    json.member("type", type)
                    json.name("counts")
                    json.object { json in
                        for line in lines {
                            json.name(line.status)
                            json.integer(line.count)
                        }
                    }
                }
            }
        }
        json.name("leases")
        json.array { json in
            for holder in overview.holders {
                json.object { json in
                    json.member("relay", holder.relay)
                    json.name("count")
                    json.integer(holder.count)
                    json.member("earliestExpiry", holder.earliestExpiry?.iso8601)
                }
            }
        }
    }

    private static func paused(_ json: inout JSONBuilder, _ route: PausedRoute) {
        json.object { json in
            json.member("type", route.type)
            json.member("since", route.since.iso8601)
            json.member("by", route.by)
            json.member("reason", route.reason)
        }
    }

    private static func signed(_ json: inout JSONBuilder, _ relay: SignedRelay) {
        json.object { json in
            json.member("name", relay.name)
            json.member("seenAt", relay.seenAt.iso8601)
            json.name("state")
            if let state = relay.state, let source = JSONSource(Array(state.utf8)) {
                json.raw(source.verbatim)
            } else {
                json.raw("null")
            }
        }
    }
}
