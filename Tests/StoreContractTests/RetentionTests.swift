import StoreContract
import TallypostCore
import Testing

/// What retention removes, and what it must leave.
@Suite struct RetentionTests {
    /// A week for completed tasks, two for the others.
    private static let policy = RetentionPolicy(completed: .hours(7 * 24), final: .hours(14 * 24))

    private static func ended(_ status: String, days: Int64, _ more: ColumnValues = [:]) -> ColumnValues {
        let end = ColumnValue.fromNow(.hours(-24 * days))
        return ["type": "mail", "status": .text(status), "created_at": end, "finished_at": end].merging(more) { $1 }
    }

    @Test(arguments: Engine.allCases)
    func `what ended long enough ago goes, each status by its own time, and the rest stays`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let gone = try database.insert([
                Self.ended("completed", days: 8), Self.ended("failed", days: 15), Self.ended("timeout", days: 15),
                Self.ended("cancelled", days: 15),
            ])
            let kept = try database.insert([
                Self.ended("completed", days: 6), Self.ended("failed", days: 13), Self.ended("timeout", days: 13),
                Self.ended("cancelled", days: 13),
                // However old: it has not ended.
                Self.ended("pending", days: 400), Self.ended("processing", days: 400), Self.ended("waiting", days: 400),
                Self.ended("blocked", days: 400), Self.ended("odd", days: 400),
                // Nobody knows when it ended.
                ["type": "mail", "status": "completed", "created_at": .fromNow(.hours(-24 * 400))],
            ])
            #expect(try store.purgeAll(Self.policy) == gone.count)
            for id in gone { #expect(try database.row(id).isEmpty) }
            for id in kept { #expect(try !database.row(id).isEmpty) }
        }
    }

    @Test(arguments: Engine.allCases)
    func `what holds its ordering key, has a successor that waits, or is of a group, stays`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let blocker = try database.insert(Self.ended("failed", days: 99, ["ordering_key": "c-1", "blocks_key": true]))
            let member = try database.insert(Self.ended("completed", days: 99, ["group_key": "g-1"]))
            let awaited = try database.insert(Self.ended("completed", days: 99))
            let waiting = try database.insert(["type": "mail", "status": "blocked", "run_after": .integer(awaited)])
            let keyed = try database.insert(Self.ended("completed", days: 99, ["ordering_key": "c-1"]))
            let followed = try database.insert(Self.ended("completed", days: 99))
            let follower = try database.insert(Self.ended("completed", days: 1, ["run_after": .integer(followed)]))
            #expect(try store.purgeAll(Self.policy) == 2)
            for id in [blocker, member, awaited, waiting, follower] { #expect(try !database.row(id).isEmpty, "\(id)") }
            for id in [keyed, followed] { #expect(try database.row(id).isEmpty, "\(id)") }

            // What kept them is over.
            try database.update([blocker], ["blocks_key": false])
            try database.update([waiting], ["status": "cancelled"])
            #expect(try store.purgeAll(Self.policy) == 2)
            for id in [blocker, awaited] { #expect(try database.row(id).isEmpty, "\(id)") }
        }
    }

    @Test(arguments: Engine.allCases)
    func `attempts go with their task, and those of others stay`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let ids = try database.insert([["type": "mail"], ["type": "mail"]])
            for task in try store.claim("mail") {
                let attempt = AttemptRecord(
                    number: 1, duration: .milliseconds(5), responseStatus: 400, error: "400", responseStart: nil)
                _ = try store.settle(task.outcome(.failed(responseStatus: 400, error: "400"), attempt: attempt))
            }
            try database.update([ids[0]], ["finished_at": .fromNow(.hours(-24 * 20)), "created_at": .fromNow(.hours(-24 * 20))])
            #expect(try store.purgeAll(Self.policy) == 1)
            #expect(try database.attempts(of: ids[0]).isEmpty)
            #expect(try database.attempts(of: ids[1]).count == 1)
        }
    }

    @Test(arguments: Engine.allCases)
    func `never means never, for one kind or for both`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let ids = try database.insert([Self.ended("completed", days: 4_000), Self.ended("failed", days: 4_000)])
            #expect(try store.purgeAll(.never) == 0)
            #expect(try store.purgeAll(RetentionPolicy(completed: nil, final: .hours(1))) == 1)
            #expect(try !database.row(ids[0]).isEmpty)
            #expect(try store.purgeAll(RetentionPolicy(completed: .hours(1), final: nil)) == 1)
        }
    }

    @Test(arguments: Engine.allCases)
    func `many go in steps, past many that stay, and the walk says when it is over`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            // Old rows that stay lie between those that go, and young ones at the end.
            let kept = try database.insert((0..<700).map { _ in Self.ended("failed", days: 10) })
            try database.insert((0..<450).map { _ in Self.ended("completed", days: 10) })
            let young = try database.insert((0..<20).map { _ in ["type": "mail"] })
            let first = try store.purge(Self.policy)
            #expect(first.removed <= 100 && first.rest == nil, "one step is not the whole table")
            var removed = first.removed
            removed += try store.purgeAll(Self.policy)
            #expect(removed == 450)
            #expect(try !database.row(kept[0]).isEmpty && !database.row(kept[699]).isEmpty && !database.row(young[0]).isEmpty)
            // And the next walk begins at the start again.
            try database.update([kept[0]], ["finished_at": .fromNow(.hours(-24 * 30))])
            #expect(try store.purgeAll(Self.policy) == 1)
        }
    }

    @Test(arguments: Engine.allCases)
    func `a task that was reopened is a task like any other`(engine: Engine) throws {
        try engine.withFixture { database in
            let store = try database.makeStore()
            let id = try database.insert(Self.ended("failed", days: 99))
            try database.update([id], ["status": "pending"])
            #expect(try store.purgeAll(Self.policy) == 0)
            #expect(try store.claim("mail").map(\.id) == [id])
        }
    }

    @Test(arguments: Engine.allCases)
    func `two stores that purge at once remove every row once`(engine: Engine) throws {
        try engine.withFixture { database in
            try database.insert((0..<600).map { _ in Self.ended("completed", days: 10) })
            let workers = (0..<2).map { _ in
                InBackground { try database.makeStore().purgeAll(Self.policy) }
            }
            // Rows that the one held locked as the other came by wait for the next walk.
            let removed = try workers.reduce(0) { try $0 + $1.wait() }
            #expect(try removed + database.makeStore().purgeAll(Self.policy) == 600)
        }
    }

    @Test(arguments: Engine.databases)
    func `what ended after the last run of reconciliation waits for the next, unless there is none any more`(engine: Engine)
        throws
    {
        try engine.withDatabase { database in
            let store = try database.makeStore()
            let policy = RetentionPolicy(completed: .zero, final: .zero)
            func sign(_ hours: Int) throws {
                let time =
                    engine == .sqlite
                    ? "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-\(hours) hours')" : "now() - interval '\(hours) hours'"
                try database.execute("UPDATE tallypost_reconciler SET as_of = \(time)")
            }
            let (old, young) = (
                try database.insert(Self.ended("completed", days: 1)), try database.insert(Self.ended("failed", days: 0))
            )
            try sign(2)
            _ = try store.purgeAll(policy)
            #expect(try database.row(old).isEmpty)
            #expect(try !database.row(young).isEmpty)
            // A reconciliation that nobody runs any more keeps nothing.
            try sign(25)
            _ = try store.purgeAll(policy)
            #expect(try database.row(young).isEmpty)
        }
    }

    @Test(arguments: Engine.databases)
    func `events stay, and one more says what was removed and why`(engine: Engine) throws {
        try engine.withDatabase { database in
            let store = try database.makeStore()
            let ids = try database.insert((0..<3).map { _ in Self.ended("failed", days: 99) })
            try database.execute("INSERT INTO task_events (task_id, event, by, why) VALUES (\(ids[0]), 'retry', 'me', 'so')")
            #expect(try store.purgeAll(Self.policy) == 3)
            #expect(try database.query("SELECT event FROM task_events WHERE task_id = \(ids[0])") == [["retry"]])
            let events = try database.query("SELECT by, why, detail FROM task_events WHERE event = 'purge'")
            #expect(
                events == [
                    [
                        "tallypost", "retention: completed 7d, final 14d",
                        "{\"count\" : 3, \"from\" : \(ids[0]), \"to\" : \(ids[2]), \"sum\" : \(ids.reduce(0, +))}",
                    ]
                ])
            #expect(try store.purgeAll(Self.policy) == 0)
            #expect(try database.query("SELECT count(*) FROM task_events WHERE event = 'purge'") == [["1"]])
        }
    }

    @Test(arguments: Engine.databases)
    func `an idempotency key is unique for as long as its row is kept`(engine: Engine) throws {
        try engine.withDatabase { database in
            let store = try database.makeStore()
            try database.insert(Self.ended("completed", days: 1, ["idempotency_key": "payment-1"]))
            _ = try store.purgeAll(Self.policy)
            #expect(throws: (any Error).self) { try database.insert(["type": "mail", "idempotency_key": "payment-1"]) }
            _ = try store.purgeAll(RetentionPolicy(completed: .hours(1)))
            try database.insert(["type": "mail", "idempotency_key": "payment-1"])
        }
    }
}
