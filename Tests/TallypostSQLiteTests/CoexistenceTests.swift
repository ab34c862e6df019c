import FoundationEssentials
import SQLiteFixture
import StoreContract
import TallypostCore
import Testing

@testable import TallypostSQLite

/// A guest in somebody else's database file.
@Suite struct CoexistenceTests {
    private func size(_ path: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return try #require((attributes[.size] as? UInt64).map { Int($0) } ?? attributes[.size] as? Int)
    }

    @Test func `the relay never checkpoints, not even when it is the last to leave`() throws {
        let database = try SQLiteFixture()
        // The application's part, without a checkpoint of its own.
        try database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        try database.execute("PRAGMA wal_autocheckpoint = 0")
        let before = try Data(contentsOf: URL(filePath: database.path))
        try database.insert((0..<3_000).map { ["type": "mail", "payload": .text("{\"n\":\($0)}")] })
        let store = try database.makeStore()
        let log = database.path + "-wal"
        var claimed = 0
        var sizes: [Int] = [try size(log)]
        while claimed < 3_000 {
            let tasks = try store.claim("mail", limit: 500)
            claimed += tasks.count
            _ = try store.settle(tasks.map(\.completed))
            sizes.append(try size(log))
        }
        #expect(sizes == sizes.sorted(), "the log only grows")
        #expect(try #require(sizes.last) > 1_000 * 4_096, "beyond the size at which SQLite checkpoints of itself")
        #expect(try Data(contentsOf: URL(filePath: database.path)) == before, "and nothing of it reached the file")
        store.close()

        // Alone, and then closed: SQLite would checkpoint and remove the log.
        let copy = try SQLiteFixture(migrated: false)
        let alone = copy.path + ".alone"
        _ = try SQLiteSchema(path: alone).migrate()
        #expect(try size(alone + "-wal") > 0)
        let last = SQLiteStore(path: alone)
        try last.open()
        try last.pause(route: "mail", reason: "a write")
        last.close()
        #expect(try size(alone + "-wal") > 0)
    }

    @Test func `a writer that never lets go makes the relay say so, and nothing is lost`() throws {
        let database = try SQLiteFixture()
        let store = SQLiteStore(path: database.path, patience: .milliseconds(30))
        try store.open()
        try database.insert([["type": "mail"], ["type": "mail"]])
        let task = try #require(try store.claim("mail", limit: 1).first)
        let application = try Application(path: database.path)
        try application.execute("BEGIN IMMEDIATE")
        let error = #expect(throws: StoreError.self) { try store.settle(task.completed) }
        #expect(error?.kind == .busy)
        #expect(error?.code == "SQLITE_BUSY(5)")
        #expect(error?.isTransient == true)
        #expect(throws: StoreError.self) { _ = try store.claim("mail") }
        // Looking needs no lock.
        #expect(try store.survey().types == ["mail"])
        try application.execute("COMMIT")
        #expect(try store.settle(task.completed).written == 1)
        #expect(try store.claim("mail").count == 1)
    }

    @Test func `a writer that lets go in time is waited for`() throws {
        let database = try SQLiteFixture()
        let store = try database.makeStore()
        try database.insert(["type": "mail"])
        let application = try Application(path: database.path)
        try application.execute("BEGIN IMMEDIATE")
        let path = database.path
        let claim = InBackground {
            let other = SQLiteStore(path: path)
            try other.open()
            return try other.claim("mail").count
        }
        try application.execute("INSERT INTO pending_tasks (type) VALUES ('mail'); COMMIT")
        #expect(try claim.wait() >= 1)
        #expect(try store.claim("mail").count <= 1)
    }

    @Test func `the application's writers get in while the relay works through a backlog`() throws {
        let database = try SQLiteFixture()
        try database.insert((0..<1_500).map { _ in ["type": "mail"] })
        let path = database.path
        let relay = InBackground {
            let store = SQLiteStore(path: path)
            try store.open()
            var settled = 0
            while true {
                let tasks = try store.claim("mail", limit: 500, thorough: true)
                if tasks.isEmpty { return settled }
                settled += try store.settle(tasks.map(\.completed)).written
            }
        }
        // Thirty transactions lie ahead of the relay: every insert of another type comes between two of them.
        for _ in 0..<20 { try database.insert(["type": "invoice"]) }
        #expect(try relay.wait() == 1_500)
        #expect(try database.query("SELECT count(*) FROM pending_tasks WHERE type = 'invoice'") == [["20"]])
    }

    @Test func `what somebody changed between the look and the lease is read again`() throws {
        let database = try SQLiteFixture()
        let store = SQLiteStore(path: database.path)
        try store.open()
        let ids = try database.insert([
            ["type": "mail", "payload": "1"], ["type": "mail"], ["type": "mail", "ordering_key": "c-1"],
            ["type": "mail", "ordering_key": "c-2"], ["type": "mail"],
        ])
        let demand = ClaimRequest.Demand(type: "mail", limit: 10, lease: .seconds(60))
        let look = try store.look(for: ClaimRequest(relay: "relay-1", demands: [demand], limit: 10, thorough: true))
        #expect(look.tasks.map(\.id) == ids)
        try database.update([ids[0]], ["payload": "\"changed\""])
        try database.update([ids[1]], ["status": "cancelled"])
        try database.update([ids[2]], ["status": "waiting"])
        try database.update([ids[3]], ["run_at": .fromNow(.hours(1))])
        try database.update([ids[4]], ["type": "invoice"])
        let batch = try store.lease(look, relay: "relay-1")
        #expect(batch.tasks.map(\.id) == [ids[0]])
        #expect(batch.tasks.first?.payload == Array("\"changed\"".utf8))
        #expect(batch.mayHaveMore)
        let statuses = try database.query("SELECT status FROM pending_tasks ORDER BY id").map { $0[0] }
        #expect(statuses == ["processing", "cancelled", "waiting", "pending", "pending"])
    }

    @Test func `what nobody changed is leased as it was read`() throws {
        let database = try SQLiteFixture()
        let store = try database.makeStore()
        let ids = try database.insert([
            ["type": "mail"], ["type": "mail", "attempts": 3, "lease_epoch": 7], ["type": "mail", "timeout_seconds": 600],
        ])
        let batch = try store.claim("mail")
        #expect(batch.map(\.id) == ids)
        #expect(batch.map(\.attempt) == [1, 4, 1])
        #expect(batch.map(\.epoch) == [1, 8, 1])
        let read = "SELECT attempts, lease_epoch, lease_expires_at > started_at FROM pending_tasks ORDER BY id"
        let rows = try database.query(read)
        #expect(rows == [["1", "1", "1"], ["4", "8", "1"], ["1", "1", "1"]])
        let ends = try database.query("SELECT lease_expires_at FROM pending_tasks ORDER BY id").compactMap { $0[0] }
        #expect(ends[0] == ends[1] && ends[1] < ends[2], "its own timeout makes a lease longer")
    }

    @Test func `of tasks that ended alike, the one that had moved on is late`() throws {
        let database = try SQLiteFixture()
        let store = try database.makeStore()
        try database.insert((0..<5).map { _ in ["type": "mail"] })
        let tasks = try store.claim("mail")
        try database.update([tasks[1].id], ["lease_epoch": 9])
        try database.update([tasks[3].id], ["status": "cancelled"])
        let settlement = try store.settle(tasks.map(\.completed))
        #expect(settlement.late == [tasks[1].id, tasks[3].id])
        #expect(settlement.written == 3)
        let statuses = try database.query("SELECT status FROM pending_tasks ORDER BY id").map { $0[0] }
        #expect(statuses == ["completed", "processing", "completed", "cancelled", "completed"])
    }

    @Test func `a claim that finds nothing takes no lock`() throws {
        let database = try SQLiteFixture()
        let store = SQLiteStore(path: database.path, patience: .zero)
        try store.open()
        try database.insert(["type": "invoice"])
        let application = try Application(path: database.path)
        try application.execute("BEGIN IMMEDIATE")
        #expect(try store.claim("mail", thorough: true).isEmpty)
        #expect(try store.expiredLeases(limit: 10).isEmpty)
        try application.execute("ROLLBACK")
    }

    @Test func `no claim takes more than a hundred rows, nor payloads without end, under the lock`() throws {
        let database = try SQLiteFixture()
        let store = try database.makeStore()
        try database.insert((0..<150).map { _ in ["type": "mail"] })
        let big = ColumnValue.text("\"" + String(repeating: "x", count: 3 << 20) + "\"")
        try database.insert((0..<6).map { _ in ["type": "big", "payload": big] })
        func claim(_ type: String) throws -> ClaimBatch {
            try store.claim(
                ClaimRequest(relay: "relay-1", demands: [.init(type: type, limit: 500, lease: .seconds(60))], limit: 500))
        }
        let first = try claim("mail")
        #expect(first.tasks.count == 100)
        #expect(first.mayHaveMore)
        let second = try claim("mail")
        #expect(second.tasks.count == 50)
        #expect(!second.mayHaveMore)
        let large = try claim("big")
        #expect(large.tasks.count == 3)
        #expect(large.mayHaveMore)
        #expect(try claim("big").tasks.count == 3)
    }

    @Test func `a long backlog of one type keeps no other waiting`() throws {
        let database = try SQLiteFixture()
        let store = try database.makeStore()
        try database.insert((0..<300).map { _ in ["type": "mail", "run_at": .fromNow(.hours(-2))] })
        let id = try database.insert(["type": "invoice"])
        #expect(try store.claim(["mail", "invoice"], limit: 10).map(\.id).contains(id))
    }

    @Test func `hundreds of priorities come out whole`() throws {
        let database = try SQLiteFixture()
        let store = try database.makeStore()
        let ids = try database.insert((0..<900).map { ["type": "mail", "priority": .integer(Int64($0 % 300))] })
        #expect(Set(try store.claim("mail", limit: 5_000).map(\.id)) == Set(ids))
    }

    @Test func `without inotify the version is polled`() throws {
        let database = try SQLiteFixture()
        let store = SQLiteStore(path: database.path, pollOnly: true)
        try store.open()
        #expect(try store.claim("mail").isEmpty)
        #expect(try store.waitForWork(timeout: .milliseconds(30), interrupt: -1) == false)
        let insert = InBackground { try database.insert(["type": "mail"]) }
        #expect(try store.waitForWork(timeout: .seconds(20), interrupt: -1))
        #expect(try store.claim("mail").map(\.id) == [try insert.wait()])
    }

    @Test func `a file that was replaced is noticed before anything is written to the old one`() throws {
        let database = try SQLiteFixture()
        let store = try database.makeStore()
        try database.insert(["type": "mail"])
        let task = try #require(try store.claim("mail").first)
        try FileManager.default.moveItem(atPath: database.path, toPath: database.path + ".old")
        let settled = #expect(throws: StoreError.self) { try store.settle(task.completed) }
        #expect(settled?.kind == .connection)
        let claimed = #expect(throws: StoreError.self) { _ = try store.claim("mail") }
        #expect(claimed?.kind == .connection)
        try FileManager.default.moveItem(atPath: database.path + ".old", toPath: database.path)
        try store.open()
        #expect(try store.settle(task.completed).written == 1)
    }

    @Test func `a file that is not there, not in WAL mode or no database is refused with the reason`() throws {
        let database = try SQLiteFixture()
        func refusal(_ path: String) -> StoreError? { #expect(throws: StoreError.self) { try SQLiteStore(path: path).open() } }
        let missing = refusal(database.path + ".missing")
        #expect(missing?.kind == .connection)
        #expect(missing?.isTransient == true)
        #expect(!FileManager.default.fileExists(atPath: database.path + ".missing"), "a relay makes no database")

        let rollback = database.path + ".rollback"
        try Application(path: rollback).execute("CREATE TABLE a (b)")
        let mode = refusal(rollback)
        #expect(mode?.kind == .schema)
        #expect(mode?.message.contains("WAL") == true)
        _ = try SQLiteSchema(path: rollback).migrate()
        try SQLiteStore(path: rollback).open()

        let text = database.path + ".txt"
        try Data(String(repeating: "This is no database. ", count: 100).utf8).write(to: URL(filePath: text))
        #expect(refusal(text)?.kind == .corrupt)
        let findings = SQLiteSchema(path: text).diagnose()
        #expect(findings.contains { $0.level == .problem && $0.check == "database" })
        #expect(SQLiteSchema(path: database.path + ".missing").diagnose().contains { $0.level == .problem && $0.mend != nil })
    }

    @Test func `doctor warns of a SQLite that can lose commits, and of rows from the future`() throws {
        let database = try SQLiteFixture()
        try database.insert(["type": "mail", "created_at": .fromNow(.hours(2))])
        let findings = SQLiteSchema(path: database.path).diagnose()
        #expect(findings.contains { $0.check == "clock" && $0.level == .warning })
        let version = try #require(try database.query("SELECT sqlite_version()")[0][0])
        let isOld = version.split(separator: ".").compactMap { Int($0) }.lexicographicallyPrecedes([3, 51, 3])
        #expect(findings.contains { $0.check == "sqlite" && $0.level == (isOld ? .warning : .good) })
    }

    @Test func `two rows with one idempotency key stand in the way of adoption, and the reason names the key`() throws {
        let database = try SQLiteFixture(migrated: false)
        try database.execute(
            """
            CREATE TABLE pending_tasks (id INTEGER PRIMARY KEY, idempotency_key TEXT);
            INSERT INTO pending_tasks VALUES (1, 'a'), (2, 'a')
            """)
        let error = #expect(throws: StoreError.self) { _ = try SQLiteSchema(path: database.path).migrate() }
        #expect(error?.kind == .schema)
        #expect(error?.message.contains("'a'") == true)
        #expect(try database.query("SELECT name FROM sqlite_schema WHERE name LIKE 'tallypost%'").isEmpty, "nothing half done")
    }
}
