import TallypostCore
import Testing

@testable import tallypost

/// A mistake in a configuration and what has to be said of it.
struct Mistake: Sendable, CustomTestStringConvertible {
    var text: String
    var path: String
    var line: Int
    /// Words that the message has to hold: what is wrong, and the mend.
    var says: [String]
    var testDescription: String { "\(path): \(says.joined(separator: " … "))" }

    init(_ text: String, _ path: String, _ line: Int, _ says: String...) {
        self.text = text
        self.path = path
        self.line = line
        self.says = says
    }

    /// One line of a route, on line 3.
    static func inRoute(_ member: String, _ path: String, _ says: String...) -> Mistake {
        var mistake = Mistake("{\n  routes: { a: { url: \"http://h/\",\n    \(member)\n  } },\n}", "routes.a.\(path)", 3)
        mistake.says = says
        return mistake
    }

    /// One line at the top, on line 2.
    static func atTop(_ member: String, _ path: String, _ says: String...) -> Mistake {
        var mistake = Mistake("{\n  \(member)\n}", path, 2)
        mistake.says = says
        return mistake
    }
}

@Suite struct RefusalTests {
    static let top: [Mistake] = [
        .atTop("databse: \"sqlite:x\"", "databse", "no such key", "did you mean \"database\"?"),
        .atTop("database: 7", "database", "must be", "a number"),
        .atTop("database: \"mysql://h/x\"", "database", "sqlite:PATH", "postgres://"),
        .atTop("database: \"sqlite:\"", "database", "no path"),
        .atTop("database: \"sqlite::memory:\"", "database", "in memory"),
        .atTop("listen: { admin: \"7411\" }", "listen.admin", "no address", "127.0.0.1:7411"),
        .atTop("listen: { public: \"0.0.0.0:99999\" }", "listen.public", "no address"),
        .atTop("listen: { adminn: \"127.0.0.1:1\" }", "listen.adminn", "did you mean \"admin\"?"),
        .atTop("listen: []", "listen", "must be an object", "a list"),
        .atTop("adminToken: \"hunter2\"", "adminToken", "named, not written", "file:PATH"),
        .atTop("signalBaseURL: \"tasks.example.com\"", "signalBaseURL", "absolute"),
        .atTop("allow: \"10.0.0.0/8\"", "allow", "must be a list"),
        .atTop("allow: [\"10.0.0.0/8\", \"ten\"]", "allow[1]", "neither an origin"),
        .atTop("allow: [\"10.0.0.5/8\"]", "allow[0]", "neither an origin"),
        .atTop("allow: [\"http://10.0.0.5/path\"]", "allow[0]", "no path"),
        .atTop("wakeup: \"pol\"", "wakeup", "\"auto\", \"poll\"", "did you mean \"poll\"?"),
        .atTop("wakeup: true", "wakeup", "must be one of", "a boolean"),
        .atTop("routes: []", "routes", "must be an object"),
        .atTop("routes: { a: \"http://h/\" }", "routes.a", "must be an object", "a string"),
        .atTop("routes: { a: {} }", "routes.a", "has no url"),
        .atTop("schedules: { n: { cron: \"0 2 * *\", type: \"a\" } }", "schedules.n.cron", "five fields"),
        .atTop("schedules: { n: { cron: \"99 2 * * *\", type: \"a\" } }", "schedules.n.cron", "minute"),
        .atTop("schedules: { n: { cron: \"0 2 * * *\" } }", "schedules.n", "has no type"),
        .atTop("schedules: { n: { cron: \"0 2 * * *\", type: \"a\", catchUp: \"all\" } }", "schedules.n.catchUp", "\"skip\""),
        .atTop("reconcile: { every: 5 }", "reconcile.every", "duration", "a number"),
        .atTop("reconcile: { evry: \"5m\" }", "reconcile.evry", "did you mean \"every\"?"),
        .atTop("alerts: [{ depthOver: 1 }]", "alerts[0]", "has no url"),
        .atTop("alerts: [{ url: \"http://h/\", failureRateOver: 5 }]", "alerts[0].failureRateOver", "0 to 1"),
        .atTop("retention: { completed: \"30 days\" }", "retention.completed", "no duration", "30d"),
        .atTop("retention: { final: \"0s\" }", "retention.final", "removed as it ends", "never"),
        .atTop("retention: { final: 90 }", "retention.final", "must be a duration", "never"),
        .atTop("retention: { done: \"1d\" }", "retention.done", "no such key", "completed"),
        .atTop("retention: \"30d\"", "retention", "no retention", "never"),
    ]

    static let route: [Mistake] = [
        .inRoute("timeoutSecond: 5", "timeoutSecond", "no such key", "did you mean \"timeoutSeconds\"?"),
        .inRoute("colour: 5", "colour", "no such key", "known are"),
        .inRoute("timeoutSeconds: \"30\"", "timeoutSeconds", "must be a number of seconds", "a string"),
        .inRoute("timeoutSeconds: true", "timeoutSeconds", "must be a number", "a boolean"),
        .inRoute("timeoutSeconds: 0", "timeoutSeconds", "is 0"),
        .inRoute("timeoutSeconds: null", "timeoutSeconds", "must be a number", "null"),
        .inRoute("maxAttempts: -1", "maxAttempts", "is -1", "0 to"),
        .inRoute("maxAttempts: 2.5", "maxAttempts", "whole number"),
        .inRoute("maxAttempts: 99999999999999999999", "maxAttempts", "whole number"),
        .inRoute("maxAttempts: true", "maxAttempts", "whole number", "a boolean"),
        .inRoute("concurrency: 0", "concurrency", "1 to"),
        .inRoute("rate: \"100\"", "rate", "no rate", "100/s"),
        .inRoute("rate: \"0/s\"", "rate", "no rate"),
        .inRoute("rate: \"5/d\"", "rate", "/s, /m or /h"),
        .inRoute("rate: 100", "rate", "must be a rate such as \"100/s\"", "a number"),
        .inRoute("rate: \"2000000/s\"", "rate", "1 to 1000000", "\"100/s\""),
        .inRoute("burst: 5", "burst", "goes with a rate", "rate: \"100/s\""),
        .inRoute("rate: \"5/s\", burst: 0", "burst", "is 0", "1 to"),
        .inRoute("rate: \"5/s\", burst: \"9\"", "burst", "whole number", "a string"),
        .inRoute("sla: \"5 m\"", "sla", "no duration"),
        .inRoute("deadline: \"\"", "deadline", "no duration"),
        .inRoute("lease: \"10s\"", "lease", "longer than timeoutSeconds"),
        .inRoute("secrets: \"file:x\"", "secrets", "must be a list"),
        .inRoute("secrets: [\"whsec_aHVudGVyMg==\"]", "secrets[0]", "named, not written", "credential:NAME"),
        .inRoute("secrets: [\"file:/no/such/file\"]", "secrets[0]", "No such file", "create it"),
        .inRoute("secrets: [\"env:NOT_SET\"]", "secrets[0]", "NOT_SET is not set"),
        .inRoute("secrets: [\"credential:mail\"]", "secrets[0]", "LoadCredential=mail"),
        .inRoute("secrets: [\"credential:a/b\"]", "secrets[0]", "no slash"),
        .inRoute("headers: { \"X Y\": \"v\" }", "headers.X Y", "no header name"),
        .inRoute("headers: { Host: \"v\" }", "headers.Host", "reserved"),
        .inRoute("headers: { \"X-A\": \"a\\r\\nX-B: b\" }", "headers.X-A", "line break"),
        .inRoute("headers: { \"X-A\": 5 }", "headers.X-A", "must be a string"),
        .inRoute("body: \"envelop\"", "body", "did you mean \"envelope\"?"),
        .inRoute("format: \"cloudevents\"", "format", "\"cloudevents-binary\""),
        .inRoute("idempotencyKeyFormat: \"raw\"", "idempotencyKeyFormat", "\"bare\""),
        .inRoute("whenFailed: \"stop\"", "whenFailed", "\"block\", \"skip\""),
        .inRoute("retry: { schedule: \"linear\" }", "retry.schedule", "\"exponential\""),
        .inRoute("retry: { schedule: [] }", "retry.schedule", "empty list"),
        .inRoute("retry: { schedule: [\"5s\", \"x\"] }", "retry.schedule[1]", "no duration"),
        .inRoute("retry: { base: \"1h\", cap: \"1s\" }", "retry.cap", "shorter than base"),
        .inRoute("retry: { schedule: \"standard-webhooks\", base: \"1s\" }", "retry.base", "exponential"),
        .inRoute("retry: { alsoOn: [200] }", "retry.alsoOn[0]", "300 to 599"),
        .inRoute("retry: { jitter: 1 }", "retry.jitter", "no such key"),
        .inRoute("batch: { max: 0 }", "batch.max", "1 to"),
        .inRoute("batch: { maxx: 1 }", "batch.maxx", "did you mean \"max\"?"),
        .inRoute("heartbeatSeconds: -1", "heartbeatSeconds", "is -1"),
        .inRoute("maxWaitSeconds: \"1h\"", "maxWaitSeconds", "number of seconds"),
        .inRoute("batch: { wait: \"2h\" }", "batch.wait", "longer than 1h"),
        .inRoute("format: \"cloudevents-binary\", batch: {}", "batch", "one event in a request", "structured"),
        .inRoute("subscribers: { b: { url: \"ftp://h/\" } }", "subscribers.b.url", "http"),
        .inRoute("subscribers: { b: {} }", "subscribers.b", "no url"),
        .inRoute("subscribers: {}", "subscribers", "is empty"),
        .inRoute("subscribers: [\"b\"]", "subscribers", "must be an object"),
        .inRoute("subscribers: { \"b/c\": { url: \"http://h/\" } }", "subscribers.b/c", "hold a \"/\""),
        .inRoute("subscribers: { b: { url: \"http://h/\", subscribers: {} } }", "subscribers.b.subscribers", "of its own"),
        .inRoute("tls: { ca: \"/no/such.pem\" }", "tls.ca", "cannot be read"),
        .inRoute("tls: { key: \"/dev/null\" }", "tls", "no certificate"),
    ]

    @Test(arguments: top + route)
    func `a mistake is refused with its path, its line, what is wrong and the mend`(mistake: Mistake) throws {
        let problems = try TemporaryDirectory().problems(mistake.text)
        #expect(problems.map(\.path) == [mistake.path])
        let problem = try #require(problems.first)
        #expect(problem.line == mistake.line)
        #expect(problem.file?.hasSuffix("/tallypost.json5") == true)
        for words in mistake.says { #expect(problem.message.contains(words), "\(problem)") }
        #expect(!problem.message.contains("hunter2") && !problem.message.contains("aHVudGVyMg"))
    }

    @Test(arguments: [
        ("h/path", "absolute"), ("ftp://h/", "http"), ("http://", "URL"), ("http://u:p@h/", "user"), ("", "URL"),
        ("http:/h", "URL"), ("h:1", "URL"),
    ])
    func `a URL that cannot be a target is refused`(url: String, word: String) throws {
        let problems = try TemporaryDirectory().problems("{ routes: { a: {\n url: \"\(url)\" } } }")
        #expect(problems.map(\.path) == ["routes.a.url"])
        #expect(problems.first?.line == 2)
    }

    @Test func `a route and a subscriber cannot have the same type`() throws {
        let problems = try TemporaryDirectory().problems(
            "{ routes: { a: { subscribers: { b: { url: 'http://h/' } } }, 'a/b': { url: 'http://h/' } } }")
        #expect(problems.map(\.path) == ["routes.a.subscribers.b"])
        #expect(problems.first?.message.contains("\"a/b\", which is a route too") == true)
    }

    @Test(arguments: [
        ("url: 'http://h/'", "url", "on_complete_url"),
        ("subscribers: { b: { url: 'http://h/' } }", "subscribers", "on_complete_url"),
        ("headers: { Authorization: 'Bearer x' }", "headers", "never sent"),
    ])
    func `notices take no option that could not work`(option: String, key: String, word: String) throws {
        let problems = try TemporaryDirectory().problems("{ routes: { 'tallypost.notice': { \(option) } } }")
        #expect(problems.map(\.path) == ["routes.tallypost.notice.\(key)"])
        #expect(problems.first?.message.contains(word) == true)
    }

    @Test func `notices cannot be given a URL on the command line`() {
        var sources = Configuration.Sources()
        sources.routes = ["tallypost.notice=http://h/"]
        let error = #expect(throws: ConfigurationError.self) { try Configuration.load(sources) }
        #expect(error?.problems.first?.message.contains("on_complete_url") == true)
    }

    @Test func `all mistakes are told at once, in the order of the text`() throws {
        let problems = try TemporaryDirectory().problems(
            """
            {
              wakeup: "never",
              routes: {
                a: { url: "http://h/", timeoutSeconds: -1 },
                b: { url: 5 },
              },
              nonsense: {},
            }
            """)
        #expect(problems.map(\.line) == [2, 4, 5, 7])
        #expect(problems.map(\.path) == ["wakeup", "routes.a.timeoutSeconds", "routes.b.url", "nonsense"])
    }

    @Test func `a key that stands twice is refused at its second line`() throws {
        let problems = try TemporaryDirectory().problems("{\n wakeup: \"auto\", /* wakeup: */\n // wakeup\n 'wakeup': \"poll\" }")
        #expect(problems.map(\.path) == ["wakeup"])
        #expect(problems.first?.line == 4)
        #expect(problems.first?.message.contains("twice") == true)
    }

    @Test(
        arguments: [
            ("{\n  wakeup: \"auto\"\n  routes: {} }", 3, "comma is missing before “r”"),
            ("{\n\n  wakeup: }", 3, "value is missing"),
            ("{ routes: {\n", 2, "key is missing before the end"), ("", 1, "value is missing"),
            ("{\n a: 'x\n}", 2, "no end"), ("{\n\n a: \"x }", 3, "no end"), ("{\n wakeup: auto }", 2, "“auto” is no value"),
            ("{\n wakeup 5 }", 2, "no colon"), ("{}\n}", 2, "behind the end"), ("[1\n 2]", 2, "comma"),
            ("{\n a: 1,, }", 2, "key"),
            ("/* {}", 1, "value is missing"),
            // Foundation's parser ends the process at these two.
            ("{\n a: 0x0x }", 2, "“0x0x” is no number"), ("{\n a: [1, 0x1e-] }", 2, "“0x1e-” is no number"),
            ("{ a: 0x }", 1, "no number"), ("{ a: 1e }", 1, "no number"), ("{ a: - }", 1, "no number"),
            ("{ a: 1.2.3 }", 1, "no number"), ("{ a: 5\u{A0}0x0x }", 1, "comma is missing before the character U+00A0"),
            ("{\n a\u{A0}: 5 }", 2, "no colon behind it, but the character U+00A0"), ("{ a: 01 }", 1, "no number"),
            ("1e500", 1, "no number"), ("{ a:\n “b” }", 2, "“b”” is no value"),
        ])
    func `a text that is no JSON5 is refused, with the line and what is wrong there`(text: String, line: Int, words: String)
        throws
    {
        let problems = try TemporaryDirectory().problems(text)
        #expect(problems.count == 1)
        let problem = try #require(problems.first)
        #expect(problem.message.contains("no JSON5") && problem.message.contains(words), "\(problem)")
        #expect(problem.line == line, "\(problem)")
    }

    @Test func `any text at all is read or refused, never the end of the process`() throws {
        let seed = UInt64.random(in: 0 ... .max)
        print("seed of the random configurations: \(seed)")
        var random = RandomSource(seed: seed)
        let pieces = [
            "{", "}", "[", "]", ":", ",", "'", "\"", "\\", "//", "/*", "*/", "\n", " ", "a", "routes", "1", "-", ".5", "0x",
            "e", "+", "\u{A0}", "true", "é", "\u{0}",
        ]
        let directory = try TemporaryDirectory()
        var refused = 0
        for _ in 0..<2_000 {
            let text = (0..<random.next(upTo: 30)).map { _ in pieces[Int(random.next(upTo: UInt64(pieces.count - 1)))] }.joined()
            if try !directory.problems(text).isEmpty { refused += 1 }
        }
        #expect(refused > 1_500)
        #expect(try directory.problems(String(repeating: "[", count: 100_000)).count == 1)
    }

    @Test func `a text that is no object is refused`() throws {
        #expect(try TemporaryDirectory().problems("[1]").first?.message.contains("must be an object") == true)
        #expect(try TemporaryDirectory().problems("7").first?.message.contains("must be an object") == true)
    }

    @Test func `a file that is not there is refused by name`() throws {
        var sources = Configuration.Sources()
        sources.file = "/no/such/file.json5"
        #expect {
            try Configuration.load(sources)
        } throws: { error in
            "\(error)".hasPrefix("/no/such/file.json5: ")
        }
    }
}
