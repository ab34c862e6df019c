import TallypostCore
import Testing

@testable import TallypostPostgres

@Suite struct ClaimPlanTests {
    private static let lane = PostgresStore.Lane(type: "mail", priority: 0)

    private func plan(_ limit: Int, keys: Int, open: Bool, turn: inout Bool) -> ClaimPlan {
        let demand = ClaimRequest.Demand(type: "mail", limit: limit, lease: .seconds(60))
        return ClaimPlan(
            ClaimRequest(relay: "r", demands: [demand], limit: limit), ["mail": demand], [Self.lane: .start],
            open: open ? [Self.lane] : [], keys: Set((0..<keys).map { "k\($0)" }), marksApply: true, turn: &turn)
    }

    @Test func `keys and lanes together never get more than the limit, whatever both hold`() {
        for limit in 0...9 {
            for keys in 0...9 {
                for isOpen in [false, true] {
                    for first in [false, true] {
                        var turn = first
                        let plan = plan(limit, keys: keys, open: isOpen, turn: &turn)
                        #expect((plan.heads?.limit ?? 0) + plan.laneLimit == limit)
                        #expect((plan.heads?.limits.first?.limit ?? 0) + (plan.laneLimits["mail"] ?? 0) == limit)
                    }
                }
            }
        }
    }

    @Test func `one place goes to a key and to a lane in turn`() {
        var turn = true
        let shares = (0..<6).map { _ in plan(1, keys: 3, open: true, turn: &turn).laneLimit }
        #expect(shares == [0, 1, 0, 1, 0, 1])
    }

    @Test func `a walk over the keys comes round, and remembers the round before while it is under way`() {
        var walk = KeyWalk()
        walk.begin()
        walk.saw("mail")
        walk.moved(to: "c")
        #expect(walk.isUnderWay && walk.cursor > "c" && walk.cursor < "ca")
        walk.begin()
        walk.saw("invoice")
        walk.moved(to: nil)
        #expect(!walk.isUnderWay && walk.types == ["mail", "invoice"])
        walk.begin()
        #expect(walk.types == ["mail", "invoice"])
        walk.moved(to: nil)
        #expect(walk.types.isEmpty)
    }

    @Test func `one slow look puts nothing off, three do`() {
        var pace = Pace()
        let now = Instant(nanoseconds: 0)
        pace.took(.milliseconds(300), rows: 0, at: now)
        pace.took(.milliseconds(2), rows: 0, at: now)
        pace.took(.milliseconds(300), rows: 0, at: now)
        #expect(pace.allows(now))
        pace.took(.milliseconds(105), rows: 0, at: now)
        pace.took(.milliseconds(300), rows: 0, at: now)
        #expect(!pace.allows(now + .milliseconds(4_999)))
        #expect(pace.allows(now + .milliseconds(5_000)))
    }
}
