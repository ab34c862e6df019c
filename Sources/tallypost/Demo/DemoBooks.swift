import TallypostCore
import TallypostSQLite

/// What follows the proof: the books of the demo's shop, clean at first, and then with breaks that somebody planted.
///
/// On a copy of the shop's database, so that the proof's questions can still be asked of the original.
struct DemoBooks {
    private let directory: DemoDirectory
    private var database: String { "\(directory.path)/books.db" }
    private var configuration: String { "\(directory.path)/books.json5" }

    private static let rule = """
        -- rule: paid-order-has-receipt
        -- severity: high
        -- owner: finance
        -- grace: 1s
        -- expect: one completed send-receipt per orders.id where state = 'paid' amount total_minor currency currency

        """

    /// What is done by hand, in words and in SQL; the first order's receipt loses a cent, and so on.
    static let planted: [(words: String, sql: String)] = [
        (
            "the amount of a task is changed by hand",
            "UPDATE pending_tasks SET amount_minor = amount_minor + 1000 WHERE idempotency_key = (SELECT min(idempotency_key) FROM pending_tasks WHERE type = 'send-receipt')"
        ),
        (
            "a task is deleted by hand",
            "DELETE FROM pending_tasks WHERE idempotency_key = (SELECT max(idempotency_key) FROM pending_tasks WHERE type = 'send-receipt')"
        ),
        (
            "an order is inserted as paid without its task",
            "INSERT INTO orders (id, customer, total_minor, currency, state) VALUES ('o_forgotten', 'Zoe', 4200, 'EUR', 'paid')"
        ),
        (
            "a receipt is ordered that belongs to no order",
            "INSERT INTO pending_tasks (type, idempotency_key, subject, amount_minor, currency, created_at) VALUES ('send-receipt', 'receipt-o_nobody', 'o_nobody', 990, 'GBP', strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 minute'))"
        ),
    ]

    /// Copies the shop's database and writes what the commands need.
    init(directory: DemoDirectory, routes: String) throws(DemoError) {
        self.directory = directory
        do throws(StoreError) {
            try SQLiteSession(path: directory.shopDatabase).execute("VACUUM INTO '\(directory.path)/books.db'")
            // Opened once as an application does: a copy is not in WAL mode by itself.
            _ = try SQLiteSession(path: "\(directory.path)/books.db")
        } catch { throw .database(error) }
        try DemoDirectory.makeDirectory("\(directory.path)/rules")
        try DemoDirectory.write(Self.rule, to: "\(directory.path)/rules/paid-order-has-receipt.sql")
        try DemoDirectory.write(
            """
            // The books of the demo: tallypost reconcile --config books.json5
            {
              database: "sqlite:\(directory.path)/books.db",
              reconcile: { rules: "rules", reports: "reports", environment: "demo" },
              retention: "never",
              routes: {
            \(routes)
              },
            }

            """, to: "\(directory.path)/books.json5")
    }

    /// The faxes that were refused for good: a person gives them up, and says why, so that nothing is left open.
    var writingOff: [[String]] {
        let who = ["--by", "the demo", "--why", "there is no fax machine", "--yes", "--config", configuration]
        return [
            ["task", "retry", "--status", "failed"] + who,
            ["task", "cancel", "--status", "pending"] + who,
        ]
    }

    /// A run that writes its report.
    var reconciling: [String] { ["reconcile", "--report", "--config", configuration] }

    /// Does what must come to light.
    func plant() throws(DemoError) {
        do throws(StoreError) {
            let session = try SQLiteSession(path: database)
            for deed in Self.planted { try session.execute(deed.sql) }
        } catch { throw .database(error) }
    }
}
