/// From the business rows to the tasks, for one rule and currency: what was expected, and every reason why it is not what is there.
///
/// expected − retired − missing − in transit + orphans + extra copies + amount differences + currency differences = tasks.
package struct BusinessBridge: Sendable, Equatable {
    /// The rule.
    package var rule: String
    /// The tasks' type.
    package var type: String
    /// ISO 4217; nil: no money is compared.
    package var currency: String?
    /// Business rows that the rule wants tasks for: counted by themselves.
    package var expected = Tally.zero
    /// Business rows whose tasks retention has removed.
    package var retired = Tally.zero
    /// Business rows without a task.
    package var missing = Tally.zero
    /// The same, but younger than the rule's grace.
    package var inTransit = Tally.zero
    /// Tasks without a business row.
    package var orphans = Tally.zero
    /// Tasks beyond the expected number for one business row.
    package var extraCopies = Tally.zero
    /// Task less business row, where both have the currency; the count is 0.
    package var amountDifferences = Tally.zero
    /// What leaves one currency and comes up in another.
    package var currencyDifferences = Tally.zero
    /// Tasks of the type that were not cancelled: counted by themselves.
    package var tasks = Tally.zero

    /// An empty one.
    package init(rule: String, type: String, currency: String?) {
        self.rule = rule
        self.type = type
        self.currency = currency
    }

    /// What is left over. Not zero: a row fits no class, and the report is incomplete.
    package var residual: Tally {
        expected - retired - missing - inTransit + orphans + extraCopies + amountDifferences + currencyDifferences - tasks
    }
}

/// From our completed tasks to the receiver's ledger, for one import and currency.
///
/// ours − ours only − in transit + other periods + theirs only + repeats + amount differences + tolerated = theirs.
package struct ReceiverBridge: Sendable, Equatable {
    /// The map's `source`.
    package var source: String
    /// The file that was imported.
    package var file: String
    /// ISO 4217; nil: the ledger has no amounts.
    package var currency: String?
    /// Our completed tasks in the ledger's window: counted by themselves.
    package var ours = Tally.zero
    /// Completed here, not in the ledger.
    package var oursOnly = Tally.zero
    /// The same, but younger than the map's lag.
    package var inTransit = Tally.zero
    /// Completed outside the window (in transit then, or late), and in this ledger; less those of the window that an earlier ledger had. Signed.
    package var otherPeriods = Tally.zero
    /// In the ledger, not completed here.
    package var theirsOnly = Tally.zero
    /// Further rows for what the ledger has already.
    package var repeats = Tally.zero
    /// Theirs less ours; the count is 0.
    package var amountDifferences = Tally.zero
    /// Differences within the map's tolerance: theirs less ours; the count is 0.
    package var tolerated = Tally.zero
    /// Good rows of the ledger: counted by themselves.
    package var theirs = Tally.zero

    /// An empty one.
    package init(source: String, file: String, currency: String?) {
        self.source = source
        self.file = file
        self.currency = currency
    }

    /// What is left over. Not zero: a row fits no class, and the report is incomplete.
    package var residual: Tally {
        ours - oursOnly - inTransit + otherPeriods + theirsOnly + repeats + amountDifferences + tolerated - theirs
    }
}
