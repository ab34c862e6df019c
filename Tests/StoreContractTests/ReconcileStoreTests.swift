import StoreContract
import TallypostCore
import TallypostReconciliation
import Testing

private typealias Finding = TallypostReconciliation.Finding

/// What reconciliation keeps.
@Suite struct ReconcileStoreTests {
    private static let noon = Timestamp(microseconds: 1_772_366_400_000_000)
    private static let charge = Series(type: "charge", currency: "EUR")

    private static func finding(_ key: String, amount: Int64? = 500, severity: Severity = .high) -> Finding {
        Finding(
            kind: .failed, severity: severity, type: "charge", key: key, subject: "o_\(key)", taskID: 7, amountMinor: amount,
            currency: "EUR",
            since: noon, detail: "it's \"dead\"\u{0} – \(key)")
    }

    private static func stored(_ finding: Finding, _ state: BreakState = .open, at time: Timestamp = noon) -> StoredBreak {
        StoredBreak(
            Break(finding: finding, state: state, change: .new, firstSeen: time, lastSeen: time), seenRuns: 1, lastRun: 1,
            changedAt: time)
    }

    private static func record(
        _ holder: String, run: Int64, breaks: [StoredBreak] = [], movements: MovementBook = [:]
    ) -> RunRecord {
        RunRecord(
            holder: holder, run: run, asOf: noon + .minutes(run), lastEvent: run, madeBy: "relay", status: .breaks,
            counts: [.high: 2],
            breaks: breaks, movements: movements)
    }

    private func withStore(
        _ engine: Engine, _ body: (any ReconcileFixture, ReconcileStore) throws -> Void
    ) throws {
        try engine.withReconcile { database, reader in
            try body(database, ReconcileStore(reading: reader, writing: try database.makeReconcileDatabase()))
        }
    }

    // MARK: The lease and the fence

    @Test(arguments: Engine.reconciled)
    func `one holds the lease; another gets it when it has run out or was given back`(engine: Engine) throws {
        try withStore(engine) { database, store in
            #expect(try store.acquire(holder: "a", for: .hours(1)) == ReconcilerState(lastRun: 0, asOf: nil, lastEvent: 0))
            #expect(try store.acquire(holder: "b", for: .hours(1)) == nil)
            #expect(try store.acquire(holder: "a", for: .hours(1)) != nil)
            #expect(try store.renew(holder: "a", for: .hours(1)))
            #expect(try !store.renew(holder: "b", for: .hours(1)))
            try store.release(holder: "b")
            #expect(try store.acquire(holder: "b", for: .hours(1)) == nil)
            try database.execute("UPDATE tallypost_reconciler SET lease_until = '2026-01-01T00:00:00.000Z'")
            #expect(try store.acquire(holder: "b", for: .hours(1)) != nil)
            #expect(try !store.renew(holder: "a", for: .hours(1)))
            try store.release(holder: "b")
            #expect(try store.acquire(holder: "c", for: .hours(1)) != nil)
        }
    }

    @Test(arguments: Engine.reconciled)
    func `of two commits of one run the second is refused, and nothing of it is written`(engine: Engine) throws {
        try withStore(engine) { database, store in
            _ = try store.acquire(holder: "a", for: .hours(1))
            let key = MovementKey(recorded: Self.noon, effective: nil, series: Self.charge, kind: .created)
            let draft = TaskDraft(type: "alert", idempotencyKey: "alert-1")
            let first = Self.record("a", run: 1, movements: [key: Tally(one: 5)])
            #expect(try store.commit(first) { () throws(StoreError) in _ = try store.writing.insert(draft) })
            #expect(try store.state() == ReconcilerState(lastRun: 1, asOf: Self.noon + .minutes(1), lastEvent: 1))
            for (holder, run) in [("a", 1), ("b", 2), ("a", 3)] as [(String, Int64)] {
                let late = Self.record(
                    holder, run: run, breaks: [Self.stored(Self.finding("x"))], movements: [key: Tally(one: 7)])
                #expect(
                    try !store.commit(late) { () throws(StoreError) in _ = try store.writing.insert(TaskDraft(type: "alert")) })
            }
            #expect(try store.movements(in: Self.noon..<Self.noon + .hours(1)) == [key: Tally(one: 5)])
            #expect(try store.liveBreaks().isEmpty)
            #expect(try database.query("SELECT count(*) FROM pending_tasks") == [["1"]])
            let runs = try store.runs(since: Self.noon, limit: 10)
            #expect(runs.map(\.run) == [1])
            #expect(runs.first?.counts == [.low: 0, .medium: 0, .high: 2, .critical: 0])
            #expect(runs.first?.status == .breaks)
            #expect(throws: StoreError.self) {
                try store.commit(Self.record("a", run: 2, movements: [key: Tally(one: 7)])) { () throws(StoreError) in
                    throw StoreError(kind: .unwritable, code: "", operation: "test", message: "no")
                }
            }
            #expect(try store.state().lastRun == 1)
            #expect(try store.movementSums(before: Self.noon + .hours(1)) == [Self.charge: [.created: Tally(one: 5)]])
        }
    }

    // MARK: The register

    @Test(arguments: Engine.reconciled)
    func `chunks of a run are seen once it is committed, and swept when it never was`(engine: Engine) throws {
        try withStore(engine) { database, store in
            let big = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            try store.writeChunks([(0, [1, 2]), (1, big), (3, [4])], run: 1)
            #expect(try store.chunkIDs(upTo: 0).isEmpty)
            #expect(try store.chunkIDs(upTo: 1) == [0, 1, 3])
            #expect(try store.chunk(1, upTo: 1) == big)
            try store.writeChunks([(0, [9]), (3, []), (5, [5])], run: 2)
            #expect(try store.chunkIDs(upTo: 1) == [0, 1, 3])
            #expect(try store.chunk(0, upTo: 1) == [1, 2])
            #expect(try store.chunkIDs(upTo: 2) == [0, 1, 5])
            #expect(try store.chunk(0, upTo: 2) == [9])
            #expect(try store.chunk(3, upTo: 2) == nil)
            #expect(try store.chunk(4, upTo: 2) == nil)
            try store.writeChunks((0..<250).map { (chunk: Int64($0), data: [7]) }, run: 3)
            try store.sweepChunks(after: 2)
            #expect(try store.chunkIDs(upTo: 3) == [0, 1, 5])
            try store.dropSuperseded(upTo: 2)
            #expect(
                try database.query("SELECT chunk, run FROM tallypost_register ORDER BY chunk, run") == [
                    ["0", "2"], ["1", "1"], ["5", "2"],
                ])
        }
    }

    @Test(arguments: Engine.reconciled)
    func `a run that was stopped for longer than its lease lasts writes nothing over the next one's register`(
        engine: Engine
    ) throws {
        try withStore(engine) { database, store in
            _ = try store.acquire(holder: "stopped", for: .hours(1))
            try store.writeChunks([(0, [1])], run: 1)
            // Its lease runs out, and another one makes the run.
            try database.execute("UPDATE tallypost_reconciler SET holder = 'other'")
            for attempt in [{ try store.writeChunks([(0, [2]), (9, [2])], run: 1) }, { try store.sweepChunks(after: 0) }] {
                let error = #expect(throws: StoreError.self) { try attempt() }
                #expect(error?.code == ReconcileStore.leaseLost)
            }
            #expect(try store.chunkIDs(upTo: 1) == [0])
            #expect(try store.chunk(0, upTo: 1) == [1])
        }
    }

    // MARK: The books

    @Test(arguments: Engine.reconciled)
    func `movements add up exactly, beyond what 64 bits hold`(engine: Engine) throws {
        try withStore(engine) { _, store in
            _ = try store.acquire(holder: "a", for: .hours(1))
            let plain = MovementKey(recorded: Self.noon, effective: nil, series: Self.charge, kind: .created)
            let late = MovementKey(recorded: Self.noon, effective: Self.noon + .hours(-5), series: Self.charge, kind: .created)
            let bare = MovementKey(
                recorded: Self.noon + .hours(2), effective: nil, series: Series(type: "it's \"x\"", currency: nil),
                kind: .unexplained)
            let huge = Tally(count: 2, amount: Int128(Int64.max) * 2)
            for run in 1...3 as ClosedRange<Int64> {
                #expect(
                    try store.commit(
                        Self.record(
                            "a", run: run, movements: [plain: huge, late: Tally(one: 1), bare: Tally(count: -1, amount: -3)])))
            }
            let sum = Tally(count: 6, amount: Int128(Int64.max) * 6)
            #expect(
                try store.movements(in: Self.noon..<Self.noon + .hours(3))
                    == [plain: sum, late: Tally(count: 3, amount: 3), bare: Tally(count: -3, amount: -9)])
            #expect(try store.movements(in: Self.noon..<Self.noon + .hours(2)).count == 2)
            #expect(
                try store.movementSums(before: Self.noon + .hours(2))
                    == [Self.charge: [.created: Tally(count: 9, amount: Int128(Int64.max) * 6 + 3)]])
        }
    }

    @Test(arguments: Engine.reconciled)
    func `retries of settled tasks and steps of retention are told, those of before not again`(engine: Engine) throws {
        try withStore(engine) { database, store in
            let ended = Timestamp(microseconds: 1_767_225_600_123_000)
            let ids = try database.insert(
                ["completed", "failed", "cancelled"].map { ["type": "mail", "status": .text($0), "finished_at": .time(ended)] })
            let desk = try database.makeDesk()
            _ = try desk.perform(.retry, on: TaskFilter(ids: [ids[0]]), by: "ada", why: "again", limit: 1)
            _ = try store.acquire(holder: "a", for: .hours(1))
            let first = try store.lastEventID()
            #expect(try store.reopenings(after: 0, upTo: first).map(\.taskID) == [ids[0]])
            #expect(try store.reopenings(after: 0, upTo: first).first?.finishedAt == ended)
            _ = try desk.perform(.retry, on: TaskFilter(ids: Array(ids[1...])), by: "ada", why: "again", limit: 9)
            try database.update(ids, ["status": "completed", "finished_at": .time(ended)])
            #expect(try database.makeStore().purgeAll(RetentionPolicy(completed: .hours(1))) == 3)
            try database.execute("INSERT INTO task_events (event, by, why, detail) VALUES ('retry', 'x', 'y', 'no json')")
            let last = try store.lastEventID()
            #expect(try store.reopenings(after: first, upTo: last).map(\.was) == ["cancelled"])
            #expect(try store.reopenings(after: first, upTo: first).isEmpty)
            let purge = try #require(try store.purges(after: first, upTo: last).first)
            #expect(purge.from == ids[0] && purge.to == ids[2] && purge.count == 3 && purge.idSum == ids.reduce(0, +))
        }
    }

    @Test func `an event that is committed after one of a higher number is told by the next run`() throws {
        try withStore(.postgres) { database, store in
            try database.execute("SELECT nextval(pg_get_serial_sequence('task_events', 'id'))")
            let detail = #"{"was":"completed","finished_at":null}"#
            try database.execute(
                "INSERT INTO task_events (task_id, event, by, why, detail) VALUES (5, 'retry', 'x', 'y', '\(detail)')")
            let state = try #require(try store.acquire(holder: "a", for: .hours(1)))
            let last = try store.lastEventID()
            #expect(try store.reopenings(after: state.lastEvent, upTo: last).map(\.taskID) == [5])
            var record = Self.record("a", run: 1)
            record.lastEvent = last
            #expect(try store.commit(record))
            try database.execute(
                """
                INSERT INTO task_events (id, task_id, event, by, why, detail) OVERRIDING SYSTEM VALUE
                VALUES (\(last - 1), 4, 'retry', 'x', 'y', '\(detail)')
                """)
            let next = try #require(try store.acquire(holder: "a", for: .hours(1)))
            #expect(next.lastEvent == last)
            #expect(try store.reopenings(after: last, upTo: try store.lastEventID()).map(\.taskID) == [4])
            record.run = 2
            #expect(try store.commit(record))
            _ = try store.acquire(holder: "a", for: .hours(1))
            #expect(try store.reopenings(after: last, upTo: try store.lastEventID()).isEmpty)
        }
    }

    // MARK: Breaks

    @Test(arguments: Engine.reconciled)
    func `breaks are kept whole, found by what is asked, and a word said during a run stands`(engine: Engine) throws {
        try withStore(engine) { database, store in
            _ = try store.acquire(holder: "a", for: .hours(1))
            var effect = Self.stored(
                Finding(kind: .unexplainedChange, severity: .critical, type: "charge", key: "9", detail: "gone"))
            effect.effects = [
                UnexplainedEffect(
                    series: Self.charge, delta: Tally(count: -1, amount: -(Int128(Int64.max) + 1)), recorded: Self.noon)
            ]
            let all = [
                Self.stored(Self.finding("1")), Self.stored(Self.finding("2", amount: nil, severity: .low)), effect,
                Self.stored(Self.finding("3"), .unconfirmed), Self.stored(Self.finding("4"), .cleared),
            ]
            #expect(try store.commit(Self.record("a", run: 1, breaks: all)))
            var read = try store.liveBreaks()
            #expect(read.count == 4)
            #expect(read.first { $0.entry.finding.kind == .unexplainedChange } == effect)
            let one = try #require(read.firstIndex { $0.entry.finding.id == all[0].entry.finding.id })
            var expected = all[0]
            expected.entry.finding.detail = expected.entry.finding.detail.replacing("\u{0}", with: "\u{FFFD}")
            #expect(read[one] == expected)
            #expect(try store.breaks(ids: [all[4].entry.finding.id, "F-none"]).map(\.entry.state) == [.cleared])

            let page = try store.breaks(BreakFilter(), limit: 2)
            #expect(page.map(\.finding.severity) == [.critical, .high])
            let cursor = BreakCursor(severity: page[1].finding.severity, id: page[1].finding.id)
            #expect(try store.breaks(BreakFilter(), after: cursor, limit: 9).map(\.finding.severity) == [.low])
            #expect(
                try store.breaks(BreakFilter(states: [.open], severity: .low, kind: .failed, type: "charge"), limit: 9).count == 1
            )
            #expect(try store.breaks(BreakFilter(owner: "nobody"), limit: 9).isEmpty)
            #expect(try store.breaks(changedIn: Self.noon..<Self.noon + .seconds(1)).count == 5)

            // Said while a run that has read the break is under way.
            let id = all[0].entry.finding.id
            #expect(try store.acknowledge(id, by: "ada", reason: "known", until: Self.noon + .hours(24)) == .done)
            read[one].seenRuns = 2
            read[one].entry.change = .persisting
            #expect(try store.commit(Self.record("a", run: 2, breaks: read)))
            let now = try #require(try store.breaks(ids: [id]).first)
            #expect(now.entry.state == .acknowledged && now.entry.by == "ada" && now.entry.until == Self.noon + .hours(24))
            #expect(now.seenRuns == 2 && now.entry.change == .persisting)

            #expect(try store.resolve(effect.entry.finding.id, by: "bob", reason: "moved by hand") == .done)
            let explained = try store.explainedEffects(in: Self.noon..<Self.noon + .hours(1))
            #expect(explained.map(\.1) == [effect.effects[0].delta] && explained.map(\.0) == [Self.charge])
            #expect(try store.explainedEffects(in: Self.noon + .hours(1)..<Self.noon + .hours(2)).isEmpty)
            #expect(try store.resolve(effect.entry.finding.id, by: "bob", reason: "twice") == .wrongState(.resolved))
            #expect(try store.acknowledge("F-none", by: "bob", reason: "?", until: nil) == .unknown)
            #expect(
                try database.query("SELECT event, task_id, by, why, detail FROM task_events ORDER BY id") == [
                    ["acknowledge", "7", "ada", "known", id],
                    ["resolve", nil, "bob", "moved by hand", effect.entry.finding.id],
                ])
        }
    }

    // MARK: Reports

    @Test(arguments: Engine.reconciled)
    func `a report is signed by two people over its own manifest, and seals its period`(engine: Engine) throws {
        try withStore(engine) { _, store in
            let period = Period(from: Self.noon, to: Self.noon + .hours(24), zone: "Europe/London", label: "2026-03-01")
            func report(_ revision: Int) -> ReportRecord {
                ReportRecord(
                    period: period, revision: revision, run: 1, asOf: Self.noon + .hours(25), status: .breaks, directory: "/r",
                    manifestSHA256: "abc", madeBy: "ada",
                    told: [.init(id: "F-1", amountMinor: 5), .init(id: "F-2", amountMinor: nil)])
            }
            #expect(try store.nextRevision(label: period.label, zone: period.zone) == 1)
            let id = try #require(try store.addReport(report(1)))
            #expect(try store.addReport(report(1)) == nil)
            #expect(try store.nextRevision(label: period.label, zone: period.zone) == 2)
            #expect(try store.nextRevision(label: period.label, zone: "UTC") == 1)
            let second = try #require(try store.addReport(report(2)))

            #expect(try store.sealedThrough() == nil)
            #expect(try store.sign(report: 999, role: "preparer", by: "ada", note: nil, manifest: "abc") == .unknownReport)
            #expect(
                try store.sign(report: id, role: "preparer", by: "ada", note: nil, manifest: "xyz")
                    == .manifestDiffers(stored: "abc"))
            #expect(try store.sign(report: id, role: "preparer", by: "Ada  L", note: "ok", manifest: "abc") == .signed)
            #expect(
                try store.sign(report: id, role: "preparer", by: "bob", note: nil, manifest: "abc")
                    == .alreadySigned(by: "Ada  L"))
            #expect(
                try store.sign(report: id, role: "reviewer", by: "ada l", note: nil, manifest: "abc")
                    == .samePerson(role: "preparer"))
            #expect(try store.sealedThrough() == nil)
            #expect(try store.lastSigned() == nil)
            #expect(try store.sign(report: id, role: "reviewer", by: "bob", note: nil, manifest: "abc") == .signed)
            #expect(try store.sealedThrough() == period.to)

            let reports = try store.reports(limit: 5)
            #expect(reports.map(\.id) == [second, id])
            #expect(reports[1].signOffs.map(\.by) == ["Ada  L", "bob"])
            #expect(reports[1].period == period && reports[1].revision == 1 && reports[1].status == .breaks)
            let diff = try #require(try store.lastSigned())
            var known = Self.stored(Self.finding("1", amount: 5)).entry
            known.finding.id = "F-1"
            #expect(diff.change(of: known) == .persisting)
            known.finding.amountMinor = 6
            #expect(diff.change(of: known) == .changed)
        }
    }
}
