import FoundationEssentials
import TallypostCore
import Testing

@testable import tallypost

@Suite struct FlowTextTests {
    private static func report() -> FlowReport {
        var report = FlowReport()
        var breaker = FlowReport.Restraint(destination: "https://mail.example.com:443", reason: .breaker)
        (breaker.failures, breaker.attempts, breaker.until) = (8, 10, "2026-03-01T09:30:25.000Z")
        var held = FlowReport.Restraint(destination: "http://slow:80", reason: .retryAfter)
        held.until = "2026-03-01T09:31:00.000Z"
        var rate = FlowReport.Restraint(destination: "http://h:80", reason: .rate)
        (rate.type, rate.limit, rate.relays) = ("a", "100/s", 3)
        var places = FlowReport.Restraint(destination: "http://h:80", reason: .concurrency)
        (places.type, places.limit) = ("b", "64")
        report.restraints = [breaker, held, rate, places]
        return report
    }

    private static func relay(_ report: FlowReport, seen: TimeSpan = .zero) -> SignedRelay {
        SignedRelay(name: "r1", seenAt: FakeDesk.now + seen, state: report.json)
    }

    @Test func `what a relay writes can be read again`() throws {
        var report = Self.report()
        (report.unlisted, report.heldTasks, report.visitMilliseconds, report.claimBatch) = (2, 10_000, 812, 62)
        #expect(try JSONDecoder().decode(FlowReport.self, from: Data(report.json.utf8)) == report)
        #expect(try JSONDecoder().decode(FlowReport.self, from: Data(FlowReport().json.utf8)) == FlowReport())
    }

    @Test func `each reason has its sentence, with the destination, the counts and the time`() {
        var report = Self.report()
        (report.unlisted, report.heldTasks, report.visitMilliseconds, report.claimBatch) = (2, 10_000, 812, 62)
        let text = FlowText([Self.relay(report)], now: FakeDesk.now).all.joined(separator: "\n")
        #expect(
            text.contains(
                "Relay r1 sends nothing to https://mail.example.com:443: 8 of the last 10 attempts there failed. It tries a single task at 2026-03-01T09:30:25.000Z"
            ))
        #expect(
            text.contains("nothing to http://slow:80 before 2026-03-01T09:31:00.000Z: its receiver asked for that (Retry-After)"))
        #expect(text.contains("used up the rate 100/s of a at http://h:80 for now, which 3 relays share"))
        #expect(text.contains("All 64 places of b at http://h:80 are taken at relay r1"))
        #expect(text.contains("2 more destinations") && text.contains("10000 tasks in memory") && text.contains("812 ms"))
    }

    @Test func `a task is told what concerns its destination and its type`() {
        let text = FlowText([Self.relay(Self.report())], now: FakeDesk.now)
        let here = Origin(scheme: "http", host: "h", port: 80)
        #expect(text.about(type: "a", destination: here).count == 1)
        #expect(text.about(type: "b", destination: here).first?.contains("places") == true)
        #expect(text.about(type: "c", destination: here).isEmpty)
        // Without a configuration nobody knows where it goes.
        #expect(text.about(type: "a", destination: nil).count == 3)
    }

    @Test func `dead relays and states that nobody can read are left out`() {
        let dead = Self.relay(Self.report(), seen: .seconds(-16))
        let odd = SignedRelay(name: "r2", seenAt: FakeDesk.now, state: "{oops")
        let quiet = SignedRelay(name: "r3", seenAt: FakeDesk.now, state: nil)
        #expect(FlowText([dead, odd, quiet], now: FakeDesk.now).all.isEmpty)
    }

    @Test func `explain and status say it, as text and as JSON`() throws {
        let shell = Shell()
        shell.desk.relays = [Self.relay(Self.report())]
        shell.desk.explanation = Explanation(
            task: FakeDesk.row(7, ["type": "a", "status": "pending"]), now: FakeDesk.now, runAt: FakeDesk.now,
            leaseExpiresAt: nil, keyHolder: nil, dueBefore: 0, pausedBecause: nil)
        let directory = try TemporaryDirectory()
        let file = try directory.write(
            "{ database: 'sqlite:x', routes: { a: { url: 'http://h/', rate: '100/s', burst: 7 } } }", to: "c.json5")
        #expect(shell.run("task", "explain", "7", "--config", file) == .good)
        #expect(shell.output.contains("used up the rate 100/s") && !shell.output.contains("Nothing holds it"))
        #expect(shell.output.contains("at most 100/s (at once 7) over all relays") && !shell.output.contains("slow:80"))
        #expect(shell.run("task", "explain", "7", "--config", file, "--json") == .good)
        #expect(shell.output.contains(#""reason":"rate""#))

        // A row that names its target waits for that.
        shell.desk.explanation?.task.columns.append(("target_url", "http://slow/x"))
        #expect(shell.run("task", "explain", "7", "--config", file) == .good)
        #expect(shell.output.contains("Retry-After") && !shell.output.contains("used up"))

        #expect(shell.run("status", "--database", "sqlite:x") == .good)
        #expect(shell.output.contains("held back\n  Relay r1 sends nothing to https://mail.example.com:443"))
        #expect(shell.run("status", "--database", "sqlite:x", "--json") == .good)
        #expect(shell.output.contains(#""seenAt":"2026-03-01T09:30:00.000Z""#))
    }
}
