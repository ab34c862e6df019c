import TallypostCore
@testable import TallypostReconciliation
import Testing

/// What a rule's file may say, and what it is told when it is wrong.
struct RuleParserTests {
    private func rule(_ text: String, file: String = "rules/r.sql") throws -> Rule { try Rule(parsing: text, file: file) }

    private func problems(_ text: String, file: String = "rules/r.sql") -> [RuleProblem] {
        do throws(RuleProblems) {
            _ = try Rule(parsing: text, file: file)
            return []
        } catch { return error.problems }
    }

    @Test func `the contract's example is read as it is meant`() throws {
        let text = """
            -- rule: r
            -- severity: high
            -- owner: finance
            -- grace: 15m
            -- expect: one completed send-receipt per orders.id where state = 'paid' amount total_minor currency currency at paid_at

            """
        let rule = try rule(text)
        #expect(rule.name == "r" && rule.severity == .high && rule.owner == "finance" && rule.grace == .minutes(15))
        #expect(
            rule.expectation
                == Expectation(
                    count: .exactly(1), status: .completed, type: "send-receipt", table: "orders", key: "id",
                    condition: "state = 'paid'",
                    amount: "total_minor", currency: .column("currency"), at: "paid_at"))
        #expect(rule.hash == Digest.hex(Digest.sha256(Array(text.utf8))))
        #expect(rule.type == "send-receipt" && rule.confirmRuns == 1 && !rule.holdsOrphans)
    }

    @Test func `every header is read`() throws {
        let rule = try rule(
            """
            -- What finance asked for in June: a comment.
            -- rule: r
            -- severity: critical
            -- confirm_runs: 2
            -- critical_over: GBP 1000.00, JPY 100000
            -- hold: yes
            -- until: 2027-01-31
            -- payload: {"order": {key},
            --    "again": {key}}
            -- grace: 2h
            -- expect: at least one charge per shop."Order Lines".uid
            --    where kind IN ('a', 'at currency x')
            --      and (amount > 5 or at < now())
            --    currency 'EUR' amount cents
            """)
        #expect(rule.severity == .critical && rule.confirmRuns == 2 && rule.holdsOrphans && rule.grace == .hours(2))
        #expect(
            rule.criticalOver == [
                .init(currency: "GBP", digits: 100_000, scale: 2), .init(currency: "JPY", digits: 100_000, scale: 0),
            ])
        #expect(rule.until?.iso8601 == "2027-01-31T00:00:00.000Z")
        #expect(rule.payload(key: "o\"1").filter { $0 != "\n" } == #"{"order": "o\"1","again": "o\"1"}"#)
        let expectation = try #require(rule.expectation)
        #expect(expectation.table == "shop.\"Order Lines\"" && expectation.key == "uid" && expectation.count == .atLeastOne)
        #expect(expectation.status == nil && expectation.currency == .fixed("EUR") && expectation.amount == "cents")
        #expect(
            expectation.condition == "kind IN ('a', 'at currency x')\n  and (amount > 5 or at < now())"
                || expectation.condition?.hasSuffix("now())") == true)
    }

    @Test func `a query is kept as written, with its comments and quotes`() throws {
        let sql =
            "WITH a AS (SELECT ';' AS x) -- not; here\nSELECT id AS key, $$;$$ FROM a /* ; */ WHERE x = E'\\'' OR \"se;mi\" IS NULL"
        let rule = try rule("-- rule: r\n-- type: charge\n\n\(sql);\n-- the end\n")
        #expect(rule.body == .query(sql) && rule.type == "charge")
    }

    @Test(arguments: [
        ("-- rule: r\n-- severty: high\nSELECT 1 AS key", 2, "severity"),
        ("-- rule: r\n-- severity: hihg\nSELECT 1 AS key", 2, "high"),
        ("-- rule: r\n-- grace: 15 minutes\nSELECT 1 AS key", 2, "15m"),
        ("-- rule: r\n-- rule: r\nSELECT 1 AS key", 2, "twice"),
        ("-- rule: s\nSELECT 1 AS key", 1, "s.sql"),
        ("-- rule: r\n-- confirm_runs: 0\nSELECT 1 AS key", 2, "1 to 1000"),
        ("-- rule: r\n-- critical_over: 1000\nSELECT 1 AS key", 2, "GBP 1000.00"),
        ("-- rule: r\n-- critical_over: GBP 1,000\nSELECT 1 AS key", 2, "000"),
        ("-- rule: r\n-- hold: maybe\n-- expect: one t per orders.id", 2, "hold: yes"),
        ("-- rule: r\n-- hold: yes\nSELECT 1 AS key", 2, "expect"),
        ("-- rule: r\n-- until: 2027-02-30\nSELECT 1 AS key", 2, "2027-01-31"),
        ("-- rule: r\n\n\nDELETE FROM orders", 4, "SELECT"),
        ("-- rule: r\nWITH a AS (SELECT 1) DELETE FROM orders", 2, "SELECT"),
        ("-- rule: r\nSELECT 1 AS key;\nSELECT 2 AS key", 3, "UNION ALL"),
        ("-- rule: r\nSELECT 'open", 2, "not ended"),
        ("-- rule: r\n-- expect: one send-receipt per orders.id\nSELECT 1", 3, "keep one"),
        ("-- rule: r\n-- expect: send-receipt per orders.id", 2, "at least one"),
        ("-- rule: r\n-- expect: one complete send-receipt per orders.id", 2, "completed"),
        ("-- rule: r\n-- expect: one completed per orders.id", 2, "status"),
        ("-- rule: r\n-- expect: one send-receipt per orders", 2, "per orders.id"),
        ("-- rule: r\n-- expect: one send-receipt for orders.id", 2, "per TABLE.KEY"),
        ("-- rule: r\n-- expect: one send-receipt per orders.id amount total", 2, "currency"),
        ("-- rule: r\n-- expect: one send-receipt per orders.id amuont total currency c", 2, "amount"),
        ("-- rule: r\n-- expect: one send-receipt per orders.id where at paid_at", 2, "where"),
        ("-- rule: r\n-- expect: one send-receipt per orders.id where (a = 1", 2, "parentheses"),
        ("-- rule: r\n-- expect: one send-receipt per orders.id amount a currency 'eur'", 2, "ISO 4217"),
        ("-- rule: r\n-- expect: one t per orders.id\n-- payload: {key", 3, "JSON"),
        ("-- rule: r\n-- expect: one t per orders.id\n-- type: u", 3, "twice"),
    ])
    func `what is wrong is named with its line and what mends it`(_ text: String, _ line: Int, _ hint: String) {
        let found = problems(text)
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.line == line)
        #expect(found.first?.description.contains(hint) == true, "\(found)")
        #expect(found.first?.description.hasPrefix("rules/r.sql:\(line): ") == true)
    }

    @Test func `a rule that asks nothing is refused, and one without a name`() {
        #expect(problems("-- rule: r\n").map(\.what) == ["the rule asks nothing"])
        #expect(problems("SELECT 1 AS key").first?.mend == "begin the file with: -- rule: r")
    }

    @Test func `all problems of a folder are told at once, and names that occur twice`() {
        let files = [
            ("a.sql", "-- rule: a\n-- grace: soon\nDROP TABLE orders"), ("b.sql", "-- rule: b\nSELECT 1 AS key"),
            ("x/b.sql", "-- rule: b\nSELECT 2 AS key"),
        ]
        do throws(RuleProblems) {
            _ = try RuleBook(files: files.map { (name: $0.0, text: $0.1) })
            Issue.record("nothing was found")
        } catch {
            #expect(error.problems.map(\.file) == ["a.sql", "a.sql", "x/b.sql"])
            #expect(error.problems.last?.what.contains("b.sql") == true)
        }
    }

    @Test func `a limit is passed by more than its amount, whatever the currency's digits`() {
        let limit = Rule.Limit(currency: "GBP", digits: 100_000, scale: 2)
        #expect(
            !limit.isPassed(by: 100_000, exponent: 2) && limit.isPassed(by: 100_001, exponent: 2)
                && limit.isPassed(by: -100_001, exponent: 2))
        #expect(!limit.isPassed(by: 1_000, exponent: 0) && limit.isPassed(by: 1_001, exponent: 0))
        #expect(limit.isPassed(by: .max, exponent: 3) && limit.isPassed(by: .min, exponent: 3))
    }
}
