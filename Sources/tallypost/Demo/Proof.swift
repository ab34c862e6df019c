import TallypostCore
import TallypostSQLite

/// What the rows of both databases say in the end, asked in SQL that anybody can ask again (`--keep` leaves it as proof.sql).
struct Proof: Sendable {
    /// A number that the rows give.
    struct Count: Sendable, Equatable {
        /// What is counted.
        var text: String
        /// How many there are.
        var found: Int64
        /// How many there must be; nil: any number will do.
        var expected: Int64?

        /// Whether it is as it must be.
        var holds: Bool { expected.map { $0 == found } ?? true }
    }

    /// Dead letters of one type that ended for one reason.
    struct DeadLetters: Sendable, Equatable {
        /// The task type.
        var type: String
        /// How many.
        var count: Int64
        /// `last_error`.
        var reason: String
    }

    /// In the order in which they are shown.
    var counts: [Count]
    /// By type and reason.
    var deadLetters: [DeadLetters]

    /// Whether every number is as it must be, and there was something to prove.
    var holds: Bool { counts.allSatisfy(\.holds) && counts.contains { ($0.expected ?? 0) > 0 } }

    /// A question and what its answer must be.
    private enum Question {
        /// Any number; kept, so that a later answer can be held against it.
        case total
        /// As many as the last total.
        case asManyAsBefore
        /// None.
        case none
        /// Any number.
        case remark
    }

    private static let questions: [(text: String, kind: Question, sql: String)] = [
        ("orders committed", .total, "SELECT count(*) FROM orders"),
        (
            "their receipts, received exactly once by key", .asManyAsBefore,
            """
            SELECT count(*) FROM orders
            WHERE 1 = (SELECT count(*) FROM receiver.requests AS r
                       WHERE r.key = 'receipt-' || orders.id AND r.status = 200 AND r.is_repeat = 0)
            """
        ),
        (
            "committed orders lost", .none,
            """
            SELECT count(*) FROM orders
            WHERE NOT EXISTS (SELECT 1 FROM receiver.effects AS e WHERE e.key = 'receipt-' || orders.id)
            """
        ),
        ("orders rolled back", .remark, "SELECT count(*) FROM rolled_back"),
        (
            "requests for an order that was rolled back", .none,
            """
            SELECT count(*) FROM receiver.requests AS r
            WHERE substr(r.key, instr(r.key, '-') + 1) IN (SELECT order_id FROM rolled_back)
            """
        ),
        (
            "requests with a key that no committed task has", .none,
            "SELECT count(*) FROM receiver.requests WHERE key NOT IN (SELECT idempotency_key FROM pending_tasks)"
        ),
        ("tasks committed, of all types", .total, "SELECT count(*) FROM pending_tasks"),
        (
            "ended as they should: send-fax failed, the rest completed", .asManyAsBefore,
            """
            SELECT count(*) FROM pending_tasks
            WHERE status = CASE type WHEN 'send-fax' THEN 'failed' ELSE 'completed' END
            """
        ),
        (
            "tasks completed that the receiver never accepted", .none,
            """
            SELECT count(*) FROM pending_tasks
            WHERE status = 'completed' AND idempotency_key NOT IN (SELECT key FROM receiver.effects)
            """
        ),
        (
            "keys whose effect happened twice", .none,
            """
            SELECT count(*) FROM (SELECT key FROM receiver.requests WHERE status = 200 AND is_repeat = 0
                                  GROUP BY key HAVING count(*) > 1)
            """
        ),
        ("requests that the receiver got", .remark, "SELECT count(*) FROM receiver.requests"),
        (
            "repeats: the effect had happened, so nothing was done again", .remark,
            "SELECT count(*) FROM receiver.requests WHERE is_repeat = 1"
        ),
        ("dead letters", .remark, "SELECT count(*) FROM pending_tasks WHERE status IN ('failed', 'timeout', 'cancelled')"),
    ]

    private static let deadLetterQuery = """
        SELECT type, count(*), coalesce(last_error, '') FROM pending_tasks
        WHERE status IN ('failed', 'timeout', 'cancelled') GROUP BY type, coalesce(last_error, '') ORDER BY type
        """

    /// Asks. The processes have ended: nothing changes meanwhile.
    init(directory: DemoDirectory) throws(StoreError) {
        let database = try SQLiteSession(reading: directory.shopDatabase)
        try database.run("ATTACH ? AS receiver", [.text(directory.receiverDatabase)])
        counts = []
        var total: Int64 = 0
        for question in Self.questions {
            let found = try database.number(question.sql)
            if question.kind == .total { total = found }
            let expected: Int64? =
                switch question.kind {
                case .asManyAsBefore: total
                case .none: 0
                case .total, .remark: nil
                }
            counts.append(Count(text: question.text, found: found, expected: expected))
        }
        deadLetters = try database.rows(Self.deadLetterQuery).map { row in
            DeadLetters(type: row[0] ?? "", count: row[1].flatMap { Int64($0) } ?? 0, reason: row[2] ?? "")
        }
    }

    /// The questions, for `sqlite3 shop.db < proof.sql` in the demo's directory.
    static var script: String {
        var lines = ["-- Run it in this directory: sqlite3 shop.db < proof.sql", "ATTACH 'receiver.db' AS receiver;"]
        for question in questions {
            lines += ["", "SELECT '\(question.text)';", question.sql + ";"]
        }
        lines += ["", deadLetterQuery + ";", ""]
        return lines.joined(separator: "\n")
    }

    /// The table and the verdict.
    var report: [String] {
        var lines = ["What the rows of both databases say", ""]
        let width = counts.map(\.text.count).max() ?? 0
        for count in counts {
            let number = String(count.found)
            let mark = count.expected.map { count.holds ? "ok" : "WRONG: must be \($0)" } ?? ""
            let space = String(repeating: " ", count: max(1, 8 - number.count))
            let line = "  \(count.text.padded(to: width))\(space)\(number)  \(mark)"
            lines.append(mark.isEmpty ? String(line.dropLast(2)) : line)
        }
        for letters in deadLetters {
            lines.append("      \(letters.count) × \(letters.type): \(letters.reason.prefix(160))")
        }
        lines.append("")
        if holds {
            lines += [
                "PROVEN: every committed order was received exactly once by key; none was lost;",
                "nothing came of a rolled-back one.",
            ]
        } else {
            lines.append("NOT PROVEN: see the lines marked WRONG.")
        }
        return lines
    }
}
