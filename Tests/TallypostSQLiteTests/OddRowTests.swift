import SQLiteFixture
import StoreContract
import TallypostCore
import Testing

/// SQLite's columns hold anything: what does not fit is set aside with the reason, and the rest go on.
@Suite struct OddRowTests {
    @Test(arguments: [
        "2026-01-02T03:04:05.678Z", "2026-01-02 03:04:05", "2026-01-02T03:04:05", "2026-01-02 03:04:05.678901",
        "2026-01-02T05:04:05.678+02:00", "2026-01-02 05:04:05.5+02:00", "2026-01-02", "2026-01-02T03:04Z",
    ])
    func `any form of ISO 8601 that an application may write is understood`(text: String) throws {
        let database = try SQLiteFixture()
        try database.insert(["type": "mail", "run_at": .text(text), "deadline_at": "2126-01-02 03:04:05+01:00"])
        let task = try #require(try database.makeStore().claim("mail").first)
        let day = Timestamp(microseconds: 1_767_312_000_000_000)
        #expect(task.runAt >= day && task.runAt < day + .hours(4))
        #expect(task.runAt == day || task.runAt >= day + .seconds(3 * 3_600 + 4 * 60))
        #expect(task.deadlineAt == Timestamp(microseconds: 4_922_993_045_000_000))
    }

    @Test func `times compare as times, not as text`() throws {
        let database = try SQLiteFixture()
        let ids = try database.insert([
            ["type": "mail", "run_at": "2026-01-02T05:00:00+02:00"], ["type": "mail", "run_at": "2026-01-02 03:30:00"],
            ["type": "mail", "run_at": "2026-01-02T03:15:00Z"],
        ])
        #expect(try database.makeStore().claim("mail").map(\.id) == [ids[0], ids[2], ids[1]])
    }

    /// Column, the SQL of a value that does not fit, and what the reason must say.
    static let misfits: [(column: String, value: String, reason: String)] = [
        ("type", "NULL", "type is NULL"), ("type", "x'0102'", "type is no text"),
        ("run_at", "'tomorrow'", "run_at is no time: tomorrow"),
        ("run_at", "'1767225600'", "run_at is no time: 1767225600"), ("run_at", "1767225600", "run_at is no time"),
        ("run_at", "''", "run_at is no time"), ("deadline_at", "'soon'", "deadline_at is no time: soon"),
        ("priority", "'high'", "priority is no integer: high"), ("ordering_key", "x'ff'", "ordering_key is no text"),
        ("max_attempts", "'many'", "max_attempts is no integer: many"),
        ("timeout_seconds", "1.5", "timeout_seconds is no integer: 1.5"),
    ]

    @Test(arguments: misfits)
    func `a value that does not fit is set aside with its reason`(column: String, value: String, reason: String) throws {
        let database = try SQLiteFixture()
        let store = try database.makeStore()
        let good = try database.insert(["type": "mail", "ordering_key": "c-1", "run_at": .fromNow(.minutes(-1))])
        let other = column == "type" ? "" : "type, "
        let key = column == "ordering_key" ? "" : ", ordering_key"
        try database.execute(
            """
            INSERT INTO pending_tasks (\(other)\(column)\(key)) VALUES (\(other.isEmpty ? "" : "'mail', ")\(value)\(key.isEmpty ? "" : ", 'c-2'"))
            """)
        let behind = try database.insert(["type": "mail", "ordering_key": "c-2"])
        let odd = good + 1
        let first = try store.claim("mail", thorough: true).map(\.id)
        #expect(first.contains(good) && !first.contains(odd))
        #expect(try store.sweep(limit: 10) == 1)
        #expect(try store.sweep(limit: 10) == 0)
        let row = try database.row(odd)
        #expect(row["status"] == "failed")
        guard case .text(let error)? = row["last_error"] else {
            Issue.record("no reason was written")
            return
        }
        #expect(error.hasPrefix(reason))
        // What stood behind it on its key goes on.
        let rest = first + (try store.claim("mail", thorough: true).map(\.id))
        #expect(rest.contains(behind))
    }

    @Test func `a NULL payload, a NULL status and a NULL key are claimed, to be judged by the relay`() throws {
        let database = try SQLiteFixture()
        let ids = try database.insert([
            ["type": "mail", "payload": nil], ["type": "mail", "status": nil], ["type": "mail", "idempotency_key": nil],
        ])
        let tasks = try database.makeStore().claim("mail")
        #expect(tasks.map(\.id) == ids)
        #expect(tasks[0].payload == nil)
        #expect(tasks[1].statusBefore == "")
        #expect(tasks[2].idempotencyKey == "pending_tasks-\(ids[2])")
    }

    @Test func `text that is no UTF-8 gets through`() throws {
        let database = try SQLiteFixture()
        let store = try database.makeStore()
        try database.execute(
            """
            INSERT INTO pending_tasks (type, payload, ordering_key, subject)
            VALUES (CAST(x'6dff' AS TEXT), CAST(x'22fe22' AS TEXT), CAST(x'80' AS TEXT), CAST(x'ff' AS TEXT)),
                   (CAST(x'6dff' AS TEXT), x'227822', CAST(x'80' AS TEXT), NULL)
            """)
        let type = try #require(try store.survey().types.first)
        let first = try #require(try store.claim(type).first)
        #expect(first.payload == [0x22, 0xFE, 0x22])
        try store.settle(first.completed)
        #expect(try store.claim(type).first?.payload == [0x22, 0x78, 0x22])
    }

    @Test func `priorities beyond all measure order, and do not trap`() throws {
        let database = try SQLiteFixture()
        let ids = try database.insert([
            ["type": "mail", "priority": .integer(.min)], ["type": "mail", "priority": .integer(.max)], ["type": "mail"],
        ])
        #expect(try database.makeStore().claim("mail").map(\.id) == [ids[1], ids[2], ids[0]])
    }

    @Test func `a timeout beyond all measure still has a lease, and a delay beyond all time a date`() throws {
        let database = try SQLiteFixture()
        let store = try database.makeStore()
        try database.insert(["type": "mail", "timeout_seconds": .integer(.max)])
        let task = try #require(try store.claim("mail").first)
        #expect(try store.expiredLeases(limit: 10).isEmpty)
        try store.settle(task.retried(after: TimeSpan(nanoseconds: .max)))
        #expect(try database.value("status", of: task.id) == "pending")
        #expect(try store.survey().nextDue != nil)
    }
}
