import TallypostCore
import Testing

@testable import tallypost

@Suite struct ScheduleConfigurationTests {
    private func load(_ schedule: String, name: String = "n") throws -> Configuration {
        try TemporaryDirectory().load("{ routes: { a: { url: \"http://h/\" } },\n  schedules: { \"\(name)\": \(schedule) } }")
    }

    private func refusal(_ schedule: String, name: String = "n") -> String {
        do {
            _ = try load(schedule, name: name)
            return "nothing is wrong"
        } catch { return "\(error)" }
    }

    @Test func `a schedule carries a task's other columns as the tables name them`() throws {
        let text = """
            { cron: "@every 90s", type: "a", payload: [1, "ü/", null], subject: "s", priority: -3, ordering_key: "k", max_attempts: 0,
              timeout_seconds: 7, target_url: "https://h/x", headers: { "X-A": "b" }, amount_minor: 12, currency: "EUR",
              wait_for_signal: true, on_failure_url: "https://h/f" }
            """
        let schedule = try #require(try load(text).schedules["n"])
        #expect(schedule.times == .every(90) && schedule.catchUp == .skip)
        #expect(
            schedule.task
                == TaskDraft(
                    type: "a", payload: #"[1,"ü/",null]"#,
                    others: [
                        "subject": "s", "priority": "-3", "ordering_key": "k", "max_attempts": "0", "timeout_seconds": "7",
                        "target_url": "https://h/x", "headers": #"{"X-A":"b"}"#, "amount_minor": "12", "currency": "EUR",
                        "wait_for_signal": "true", "on_failure_url": "https://h/f",
                    ]))
    }

    @Test(arguments: [
        ("{ cron: \"@every 0s\", type: \"a\" }", "schedules.n.cron", "no interval"),
        ("{ cron: \"@every now\", type: \"a\" }", "schedules.n.cron", "@every 5m"),
        ("{ cron: \"@every 1500ms\", type: \"a\" }", "schedules.n.cron", "whole number of seconds"),
        ("{ cron: \"@every 5m\", zone: \"Europe/London\", type: \"a\" }", "schedules.n.zone", "elapsed time"),
        ("{ cron: \"0 0 31 2 *\", type: \"a\" }", "schedules.n.cron", "never run"),
        ("{ cron: 5, type: \"a\" }", "schedules.n.cron", "must be a cron expression"),
        ("{ cron: \"@daily\", type: \"\" }", "schedules.n.type", "is empty"),
        ("{ cron: \"@daily\", type: \"a\", zone: \"Europe/Lodnon\" }", "schedules.n.zone", "did you mean \"Europe/London\"?"),
        ("{ cron: \"@daily\", type: \"a\", zone: \"Kathmandu\" }", "schedules.n.zone", "did you mean \"Asia/Kathmandu\"?"),
        ("{ cron: \"@daily\", type: \"a\", zone: \"../../etc/passwd\" }", "schedules.n.zone", "is no time zone"),
        ("{ cron: \"@daily\", type: \"a\", zone: \"Europe\" }", "schedules.n.zone", "no such time zone"),
        ("{ cron: \"@daily\", type: \"a\", zone: \"right/UTC\" }", "schedules.n.zone", "leap seconds"),
        ("{ cron: \"@daily\", type: \"a\", zone: \"tzdata.zi\" }", "schedules.n.zone", "is no time zone"),
        ("{ cron: \"@daily\", type: \"a\", run_at: \"2026-01-01\" }", "schedules.n.run_at", "due at its ticks"),
        ("{ cron: \"@daily\", type: \"a\", deadline_at: \"2026-01-01\" }", "schedules.n.deadline_at", "deadline: \"1h\""),
        ("{ cron: \"@daily\", type: \"a\", priorty: 1 }", "schedules.n.priorty", "did you mean \"priority\"?"),
        ("{ cron: \"@daily\", type: \"a\", priority: \"1\" }", "schedules.n.priority", "whole number"),
        ("{ cron: \"@daily\", type: \"a\", amount_minor: 1 }", "schedules.n", "without a currency"),
        ("{ cron: \"@daily\", type: \"a\", amount_minor: 1, currency: \"eur\" }", "schedules.n.currency", "ISO 4217"),
        ("{ cron: \"@daily\", type: \"a\", headers: { a: 1 } }", "schedules.n.headers", "object of strings"),
        ("{ cron: \"@daily\", type: \"a\", target_url: \"h/x\" }", "schedules.n.target_url", "URL"),
        ("{ cron: \"@daily\", type: \"a\", payload: { x: NaN } }", "schedules.n.payload", "NaN"),
    ])
    func `a mistake in a schedule is refused by its path, with the mend`(text: String, path: String, words: String) {
        let message = refusal(text)
        #expect(message.contains(path) && message.contains(words), "\(message)")
    }

    @Test func `a name that no idempotency key can carry is refused`() {
        #expect(refusal("{ cron: \"@daily\", type: \"a\" }", name: "nächtlich").contains("printable ASCII"))
    }

    @Test func `a schedule without a route is warned of, not refused`() throws {
        let configuration = try load("{ cron: \"@daily\", type: \"aa\" }")
        let problems = configuration.schedulesWithoutRoute(file: nil)
        #expect(problems.count == 1)
        #expect(problems.first.map { "\($0)".contains("did you mean \"a\"?") } == true)
    }

    @Test func `without tzdata only UTC can be had, and the mend is said`() throws {
        let zones = ZoneDirectory(path: "/nonexistent")
        #expect(try zones.zone("UTC") == .utc)
        let error = #expect(throws: ScheduleError.self) { try zones.zone("Europe/London") }
        #expect(error?.reason.contains("install Debian's tzdata") == true)
    }
}
