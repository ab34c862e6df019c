import TallypostCore
import TallypostRelay

/// What `status` shows, as a page or as JSON.
struct StatusPage {
    /// Without its password.
    let database: String
    let overview: Overview
    let paused: [PausedRoute]
    /// Nil: no configuration was read, so nothing can be said about types without a route.
    let routedTypes: Set<String>?
    /// What relays say of themselves.
    var relays: [SignedRelay] = []
    /// What keeps relays from sending.
    var hold: DispatchHold?
    /// Pending tasks that a rule held when they were last looked at, by type.
    var held: [(type: String, count: Int)] = []
    /// Nil: no configuration was read, so a relay may have another.
    var retention: RetentionPolicy?

    /// One type's counts, in order of type.
    private var types: [(type: String, counts: [String: Int], oldest: Timestamp?)] {
        Dictionary(grouping: overview.lines, by: \.type).sorted { $0.key < $1.key }.map { type, lines in
            let counts = Dictionary(lines.map { ($0.status, $0.count) }, uniquingKeysWith: +)
            // The age that matters is of what still waits: the oldest final row is no backlog.
            let open = lines.filter { $0.status == TaskStatus.pending.rawValue }
            return (type, counts, open.compactMap(\.oldestRunAt).min())
        }
    }

    /// Since when the oldest due task waits.
    private var oldestDueAge: TimeSpan? {
        guard overview.due > 0, let oldest = types.compactMap(\.oldest).min(), oldest <= overview.now else { return nil }
        return overview.now - oldest
    }

    private var statuses: [String] {
        let known = TaskStatus.allCases.map(\.rawValue)
        return known + Set(overview.lines.map(\.status)).subtracting(known).sorted()
    }

    private var finished: [(status: String, count: Int)] {
        TaskStatus.allCases.filter(\.isFinal).map { ($0.rawValue, overview.finishedLastMinute[$0.rawValue] ?? 0) }
    }

    /// What a person should look at.
    private var findings: [String] {
        var findings: [String] = []
        if let hold {
            findings.append(
                "dispatch is held\(hold.since.map { " since \($0.iso8601)" } ?? ""), by every relay: \(hold.reason); "
                    + "tallypost doctor --after-restore")
        }
        for entry in held {
            findings.append(
                "\(entry.count) task\(entry.count == 1 ? " is" : "s are") held by a rule before dispatch, of type \(entry.type): "
                    + "tallypost task explain ID")
        }
        for route in paused {
            findings.append(
                "route \(route.type) is paused since \(route.since.iso8601) by \(route.by): \(route.reason); "
                    + "tallypost route resume \(route.type)")
        }
        let expired = overview.holders.filter { $0.earliestExpiry.map { $0 < overview.now } ?? false }
        for holder in expired {
            findings.append("\(holder.relay) holds a lease that has run out; a running relay will take it over")
        }
        if overview.due > 0, overview.holders.isEmpty, overview.finishedLastMinute.values.reduce(0, +) == 0 {
            findings.append("tasks are due, and nothing was leased or finished in the last minute: does a relay run?")
        }
        if let routedTypes {
            for entry in types where !routedTypes.contains(entry.type) && (entry.counts["pending"] ?? 0) > 0 {
                findings.append("there is no route for type \(entry.type): its tasks will be set aside as failed")
            }
        }
        for entry in types {
            let failed = entry.counts["failed"] ?? 0
            guard failed > 0 else { continue }
            findings.append(
                "\(failed) dead letter\(failed == 1 ? "" : "s") of type \(entry.type): tallypost task list --status failed --type \(entry.type)"
            )
        }
        return findings
    }

    /// The page.
    var text: String {
        var text = "\(database)  at \(overview.now.iso8601)\n\n"
        text += "due now: \(overview.due)" + (oldestDueAge.map { ", the oldest for \($0.spoken)" } ?? "") + "\n"
        text += "finished in the last minute: " + finished.map { "\($0.count) \($0.status)" }.joined(separator: ", ") + "\n"
        if let retention {
            let kept = retention == .never ? "everything is kept" : "tasks that ended are kept for: \(retention.spoken)"
            text += "retention: \(kept)\n"
        }
        text += "\n" + typesText + leasesText
        let flow = FlowText(relays, now: overview.now).all
        if !flow.isEmpty { text += "\nheld back\n" + flow.map { "  \(TextTable.printable($0))\n" }.joined() }
        let findings = findings
        text +=
            "\n"
            + (findings.isEmpty
                ? "nothing to look at\n" : "to look at\n" + findings.map { "  \(TextTable.printable($0))\n" }.joined())
        return text
    }

    private var typesText: String {
        guard !overview.lines.isEmpty else { return "no tasks\n" }
        let shown = statuses
        var table = TextTable(
            [.init(heading: "type", longest: 40)] + shown.map { .init(heading: $0, isNumber: true) }
                + [.init(heading: "oldest pending", isNumber: true)])
        for entry in types {
            table.add(
                [entry.type] + shown.map { "\(entry.counts[$0] ?? 0)" }
                    + [
                        entry.oldest.map {
                            $0 <= overview.now ? (overview.now - $0).spoken : "due in \(($0 - overview.now).spoken)"
                        } ?? "-"
                    ])
        }
        return table.text
    }

    private var leasesText: String {
        guard !overview.holders.isEmpty else { return "" }
        var table = TextTable([
            .init(heading: "relay"), .init(heading: "leases", isNumber: true), .init(heading: "first ends", isNumber: true),
        ])
        for holder in overview.holders {
            let end = holder.earliestExpiry.map {
                $0 < overview.now ? "\((overview.now - $0).spoken) ago" : "in \(($0 - overview.now).spoken)"
            }
            table.add([holder.relay, "\(holder.count)", end ?? "-"])
        }
        return "\n" + table.text
    }

    /// The same as JSON.
    func printJSON(_ output: OutputWriter) {
        var json = JSONWriter(output)
        json.object { json in
            json.name("database")
            json.string(database)
            json.name("now")
            json.time(overview.now)
            json.name("due")
            json.integer(overview.due)
            json.name("oldestDueAgeSeconds")
            json.raw(oldestDueAge.map { "\($0.seconds)" } ?? "null")
            json.name("types")
            json.array { json in
                for entry in types {
                    json.object { json in
                        json.name("type")
                        json.string(entry.type)
                        json.name("statuses")
                        json.object { json in
                            for status in statuses {
                                json.name(status)
                                json.integer(entry.counts[status] ?? 0)
                            }
                        }
                        json.name("oldestPendingRunAt")
                        json.time(entry.oldest)
                    }
                }
            }
            printRest(&json)
        }
        json.finish()
    }

    private func printRest(_ json: inout JSONWriter) {
        json.name("finishedLastMinute")
        json.object { json in
            for (status, count) in finished {
                json.name(status)
                json.integer(count)
            }
        }
        json.name("leases")
        json.array { json in
            for holder in overview.holders {
                json.object { json in
                    json.name("relay")
                    json.string(holder.relay)
                    json.name("count")
                    json.integer(holder.count)
                    json.name("earliestExpiry")
                    json.time(holder.earliestExpiry)
                }
            }
        }
        json.name("hold")
        if let hold {
            json.object { json in
                json.name("name")
                json.string(hold.name)
                json.name("since")
                json.time(hold.since)
                json.name("reason")
                json.string(hold.reason)
            }
        } else {
            json.raw("null")
        }
        json.name("heldByRules")
        json.object { json in
            for entry in held {
                json.name(entry.type)
                json.integer(entry.count)
            }
        }
        json.name("pausedRoutes")
        json.array { json in for route in paused { json.pausedRoute(route) } }
        json.name("relays")
        json.relays(relays)
        json.name("retention")
        if let retention {
            json.object { json in
                for (name, span) in [("completed", retention.completed), ("final", retention.final)] {
                    json.name(name)
                    json.string(span?.configured ?? "never")
                }
            }
        } else {
            json.raw("null")
        }
        json.name("findings")
        json.array { json in for finding in findings { json.string(finding) } }
    }
}

extension JSONWriter {
    /// A paused route.
    mutating func pausedRoute(_ route: PausedRoute) {
        object { json in
            json.name("type")
            json.string(route.type)
            json.name("since")
            json.time(route.since)
            json.name("by")
            json.string(route.by)
            json.name("reason")
            json.string(route.reason)
        }
    }
}
