import TallypostReconciliation
import Testing

struct TallyTests {
    @Test func `sums of the largest amounts are exact`() {
        let tally = (0..<1_000).reduce(into: Tally.zero) { sum, _ in sum += Tally(one: .max) }
        #expect(tally == Tally(count: 1_000, amount: Int128(Int64.max) * 1_000))
    }

    @Test func `a finding's id depends on each of its four parts and on nothing else`() {
        func id(_ rule: String, _ kind: FindingClass, _ type: String, _ key: String, _ detail: String = "") -> String {
            Finding(kind: kind, severity: .high, rule: rule, type: type, key: key, detail: detail).id
        }
        #expect(id("r", .missing, "t", "k") == id("r", .missing, "t", "k", "said otherwise"))
        let others = [
            id("s", .missing, "t", "k"), id("r", .orphan, "t", "k"), id("r", .missing, "u", "k"), id("r", .missing, "t", "l"),
        ]
        #expect(Set(others + [id("r", .missing, "t", "k")]).count == 5)
    }
}
