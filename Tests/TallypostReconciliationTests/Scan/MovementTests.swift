import TallypostCore
import Testing

@testable import TallypostReconciliation

struct ScanMovementTests {
    private static let euros = Series(type: "charge", currency: "EUR")
    private static let dollars = Series(type: "charge", currency: "USD")

    /// What a second run says, an hour after the first saw these rows, when this was done between.
    private func second(
        _ rows: [TaskRow], _ done: (inout ScanWorld) -> Void, _ change: (inout ScanSettings) -> Void = { _ in }
    ) throws -> (result: ScanResult, kinds: [MovementKind: Tally], world: ScanWorld) {
        var world = ScanWorld()
        for row in rows { world.rows[row.id] = row }
        let first = try world.run(asOf: moment(0))
        #expect(first.found[.unexplainedChange] == nil)
        done(&world)
        let result = try world.run(asOf: moment(60), change)
        var kinds: [MovementKind: Tally] = [:]
        for (key, tally) in result.movements {
            #expect(key.recorded >= MovementKey.quarter(moment(0)) && key.recorded <= moment(60))
            kinds[key.kind, default: .zero] += tally
        }
        #expect(world.balances(before: moment(61)) == result.live)
        return (result, kinds, world)
    }

    private func done(_ status: String, _ minute: Int64) -> TaskRow {
        TaskRow(1, at: moment(-100)) { $0.end(status, at: moment(minute)) }
    }

    @Test func `a first run builds the books from the rows' own times`() throws {
        var world = ScanWorld()
        world.rows[1] = done("completed", -20)
        world.rows[2] = TaskRow(2, at: moment(-30))
        let result = try world.run(asOf: moment(0))
        func key(_ minute: Int64, _ kind: MovementKind) -> MovementKey {
            MovementKey(recorded: MovementKey.quarter(moment(minute)), effective: nil, series: Self.euros, kind: kind)
        }
        #expect(
            result.movements == [
                key(-100, .created): Tally(one: 500), key(-30, .created): Tally(one: 500), key(-20, .completed): Tally(one: 500),
            ])
    }

    @Test func `a row that committed after the run that should have seen it is a late arrival`() throws {
        let (result, _, _) = try second([]) { $0.rows[1] = TaskRow(1, at: moment(-20)) }
        let key = MovementKey(
            recorded: moment(0), effective: MovementKey.quarter(moment(-20)), series: Self.euros, kind: .created)
        #expect(result.movements == [key: Tally(one: 500)])
    }

    @Test func `ordinary work changes no chunk`() throws {
        var world = ScanWorld()
        for id in Int64(1)...9_000 { world.rows[id] = TaskRow(id, at: moment(-9)) }
        _ = try world.run(asOf: moment(0))
        let register = world.register
        #expect(register.count == 3)
        for id in Int64(1)...9_000 { world.rows[id]?.status = ["processing", "waiting", "blocked"][Int(id % 3)] }
        world.rows[5_000]?.end("completed", at: moment(3))
        #expect(try world.run(asOf: moment(5)).movements.count == 1)
        #expect(world.register[0] == register[0] && world.register[1] != register[1] && world.register[2] == register[2])
    }

    @Test func `a settled task that was opened again says so once, and pairs are kept`() throws {
        func event(_ minute: Int64, _ was: String, _ finished: Int64) -> Reopening {
            Reopening(taskID: 1, at: moment(minute), was: was, finishedAt: moment(finished))
        }
        let one = Tally(one: 500)
        let again = try second([done("completed", -50)], { $0.rows[1] = TaskRow(1, at: moment(-100)) }) {
            $0.reopenings = [1: [event(5, "completed", -50)]]
        }
        #expect(again.kinds == [.reopened: one])
        let twice = try second([done("completed", -50)], { $0.rows[1] = done("completed", 30) }) {
            $0.reopenings = [1: [event(5, "completed", -50)]]
        }
        #expect(twice.kinds == [.reopened: one, .completed: one])
        // The register's bytes are the same before and after.
        let within = try second([TaskRow(1, at: moment(-100))], { _ in }) { $0.reopenings = [1: [event(20, "cancelled", 10)]] }
        #expect(within.kinds == [.cancelled: one, .reopened: one])
        let new = try second([], { $0.rows[1] = TaskRow(1, at: moment(2)) { $0.end("completed", at: moment(50)) } }) {
            $0.reopenings = [1: [event(30, "cancelled", 25), event(20, "completed", 10)]]
        }
        #expect(new.kinds == [.created: one, .completed: one + one, .cancelled: one, .reopened: one + one])
        for each in [again, twice, within, new] { #expect(each.result.findings.filter { $0.kind == .unexplainedChange } == []) }
    }

    @Test func `a dead letter may be called off, tried again or completed, and is in the balance all the while`() throws {
        for (row, kinds) in [
            (done("cancelled", 10), [MovementKind.cancelled: Tally(one: 500)]), (TaskRow(1, at: moment(-100)), [:]),
            (done("completed", 10), [.completed: Tally(one: 500)]), (done("failed", 10), [:]),
        ] {
            let (result, found, _) = try second([done("failed", -50)]) { $0.rows[1] = row }
            #expect(found == kinds)
            #expect(result.found[.unexplainedChange] == nil)
        }
    }

    /// An edit by hand; what the balance and the residual say; how the finding begins.
    struct Edit: Sendable {
        var was: String
        var edit: @Sendable (inout TaskRow) -> Void
        var open: [Series: Tally] = [:]
        var residual: [Series: Tally] = [:]
        var says: String
    }

    private static let one = Tally(one: 500)
    private static let edits: [Edit] = [
        Edit(
            was: "pending", edit: { $0.amount = 700 }, open: [euros: Tally(count: 0, amount: 200)],
            residual: [euros: Tally(count: 0, amount: 200)], says: "amount was EUR 5.00, is EUR 7.00"),
        Edit(
            was: "completed", edit: { $0.amount = 400 }, residual: [euros: Tally(count: 0, amount: -100)],
            says: "amount was EUR 5.00, is EUR 4.00"),
        Edit(
            was: "pending", edit: { $0.currency = "USD" }, open: [euros: -one, dollars: one],
            residual: [euros: -one, dollars: one],
            says: "currency was EUR, is USD"),
        Edit(
            was: "cancelled", edit: { $0.type = "refund" },
            residual: [euros: -one, Series(type: "refund", currency: "EUR"): one],
            says: "type was charge, is refund"),
        Edit(was: "pending", edit: { $0.subject = "o_9" }, says: "subject or idempotency_key was changed"),
        Edit(was: "completed", edit: { $0.key = "other" }, says: "subject or idempotency_key was changed"),
        Edit(was: "failed", edit: { $0.createdAt = moment(-99) }, says: "created_at was 2026-11-21T10:20:00.000Z"),
        Edit(
            was: "completed",
            edit: {
                $0.status = "pending"; $0.finishedAt = nil
            }, open: [euros: one], residual: [euros: one],
            says: "its status went from completed to open, and no event says why"),
        Edit(
            was: "completed", edit: { $0.status = "cancelled" }, says: "its status went from completed to cancelled, and no event"
        ),
        Edit(was: "completed", edit: { $0.finishedAt = moment(-1) }, says: "its finished_at was 2026-11-21T11:10:00.000Z"),
        Edit(
            was: "failed", edit: { $0.status = "completed" }, open: [euros: -one], residual: [euros: -one],
            says: "its status went from failed to completed with its old finished_at"),
        Edit(
            was: "pending", edit: { $0.status = "completed" }, open: [euros: -one], residual: [euros: -one],
            says: "its status went from open to completed with no finished_at"),
        Edit(was: "failed", edit: { $0.status = "timeout" }, says: "its status went from failed to timeout, and no event"),
    ]

    @Test(arguments: edits) func `what was edited by hand surfaces once, with what it did to the books`(_ edit: Edit) throws {
        var row = TaskRow(1, at: moment(-100))
        if edit.was != "pending" { row.end(edit.was, at: moment(-50)) }
        let neighbours = Int64(2)...50
        var (result, kinds, world) = try second([row] + neighbours.map { TaskRow($0, at: moment(-100)) }) { world in
            guard var row = world.rows[1] else { return }
            edit.edit(&row)
            world.rows[1] = row
        }
        let found = result.findings.filter { $0.kind == .unexplainedChange }
        #expect(found.map(\.taskID) == [1])
        #expect(found.first?.severity == .critical)
        #expect(found.first?.detail.hasPrefix("task 1: \(edit.says)") == true, "\(found.first?.detail ?? "")")
        func sums(_ kind: MovementKind) -> [Series: Tally] {
            result.movements.filter { $0.key.kind == kind }.reduce(into: [:]) { $0[$1.key.series, default: .zero] += $1.value }
        }
        #expect(sums(.unexplainedOpen) == edit.open)
        #expect(sums(.unexplained) == edit.residual)
        #expect(kinds.keys.allSatisfy { $0 == .unexplained || $0 == .unexplainedOpen })
        let effects = (result.effects[found.first?.id ?? ""] ?? []).reduce(into: [Series: Tally]()) {
            $0[$1.series, default: .zero] += $1.delta
        }
        #expect(effects == edit.residual)
        // Told once: the next run compares with the row as it is now.
        #expect(try world.run(asOf: moment(70)).movements == [:])
    }

    @Test func `a task that was called off shows who did it, or why a relay did`() throws {
        func found(_ reason: String?, _ events: [Int64]?) throws -> [String] {
            let run = try second(
                [TaskRow(1, at: moment(-9))],
                {
                    $0.rows[1]?.end("cancelled", at: moment(9))
                    $0.rows[1]?.lastError = reason
                },
                { $0.cancellations = events })
            return run.result.findings.filter { $0.kind == .unexplainedChange }.map(\.detail)
        }
        #expect(try found(nil, [-5, 1, 7]).isEmpty)
        #expect(try found("not run: another member of its group failed", []).isEmpty)
        #expect(try found("task 7, whose delivery this is, was called off", []).isEmpty)
        #expect(try found(nil, nil).isEmpty)
        for (reason, events) in [(nil, []), (nil, [0, 2]), ("answered 503", [])] as [(String?, [Int64])] {
            let told = "task 1: its status went from open to cancelled, and no event says who called it off"
            #expect(try found(reason, events) == [told])
        }
    }

    @Test func `an empty currency is none: the books lose no row for it`() throws {
        let rows = [("", 1), (nil, 2)].map { (currency: String?, id: Int64) in
            TaskRow(id, at: moment(-9)) { $0.currency = currency }
        }
        let run = try second(rows, { _ in })
        #expect(run.result.live.map(\.key.currency) == [nil] && run.result.live.map(\.value.count) == [2])
        #expect(run.result.found[.invalid] == 2)
    }

    @Test func `one row deleted by hand is exactly its count and its amount, wherever its chunk's others went`() throws {
        for status in ["pending", "failed", "completed"] {
            for alone in [true, false] {
                var rows = [TaskRow(1, at: moment(-100)) { if status != "pending" { $0.end(status, at: moment(-50)) } }]
                if !alone { rows.append(TaskRow(2, at: moment(-100))) }
                let (result, _, _) = try second(rows) { $0.rows[1] = nil }
                let found = result.findings.filter { $0.kind == .unexplainedChange }
                #expect(found.map(\.amountMinor) == [500] && found.map(\.currency) == ["EUR"])
                #expect(found.first?.detail.contains("task 1 is gone") == true)
                #expect(result.effects[found.first?.id ?? ""]?.map(\.delta) == [-Self.one])
            }
        }
    }
}
