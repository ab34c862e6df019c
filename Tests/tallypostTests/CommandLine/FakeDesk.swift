import TallypostCore

@testable import tallypost

/// A desk whose answers a test sets, and which keeps what was asked of it.
final class FakeDesk: TaskDesk, SchemaKeeper {
    var rows: [TaskRow] = []
    var dossier: TaskDossier?
    /// How many tasks match; `perform` takes from it.
    var matching = 0
    /// Of a retried task that fails again at once: `perform` never runs out.
    var refills = false
    var overviewAnswer = Overview(lines: [], holders: [], finishedLastMinute: [:], due: 0, now: FakeDesk.now)
    var explanation: Explanation?
    var paused: [PausedRoute] = []
    var relays: [SignedRelay] = []
    var migration: Result<MigrationReport, StoreError> = .success(MigrationReport(from: 0, to: 1, adopted: [], notes: []))
    var findings: [Finding] = []

    struct Performed: Equatable {
        var action: TaskAction
        var filter: TaskFilter
        var by: String
        var why: String
        var limit: Int
    }
    var performed: [Performed] = []
    var pauses: [String] = []
    var listed: [(filter: TaskFilter, cursor: Int64?, limit: Int)] = []

    /// 2026-03-01T09:30:00Z.
    static let now = Timestamp(microseconds: 1_772_357_400_000_000)

    static func row(_ id: Int64, _ columns: KeyValuePairs<String, String?>) -> TaskRow {
        TaskRow(id: id, columns: [("id", "\(id)")] + columns.map { ($0.key, $0.value) })
    }

    func list(_ filter: TaskFilter, after cursor: Int64?, limit: Int) throws(StoreError) -> [TaskRow] {
        listed.append((filter, cursor, limit))
        return Array(rows.filter { $0.id > cursor ?? 0 }.prefix(limit))
    }
    func show(id: Int64) throws(StoreError) -> TaskDossier? { dossier?.task.id == id ? dossier : nil }
    func count(_ filter: TaskFilter, for action: TaskAction) throws(StoreError) -> Int { matching }
    func perform(_ action: TaskAction, on filter: TaskFilter, by who: String, why: String, limit: Int) throws(StoreError) -> Int {
        performed.append(Performed(action: action, filter: filter, by: who, why: why, limit: limit))
        let count = min(limit, matching)
        if !refills { matching -= count }
        return count
    }
    func overview() throws(StoreError) -> Overview { overviewAnswer }
    func explain(id: Int64) throws(StoreError) -> Explanation? { explanation?.task.id == id ? explanation : nil }
    func signedRelays() throws(StoreError) -> [SignedRelay] { relays }
    func pausedRoutes() throws(StoreError) -> [PausedRoute] { paused }
    func setPaused(_ paused: Bool, route type: String, by who: String, why: String) throws(StoreError) -> Bool {
        pauses.append("\(paused ? "pause" : "resume") \(type) by \(who): \(why)")
        return pauses.count == 1
    }
    func migrate() throws(StoreError) -> MigrationReport { try migration.get() }
    func diagnose() -> [Finding] { findings }
}

/// Runs commands against a fake desk and keeps what they print.
final class Shell {
    let desk = FakeDesk()
    var environment = ["USER": "ana"]
    /// The person's answer; nil: nobody is there.
    var answer: Bool?
    var openFailure: StoreError?
    var obstacle: String?
    private(set) var questions: [String] = []
    private(set) var runs: [RunOptions] = []
    private(set) var output = ""
    private(set) var errors = ""

    func run(_ arguments: String...) -> ExitCode { run(arguments) }

    func run(_ arguments: [String]) -> ExitCode {
        output = ""
        errors = ""
        let services = CommandServices(
            openDesk: { _ throws(StoreError) in
                if let failure = self.openFailure { throw failure }
                return self.desk
            },
            schemaKeeper: { _ throws(StoreError) in
                if let failure = self.openFailure { throw failure }
                return self.desk
            },
            loadConfiguration: { sources throws(ConfigurationError) in try Configuration.load(sources) },
            reachReceiver: { _ in self.obstacle },
            runRelay: { options throws(ConfigurationError) in
                self.runs.append(options)
                return .good
            },
            runDemo: { _ in .good })
        let ask: ((String) -> Bool)? = answer.map { answer in
            { question in
                self.questions.append(question)
                return answer
            }
        }
        return CommandRunner.run(
            arguments,
            in: CommandContext(
                services: services,
                output: OutputWriter {
                    self.output += String(decoding: $0, as: UTF8.self); return true
                },
                errors: OutputWriter {
                    self.errors += String(decoding: $0, as: UTF8.self); return true
                },
                environment: environment, ask: ask))
    }
}
