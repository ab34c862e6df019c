import TallypostCore
import Testing

@testable import tallypost

@Suite struct TaskCommandTests {
    private let shell = Shell()
    private let database = ["--database", "sqlite:x.db"]

    private func run(_ line: String) -> ExitCode { shell.run(line.split(separator: " ").map(String.init) + database) }

    @Test func `a list says how to go on where more match`() {
        shell.desk.rows = (1...4).map { FakeDesk.row($0, ["type": "a", "status": "failed", "last_error": "HTTP 500\u{1B}[2J"]) }
        #expect(run("task list --limit 3 --status failed --type a --subject o_1") == .good)
        #expect(shell.output.contains("more: add --cursor 3"))
        #expect(!shell.output.contains("\u{1B}"))
        #expect(shell.desk.listed.first?.filter == TaskFilter(status: .failed, type: "a", subject: "o_1"))
        #expect(run("task list --cursor 3") == .good)
        #expect(!shell.output.contains("more:"))
        #expect(shell.desk.listed.last?.cursor == 3)
    }

    @Test func `a list as JSON has tasks and next, numbers and documents as such`() {
        shell.desk.rows = [
            FakeDesk.row(
                1, ["type": "a \"b\"", "payload": "{\"n\":1}", "attempts": "2", "wait_for_signal": "1", "subject": nil]),
            FakeDesk.row(2, ["payload": "no json", "attempts": "many"]),
        ]
        #expect(run("task list --json --limit 1") == .good)
        #expect(
            shell.output
                == #"{"tasks":[{"id":1,"type":"a \"b\"","payload":{"n":1},"attempts":2,"wait_for_signal":true,"subject":null}],"next":"1"}"#
                + "\n")
        #expect(run("task list --json --cursor 1") == .good)
        #expect(shell.output == #"{"tasks":[{"id":2,"payload":"no json","attempts":"many"}],"next":null}"# + "\n")
    }

    @Test func `a task is shown with its attempts and events`() {
        shell.desk.dossier = TaskDossier(
            task: FakeDesk.row(7, ["type": "a", "subject": nil]),
            attempts: [FakeDesk.row(1, ["attempt": "1", "error": "HTTP 500"])],
            events: [FakeDesk.row(2, ["event": "retry", "by": "ana"])])
        #expect(run("task show task_7") == .good)
        for words in ["type", "attempts\n", "HTTP 500", "events\n", "ana"] { #expect(shell.output.contains(words)) }
        #expect(!shell.output.contains("subject"))
        #expect(run("task show 7 --json") == .good)
        #expect(shell.output.hasPrefix(#"{"task":{"id":7,"#))
        #expect(run("task show 8") == .badData)
        #expect(shell.errors.contains("there is no task 8"))
        #expect(run("task show seven") == .usage)
    }

    @Test func `named tasks are changed at once, with who and why`() {
        shell.desk.matching = 2
        shell.environment = ["USER": "root", "SUDO_USER": "ben"]
        #expect(run("task retry 1 2 --why mended") == .good)
        #expect(
            shell.desk.performed == [.init(action: .retry, filter: TaskFilter(ids: [1, 2]), by: "ben", why: "mended", limit: 2)])
        #expect(shell.output == "2 tasks retried\n")
        shell.desk.matching = 1
        #expect(run("task cancel 3 4 --by carla") == .good)
        #expect(shell.desk.performed.last?.by == "carla")
        #expect(shell.errors.contains("1 of the named could not be cancelled"))
    }

    @Test func `a bulk change counts first and asks`() {
        shell.desk.matching = 1_200
        shell.answer = false
        #expect(run("task retry --status failed") == .good)
        #expect(shell.questions == ["retry 1200 tasks?"])
        #expect(shell.desk.performed.isEmpty)
        shell.answer = true
        #expect(run("task retry --status failed") == .good)
        #expect(shell.desk.performed.map(\.limit) == [500, 500, 200])
        #expect(shell.output == "1200 tasks retried\n")
    }

    @Test func `a bulk change asks nobody where nobody is, and does nothing`() {
        shell.desk.matching = 3
        #expect(run("task cancel --type a") == .usage)
        #expect(shell.errors.contains("--yes"))
        #expect(shell.desk.performed.isEmpty)
        #expect(run("task cancel --type a --yes --json") == .good)
        #expect(shell.output == "{\"count\":3,\"changed\":3}\n")
    }

    @Test func `a dry run only counts`() {
        shell.desk.matching = 3
        #expect(run("task cancel --subject o_1 --dry-run") == .good)
        #expect(shell.output == "3 tasks would be cancelled\n")
        #expect(run("task cancel --subject o_1 --dry-run --json") == .good)
        #expect(shell.output == "{\"count\":3}\n")
        #expect(shell.desk.performed.isEmpty)
    }

    @Test func `tasks that fail again while they are retried are not retried for ever`() {
        shell.desk.matching = 700
        shell.desk.refills = true
        #expect(run("task retry --type a --yes") == .good)
        #expect(shell.desk.performed.map(\.limit) == [500, 200])
    }

    @Test(arguments: [
        "task retry", "task retry x", "task retry --status pending", "task cancel --status completed",
        "task retry --status faild 1",
    ])
    func `a change that names no task or cannot be is refused`(line: String) {
        #expect(run(line) == .usage)
        #expect(shell.errors.contains("mend: "))
        #expect(shell.desk.performed.isEmpty)
    }

    @Test func `a task that cannot be changed is told with its status`() {
        shell.desk.dossier = TaskDossier(task: FakeDesk.row(7, ["status": "processing"]), attempts: [], events: [])
        #expect(run("task cancel 7") == .badData)
        #expect(shell.errors.contains("task 7 is processing and cannot be cancelled"))
        #expect(shell.errors.contains("until its attempt has ended"))
        #expect(run("task cancel 8") == .badData)
        #expect(shell.errors.contains("there is no task 8"))
    }

    @Test(arguments: [
        (StoreError.Kind.connection, ExitCode.unavailable), (.busy, .unavailable), (.schema, .configuration),
        (.corrupt, .badData),
        (.defect, .fault),
    ])
    func `a database that fails ends a command with its code`(kind: StoreError.Kind, exit: ExitCode) {
        shell.openFailure = StoreError(kind: kind, code: "X1", operation: "connect", message: "refused")
        #expect(run("status") == exit)
        #expect(shell.errors.contains("connect: refused [X1]"))
        #expect(shell.output.isEmpty)
    }

    @Test func `without a database the way out is told`() {
        #expect(shell.run("status") == .usage)
        #expect(shell.errors.contains("--database sqlite:PATH"))
    }
}
