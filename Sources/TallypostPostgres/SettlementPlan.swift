import TallypostCore

extension Outcome {
    /// Done, with nothing known that follows: by far the most are, and one statement writes them.
    var isPlain: Bool {
        if case .completed = change { return !hasFollowers }
        return false
    }
}

/// The statements of one settlement: one for each kind of outcome among them, and at the end what follows from them.
struct SettlementPlan {
    private var completed: [Outcome] = []
    private var followed: [Outcome] = []
    private var waiting: [Outcome] = []
    private var fannedOut: [Outcome] = []
    private var other: [Outcome] = []
    private var attempts: [Outcome] = []
    /// Tasks that may end by this.
    private var ending: [Int64] = []

    init(_ outcomes: [Outcome]) {
        for outcome in outcomes {
            if outcome.attempt != nil { attempts.append(outcome) }
            switch outcome.change {
            case .completed where outcome.hasFollowers:
                followed.append(outcome)
                ending.append(outcome.id)
            case .completed: completed.append(outcome)
            case .waiting:
                // A signal that is kept already ends it at once.
                waiting.append(outcome)
                ending.append(outcome.id)
            case .fannedOut: fannedOut.append(outcome)
            case .released, .held: other.append(outcome)
            case .retry, .failed, .timedOut:
                other.append(outcome)
                ending.append(outcome.id)
            }
        }
    }

    func steps(
        _ step: (String, Bool, (inout PostgresParameters) -> Void) -> PostgresConnection.Step
    ) -> [PostgresConnection.Step] {
        var steps: [PostgresConnection.Step] = []
        if !attempts.isEmpty { steps.append(step("record_attempts", true, fillAttempts)) }
        if !completed.isEmpty { steps.append(step("settle_completed", true) { Self.fill(completed, &$0) }) }
        if !followed.isEmpty { steps.append(step("settle_followed", true) { Self.fill(followed, &$0) }) }
        if !waiting.isEmpty { steps.append(step("settle_waiting", true, fillWaiting)) }
        if !other.isEmpty { steps.append(step("settle_other", true, fillOther)) }
        if !fannedOut.isEmpty { steps.append(step("fan_out", true, fillFannedOut)) }
        if !ending.isEmpty { steps.append(step("follow", true) { $0.append(ending) }) }
        return steps
    }

    /// How many outcomes were written, and whether anything fell due by them: of the answers to ``steps(_:)``.
    func read(_ results: [PostgresResult]) -> (written: Int, madeDue: Bool) {
        var rest = results.dropFirst(attempts.isEmpty ? 0 : 1)
        var written = 0
        for part in [completed, followed, waiting, other] where !part.isEmpty { written += rest.popFirst()?.affected ?? 0 }
        var madeDue = false
        if !fannedOut.isEmpty, let result = rest.popFirst() {
            written += Int(result.integer(0, 0) ?? 0)
            madeDue = true
        }
        if !ending.isEmpty, let result = rest.popFirst() { madeDue = madeDue || result.integer(0, 0) == 1 }
        return (written, madeDue)
    }

    private func fillAttempts(_ parameters: inout PostgresParameters) {
        let records = attempts.compactMap(\.attempt)
        parameters.append(attempts.map(\.id))
        parameters.append(attempts.map(\.epoch))
        parameters.append(records.map { Int64($0.number) })
        parameters.append(records.map(\.duration.milliseconds))
        parameters.append(records.map { $0.responseStatus.map { Int64($0) } })
        parameters.append(records.map { Optional($0.error) })
        parameters.append(records.map(\.responseStart))
    }

    private static func fill(_ completed: [Outcome], _ parameters: inout PostgresParameters) {
        parameters.append(completed.map(\.id))
        parameters.append(completed.map(\.epoch))
        parameters.append(
            completed.map { outcome -> Int64 in
                if case .completed(let status, _) = outcome.change { return Int64(status) }
                return 0
            })
        parameters.append(
            completed.map { outcome -> String? in
                if case .completed(_, let result) = outcome.change { return result }
                return nil
            })
    }

    private func fillWaiting(_ parameters: inout PostgresParameters) {
        var statuses: [Int64?] = []
        var results: [String?] = []
        var longest: [Int64?] = []
        var heartbeats: [Int64?] = []
        for outcome in waiting {
            guard case .waiting(let status, let result, let wait, let heartbeat) = outcome.change else { continue }
            statuses.append(Int64(status))
            results.append(result)
            longest.append(wait?.milliseconds)
            heartbeats.append(heartbeat?.milliseconds)
        }
        parameters.append(waiting.map(\.id))
        parameters.append(waiting.map(\.epoch))
        parameters.append(statuses)
        parameters.append(results)
        parameters.append(longest)
        parameters.append(heartbeats)
    }

    private func fillFannedOut(_ parameters: inout PostgresParameters) {
        parameters.append(fannedOut.map(\.id))
        parameters.append(fannedOut.map(\.epoch))
        parameters.append(
            fannedOut.map { outcome -> String? in
                if case .fannedOut(let subscribers) = outcome.change { return subscribers.joined(separator: "/") }
                return nil
            })
    }

    private func fillOther(_ parameters: inout PostgresParameters) {
        let columns = other.map { SettledColumns($0.change) }
        parameters.append(other.map(\.id))
        parameters.append(other.map(\.epoch))
        parameters.append(other.map { Optional($0.status.rawValue) })
        parameters.append(columns.map(\.responseStatus))
        parameters.append(columns.map(\.error))
        parameters.append(columns.map(\.delay))
        parameters.append(other.map { Optional($0.blocksKey ? "t" : "f") })
        parameters.append(columns.map(\.refund))
    }
}

/// What an outcome writes that goes back or ends without success.
private struct SettledColumns {
    var responseStatus: Int64?
    var error: String?
    var delay: Int64?
    var refund: Int64 = 0

    init(_ change: Outcome.Change) {
        switch change {
        case .completed, .waiting, .fannedOut: break
        case .retry(let delay, let status, let text):
            self.delay = delay.milliseconds
            responseStatus = status.map { Int64($0) }
            error = text
        case .failed(let status, let text):
            responseStatus = status.map { Int64($0) }
            error = text
        case .timedOut(let text): error = text
        case .released(let delay):
            self.delay = delay.milliseconds
            refund = 1
        case .held(let delay, let text):
            self.delay = delay.milliseconds
            error = text
            refund = 1
        }
    }
}
