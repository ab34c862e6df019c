import TallypostConsole
import TallypostCore
import TallypostReconciliation

/// What the console asks of reconciliation, from its store.
final class ReconcileFindingsDesk: FindingsDesk {
    private let store: ReconcileStore

    /// Reports that are looked through for a label.
    static let mostReports = 5_000

    /// Connects. People's words are short transactions between reads, so one connection does for both.
    init(_ engine: Engine) throws(StoreError) {
        let connection = try engine.openReconcile()
        store = ReconcileStore(reading: connection, writing: connection)
    }

    func findings(_ filter: FindingFilter, after cursor: String?, limit: Int) throws(StoreError) -> [Break] {
        let wanted = BreakFilter(
            states: filter.states.isEmpty ? BreakState.allCases : filter.states, severity: filter.severity, kind: filter.kind,
            type: filter.type, owner: filter.owner, rule: filter.rule)
        guard let cursor else { return try store.breaks(wanted, limit: limit) }
        // Pages go by severity, then by id. A break is never removed, so the page's last one is there to be asked how bad it is.
        guard let last = try finding(id: cursor) else { return [] }
        return try store.breaks(wanted, after: BreakCursor(severity: last.finding.severity, id: cursor), limit: limit)
    }

    func finding(id: String) throws(StoreError) -> Break? { try store.breaks(ids: [id]).first?.entry }

    func acknowledge(id: String, by who: String, reason: String, until: Timestamp?) throws(StoreError) -> Bool {
        try store.acknowledge(id, by: who, reason: reason, until: until) == .done
    }

    func resolve(id: String, by who: String, reason: String) throws(StoreError) -> Bool {
        try store.resolve(id, by: who, reason: reason) == .done
    }

    func runs(limit: Int) throws(StoreError) -> [ConsoleRun] {
        try store.runs(since: Timestamp(microseconds: 0), limit: limit).reversed().map { run in
            ConsoleRun(
                run: run.run, asOf: run.asOf, finishedAt: run.finishedAt, madeBy: run.madeBy, status: run.status,
                bySeverity: run.counts)
        }
    }

    func reports(label: String?, limit: Int) throws(StoreError) -> [ConsoleReport] {
        let reports = try store.reports(limit: label == nil ? limit : Self.mostReports)
        return reports.filter { label == nil || $0.period.label == label }.prefix(limit).map { report in
            ConsoleReport(
                label: report.period.label, zone: report.period.zone, from: report.period.from, to: report.period.to,
                revision: report.revision, run: report.run, asOf: report.asOf, status: report.status, directory: report.directory,
                manifestSHA256: report.manifestSHA256, signatures: report.signOffs)
        }
    }
}
