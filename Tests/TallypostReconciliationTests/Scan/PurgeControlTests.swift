import TallypostCore
import Testing

@testable import TallypostReconciliation

struct PurgeControlTests {
    private func row(_ id: Int64, _ status: RowClass = .completed) -> RowState { RowState(id: id, status: status) }

    private func purge(_ ids: [Int64], at minute: Int64 = 0, knowsSum: Bool = true) -> TallypostReconciliation.Purge {
        TallypostReconciliation.Purge(
            from: ids.min() ?? 0, to: ids.max() ?? 0, count: Int64(ids.count), idSum: knowsSum ? ids.reduce(0, +) : nil,
            at: moment(minute))
    }

    private func verdict(_ rows: [RowState], _ purges: [TallypostReconciliation.Purge]) -> PurgeControl.Verdict {
        PurgeControl(rows: rows, purges: purges).verdict()
    }

    @Test func `what retention removed is explained, each by the event that has its id`() {
        let found = verdict([1, 2, 5, 9].map { row($0) }, [purge([5, 9], at: 7), purge([1, 2], at: 3)])
        #expect(found == .init(purgedAt: [moment(3), moment(3), moment(7), moment(7)]))
    }

    @Test func `one row more than was purged is told by the sum of ids`() {
        let found = verdict([1, 2, 3, 9].map { row($0) }, [purge([1, 2, 9])])
        #expect(found.purgedAt.map { $0 == nil } == [false, false, true, false])
        #expect(found.doubtful == 0)
    }

    @Test func `a row outside of every range, or when nothing was purged, is not explained`() {
        #expect(verdict([row(1), row(7)], [purge([1])]).purgedAt.map { $0 == nil } == [false, true])
        #expect(verdict([row(1)], []).purgedAt == [nil])
    }

    @Test func `an open row is not what retention removed when the final ones add up`() {
        let found = verdict([row(1), row(2, .open), row(3)], [purge([1, 3])])
        #expect(found.purgedAt.map { $0 == nil } == [false, true, false])
    }

    @Test func `an open row that ended and was purged between two runs is explained when only so it adds up`() {
        #expect(verdict([row(1), row(2, .open), row(3)], [purge([1, 2, 3])]).purgedAt.allSatisfy { $0 != nil })
    }

    @Test func `rows that no run saw are counted, when their ids are possible`() {
        let found = verdict([row(1)], [purge([1, 50, 51])])
        #expect(found.unseen == 2 && found.doubtful == 0)
        let impossible = verdict([row(40)], [TallypostReconciliation.Purge(from: 1, to: 50, count: 2, idSum: 500, at: moment(0))])
        #expect(impossible.doubtful == 1 && impossible.isAtLeast)
    }

    @Test func `where it cannot be told which, it is told how many, and about which`() {
        let two = verdict([1, 2, 3, 4].map { row($0) }, [purge([1, 4])])
        #expect(two.doubtful == 2 && !two.isAtLeast && two.suspects == [0, 1, 2, 3])
        let swapped = verdict([1, 2, 3].map { row($0) }, [purge([1, 2, 4])])
        #expect(swapped.doubtful == 1 && swapped.isAtLeast)
    }

    @Test func `events of older releases have no sum: their counts alone are held against`() {
        #expect(verdict([1, 2].map { row($0) }, [purge([1, 2], knowsSum: false)]).doubtful == 0)
        #expect(verdict([1, 2, 3].map { row($0) }, [purge([1, 3], knowsSum: false)]).doubtful == 1)
    }

    @Test func `a doubt is one finding with its count, and the residual has it`() throws {
        var world = ScanWorld()
        for id in Int64(1)...6 { world.rows[id] = TaskRow(id, at: moment(-100)) { $0.end("completed", at: moment(-90)) } }
        _ = try world.run(asOf: moment(0))
        for id in Int64(1)...5 { world.rows[id] = nil }
        let result = try world.run(asOf: moment(60)) { $0.purges = [self.purge([1, 2, 5], at: 30)] }
        let found = result.findings.filter { $0.kind == .unexplainedChange }
        #expect(found.count == 1)
        #expect(
            found.first?.detail.hasPrefix("2 rows between task 1 and task 5 went that no retention run removed; 5 went in all")
                == true)
        #expect(found.first?.amountMinor == 1_000)
        #expect(result.movements.filter { $0.key.kind == .unexplained }.map(\.value) == [Tally(count: -2, amount: -1_000)])
        #expect(result.movements.filter { $0.key.kind == .purgedSettled }.map(\.value) == [Tally(count: 5, amount: 2_500)])
    }
}
