package import TallypostCore
package import TallypostReconciliation

/// What the API and the dashboard ask of reconciliation, on a connection of its own. One thread uses it.
package protocol FindingsDesk: AnyObject {
    /// Breaks that match, in an order that does not change while pages are read, from beyond the one of the id `cursor`.
    func findings(_ filter: FindingFilter, after cursor: String?, limit: Int) throws(StoreError) -> [Break]
    /// One break; nil when there is none.
    func finding(id: String) throws(StoreError) -> Break?
    /// Somebody knows of it: it stays in the totals. False when its state does not allow it, or when it is not there.
    func acknowledge(id: String, by who: String, reason: String, until: Timestamp?) throws(StoreError) -> Bool
    /// Somebody says that it is dealt with. False as above.
    func resolve(id: String, by who: String, reason: String) throws(StoreError) -> Bool
    /// The last runs, newest first.
    func runs(limit: Int) throws(StoreError) -> [ConsoleRun]
    /// Reports that were written, newest first; only those of `label` where it is given.
    func reports(label: String?, limit: Int) throws(StoreError) -> [ConsoleReport]
}

/// Which breaks. Members that are nil match all; the rest are joined by AND.
package struct FindingFilter: Sendable, Equatable {
    /// In one of these states; empty: in any.
    package var states: [BreakState] = []
    /// That bad.
    package var severity: Severity?
    /// Of this class.
    package var kind: FindingClass?
    /// Of this type of task.
    package var type: String?
    /// Of this owner; `""`: of nobody.
    package var owner: String?
    /// Found by this rule.
    package var rule: String?

    /// All of them.
    package init() {}
}

/// A run of reconciliation that was committed.
package struct ConsoleRun: Sendable, Equatable {
    /// Its number.
    package var run: Int64
    /// When its snapshot was taken, by the database's clock.
    package var asOf: Timestamp
    /// When it was committed.
    package var finishedAt: Timestamp
    /// The relay or person that made it.
    package var madeBy: String
    /// Its verdict.
    package var status: ReportStatus
    /// Breaks that it counted.
    package var bySeverity: [Severity: Int]

    /// Memberwise.
    package init(
        run: Int64, asOf: Timestamp, finishedAt: Timestamp, madeBy: String, status: ReportStatus, bySeverity: [Severity: Int]
    ) {
        self.run = run
        self.asOf = asOf
        self.finishedAt = finishedAt
        self.madeBy = madeBy
        self.status = status
        self.bySeverity = bySeverity
    }
}

/// A report that was written, and the names under it.
package struct ConsoleReport: Sendable, Equatable {
    /// What period it is of: `2026-11`.
    package var label: String
    /// IANA name of the zone in which the period was cut.
    package var zone: String
    /// The period's first moment.
    package var from: Timestamp
    /// The first moment that no longer belongs to it.
    package var to: Timestamp
    /// From 1; each takes the place of the one before.
    package var revision: Int
    /// The run it tells of.
    package var run: Int64
    /// Of that run.
    package var asOf: Timestamp
    /// Of that run.
    package var status: ReportStatus
    /// Where its files were written.
    package var directory: String
    /// SHA-256 of `manifest.json`, hex.
    package var manifestSHA256: String
    /// The names under it.
    package var signatures: [ReconciliationReport.SignOff]

    /// Memberwise.
    package init(
        label: String, zone: String, from: Timestamp, to: Timestamp, revision: Int, run: Int64, asOf: Timestamp,
        status: ReportStatus, directory: String, manifestSHA256: String, signatures: [ReconciliationReport.SignOff]
    ) {
        self.label = label
        self.zone = zone
        self.from = from
        self.to = to
        self.revision = revision
        self.run = run
        self.asOf = asOf
        self.status = status
        self.directory = directory
        self.manifestSHA256 = manifestSHA256
        self.signatures = signatures
    }
}
