import TallypostCore
@testable import TallypostReconciliation
import Testing

/// How a business key is judged, whatever database it came from.
struct RuleVerdictTests {
    private static let now = Timestamp(microseconds: 1_800_000_000_000_000)
    private static let old = now + .hours(-5)
    private static let young = now + .minutes(-5)

    private func verdict(
        _ expect: String, headers: String = "", retiredBefore: Timestamp? = nil, listed: Int = 1_000, _ groups: [KeyGroup]
    ) throws -> KeyVerdict {
        let rule = try Rule(parsing: "-- rule: r\n\(headers)-- expect: \(expect)", file: "r.sql")
        var context = RuleContext(asOf: Self.now, retiredBefore: retiredBefore)
        context.listed = listed
        var verdict = KeyVerdict(rule: rule, expectation: try #require(rule.expectation), context: context)
        for group in groups { verdict.judge(group) }
        verdict.finish()
        return verdict
    }

    private func row(_ amount: Int64? = 100, _ currency: String? = "EUR", at: Timestamp? = old) -> KeyGroup.Row {
        KeyGroup.Row(amount: amount, currency: currency, at: at)
    }
    private func task(
        _ id: Int64, _ status: String = "completed", _ amount: Int64? = 100, _ currency: String? = "EUR",
        created: Timestamp? = old
    ) -> KeyGroup.Task {
        KeyGroup.Task(id: id, status: status, amount: amount, currency: currency, created: created)
    }
    private static let money = "per orders.id amount a currency c at t"

    @Test func `rows whose tasks retention may have removed are retired, not missing`() throws {
        let groups = [KeyGroup(key: "a", rows: [row(at: Self.old)]), KeyGroup(key: "b", rows: [row(at: Self.now + .hours(-1))])]
        let verdict = try verdict("one t \(Self.money)", retiredBefore: Self.now + .hours(-2), groups)
        #expect(verdict.findings.map(\.subject) == ["b"])
        #expect(verdict.bridges["EUR"]?.retired == Tally(count: 1, amount: 100))
        #expect(verdict.undecided == 0)
    }

    @Test func `without a time of the row nobody can say whether retention removed its task`() throws {
        let groups = [KeyGroup(key: "a", rows: [row(at: nil)])]
        #expect(try verdict("one t per orders.id amount a currency c", retiredBefore: Self.old, groups).undecided == 1)
        #expect(try verdict("one t per orders.id amount a currency c", groups).findings.map(\.kind) == [.missing])
    }

    @Test func `what is younger than the grace is in transit, on either side`() throws {
        let groups = [
            KeyGroup(key: "a", rows: [row(at: Self.young)]), KeyGroup(key: "b", tasks: [task(1, created: Self.young)]),
            KeyGroup(key: "c", rows: [row(300, at: Self.young)]),
        ]
        let verdict = try verdict("one t \(Self.money)", groups)
        #expect(verdict.findings.isEmpty)
        #expect(verdict.bridges["EUR"]?.inTransit == Tally(count: 1, amount: 300))
    }

    @Test func `severities are those of the header, critical where money is gone or beyond a limit`() throws {
        let headers = "-- severity: medium\n-- critical_over: EUR 5.00\n"
        let groups = [
            KeyGroup(key: "a", rows: [row(500)]), KeyGroup(key: "b", rows: [row(501)]),
            KeyGroup(key: "c", tasks: [task(1, "pending")]),
            KeyGroup(key: "d", tasks: [task(2)]), KeyGroup(key: "e", rows: [row()], tasks: [task(3), task(4, "pending")]),
            KeyGroup(key: "f", rows: [row()], tasks: [task(5), task(6)]),
            KeyGroup(key: "g", rows: [row()], tasks: [task(7, "completed", 101)]),
        ]
        let found = try verdict("one completed t \(Self.money)", headers: headers, groups).findings
        #expect(found.map(\.severity) == [.medium, .critical, .medium, .critical, .medium, .critical, .critical])
        #expect(found.map(\.kind) == [.missing, .missing, .orphan, .orphan, .duplicate, .duplicate, .amountMismatch])
    }

    @Test func `several, at least one and at most one`() throws {
        let none = KeyGroup(key: "a", rows: [row()])
        let one = KeyGroup(key: "a", rows: [row()], tasks: [task(1)])
        let two = KeyGroup(key: "a", rows: [row()], tasks: [task(1), task(2)])
        let three = KeyGroup(key: "a", rows: [row()], tasks: [task(1), task(2), task(3)])
        func kinds(_ count: String) throws -> [[FindingClass]] {
            try [none, one, two, three].map { try verdict("\(count) t \(Self.money)", [$0]).findings.map(\.kind) }
        }
        #expect(try kinds("2") == [[.missing], [.missing], [], [.duplicate]])
        #expect(try kinds("at least one") == [[.missing], [], [], []])
        #expect(try kinds("at most one") == [[], [], [.duplicate], [.duplicate]])
        #expect(try verdict("2 t \(Self.money)", [one]).bridges["EUR"]?.missing == Tally(count: 1, amount: 100))
    }

    @Test func `a bounded list tells how many it leaves out, and sums stay whole`() throws {
        let groups = (0..<10).map { KeyGroup(key: "k\($0)", rows: [row()]) }
        let verdict = try verdict("one t \(Self.money)", listed: 3, groups)
        #expect(verdict.findings.count == 3 && verdict.notListed == 7)
        #expect(verdict.bridges["EUR"]?.missing == Tally(count: 10, amount: 1_000))
    }

    @Test(arguments: [UInt64.random(in: 0 ... .max), 1, 2, 3])
    func `whatever is there, every bridge leaves nothing`(_ seed: UInt64) throws {
        var random = SplitMix(state: seed)
        for count in ["one", "2", "at least one", "at most one", "one completed"] {
            var groups: [KeyGroup] = []
            var expected: [String?: Tally] = [:]
            var there: [String?: Tally] = [:]
            let slots: Int64 = count == "2" ? 2 : 1
            for key in 0..<200 {
                func pick<T>(_ values: [T]) -> T { values[Int(random.next() % UInt64(values.count))] }
                let isKeyless = pick([true, false, false, false, false, false, false])
                var group = KeyGroup(key: isKeyless ? nil : "k\(key)")
                for _ in 0..<pick([0, 1, 1, 1, 2]) {
                    group.rows.append(
                        row(pick([nil, 1, 100, .max]), pick(["EUR", "GBP", nil]), at: pick([Self.old, Self.young, nil])))
                }
                for id in 0..<pick([0, 1, 1, 1, 2, 3]) {
                    group.tasks.append(
                        task(
                            Int64(key * 10 + id), pick(["completed", "pending", "failed"]), pick([nil, 1, 100, .max]),
                            pick(["EUR", "GBP", nil]),
                            created: pick([Self.old, Self.young])))
                }
                let isCounted = count != "at most one" || (!isKeyless && !group.tasks.isEmpty)
                for row in group.rows where isCounted {
                    expected[row.currency, default: .zero] += Tally(one: row.amount).times(slots)
                }
                for task in group.tasks { there[task.currency, default: .zero] += Tally(one: task.amount) }
                groups.append(group)
            }
            let verdict = try verdict("\(count) t \(Self.money)", listed: 10_000, groups)
            for currency in ["EUR", "GBP", nil] as [String?] {
                var bridge = verdict.bridges[currency] ?? BusinessBridge(rule: "r", type: "t", currency: currency)
                bridge.expected = expected[currency] ?? .zero
                bridge.tasks = there[currency] ?? .zero
                #expect(bridge.residual.isZero, "seed \(seed), \(count), \(currency ?? "none"): \(bridge)")
            }
            #expect(Set(verdict.findings.map(\.id)).count == verdict.findings.count, "seed \(seed): two findings share an id")
        }
    }
}

/// Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014).
private struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
