import TallypostCore
import TallypostReconciliation
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
}
