import Synchronization
import TallypostCore
import TallypostReconciliation

@testable import TallypostConsole

/// What reconciliation knows, for tests.
final class FakeFindings: Sendable {
    struct State: Sendable {
        var breaks: [Break] = []
        var runs: [ConsoleRun] = []
        var reports: [ConsoleReport] = []
        var filters: [FindingFilter] = []
        var done: [String] = []
    }
    let state = Mutex(State())

    /// Puts a break in; its id.
    @discardableResult
    func add(
        _ kind: FindingClass, key: String, state breakState: BreakState = .open, amount: Int64? = nil, detail: String = "so"
    ) -> String {
        let finding = Finding(
            kind: kind, severity: .high, owner: "payments", type: "charge", key: key, subject: key, taskID: 7,
            amountMinor: amount,
            currency: amount == nil ? nil : "GBP", since: Timestamp(microseconds: 0), detail: detail)
        let found = Break(
            finding: finding, state: breakState, change: .new, firstSeen: Timestamp(microseconds: 0),
            lastSeen: Timestamp(microseconds: 60_000_000))
        state.withLock { $0.breaks.append(found) }
        return finding.id
    }
}

/// Answers as the tests set it.
final class FakeFindingsDesk: FindingsDesk {
    private let database: FakeDatabase
    private let findings: FakeFindings

    init(_ database: FakeDatabase, _ findings: FakeFindings) throws(StoreError) {
        try database.check()
        self.database = database
        self.findings = findings
    }

    func findings(_ filter: FindingFilter, after cursor: String?, limit: Int) throws(StoreError) -> [Break] {
        try database.check()
        return findings.state.withLock { state in
            state.filters.append(filter)
            let sorted = state.breaks.sorted { $0.finding.id < $1.finding.id }
            return Array(sorted.filter { $0.finding.id > cursor ?? "" }.prefix(limit))
        }
    }

    func finding(id: String) throws(StoreError) -> Break? {
        try database.check()
        return findings.state.withLock { $0.breaks.first { $0.finding.id == id } }
    }

    func acknowledge(id: String, by who: String, reason: String, until: Timestamp?) throws(StoreError) -> Bool {
        try change(id, to: .acknowledged, who, reason, until)
    }

    func resolve(id: String, by who: String, reason: String) throws(StoreError) -> Bool {
        try change(id, to: .resolved, who, reason, nil)
    }

    private func change(
        _ id: String, to state: BreakState, _ who: String, _ reason: String, _ until: Timestamp?
    ) throws(StoreError) -> Bool {
        try database.check()
        return findings.state.withLock { all in
            guard let index = all.breaks.firstIndex(where: { $0.finding.id == id }),
                ![.resolved, .cleared].contains(all.breaks[index].state)
            else { return false }
            all.breaks[index].state = state
            all.breaks[index].by = who
            all.breaks[index].reason = reason
            all.breaks[index].until = until
            all.done.append("\(state.rawValue) by \(who): \(reason)")
            return true
        }
    }

    func runs(limit: Int) throws(StoreError) -> [ConsoleRun] {
        try database.check()
        return findings.state.withLock { Array($0.runs.prefix(limit)) }
    }

    func reports(label: String?, limit: Int) throws(StoreError) -> [ConsoleReport] {
        try database.check()
        return findings.state.withLock { state in
            Array(state.reports.filter { label == nil || $0.label == label }.prefix(limit))
        }
    }
}
