import TallypostCore
@testable import TallypostReconciliation
import Testing

struct RuleExplanationTests {
    @Test(arguments: SQLDialect.allCases)
    func `the SQL of a rule can be read, and says what each statement is for`(_ dialect: SQLDialect) throws {
        let rule = try Rule(
            parsing: """
                -- rule: paid
                -- owner: finance
                -- hold: yes
                -- expect: one completed send-receipt per orders.id where state = 'paid' amount total_minor currency currency at paid_at
                """, file: "paid.sql")
        let text = rule.explanation(dialect: dialect)
        #expect(text.contains("-- rule paid, owner finance: severity high, grace 15m"))
        #expect(text.contains(rule.hash) && text.contains("as-of less grace (15m)"))
        #expect(text.contains("WHERE (state = 'paid')") && text.contains("type = 'send-receipt'"))
        let hold = try #require(rule.holdSQL(dialect: dialect, keyType: .integer))
        #expect(hold.contains("NOT EXISTS") && hold.contains("type = 'send-receipt'"))
    }

    @Test func `a rule that does not hold has no question about holds`() throws {
        let rule = try Rule(parsing: "-- rule: r\n-- expect: one t per orders.id", file: "r.sql")
        #expect(rule.holdSQL(dialect: .sqlite, keyType: .text) == nil)
    }

    @Test func `a join that gives way rests in both of its scans, in neither for more than a quarter of a minute`() throws {
        let rule = try Rule(parsing: "-- rule: r\n-- expect: one completed t per orders.id where paid at paid_at", file: "r.sql")
        var sql = ExpectationSQL(expectation: try #require(rule.expectation), dialect: .postgres)
        sql.rests = (tasks: ScanRest.condition(rows: 5_000), rows: ScanRest.condition(rows: 50_000_000))
        for (text, waits) in [
            (try #require(sql.pairs), ["0.036", "0.0012288"]), (sql.keys, ["0.036", "0.0012288"]), (sql.expected, []),
            (sql.tasks, []),
        ] {
            let found = text.split(separator: "pg_sleep(").dropFirst().map { String($0.prefix { $0 != ")" }) }
            #expect(found.sorted() == waits.sorted())
        }
        #expect(sql.expected.contains("(paid)"))
        #expect(ScanRest.condition(rows: 100) == nil && ScanRest.condition(rows: -1) == nil)
    }
}
