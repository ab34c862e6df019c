import TallypostCore
import Testing

@testable import TallypostRelay

/// A database that has no place for some tasks of schedules.
private final class PickyStore: TaskStore {
    /// By type, what it says.
    var refuses: [String: StoreError.Kind] = [:]
    private(set) var inserted: [String] = []
    private(set) var calls = 0
    private(set) var claims = 0

    func insert(_ drafts: [TaskDraft]) throws(StoreError) -> Int {
        calls += 1
        for draft in drafts {
            if let kind = refuses[draft.type] {
                throw StoreError(kind: kind, code: "x", operation: "insert_tick", message: draft.type)
            }
        }
        inserted += drafts.compactMap(\.idempotencyKey)
        return drafts.count
    }

    func claim(_ request: ClaimRequest) throws(StoreError) -> ClaimBatch {
        claims += 1
        return ClaimBatch(tasks: [], now: Timestamp(microseconds: 0), mayHaveMore: false)
    }

    func open() throws(StoreError) {}
    func settle(_ outcomes: [Outcome]) throws(StoreError) -> Settlement { Settlement(written: outcomes.count, late: []) }
    func expiredLeases(limit: Int) throws(StoreError) -> [ExpiredLease] { [] }
    func sweep(limit: Int) throws(StoreError) -> Int { 0 }
    func survey(_ sign: RelaySign?) throws(StoreError) -> Survey {
        Survey(types: [], paused: [], nextDue: nil, now: Timestamp(microseconds: 0))
    }
    func earliestLeaseEnd() throws(StoreError) -> Timestamp? { nil }
    func pause(route type: String, reason: String) throws(StoreError) {}
    func purge(_ policy: RetentionPolicy) throws(StoreError) -> Purge {
        throw StoreError(kind: .defect, code: "", operation: "purge", message: "not asked for")
    }
    func waitForWork(timeout: TimeSpan, interrupt: Int32) throws(StoreError) -> Bool { false }
    func close() {}
}

@Suite struct TickInsertTests {
    private var order: StoreOrder {
        var order = StoreOrder()
        order.inserts = ["a", "b", "c"].map { TaskDraft(type: $0, idempotencyKey: "key-\($0)") }
        order.claim = ClaimRequest(relay: "r", demands: [], limit: 1)
        return order
    }

    @Test func `ticks are inserted in one call, before the claim that may take them`() throws {
        let store = PickyStore()
        guard case .storeDone(let report) = store.carryOut(order) else {
            Issue.record("the order failed")
            return
        }
        #expect(store.inserted == ["key-a", "key-b", "key-c"] && store.calls == 1 && store.claims == 1)
        #expect(report.inserted?.inserted == 3 && report.inserted?.refused.isEmpty == true && report.batch != nil)
    }

    @Test(arguments: [StoreError.Kind.data, .permission, .defect, .schema])
    func `one that the database will not have keeps neither the others nor the claim back`(kind: StoreError.Kind) throws {
        let store = PickyStore()
        store.refuses = ["b": kind]
        guard case .storeDone(let report) = store.carryOut(order) else {
            Issue.record("the order failed")
            return
        }
        #expect(store.inserted == ["key-a", "key-c"] && store.claims == 1)
        #expect(report.inserted?.inserted == 2)
        #expect(report.inserted?.refused.map(\.key) == ["key-b"] && report.inserted?.refused.first?.error.kind == kind)
    }

    @Test(arguments: [StoreError.Kind.connection, .busy, .unwritable, .corrupt])
    func `when the whole database is ailing the order is given back whole`(kind: StoreError.Kind) throws {
        let store = PickyStore()
        store.refuses = ["a": kind]
        guard case .storeFailed(let error, let rest) = store.carryOut(order) else {
            Issue.record("the order was carried out")
            return
        }
        #expect(error.kind == kind && rest.inserts.count == 3 && rest.claim != nil && store.claims == 0)
    }
}
