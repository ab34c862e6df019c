package import TallypostCore

/// Whether the books can be closed.
package enum ReportStatus: String, Sendable, CaseIterable {
    /// Nothing is wrong.
    case clean
    /// Something is, and all of it is known.
    case breaks
    /// A residual is left, a rule could not be run, or a ledger has quarantined rows: more may be wrong than is known.
    case incomplete
}

/// All that a report tells: what every document (page, table, JSON) is made from. Nothing in it is computed again by a document.
package struct ReconciliationReport: Sendable {
    /// A rule as it was in force.
    package struct Rule: Sendable, Equatable {
        /// Its name.
        package var name: String
        /// SHA-256 of its text, hex.
        package var hash: String
        /// Its text as written.
        package var text: String
        /// The SQL that was run.
        package var sql: String
        /// Whose it is.
        package var owner: String

        /// Memberwise.
        package init(name: String, hash: String, text: String, sql: String, owner: String) {
            self.name = name
            self.hash = hash
            self.text = text
            self.sql = sql
            self.owner = owner
        }
    }

    /// Where a figure comes from, and how many rows were read: an auditor's control total.
    package struct Source: Sendable, Equatable {
        /// `pending_tasks`, `orders`, `ledger stripe`.
        package var name: String
        /// What was asked, in words or SQL.
        package var logic: String
        /// Rows read.
        package var rows: Int64

        /// Memberwise.
        package init(name: String, logic: String, rows: Int64) {
            self.name = name
            self.logic = logic
            self.rows = rows
        }
    }

    /// A day of the flow: what came and what was settled, over all series, in rows.
    package struct FlowDay: Sendable, Equatable {
        /// `2026-11-19`, in the period's zone.
        package var day: String
        /// Rows that came.
        package var created: Int64
        /// Tasks completed.
        package var completed: Int64
        /// Tasks called off.
        package var cancelled: Int64

        /// Memberwise.
        package init(day: String, created: Int64, completed: Int64, cancelled: Int64) {
            self.day = day
            self.created = created
            self.completed = completed
            self.cancelled = cancelled
        }
    }

    /// Breaks as one run counted them.
    package struct BreakCount: Sendable, Equatable {
        /// The run's as-of.
        package var asOf: Timestamp
        /// Breaks, by severity.
        package var bySeverity: [Severity: Int]

        /// Memberwise.
        package init(asOf: Timestamp, bySeverity: [Severity: Int]) {
            self.asOf = asOf
            self.bySeverity = bySeverity
        }
    }

    /// A name under a report.
    package struct SignOff: Sendable, Equatable {
        /// `preparer` or `reviewer`.
        package var role: String
        /// Who.
        package var by: String
        /// When.
        package var at: Timestamp
        /// What was said.
        package var note: String?

        /// Memberwise.
        package init(role: String, by: String, at: Timestamp, note: String?) {
            self.role = role
            self.by = by
            self.at = at
            self.note = note
        }
    }

    /// The run's number; 0: none was recorded.
    package var run: Int64 = 0
    /// Which database, as a person names it: no password in it.
    package var database: String
    /// The verdict.
    package var status = ReportStatus.clean
    /// Why it is incomplete, a sentence each; empty unless it is.
    package var incompleteBecause: [String] = []
    /// The period.
    package var period: Period
    /// When the snapshot was taken, by the database's clock.
    package var asOf: Timestamp
    /// The period has not ended at ``asOf``: its figures will grow.
    package var isProvisional = false
    /// Version of the program.
    package var version: String
    /// Parameters in force (`staleAfter`, `zone`), in order.
    package var parameters: [(name: String, value: String)] = []
    /// Rules in force.
    package var rules: [Rule] = []
    /// Control totals of the sources.
    package var sources: [Source] = []
    /// Per type and currency.
    package var rollForward: [RollForwardLine] = []
    /// Per type and currency.
    package var ageing: [AgeingLine] = []
    /// Per rule and currency.
    package var businessBridges: [BusinessBridge] = []
    /// Per import and currency.
    package var receiverBridges: [ReceiverBridge] = []
    /// Open, acknowledged, and those that were resolved or cleared in the period; the worst first.
    package var breaks: [Break] = []
    /// Breaks beyond what is listed; 0: all are.
    package var breaksNotListed: Int = 0
    /// Days of the flow, oldest first.
    package var flow: [FlowDay] = []
    /// Runs, oldest first.
    package var history: [BreakCount] = []
    /// Minor digits of each currency that occurs (JPY 0, EUR 2, KWD 3).
    package var exponents: [String: Int] = [:]
    /// Names under it.
    package var signOffs: [SignOff] = []

    /// With what every report has.
    package init(database: String, period: Period, asOf: Timestamp, version: String) {
        self.database = database
        self.period = period
        self.asOf = asOf
        self.version = version
    }
}
