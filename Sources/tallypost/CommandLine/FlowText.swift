import FoundationEssentials
import TallypostCore
import TallypostRelay

/// What relays say of themselves in `tallypost_relays`, in sentences.
struct FlowText {
    /// Of relays that are alive, by name.
    let reports: [(relay: SignedRelay, report: FlowReport)]
    let now: Timestamp

    /// Leaves out relays that have not signed for long, and states that cannot be read (a newer version's, say).
    init(_ relays: [SignedRelay], now: Timestamp) {
        self.now = now
        reports = relays.compactMap { relay in
            guard now - relay.seenAt <= RelayLimits().signLife, let state = relay.state,
                let report = try? JSONDecoder().decode(FlowReport.self, from: Data(state.utf8))
            else { return nil }
            return (relay, report)
        }
    }

    /// Everything that is held back.
    var all: [String] { sentences { _ in true } }

    /// What holds tasks of a type back on their way to a destination; nil: it is not known, so any may be theirs.
    func about(type: String?, destination: Origin?) -> [String] {
        sentences { restraint in
            if let type, let its = restraint.type, its != type { return false }
            return destination.map { $0.description == restraint.destination } ?? true
        }
    }

    private func sentences(_ isWanted: (FlowReport.Restraint) -> Bool) -> [String] {
        reports.flatMap { relay, report in
            var sentences = report.restraints.filter(isWanted).map { sentence($0, relay.name) }
            if report.unlisted > 0 { sentences.append("Relay \(relay.name) has \(report.unlisted) more destinations that wait.") }
            if let held = report.heldTasks {
                sentences.append(
                    "Relay \(relay.name) holds \(held) tasks in memory, which is as much as it may, and claims no more for now.")
            }
            if let took = report.visitMilliseconds, let batch = report.claimBatch {
                sentences.append(
                    "Relay \(relay.name) finds the database slow (a visit took \(took) ms) and claims \(batch) tasks at once.")
            }
            return sentences
        }
    }

    private func sentence(_ restraint: FlowReport.Restraint, _ relay: String) -> String {
        let place = restraint.destination
        switch restraint.reason {
        case .breaker:
            let why = "\(restraint.failures ?? 0) of the last \(restraint.attempts ?? 0) attempts there failed"
            let then = restraint.until.map { "It tries a single task at \($0)" } ?? "It is trying a single task now"
            return "Relay \(relay) sends nothing to \(place): \(why). \(then); waiting for it costs no attempts."
        case .retryAfter:
            let until = restraint.until.map { " before \($0)" } ?? ""
            return "Relay \(relay) sends nothing to \(place)\(until): its receiver asked for that (Retry-After)."
        case .rate:
            let shared = restraint.relays.map { $0 > 1 ? ", which \($0) relays share" : "" } ?? ""
            let rate = "\(restraint.limit ?? "") of \(restraint.type ?? "")"
            return "Relay \(relay) has used up the rate \(rate) at \(place) for now\(shared)."
        case .concurrency:
            return "All \(restraint.limit ?? "") places of \(restraint.type ?? "") at \(place) are taken at relay \(relay)."
        }
    }
}

extension JSONWriter {
    /// Relays with what they say of themselves.
    mutating func relays(_ relays: [SignedRelay]) {
        array { json in
            for relay in relays {
                json.object { json in
                    json.name("name")
                    json.string(relay.name)
                    json.name("seenAt")
                    json.time(relay.seenAt)
                    json.name("state")
                    let state = relay.state.flatMap { JSONSyntax.isValid(Array($0.utf8)) ? $0 : nil }
                    json.raw(state ?? "null")
                }
            }
        }
    }
}
