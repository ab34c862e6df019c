import FoundationEssentials
import TallypostCore
import TallypostDelivery
import Testing

@testable import tallypost

@Suite struct ConfigurationTests {
    @Test func `the contract's example is accepted, and what is not carried out yet is named`() throws {
        let directory = try TemporaryDirectory()
        let secret = try directory.write("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", to: "mail-signing")
        let text = """
            {
              database: "postgres://shop@localhost/shop",
              listen: { admin: "127.0.0.1:7411", public: "0.0.0.0:7412" },   // public: signals only
              signalBaseURL: "https://tasks.example.com",
              routes: {
                "send-receipt": {
                  url: "https://mail.example.com/receipts",
                  secrets: ["credential:mail-signing"],        // newest first: every one signs
                  timeoutSeconds: 30, maxAttempts: 8, concurrency: 50, rate: "100/s", sla: "5m",
                },
              },
              reconcile: { every: "5m", staleAfter: "1h", rules: "rules/", reports: "/var/lib/tallypost/reports" },
              alerts: [{ url: "https://hooks.example.com/ops", depthOver: 10000, failureRateOver: 0.05 }],
              retention: { completed: "30d", final: "90d" },
            }
            """
        let configuration = try directory.load(text, environment: ["CREDENTIALS_DIRECTORY": directory.path])
        #expect(secret == "\(directory.path)/mail-signing")
        #expect(configuration.database == .postgres(url: "postgres://shop@localhost/shop"))
        let route = try #require(configuration.routes["send-receipt"])
        #expect(route.policy.origin == Origin(scheme: "https", host: "mail.example.com", port: 443))
        #expect(route.policy.timeout == .seconds(30))
        #expect(route.policy.maxAttempts == 8)
        #expect(route.policy.concurrency == 50)
        #expect(route.policy.lease == .seconds(60))
        #expect(route.policy.rate == .init(count: 100, per: .seconds(1), burst: 100))
        #expect(route.sla == .minutes(5))
        #expect(route.isSigned && route.wire.secrets.count == 1)
        #expect(configuration.reconcile?.staleAfter == .hours(1))
        #expect(configuration.retention == .init(completed: .hours(720), final: .hours(2_160)))
        #expect(configuration.alerts == [.init(url: "https://hooks.example.com/ops", depthOver: 10_000, failureRateOver: 0.05)])
        let paths = Set(configuration.notCarriedOut.map(\.path))
        #expect(paths.isSuperset(of: ["reconcile", "alerts"]) && !paths.contains("listen.admin"))
        #expect(!paths.contains("retention"))
        #expect(paths.contains("routes.send-receipt.sla") && !paths.contains("routes.send-receipt.rate"))
    }

    @Test(arguments: [
        ("{}", RetentionPolicy(completed: .hours(720), final: .hours(2_160))),
        ("{ retention: {} }", RetentionPolicy(completed: .hours(720), final: .hours(2_160))),
        ("{ retention: { completed: \"36h\" } }", RetentionPolicy(completed: .hours(36), final: .hours(2_160))),
        ("{ retention: { final: \"never\" } }", RetentionPolicy(completed: .hours(720), final: nil)),
        ("{ retention: { completed: \"never\", final: \"1s\" } }", RetentionPolicy(completed: nil, final: .seconds(1))),
        ("{ retention: \"never\" }", RetentionPolicy.never),
    ])
    func `retention is on unless it is turned off, for one kind or for both`(text: String, policy: RetentionPolicy) throws {
        #expect(try TemporaryDirectory().load(text).retention == policy)
    }

    @Test func `every key of a route is kept as a typed value`() throws {
        let directory = try TemporaryDirectory()
        let ca = try directory.write("pem", to: "ca.pem")
        let configuration = try directory.load(
            """
            { routes: { a: {
              url: "http://h:8080/x", headers: { "X-Shop": "main" }, body: "envelope", format: "cloudevents-binary",
              idempotencyKeyFormat: "bare", timeoutSeconds: 2, maxAttempts: 0,
              retry: { schedule: "exponential", base: "500ms", cap: "10m", alsoOn: [404, 400] },
              deadline: "24h", sla: "5m", lease: "10s", concurrency: 3, rate: "6/m", burst: 9, heartbeatSeconds: 30, maxWaitSeconds: 3600,
              whenFailed: "block", batch: { max: 10, wait: "1s" }, subscribers: { b: { url: "https://i/" } },
              tls: { ca: "\(ca)" },
            } }, schedules: { n: { cron: "0 2 * * 1-5", zone: "Europe/London", type: "a", payload: { n: 1, s: "x" }, catchUp: "latest" } },
              allow: ["http://10.0.0.5:8080", "10.0.0.0/8", "fd00::/8"], wakeup: "poll" }
            """)
        let route = try #require(configuration.routes["a"])
        #expect(route.wire.headers == [try HeaderField(name: "X-Shop", value: "main")])
        #expect(route.wire.body == .envelope && route.wire.format == .cloudEventsBinary)
        #expect(route.wire.idempotencyKeyFormat == .bare && route.wire.tls == .init(ca: ca))
        #expect(
            route.policy.retry
                == RetryPolicy(schedule: .exponential(base: .milliseconds(500), cap: .minutes(10)), alsoOn: [400, 404]))
        #expect(route.policy.deadline == .hours(24) && route.policy.lease == .seconds(10) && route.policy.maxAttempts == 0)
        #expect(route.policy.whenFailed == .block && route.policy.concurrency == 3)
        #expect(route.policy.rate == .init(count: 6, per: .minutes(1), burst: 9))
        #expect(route.heartbeat == .seconds(30) && route.longestWait == .hours(1))
        #expect(route.batch == .init(max: 10, wait: .seconds(1)))
        #expect(route.subscribers["b"]?.wire.url == "https://i/")
        let schedule = try #require(configuration.schedules["n"])
        #expect(schedule.zone == "Europe/London" && schedule.catchUp == .latest)
        #expect(JSONSyntax.isValid(Array(schedule.payload.utf8)))
        #expect(configuration.wakeUp == .poll)
        #expect(configuration.allow.networks.count == 2 && configuration.allow.origins.count == 1)
    }

    @Test func `the sample configuration is accepted as it is`() throws {
        // Tests/tallypostTests/Configuration/this file: four up is the package.
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        var sources = Configuration.Sources()
        sources.file = root.appending(path: "deploy/tallypost.json5").path
        let configuration = try Configuration.load(sources)
        #expect(configuration.routes.keys.sorted() == ["send-receipt"])
        #expect(configuration.notCarriedOut.isEmpty)
    }

    @Test(arguments: [
        ("500ms", TimeSpan.milliseconds(500)), ("5s", .seconds(5)), ("10m", .minutes(10)), ("24h", .hours(24)),
        ("30d", .hours(720)),
        ("0s", .zero),
    ])
    func `a duration is a whole number and a unit`(text: String, span: TimeSpan) {
        #expect(TimeSpan(configured: text) == span)
    }

    @Test(arguments: ["", "5", "s", "-5s", "5 s", "5S", "1.5s", "5sec", "1h30m", "999999999999999999999d", "٥s", "5s "])
    func `anything else is no duration`(text: String) {
        #expect(TimeSpan(configured: text) == nil)
    }

    @Test func `the command line goes before the file`() throws {
        let directory = try TemporaryDirectory()
        var sources = Configuration.Sources()
        sources.file = try directory.write("{ database: 'sqlite:a.db', routes: { a: { url: 'http://h/' } } }", to: "c.json5")
        sources.database = "sqlite:b.db"
        sources.routes = ["a=http://i/", "b=http://j/?x=y"]
        sources.adminToken = "none"
        let configuration = try Configuration.load(sources)
        #expect(configuration.database == .sqlite(path: "b.db"))
        #expect(configuration.routes["a"]?.wire.url == "http://i/")
        #expect(configuration.routes["b"]?.wire.url == "http://j/?x=y")
        #expect(configuration.adminToken == AdminToken.none)
    }

    @Test func `a start without a file needs only a database and a route`() throws {
        var sources = Configuration.Sources()
        sources.database = "postgresql://h1,h2/shop?target_session_attrs=read-write"
        sources.routes = ["a=http://localhost:1/"]
        let configuration = try Configuration.load(sources)
        #expect(configuration.policies["a"]?.maxAttempts == 8)
        #expect(configuration.database == .postgres(url: "postgresql://h1,h2/shop?target_session_attrs=read-write"))
    }

    @Test(arguments: [
        ("postgres://shop:hunter2@db/shop", "postgres://shop:"),
        ("postgres://shop@db/shop?password=hunter2&sslmode=require", "sslmode=require"),
        ("postgres://db/shop?sslpassword=hunter2", "sslpassword="),
        ("postgres://shop:hunter2@db/shop?user=a@b", "postgres://shop:"),
        ("postgres://a:hun@ter2@db/shop", "postgres://a:"),
    ])
    func `a password never shows in a database's name`(url: String, kept: String) throws {
        let shown = try DatabaseURL(parsing: url).redacted
        #expect(!shown.contains("hunter2") && !shown.contains("ter2"))
        #expect(shown.contains(kept))
    }
}

@Suite struct CronCheckTests {
    @Test(arguments: ["* * * * *", "0 2 * * *", "*/10 0-6 1,15 jan-mar MON-FRI", "59 23 31 12 7", "5-50/5 * * * *", "@every 5m"])
    func `what crontab understands is accepted`(text: String) {
        #expect(CronCheck.fault(in: text) == nil)
    }

    @Test(arguments: [
        ("", "five fields"), ("* * * *", "five fields"), ("* * * * * *", "five fields"), ("60 * * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day of the month"), ("* * * 13 *", "month"), ("* * * * 8", "week"), ("* * * * mon-", "week"),
        ("5/2 * * * *", "minute"),
        ("*/0 * * * *", "minute"), ("9-5 * * * *", "minute"), ("1,,2 * * * *", "minute"), ("-1 * * * *", "minute"),
        ("1/2/3 * * * *", "minute"),
        ("@every", "five fields"), ("@every 0s", "interval"), ("@every now", "interval"), ("@daily", "five fields"),
    ])
    func `what it does not is refused by the field's name`(text: String, words: String) {
        #expect(CronCheck.fault(in: text)?.contains(words) == true)
    }
}
