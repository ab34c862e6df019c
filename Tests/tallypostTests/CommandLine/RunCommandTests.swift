import TallypostRelay
import Testing

@testable import tallypost

@Suite struct RunCommandTests {
    @Test func `run starts without a file`() throws {
        let shell = Shell()
        #expect(
            shell.run("run", "--database", "sqlite:x.db", "--route", "a=http://h/?q=1", "--route=b=https://i/", "--drain")
                == .good)
        let options = try #require(shell.runs.first)
        #expect(options.sources.database == "sqlite:x.db")
        #expect(options.sources.routes == ["a=http://h/?q=1", "b=https://i/"])
        #expect(options.sources.readsSecrets)
        #expect(options.sources.environment == ["USER": "ana"])
        #expect(options.drains && options.logLevel == .info && options.logFormat == nil)
    }

    @Test(arguments: [
        ["--route", "a=http://h/"], ["--database", "sqlite:x"], ["--database", "x.db", "--route", "a=http://h/"],
        ["--database", "sqlite:x", "--route", "a"], ["--database", "sqlite:x", "--route", "=http://h/"],
        ["--database", "sqlite:x", "--route", "a=h"], ["--database", "sqlite:x", "--route", "a=ftp://h/"],
        ["--database", "sqlite:x", "--route", "a=http://h/", "--route", "a=http://i/"],
        ["--config", "x", "--admin-token", "hunter2"], ["--config", "x", "--log-level", "loud"],
        ["--config", "x", "--log-format", "xml"],
    ])
    func `a start that cannot be is refused as usage before anything is opened`(arguments: [String]) {
        let shell = Shell()
        #expect(shell.run(["run"] + arguments) == .usage)
        #expect(shell.runs.isEmpty)
        #expect(!shell.errors.contains("hunter2"))
    }

    @Test func `the nearest log level is offered`() {
        let shell = Shell()
        #expect(shell.run("run", "--config", "x", "--log-level", "debgu") == .usage)
        #expect(shell.errors.contains("did you mean debug?"))
    }

    @Test func `a bad configuration ends a command with 78 and all that is wrong`() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("{\n databse: 1,\n wakeup: 2 }", to: "c.json5")
        let shell = Shell()
        #expect(shell.run("status", "--config", file) == .configuration)
        #expect(shell.errors.contains("c.json5:2: databse: no such key"))
        #expect(shell.errors.contains("c.json5:3: wakeup: must be"))
    }
}
