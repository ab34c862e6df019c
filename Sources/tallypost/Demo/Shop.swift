import Glibc
import TallypostCore
import TallypostRelay
import TallypostSQLite

/// The demo's application: takes orders, and writes each with the tasks that follow from it in one transaction.
struct Shop {
    private let database: SQLiteSession
    private let orders: Int
    private let seconds: Int

    private static let customers = [
        "Ada", "Barbara", "Claude", "Donald", "Edsger", "Frances", "Grace", "Hedy", "Katherine", "Leslie",
    ]
    private static let currencies = ["EUR", "GBP", "USD"]

    /// - Parameters:
    ///   - orders: how many are tried.
    ///   - seconds: the time over which they are spread.
    init(database path: String, orders: Int, seconds: Int) throws(StoreError) {
        database = try SQLiteSession(path: path)
        self.orders = orders
        self.seconds = seconds
    }

    /// Its own tables, beside Tallypost's.
    static func makeTables(in database: SQLiteSession) throws(StoreError) {
        try database.execute(
            """
            CREATE TABLE orders (
                id          TEXT    PRIMARY KEY,
                customer    TEXT    NOT NULL,
                total_minor INTEGER NOT NULL,
                currency    TEXT    NOT NULL,
                state       TEXT    NOT NULL
            );
            -- Orders whose transaction was rolled back, noted in a transaction of its own: nothing else is left of them.
            CREATE TABLE rolled_back (order_id TEXT PRIMARY KEY);
            """)
    }

    /// Takes all orders, at an even pace. A pace that the disk cannot keep is simply not kept.
    func open() throws(StoreError) {
        let start = MonotonicClock.now()
        for number in 1...max(1, orders) {
            let due = start + .microseconds(Int64(number) * Int64(seconds) * 1_000_000 / Int64(max(1, orders)))
            let ahead = due - MonotonicClock.now()
            if ahead > .zero { usleep(UInt32(clamping: ahead.nanoseconds / 1_000)) }
            try takeOrder(number)
        }
    }

    private func takeOrder(_ number: Int) throws(StoreError) {
        // The same orders in every demo.
        var random = RandomSource(seed: UInt64(number))
        let id = "o_\(number)"
        let isRolledBack = random.next(upperBound: UInt64(10)) == 0
        let total = Int64(random.next(upperBound: UInt64(20_000))) + 100
        let customer = Self.customers[Int(random.next(upperBound: UInt64(Self.customers.count)))]
        let currency = Self.currencies[Int(random.next(upperBound: UInt64(Self.currencies.count)))]
        try database.execute("BEGIN IMMEDIATE")
        do {
            try database.run(
                "INSERT INTO orders (id, customer, total_minor, currency, state) VALUES (?, ?, ?, ?, 'paid')",
                [.text(id), .text(customer), .integer(total), .text(currency)])
            for task in DemoTask.allCases where random.next(upperBound: task.oneOrderIn) == 0 {
                try database.run(
                    """
                    INSERT INTO pending_tasks (type, payload, idempotency_key, subject, amount_minor, currency)
                    SELECT ?, json_object('order', id, 'customer', customer, 'total_minor', total_minor, 'currency', currency),
                           ?, id, total_minor, currency
                    FROM orders WHERE id = ?
                    """,
                    [.text(task.rawValue), .text(task.idempotencyKey(order: id)), .text(id)])
            }
            try database.execute(isRolledBack ? "ROLLBACK" : "COMMIT")
        } catch {
            try? database.execute("ROLLBACK")
            throw error
        }
        if isRolledBack { try database.run("INSERT INTO rolled_back (order_id) VALUES (?)", [.text(id)]) }
    }
}
