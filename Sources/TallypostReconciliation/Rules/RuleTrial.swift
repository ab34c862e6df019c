package import TallypostCore

/// Runs a rule's examples in a database that is thrown away, or that nothing is left behind in.
package struct RuleTrial {
    /// How a case ended.
    package struct Result: Sendable, Equatable {
        /// The case.
        package var name: String
        /// Where it begins in its file.
        package var line: Int
        /// What is not as expected, a sentence each; empty: all is.
        package var differences: [String]
    }

    private let database: any ReconcileDatabase
    private let now: Timestamp

    /// - Parameters:
    ///   - database: with our tables and no task in them.
    ///   - now: its clock.
    package init(database: any ReconcileDatabase, now: Timestamp) {
        self.database = database
        self.now = now
    }

    /// Every case in a transaction of its own, which is rolled back.
    package func run(_ rule: Rule, _ fixture: RuleFixture) throws(StoreError) -> [Result] {
        var results: [Result] = []
        for one in fixture.cases {
            results.append(Result(name: one.name, line: one.line, differences: try differences(rule, fixture, one)))
        }
        return results
    }

    private static let over = StoreError(kind: .data, code: "over", operation: "rules test", message: "rolled back")

    private func differences(_ rule: Rule, _ fixture: RuleFixture, _ one: RuleFixture.Case) throws(StoreError) -> [String] {
        var differences: [String] = []
        do throws(StoreError) {
            try database.write { () throws(StoreError) in
                for statement in fixture.setup + one.sql {
                    do throws(StoreError) {
                        try database.run(sql: statement.sql, operation: "\(fixture.file):\(statement.line)", []) { _ in true }
                    } catch {
                        if error.ailsTheWhole { throw error }
                        differences = ["\(fixture.file):\(statement.line): \(error.message)"]
                        throw Self.over
                    }
                }
                let asOf = one.asOf ?? now + rule.grace + .minutes(1)
                var rule = rule
                rule.until = nil
                let outcome = try RuleRunner(database: database).run(rule, context: RuleContext(asOf: asOf))
                differences = Self.compare(outcome, one)
                throw Self.over
            }
        } catch {
            guard error.code == Self.over.code else { throw error }
        }
        return differences
    }

    private static func compare(_ outcome: RuleOutcome, _ one: RuleFixture.Case) -> [String] {
        if let failure = outcome.failure { return one.expectsFailure ? [] : [failure] }
        var differences = one.expectsFailure ? ["the rule was to fail, and did not"] : []
        var rest = outcome.findings
        for expected in one.expected {
            if let index = rest.firstIndex(where: expected.fits) {
                rest.remove(at: index)
            } else {
                differences.append("expected and not found: \(expected.spoken)")
            }
        }
        for finding in rest {
            let found = RuleFixture.Expected(
                kind: finding.kind, key: finding.subject ?? "", amount: finding.amountMinor, currency: finding.currency)
            differences.append("found and not expected: \(found.spoken) (\(finding.detail))")
        }
        for bridge in outcome.bridges where !bridge.residual.isZero {
            differences.append(
                "the bridge\(bridge.currency.map { " in \($0)" } ?? "") leaves \(bridge.residual.count) tasks and \(bridge.residual.amount) minor units"
            )
        }
        return differences
    }
}
