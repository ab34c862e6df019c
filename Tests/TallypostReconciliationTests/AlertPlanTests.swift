import TallypostCore
import Testing

@testable import TallypostReconciliation

/// What is told of a run's breaks, and of what the watch reads.
@Suite struct AlertPlanTests {
    private let noon = Timestamp(microseconds: 1_795_000_000_000_000)

    private func item(
        _ key: String, _ severity: Severity = .high, _ state: BreakState = .open, amount: Int64? = 100, rule: String = "r"
    ) -> Break {
        Break(
            finding: Finding(
                kind: .missing, severity: severity, rule: rule, owner: "finance", type: "charge", key: key, amountMinor: amount,
                currency: amount == nil ? nil : "EUR", detail: "d"),
            state: state, firstSeen: noon, lastSeen: noon)
    }

    private func receiver(_ least: Severity? = .high) -> AlertSettings {
        var settings = AlertSettings(name: "ops")
        settings.findings = least
        return settings
    }

    private func firing(_ change: AlertChange) -> [String: AlertState] {
        [change.name: AlertState(name: change.name, isFiring: true, since: noon, epoch: 1, told: change.alert)]
    }

    private func plan(
        _ before: [Break], _ after: [Break], _ states: [String: AlertState] = [:], least: Severity? = .high
    ) -> [AlertChange] {
        AlertPlan.changes(
            AlertPlan.transitions(before: before, after: after), for: [receiver(least)], states: states, database: "db")
    }

    @Test func `a thousand breaks of one rule and severity are one alert, with their count and sum`() throws {
        let after = (0..<1_000).map { item("k\($0)", amount: .max) }
        let change = try #require(plan([], after).first)
        #expect(plan([], after).count == 1 && change.isFiring)
        #expect(change.alert.count == 1_000)
        #expect(change.alert.amounts == [.init(currency: "EUR", amountMinor: "9223372036854775807000")])
        #expect(change.draft(now: noon).idempotencyKey == "alert-ops-findings:r:high-1")
        #expect(change.draft(now: noon).type == "tallypost.alert/ops")
    }

    @Test func `what persists is not told again, what is new or changed is, and the end is told once`() throws {
        let first = try #require(plan([], [item("a")]).first)
        let states = firing(first)
        #expect(plan([item("a")], [item("a")], states).isEmpty)
        #expect(plan([item("a"), item("b")], [item("a")], states).isEmpty, "fewer is no alarm")
        #expect(plan([item("a")], [item("a"), item("b")], states).map(\.alert.count) == [2])
        #expect(plan([item("a")], [item("a", amount: 101)], states).map(\.isFiring) == [true])
        let end = plan([item("a")], [item("a", .high, .cleared)], states)
        #expect(end.map(\.isFiring) == [false] && end[0].epoch == 2)
        #expect(plan([item("a")], [], states).map(\.isFiring) == [false], "gone from the register")
        #expect(plan([item("a", .high, .cleared)], [item("a", .high, .cleared)], [:]).isEmpty)
    }

    @Test func `an alert that came into the configuration later is told of what is open`() {
        #expect(plan([item("a")], [item("a")], [:]).map(\.isFiring) == [true])
    }

    @Test func `acknowledged and unconfirmed breaks do not fire, and lesser ones not for this receiver`() throws {
        #expect(plan([], [item("a", .high, .unconfirmed), item("b", .high, .acknowledged), item("c", .medium)]).isEmpty)
        #expect(plan([], [item("c", .medium)], least: .low).count == 1)
        #expect(plan([], [item("c", .critical)], least: nil).isEmpty)
        let states = firing(try #require(plan([], [item("a")]).first))
        let end = plan([item("a")], [item("a", .high, .acknowledged)], states)
        #expect(end.map(\.isFiring) == [false] && end[0].alert.summary.contains("1 acknowledged"))
    }

    // MARK: The watch

    private func watch(_ body: (inout AlertSettings) -> Void) -> AlertWatch {
        var settings = receiver(nil)
        body(&settings)
        return AlertWatch([settings], database: "db", every: .minutes(5)) { Instant(nanoseconds: 0) }
    }

    @Test func `a threshold fires above it and is over below nine tenths of it`() throws {
        let watch = watch { $0.depthOver = 100 }
        #expect(watch.changes(.init(depth: 100), [:], now: noon).isEmpty)
        let change = try #require(watch.changes(.init(depth: 101), [:], now: noon).first)
        let states = firing(change)
        for depth in [101, 95, 90] as [Int64] { #expect(watch.changes(.init(depth: depth), states, now: noon).isEmpty) }
        #expect(watch.changes(.init(depth: 89), states, now: noon).map(\.isFiring) == [false])
    }

    @Test func `a failure rate of a few tasks says nothing`() {
        let watch = watch { $0.failureRateOver = 0.05 }
        #expect(watch.changes(.init(failures: 19, completions: 0), [:], now: noon).isEmpty)
        #expect(watch.changes(.init(failures: 20, completions: 0), [:], now: noon).map(\.isFiring) == [true])
        #expect(watch.changes(.init(failures: 1, completions: 19), [:], now: noon).isEmpty, "exactly 5 %")
        #expect(watch.changes(.init(failures: 20, completions: nil), [:], now: noon).isEmpty)
    }

    @Test func `a run is missed after twice its interval and a minute`() {
        let watch = watch { $0.missedRun = true }
        #expect(watch.changes(.init(lastRun: noon + .minutes(-11)), [:], now: noon).isEmpty)
        #expect(watch.changes(.init(lastRun: noon + .seconds(-661)), [:], now: noon).map(\.isFiring) == [true])
    }

    @Test func `what goes on is told again when it is time, and what is no longer watched is called over`() throws {
        let watch = watch {
            $0.depthOver = 10
            $0.remindEvery = .minutes(30)
        }
        var alert = try #require(watch.changes(.init(depth: 11), [:], now: noon).first).alert
        alert.toldAt = noon.iso8601
        let state = AlertState(name: "ops/depth", isFiring: true, since: noon, epoch: 4, told: alert)
        #expect(watch.changes(.init(depth: 11), ["ops/depth": state], now: noon + .minutes(29)).isEmpty)
        let again = watch.changes(.init(depth: 11), ["ops/depth": state], now: noon + .minutes(30))
        #expect(again.map(\.isFiring) == [true] && again[0].draft(now: noon).idempotencyKey == "alert-ops-depth-5")
        let other = self.watch { $0.stuckOver = 1 }
        #expect(other.changes(.init(depth: 11), ["ops/depth": state], now: noon).map(\.isFiring) == [false])
    }
}
