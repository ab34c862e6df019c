import TallypostCore
import Testing

@testable import TallypostReconciliation

struct ScanFindingTests {
    private let now = moment(0)

    private func findings(_ rows: [TaskRow], _ change: (inout ScanSettings) -> Void = { _ in }) throws -> [TallypostReconciliation
        .Finding]
    {
        var world = ScanWorld()
        for row in rows { world.rows[row.id] = row }
        return try world.run(asOf: now, change).findings
    }

    private func kinds(_ row: TaskRow, _ change: (inout ScanSettings) -> Void = { _ in }) throws -> [FindingClass] {
        try findings([row], change).map(\.kind)
    }

    @Test func `rows that are right are no findings, whatever their status`() throws {
        let at = moment(-30)
        let rows = [
            TaskRow(1, at: at), TaskRow(2, at: at) { $0.runAt = moment(600) },
            TaskRow(3, at: at) {
                $0.status = "processing"
                $0.leaseExpiresAt = moment(0) + .seconds(-29)
            },
            TaskRow(4, at: at) {
                $0.status = "waiting"
                $0.deadlineAt = moment(-5)
                $0.waitsUntil = moment(5)
            },
            TaskRow(5, at: at) { $0.status = "blocked" }, TaskRow(6, at: at) { $0.end("completed", at: moment(-29)) },
            TaskRow(7, at: at) { $0.end("cancelled", at: moment(-29)) },
            TaskRow(8, at: at) {
                $0.end("completed", at: moment(-29))
                $0.attempts = 0
                $0.signalStatus = "completed"
            },
            TaskRow(9, at: at) {
                $0.amount = nil
                $0.currency = nil
                $0.maxAttempts = 0
            },
            TaskRow(10, at: at) { $0.type = "tallypost.notice" }, TaskRow(-9_000, at: at),
        ]
        #expect(try findings(rows) { $0.policies = ["charge": TypePolicy(sla: .hours(1))] } == [])
    }

    @Test func `overdue by more than it may is stale, to the microsecond`() throws {
        #expect(try kinds(TaskRow(1, at: moment(-60))) == [])
        #expect(try kinds(TaskRow(1, at: moment(-60) + .microseconds(-1))) == [.stalePending])
        #expect(try kinds(TaskRow(1, at: moment(-600)) { $0.runAt = moment(-10) }) == [])
    }

    @Test func `a lease that ran out, or that is not there, is stuck`() throws {
        let row = TaskRow(1, at: moment(-5)) { $0.status = "processing" }
        #expect(try kinds(row) == [.stuckProcessing])
        #expect(
            try kinds(
                TaskRow(1, at: moment(-5)) {
                    $0.status = "processing"; $0.leaseExpiresAt = moment(-1)
                }) == [.stuckProcessing])
    }

    @Test func `a deadline that passed as the run looked is left to the relay`() throws {
        let rows = [20, 40].map { (seconds: Int64) in
            TaskRow(seconds, at: moment(-9)) { $0.deadlineAt = moment(0) + .seconds(-seconds) }
        }
        #expect(try findings(rows).map(\.taskID) == [40])
    }

    @Test func `past its deadline is critical with money and high without, and stale besides`() throws {
        let row = TaskRow(1, at: moment(-90)) { $0.deadlineAt = moment(-80) }
        let found = try findings([row])
        #expect(found.map(\.kind) == [.stalePending, .deadlinePassed])
        #expect(found[1].severity == .critical)
        #expect(found[1].since == moment(-80))
        #expect(found[1].detail.contains("1 h 20 min ago"))
        let poor = try findings([
            TaskRow(1, at: moment(-9)) {
                $0.deadlineAt = moment(-8)
                $0.amount = nil
                $0.currency = nil
            }
        ])
        #expect(poor.map(\.severity) == [.high])
        #expect(
            try kinds(
                TaskRow(1, at: moment(-9)) {
                    $0.status = "waiting"; $0.waitsUntil = moment(-2)
                }) == [.deadlinePassed])
    }

    @Test func `promises broken are told as done late, still open and not done, and what was ordered for later is in time`()
        throws
    {
        func detail(_ change: (inout TaskRow) -> Void) throws -> String? {
            let found = try findings([TaskRow(1, at: moment(-50), change)]) {
                $0.policies = ["charge": TypePolicy(sla: .minutes(5))]
            }
            return found.first { $0.kind == .slaBreach }?.detail
        }
        #expect(try detail { $0.end("completed", at: moment(-40)) } == "done late: it took 10 min, 5 min are promised")
        #expect(try detail { $0.end("completed", at: moment(-45)) } == nil)
        #expect(try detail { _ in } == "still open after 50 min, 5 min are promised")
        #expect(
            try detail { $0.end("failed", at: moment(-40)) }
                == "not done: it ended after 10 min without success, 5 min are promised")
        #expect(try detail { $0.end("cancelled", at: moment(-40)) } == nil)
        #expect(try detail { $0.runAt = moment(10) } == nil)
        #expect(
            try detail {
                $0.runAt = moment(-3); $0.end("completed", at: moment(-1))
            } == nil)
        #expect(
            try detail {
                $0.runAt = moment(10); $0.attempts = 3
            } != nil)
    }

    @Test func `dead letters, timed out tasks and tasks out of attempts are failed`() throws {
        let found = try findings([
            TaskRow(1, at: moment(-9)) {
                $0.end("failed", at: moment(-8)); $0.lastError = "500 from shop\nbody"
            },
            TaskRow(2, at: moment(-9)) { $0.end("timeout", at: moment(-8)) },
            TaskRow(3, at: moment(-9)) {
                $0.attempts = 4; $0.maxAttempts = 4
            },
        ])
        #expect(found.map(\.kind) == [.failed, .failed, .failed])
        #expect(found.map(\.taskID) == [1, 2, 3])
        #expect(found[0].detail == "failed at 2026-11-21T11:52:00.000Z after 1 attempt: 500 from shop")
    }

    @Test func `a type without a route is unknown, unless there is no configuration at all`() throws {
        let row = TaskRow(1, at: moment(-9)) { $0.type = "sned-receipt" }
        #expect(try kinds(row) == [])
        #expect(try kinds(row) { $0.policies = ["charge": TypePolicy()] } == [.unknownType])
        #expect(
            try kinds(row) {
                $0.policies = [:]; $0.knownTypes = ["sned-receipt"]
            } == [])
    }

    private static let impossible: [(String, @Sendable (inout TaskRow) -> Void)] = [
        ("there is no status done", { $0.status = "done" }),
        ("status is NULL", { $0.status = nil }), ("type is NULL", { $0.type = nil }),
        ("idempotency_key is NULL", { $0.key = nil }), ("created_at is NULL", { $0.createdAt = nil }),
        (
            "created_at yesterday is no time",
            {
                $0.createdAt = nil; $0.written[7] = "yesterday"
            }
        ),
        (
            "created_at 1970-01-01T00:00:00.000Z lies before the year 2000",
            {
                $0.createdAt = Timestamp(microseconds: 0)
                $0.runAt = moment(-1)
            }
        ),
        ("created_at 2026-11-21T12:02:00.000Z lies in the future", { $0.createdAt = moment(2) }),
        (
            "completed without finished_at",
            {
                $0.end("completed", at: moment(0)); $0.finishedAt = nil
            }
        ),
        (
            "finished_at soon is no time",
            {
                $0.end("completed", at: moment(0))
                $0.finishedAt = nil
                $0.written[11] = "soon"
            }
        ),
        ("pending with finished_at 2026-11-21T11:59:00.000Z", { $0.finishedAt = moment(-1) }),
        (
            "finished_at 2026-11-21T11:50:00.000Z lies before created_at 2026-11-21T11:55:00.000Z",
            {
                $0.end("completed", at: moment(-10))
            }
        ),
        ("amount_minor without currency", { $0.currency = nil }), ("currency without amount_minor", { $0.amount = nil }),
        (
            "amount_minor is no whole number",
            {
                $0.amount = nil; $0.written[5] = "12.50"
            }
        ),
        ("currency eur is not three capital letters", { $0.currency = "eur" }),
    ]

    @Test(arguments: impossible)
    func `a row that cannot be is one finding that says why`(reason: String, spoil: @Sendable (inout TaskRow) -> Void) throws {
        let found = try findings([TaskRow(1, at: moment(-5), spoil)])
        #expect(found.map(\.kind) == [.invalid])
        #expect(found.first?.detail == reason)
    }

    @Test func `findings keep their ids from run to run, and those beyond the limit are counted`() throws {
        var world = ScanWorld()
        for id in Int64(1)...5 { world.rows[id] = TaskRow(id, at: moment(-100)) }
        let first = try world.run(asOf: now)
        let second = try world.run(asOf: moment(10)) { $0.maxListed = 3 }
        #expect(first.findings.map(\.id).prefix(3) == second.findings.map(\.id)[...])
        #expect(second.found[.stalePending] == 5)
        #expect(second.notListed == [.stalePending: 2])
    }

    @Test func `statuses, populations and ages add up to the rows that were read`() throws {
        var world = ScanWorld()
        for (place, status) in ["pending", "failed", "completed", "odd", "cancelled"].enumerated() {
            world.rows[Int64(place)] = TaskRow(Int64(place), at: moment(-60 * 24 * 8)) { $0.end(status, at: moment(-3)) }
        }
        world.rows[9] = TaskRow(9, at: moment(-1)) { $0.status = nil }
        let result = try world.run(asOf: now)
        #expect(result.rows == 6)
        #expect(result.statusCounts == ["pending": 1, "failed": 1, "completed": 1, "odd": 1, "cancelled": 1, "NULL": 1])
        let series = Series(type: "charge", currency: "EUR")
        #expect(result.population == [series: Tally(count: 6, amount: 3_000)])
        #expect(result.live == [series: Tally(count: 4, amount: 2_000)])
        #expect(result.ageing.map { $0.buckets.reduce(.zero, +) } == [Tally(count: 4, amount: 2_000)])
        #expect(result.ageing.first?.buckets[5] == Tally(count: 3, amount: 1_500))
    }
}
