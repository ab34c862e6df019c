import StoreContract
import TallypostCore
import TallypostReconciliation
import Testing

/// Declared rules on a snapshot.
@Suite struct RuleRunTests {
    private static let rule = """
        -- rule: paid-has-mail
        -- grace: 1s
        -- expect: one completed mail per orders.id where state = 'paid' amount total currency 'EUR'
        """

    /// 5,000 orders and their tasks; order 10 has no task, task 20 another amount, and task 30 is of no order.
    private func plant(_ database: any DatabaseFixture) throws {
        try database.execute("CREATE TABLE orders (id text PRIMARY KEY, state text, total bigint)")
        let orders = (0..<5_000).filter { $0 != 30 }.map { "('o_\($0)', 'paid', \($0))" }
        try database.execute("INSERT INTO orders VALUES \(orders.joined(separator: ", "))")
        try database.insert(
            (0..<5_000).filter { $0 != 10 }.map { number in
                [
                    "type": "mail", "subject": .text("o_\(number)"), "amount_minor": .integer(number == 20 ? 1 : Int64(number)),
                    "currency": "EUR", "created_at": .fromNow(.hours(-1)),
                ]
            })
        try database.execute("UPDATE pending_tasks SET status = 'completed', attempts = 1")
    }

    @Test(arguments: Engine.reconciled)
    func `a rule that gives way to tasks that are sent finds the same`(engine: Engine) throws {
        try engine.withReconcile { database, reader in
            try plant(database)
            if reader.dialect == .postgres {
                try database.execute("GRANT SELECT ON orders TO PUBLIC; ANALYZE orders; ANALYZE pending_tasks")
            }
            let rule = try Rule(parsing: Self.rule, file: "paid-has-mail.sql")
            var context = RuleContext(asOf: try reader.beginReading(statementTimeout: .seconds(60)))
            defer { reader.endReading() }
            let listener = ListeningDatabase(reader)
            let plain = try RuleRunner(database: listener).run(rule, context: context)
            #expect(!listener.said.contains { $0.contains("pg_sleep") })
            context.givesWay = true
            let resting = try RuleRunner(database: listener).run(rule, context: context)
            #expect(
                listener.said.contains { $0.contains("pg_sleep") } == (reader.dialect == .postgres), "SQLite's scans are ours")
            #expect([plain.failure, resting.failure] == [nil, nil])
            #expect(Set(plain.findings.map(\.subject)) == ["o_10", "o_20", "o_30"])
            #expect(Set(resting.findings.map(\.id)) == Set(plain.findings.map(\.id)))
            #expect(resting.bridges == plain.bridges)
            #expect(resting.sources.map(\.logic) == plain.sources.map(\.logic), "a report shows the question, not the rests")
        }
    }
}

/// Keeps other people's statements that are run on a database.
private final class ListeningDatabase: ReconcileDatabase {
    private let inner: any ReconcileDatabase
    private(set) var said: [String] = []

    init(_ inner: any ReconcileDatabase) { self.inner = inner }

    var dialect: SQLDialect { inner.dialect }

    func run(
        sql: String, operation: String, _ parameters: [SQLValue], _ each: (any SQLRow) -> Bool
    ) throws(StoreError) -> Int {
        said.append(sql)
        return try inner.run(sql: sql, operation: operation, parameters, each)
    }

    func beginReading(statementTimeout: TimeSpan) throws(StoreError) -> Timestamp {
        try inner.beginReading(statementTimeout: statementTimeout)
    }
    func endReading() { inner.endReading() }
    func write<Result>(_ body: () throws(StoreError) -> Result) throws(StoreError) -> Result { try inner.write(body) }
    func run(
        _ statement: ReconcileStatement, _ parameters: [SQLValue], _ each: (any SQLRow) -> Bool
    ) throws(StoreError) -> Int { try inner.run(statement, parameters, each) }
    func cursor(_ statement: ReconcileStatement, _ parameters: [SQLValue]) throws(StoreError) -> any SQLCursor {
        try inner.cursor(statement, parameters)
    }
    func export(
        _ statement: ReconcileStatement, _ parameters: [SQLValue], _ each: (any SQLRow) -> Bool
    ) throws(StoreError) { try inner.export(statement, parameters, each) }
    func insert(_ draft: TaskDraft) throws(StoreError) -> InsertedTask { try inner.insert(draft) }
    func interrupt() { inner.interrupt() }
}
