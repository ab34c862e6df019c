package import TallypostCore

/// What the configuration says about a type of task, as far as reconciliation asks.
package struct TypePolicy: Sendable, Equatable {
    /// How long a task may take from `created_at` to its end; nil: nothing is promised.
    package var sla: TimeSpan?
    /// Whose findings of this type are; empty: nobody is named.
    package var owner: String

    /// Memberwise.
    package init(sla: TimeSpan? = nil, owner: String = "") {
        self.sla = sla
        self.owner = owner
    }
}

/// What a scan of the table goes by.
package struct ScanSettings: Sendable {
    /// When the snapshot was taken, by the database's clock.
    package var asOf: Timestamp
    /// The same of the last run that was committed; nil: this is the first.
    package var previousAsOf: Timestamp?
    /// How long a pending task may be overdue.
    package var staleAfter: TimeSpan = .hours(1)
    /// How long a lease may have run out.
    package var stuckAfter: TimeSpan = .seconds(30)
    /// By type; nil: there is no configuration, and no type is unknown.
    package var policies: [String: TypePolicy]?
    /// Minor digits of currencies, where not as in ISO 4217.
    package var exponents: [String: Int] = [:]
    /// Further types that are not unknown. Those that begin with `tallypost.` never are.
    package var knownTypes: Set<String> = []
    /// By the task's id, those since the last run.
    package var reopenings: [Int64: [Reopening]] = [:]
    /// Those since the last run.
    package var purges: [Purge] = []
    /// Tasks that somebody called off since the last run, ascending; nil: not known, and then no cancellation is doubted.
    package var cancellations: [Int64]?
    /// How many findings of a class are listed; the rest is only counted.
    package var maxListed = 100_000

    /// With what every scan needs.
    package init(asOf: Timestamp, previousAsOf: Timestamp?) {
        self.asOf = asOf
        self.previousAsOf = previousAsOf
    }
}

/// What a scan found.
package struct ScanResult: Sendable {
    /// What changed since the last run.
    package var movements: MovementBook
    /// Rows that are not settled.
    package var live: [Series: Tally]
    /// All rows.
    package var population: [Series: Tally]
    /// Rows that are not settled, by age; in order.
    package var ageing: [AgeingLine]
    /// What is wrong with rows, by class, then by id.
    package var findings: [Finding]
    /// How many were found of each class, listed or not.
    package var found: [FindingClass: Int64]
    /// How many of them are not listed: their breaks must not be taken for cleared.
    package var notListed: [FindingClass: Int64]
    /// What changes that nothing explains did to the books, by the finding's id.
    package var effects: [String: [UnexplainedEffect]]
    /// Rows by status as written; `NULL` for those without.
    package var statusCounts: [String: Int64]
    /// Rows read.
    package var rows: Int64
    /// Rows that retention removed before any run had seen them.
    package var purgedUnseen: Int64
}
