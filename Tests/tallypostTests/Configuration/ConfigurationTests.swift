import FoundationEssentials
import TallypostCore
import TallypostReconciliation
import TallypostDelivery
import Testing

@testable import tallypost

@Suite struct ConfigurationTests {
    @Test func `all that JSON5 allows is read`() throws {
        let text = """
            \u{FEFF}// A byte order mark, comments, every kind of number and string.
            { /* one
                 two */ 'routes': { $a_1: { url: 'https://h/x', "timeoutSeconds": 0x1F, maxAttempts: +3,
                retry: { schedule: ['1s',], }, headers: { 'X-A': "it's \\"0x0x\\" 0x1e-" }, concurrency: 5e1 } },
              \tallow:\u{B}[],\r\n alerts: [{ url: "https://h/", failureRateOver: .5, name: 'a' },
                { url: "https://h/b", name: 'b', failureRateOver: 1. }] }
            """
        let configuration = try TemporaryDirectory().load(text, environment: [:])
        let route = try #require(configuration.routes["$a_1"])
        #expect(route.policy.timeout == .seconds(31) && route.policy.maxAttempts == 3 && route.policy.concurrency == 50)
        #expect(configuration.alerts.map(\.settings.failureRateOver) == [0.5, 1])
        #expect(route.wire.headers == [try HeaderField(name: "X-A", value: "it's \"0x0x\" 0x1e-")])
    }

    @Test func `the contract's example is accepted, and all of it is carried out`() throws {
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
        let alert = try #require(configuration.alerts.first)
        #expect(
            (alert.settings.name, alert.settings.depthOver, alert.settings.failureRateOver) == ("hooks.example.com", 10_000, 0.05)
        )
        #expect(configuration.policies["tallypost.alert/hooks.example.com"] != nil)
        #expect(configuration.reconcile?.rules == "\(directory.path)/rules/")
        #expect(configuration.reconcile?.every == .minutes(5))
        #expect(configuration.idleKeys.isEmpty)
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
              url: "http://h:8080/x", headers: { "X-Shop": "main" }, body: "envelope", format: "cloudevents-structured",
              idempotencyKeyFormat: "bare", timeoutSeconds: 2, maxAttempts: 0,
              retry: { schedule: "exponential", base: "500ms", cap: "10m", alsoOn: [404, 400] },
              deadline: "24h", sla: "5m", lease: "10s", concurrency: 3, rate: "6/m", burst: 9, heartbeatSeconds: 30, maxWaitSeconds: 3600,
              whenFailed: "block", batch: { max: 10, wait: "1s" }, 
              tls: { ca: "\(ca)" },
            } }, schedules: { n: { cron: "0 2 * * 1-5", zone: "Europe/London", type: "a", payload: { n: 1, s: "x" }, catchUp: "latest" } },
              allow: ["http://10.0.0.5:8080", "10.0.0.0/8", "fd00::/8"], wakeup: "poll" }
            """)
        let route = try #require(configuration.routes["a"])
        #expect(route.wire.headers == [try HeaderField(name: "X-Shop", value: "main")])
        #expect(route.wire.body == .envelope && route.wire.format == .cloudEventsStructured)
        #expect(route.wire.idempotencyKeyFormat == .bare && route.wire.tls == .init(ca: ca))
        #expect(
            route.policy.retry
                == RetryPolicy(schedule: .exponential(base: .milliseconds(500), cap: .minutes(10)), alsoOn: [400, 404]))
        #expect(route.policy.deadline == .hours(24) && route.policy.lease == .seconds(10) && route.policy.maxAttempts == 0)
        #expect(route.policy.whenFailed == .block && route.policy.concurrency == 3)
        #expect(route.policy.rate == .init(count: 6, per: .minutes(1), burst: 9))
        #expect(route.policy.heartbeat == .seconds(30) && route.policy.longestWait == .hours(1))
        #expect(route.policy.batch == .init(most: 10, wait: .seconds(1)))
        let schedule = try #require(configuration.schedules["n"])
        let london = try ZoneDirectory().zone("Europe/London")
        #expect(schedule.times == .cron(try CronPattern(parsing: "0 2 * * 1-5"), london) && schedule.catchUp == .latest)
        #expect(schedule.task == TaskDraft(type: "a", payload: #"{"n":1,"s":"x"}"#))
        #expect(configuration.wakeUp == .poll)
        #expect(configuration.allow.networks.count == 2 && configuration.allow.origins.count == 1)
    }

    @Test func `each subscriber is a route of its own, and the route itself sends nothing`() throws {
        let configuration = try TemporaryDirectory().load(
            """
            { routes: { "order-paid": { deadline: "1h", subscribers: {
              mail: { url: "https://mail.example.com/", maxAttempts: 3, batch: {} },
              inventory: { url: "http://stock:8080/paid", headers: { "X-Shop": "main" } },
            } } } }
            """)
        #expect(
            configuration.policies.keys.sorted() == ["order-paid", "order-paid/inventory", "order-paid/mail", "tallypost.notice"])
        let parent = try #require(configuration.policies["order-paid"])
        #expect(parent.subscribers == ["inventory", "mail"] && parent.origin == nil && parent.deadline == .hours(1))
        let mail = try #require(configuration.policies["order-paid/mail"])
        #expect(
            mail.type == "order-paid/mail" && mail.maxAttempts == 3 && mail.batch == BatchPolicy(most: 100, wait: .seconds(5)))
        let wires = configuration.courierSettings(version: "1").routes
        #expect(wires.keys.sorted() == ["order-paid/inventory", "order-paid/mail", "tallypost.notice"])
        #expect(wires["order-paid/inventory"]?.url == "http://stock:8080/paid")
        #expect(wires["order-paid/inventory"]?.headers == [try HeaderField(name: "X-Shop", value: "main")])
        #expect(configuration.idleKeys.isEmpty)
    }

    @Test func `what does nothing beside subscribers is warned of, lest unsigned deliveries surprise somebody`() throws {
        let configuration = try TemporaryDirectory().load(
            "{ routes: { a: { url: 'http://h/', batch: {}, headers: {}, subscribers: { b: { url: 'http://i/' } } } } }")
        #expect(configuration.policies["a"]?.origin == nil)
        #expect(configuration.policies["a"]?.batch == nil)
        #expect(configuration.idleKeys.map(\.path) == ["routes.a.url", "routes.a.headers", "routes.a.batch"])
        #expect(configuration.idleKeys[0].message.contains("under each of them"))
    }

    @Test func `notices have a route without being configured, and take options but no URL`() throws {
        let none = try TemporaryDirectory().load("{ routes: { a: { url: 'http://h/' } } }")
        let notices = try #require(none.policies["tallypost.notice"])
        #expect(notices.origin == nil && notices.maxAttempts == 8)
        #expect(none.courierSettings(version: "1").routes["tallypost.notice"]?.url == .some(nil))
        #expect(none.routes.keys.sorted() == ["a"])
        let some = try TemporaryDirectory().load(
            "{ routes: { 'tallypost.notice': { maxAttempts: 2, timeoutSeconds: 3, headers: { 'X-A': 'b' } } } }")
        #expect(some.policies["tallypost.notice"]?.maxAttempts == 2 && some.policies["tallypost.notice"]?.timeout == .seconds(3))
        #expect(some.courierSettings(version: "1").routes["tallypost.notice"]?.headers.count == 1)
    }

    @Test func `the sample configuration is accepted as it is`() throws {
        // Tests/tallypostTests/Configuration/this file: four up is the package.
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        var sources = Configuration.Sources()
        sources.file = root.appending(path: "deploy/tallypost.json5").path
        let configuration = try Configuration.load(sources)
        #expect(configuration.routes.keys.sorted() == ["send-receipt"])
        #expect(configuration.idleKeys.isEmpty)
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
