package import TallypostCore

/// What a rule is run with.
package struct RuleContext: Sendable {
    /// When the snapshot was taken.
    package var asOf: Timestamp
    /// Tasks created before this may have been removed by retention: business rows of that time are not missed. Nil: nothing was removed.
    package var retiredBefore: Timestamp?
    /// Minor digits by currency; what is not there is as in ISO 4217, and else 2.
    package var exponents: [String: Int]
    /// How many findings of one rule are listed; its counts and sums tell all.
    package var listed = 100_000
    /// Tasks are being sent now: a declared rule's join on PostgreSQL reads with rests, so that the server has time for them.
    package var givesWay = false

    /// Memberwise.
    package init(asOf: Timestamp, retiredBefore: Timestamp? = nil, exponents: [String: Int] = [:]) {
        self.asOf = asOf
        self.retiredBefore = retiredBefore
        self.exponents = exponents
    }

    /// Minor digits of a currency.
    func exponent(_ currency: String) -> Int { CurrencyDigits.of(currency, configured: exponents) }

    /// As a person reads it: `EUR 42.00`; without a currency the minor units.
    func spoken(_ amount: Int64?, _ currency: String?) -> String {
        guard let amount else { return currency.map { "no amount in \($0)" } ?? "no amount" }
        return spoken(sum: Int128(amount), currency)
    }

    /// The same for a sum.
    package func spoken(sum amount: Int128, _ currency: String?) -> String {
        guard let currency else { return "\(amount) minor units of no currency" }
        return "\(currency) \(CurrencyDigits.decimal(Int128(amount), digits: exponent(currency)))"
    }
}

/// What came of a rule.
package struct RuleOutcome: Sendable {
    /// What it found, in the order of the database; bounded by ``RuleContext/listed``.
    package var findings: [Finding] = []
    /// Findings beyond those that are listed.
    package var notListed: Int64 = 0
    /// By currency; a rule that is a query has none.
    package var bridges: [BusinessBridge] = []
    /// Control totals of what was read.
    package var sources: [ReconciliationReport.Source] = []
    /// Why it could not be run, or not to its end: the report is incomplete. One sentence that names the mend.
    package var failure: String?

    /// Nothing yet.
    package init() {}
}
