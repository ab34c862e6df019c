import TallypostCore
import TallypostSQLite
import Testing

@testable import tallypost

/// The proof must fail for every way in which a demo could go wrong: else it proves nothing.
struct ProofTests {
    /// Two databases as a demo without fault leaves them: two orders, one rolled back, a fax.
    private final class Aftermath {
        let directory: DemoDirectory
        let shop: SQLiteSession
        let receiver: ReceiverLedger

        init() throws {
            directory = try DemoDirectory()
            shop = try SQLiteSession(path: directory.shopDatabase)
            try Shop.makeTables(in: shop)
            try shop.execute(
                """
                CREATE TABLE pending_tasks (type TEXT, idempotency_key TEXT, status TEXT, last_error TEXT);
                INSERT INTO orders VALUES ('o_1', 'Ada', 100, 'EUR', 'paid'), ('o_2', 'Grace', 200, 'EUR', 'paid');
                INSERT INTO rolled_back VALUES ('o_3');
                INSERT INTO pending_tasks VALUES
                    ('send-receipt', 'receipt-o_1', 'completed', NULL), ('send-receipt', 'receipt-o_2', 'completed', NULL),
                    ('send-fax', 'fax-o_2', 'failed', 'answered 400');
                """)
            receiver = try ReceiverLedger(path: directory.receiverDatabase)
            for order in ["o_1", "o_2"] {
                _ = try receiver.record(key: "receipt-\(order)", task: .sendReceipt, attempt: 1)
            }
            _ = try receiver.record(key: "fax-o_2", task: .sendFax, attempt: 1)
        }

        var proof: Proof { get throws { try Proof(directory: directory) } }

        /// The texts of the counts that do not hold.
        var faults: [String] { get throws { try proof.counts.filter { !$0.holds }.map(\.text) } }
    }

    @Test func `a demo without fault is proven`() throws {
        let proof = try Aftermath().proof
        #expect(proof.holds)
        #expect(proof.deadLetters == [.init(type: "send-fax", count: 1, reason: "answered 400")])
        #expect(proof.report.contains { $0.hasPrefix("PROVEN") })
    }

    @Test func `a repeated request with the same key is counted and breaks nothing`() throws {
        let aftermath = try Aftermath()
        let entry = try aftermath.receiver.record(key: "receipt-o_1", task: .sendReceipt, attempt: 2)
        #expect(entry == .init(status: 200, isRepeat: true))
        let proof = try aftermath.proof
        #expect(proof.holds)
        #expect(proof.counts.first { $0.text.hasPrefix("repeats") }?.found == 1)
    }

    @Test func `a committed order that was not received is a fault`() throws {
        let aftermath = try Aftermath()
        try aftermath.shop.execute(
            """
            INSERT INTO orders VALUES ('o_4', 'Hedy', 100, 'EUR', 'paid');
            INSERT INTO pending_tasks VALUES ('send-receipt', 'receipt-o_4', 'completed', NULL);
            """)
        #expect(
            try aftermath.faults == [
                "their receipts, received exactly once by key", "committed orders lost",
                "tasks completed that the receiver never accepted",
            ])
        #expect(try aftermath.proof.report.last?.hasPrefix("NOT PROVEN") == true)
    }

    @Test func `a request for a rolled-back order is a fault`() throws {
        let aftermath = try Aftermath()
        _ = try aftermath.receiver.record(key: "receipt-o_3", task: .sendReceipt, attempt: 1)
        #expect(
            try aftermath.faults == [
                "requests for an order that was rolled back", "requests with a key that no committed task has",
            ])
    }

    @Test func `a task that has not ended is a fault`() throws {
        let aftermath = try Aftermath()
        try aftermath.shop.execute("UPDATE pending_tasks SET status = 'processing' WHERE idempotency_key = 'receipt-o_1'")
        #expect(try aftermath.faults == ["ended as they should: send-fax failed, the rest completed"])
    }

    @Test func `an effect that happened twice is a fault`() throws {
        let aftermath = try Aftermath()
        let receiver = try SQLiteSession(path: aftermath.directory.receiverDatabase)
        try receiver.execute("INSERT INTO requests (key, type, status, is_repeat) VALUES ('receipt-o_1', 'send-receipt', 200, 0)")
        #expect(try aftermath.faults == ["their receipts, received exactly once by key", "keys whose effect happened twice"])
    }

    @Test func `nothing at all is not proven`() throws {
        let aftermath = try Aftermath()
        try aftermath.shop.execute("DELETE FROM orders; DELETE FROM pending_tasks")
        let receiver = try SQLiteSession(path: aftermath.directory.receiverDatabase)
        try receiver.execute("DELETE FROM requests; DELETE FROM effects")
        #expect(try aftermath.proof.holds == false)
    }
}
