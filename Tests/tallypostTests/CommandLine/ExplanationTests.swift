import TallypostCore
import Testing

@testable import tallypost

@Suite struct ExplanationTests {
    private static func explain(
        _ columns: KeyValuePairs<String, String?>, runAt: TimeSpan = .zero, lease: TimeSpan? = nil,
        holder: (id: Int64, status: String)? = nil, dueBefore: Int = 0, paused: String? = nil
    ) -> String {
        ExplanationText(
            facts: Explanation(
                task: FakeDesk.row(7, columns), now: FakeDesk.now, runAt: FakeDesk.now + runAt,
                leaseExpiresAt: lease.map { FakeDesk.now + $0 }, keyHolder: holder, dueBefore: dueBefore, pausedBecause: paused)
        ).sentences.joined(separator: " ")
    }

    @Test func `a task that is not due says when it is`() {
        let text = Self.explain(["type": "a", "status": "pending", "deadline_at": "D"], runAt: .seconds(7_800))
        #expect(
            text
                == "Task 7 is pending. It is not due before 2026-03-01T11:40:00.000Z, in 2 h 10 min. If it is not sent by D, it ends as timeout."
        )
    }

    @Test func `a task that was tried tells the last error and when it is tried again`() {
        let text = Self.explain(
            ["type": "a", "status": "pending", "attempts": "2", "last_error": "HTTP 503"], runAt: .seconds(30))
        #expect(text.contains("tried 2 times; the last time: HTTP 503."))
        #expect(text.contains("in 30 s."))
    }

    @Test func `a due task tells what stands before it`() {
        #expect(
            Self.explain(["type": "a", "status": "pending"], dueBefore: 1).contains("1 due task of its type comes before it."))
        let paused = Self.explain(["type": "a", "status": "pending"], paused: "410 Gone")
        #expect(paused.contains("paused: 410 Gone") && paused.contains("tallypost route resume a"))
        let key = Self.explain(["type": "a", "status": "pending", "ordering_key": "k"], holder: (3, "failed"))
        #expect(key.contains("Task 3, which is failed, comes first on its ordering key “k”"))
        #expect(key.contains("retries or cancels"))
        #expect(Self.explain(["type": "a", "status": "pending"]).contains("Does one run, with a route for a?"))
    }

    @Test func `a leased task tells by whom, and what follows if the lease has run out`() {
        let live = Self.explain(["status": "processing", "attempts": "1", "leased_by": "r1"], lease: .seconds(42))
        #expect(live.contains("sent by r1, attempt 1") && live.contains("in 42 s"))
        let dead = Self.explain(["status": "processing", "attempts": "1", "leased_by": "r1"], lease: .seconds(-90))
        #expect(dead.contains("ran out 1 min 30 s ago"))
        #expect(Self.explain(["status": "processing", "attempts": "1"]).contains("without a lease"))
    }

    @Test(arguments: TaskStatus.allCases)
    func `every status has its sentences`(status: TaskStatus) {
        let text = Self.explain([
            "type": "a", "status": status.rawValue, "attempts": "3", "last_error": "HTTP 500", "run_after": "5",
        ])
        #expect(text.hasPrefix("Task 7 "))
        #expect(text.contains("tallypost task retry 7") == [.failed, .timeout, .cancelled].contains(status))
    }

    @Test(arguments: ["done", nil] as [String?])
    func `a status that no relay wrote is told as such`(status: String?) {
        #expect(Self.explain(["status": status]).contains("set it aside as failed"))
    }

    @Test func `the command prints them, and knows whether a route is there`() throws {
        let shell = Shell()
        shell.desk.explanation = Explanation(
            task: FakeDesk.row(7, ["type": "a", "status": "pending"]), now: FakeDesk.now, runAt: FakeDesk.now,
            leaseExpiresAt: nil,
            keyHolder: nil, dueBefore: 0, pausedBecause: nil)
        let directory = try TemporaryDirectory()
        let file = try directory.write("{ database: 'sqlite:x', routes: { b: { url: 'http://h/' } } }", to: "c.json5")
        #expect(shell.run("task", "explain", "7", "--config", file) == .good)
        #expect(shell.output.contains("no route for a"))
        #expect(shell.run("task", "explain", "7", "--database", "sqlite:x", "--json") == .good)
        #expect(shell.output.contains(#""runAt":"2026-03-01T09:30:00.000Z""#))
        #expect(shell.run("task", "explain", "8", "--database", "sqlite:x") == .badData)
    }
}
