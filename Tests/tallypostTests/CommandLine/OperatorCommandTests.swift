import TallypostCore
import Testing

@testable import tallypost

@Suite struct OperatorCommandTests {
    private let shell = Shell()
    private let directory: TemporaryDirectory
    private let file: String

    init() throws {
        directory = try TemporaryDirectory()
        file = try directory.write(
            "{ database: 'sqlite:x.db', routes: { 'send-receipt': { url: 'http://h/?key=hunter2', secrets: ['env:S'] } } }",
            to: "c.json5")
    }

    @Test func `init tells what it did`() {
        #expect(shell.run("init", "--database", "sqlite:x.db") == .good)
        #expect(shell.output == "sqlite:x.db: tables created, version 1\n")
        shell.desk.migration = .success(MigrationReport(from: 1, to: 1, adopted: [], notes: []))
        #expect(shell.run("init", "--database", "sqlite:x.db") == .good)
        #expect(shell.output.contains("already"))
        shell.desk.migration = .success(MigrationReport(from: 0, to: 1, adopted: ["lease_epoch"], notes: ["3 rows are odd"]))
        #expect(shell.run("init", "--database", "sqlite:x.db", "--json") == .good)
        #expect(shell.output == #"{"from":0,"to":1,"adopted":["lease_epoch"],"notes":["3 rows are odd"]}"# + "\n")
    }

    @Test func `init refuses tables that are newer, and does not name itself as the mend`() {
        shell.desk.migration = .failure(
            StoreError(kind: .schema, code: "", operation: "migrate", message: "version 9 is newer than 1"))
        #expect(shell.run("init", "--database", "sqlite:x.db") == .configuration)
        #expect(shell.errors.contains("version 9") && !shell.errors.contains("tallypost init"))
    }

    @Test func `nobody closes a break without a name`() {
        shell.environment = ["USER": "", "LOGNAME": " "]
        let words = ["break", "ack", "F-0123456789abcdef", "--reason", "known", "--database", "sqlite:x.db"]
        #expect(shell.run(words) == .usage)
        #expect(shell.errors.contains("add --by"))
        #expect(shell.run(words + ["--by", "mara"]) != .usage, "then it is the database that is not there")
    }

    @Test func `status is a page that a person can read`() {
        shell.desk.overviewAnswer = Overview(
            lines: [
                .init(type: "send-receipt", status: "pending", count: 12, oldestRunAt: FakeDesk.now + .seconds(-90)),
                .init(type: "send-receipt", status: "completed", count: 3_000, oldestRunAt: FakeDesk.now + .hours(-99)),
                .init(type: "other", status: "pending", count: 1, oldestRunAt: FakeDesk.now + .hours(2)),
                .init(type: "other", status: "odd", count: 1, oldestRunAt: nil),
            ], holders: [.init(relay: "host:1", count: 4, earliestExpiry: FakeDesk.now + .seconds(30))],
            finishedLastMinute: ["completed": 50], due: 12, now: FakeDesk.now)
        shell.desk.paused = [PausedRoute(type: "other", since: FakeDesk.now, by: "ana", reason: "moving")]
        #expect(shell.run("status", "--config", file) == .good)
        for words in [
            "due now: 12, the oldest for 1 min 30 s", "50 completed", "host:1", "in 30 s", "due in 2 h", "odd",
            "route other is paused", "no route for type other",
        ] {
            #expect(shell.output.contains(words), "\(words)")
        }
        #expect(shell.run("status", "--config", file, "--json") == .good)
        #expect(shell.output.contains(#""oldestDueAgeSeconds":90.0"#))
        #expect(
            shell.output.contains(
                #""pausedRoutes":[{"type":"other","since":"2026-03-01T09:30:00.000Z","by":"ana","reason":"moving"}]"#))
    }

    @Test func `status asks whether a relay runs when due tasks stand still`() {
        shell.desk.overviewAnswer = Overview(
            lines: [.init(type: "a", status: "pending", count: 1, oldestRunAt: FakeDesk.now)], holders: [],
            finishedLastMinute: [:],
            due: 1, now: FakeDesk.now)
        #expect(shell.run("status", "--database", "sqlite:x") == .good)
        #expect(shell.output.contains("does a relay run?"))
    }

    @Test func `routes are listed without the secrets of their URLs`() {
        #expect(shell.run("route", "list", "--config", file) == .good)
        #expect(shell.output.contains("send-receipt") && shell.output.contains("yes"))
        #expect(!shell.output.contains("hunter2"))
        #expect(shell.run("route", "list", "--config", file, "--json") == .good)
        #expect(shell.output.contains(#""signed":true,"maxAttempts":8"#))
        #expect(!shell.output.contains("hunter2"))
    }

    @Test func `a pause has an author and a reason, and a slip in the type is noticed`() {
        #expect(shell.run("route", "pause", "send-reciept", "--config", file, "--why", "moving") == .good)
        #expect(shell.desk.pauses == ["pause send-reciept by ana: moving"])
        #expect(shell.errors.contains("did you mean send-receipt?"))
        #expect(shell.run("route", "resume", "a", "--database", "sqlite:x", "--json") == .good)
        #expect(shell.output == #"{"type":"a","paused":false,"changed":false}"# + "\n")
    }

    @Test func `doctor finds nothing where nothing is wrong`() {
        shell.environment["S"] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        shell.desk.findings = [Finding(level: .good, check: "schema", message: "version 1")]
        #expect(shell.run("doctor", "--config", file) == .good)
        #expect(shell.output.contains("all is well: 3 checks"))
    }

    @Test func `doctor tells every fault with its mend, and goes on behind a bad secret`() {
        shell.desk.findings = [Finding(level: .warning, check: "clock", message: "2 s apart", mend: "run chrony")]
        shell.desk.overviewAnswer.lines = [.init(type: "send-reciept", status: "pending", count: 4, oldestRunAt: nil)]
        shell.obstacle = "Connection refused"
        #expect(shell.run("doctor", "--config", file) == .configuration)
        for words in [
            "environment variable S is not set", "mend: run chrony", "4 open task(s) have the type “send-reciept”",
            "the nearest is “send-receipt”", "http://h:80 cannot be reached: Connection refused",
        ] {
            #expect(shell.output.contains(words), "\(words)")
        }
        #expect(shell.run("doctor", "--config", file, "--json") == .configuration)
        #expect(shell.output.contains(#""level":"problem","check":"configuration""#))
    }

    @Test func `doctor warns of a password in the file without repeating it`() throws {
        let file = try directory.write("{ database: 'postgres://shop:hunter2@h/shop', routes: {} }", to: "p.json5")
        #expect(shell.run("doctor", "--config", file) == .good)
        #expect(shell.output.contains("password stands in the file") && !shell.output.contains("hunter2"))
    }

    @Test func `doctor says that a database is away, and ends with 69`() {
        shell.openFailure = StoreError(kind: .connection, code: "", operation: "connect", message: "refused")
        #expect(shell.run("doctor", "--database", "postgres://h/x") == .unavailable)
        #expect(shell.output.contains("PROBLEM  database"))
    }
}
