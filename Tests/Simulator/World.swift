public import TallypostCore

/// A virtual database, receivers, an application, people and several relays, in a time of their own.
///
/// Everything that happens is drawn from one seed, and after everything that happens the rules are checked.
final class World {
    let seed: UInt64
    var random: RandomSource
    let scenario: Scenario
    let database = MemoryDatabase()
    let databaseStart: Timestamp
    var trace: Trace
    var time: Int64 = 0
    var queue = EventQueue()
    var steps = 0
    /// The first rule that was broken, and how.
    var broken: String?
    var isTurbulent = true
    var isOver = false

    var processes: [RelayProcess] = []
    var flights: [Flight] = []
    var moods: [Mood]
    var ledger = Ledger()
    var pendingTransactions = 0
    var calmAt: Int64 = 0
    var isStopping = false
    /// When a row or a pause last changed.
    var changedAt: Int64 = 0

    /// More steps than any run needs.
    static let mostSteps = 3_000_000

    init(seed: UInt64, show: (@Sendable (String) -> Void)?) {
        self.seed = seed
        random = RandomSource(seed: seed)
        scenario = Scenario(&random)
        trace = Trace(show: show)
        databaseStart = database.now
        moods = scenario.origins.map { _ in .good }
        database.keepJournal()
    }

    /// Plays until everything has come to rest, or a rule was broken.
    func play() {
        for _ in 0..<scenario.relays { start(draining: random.chance(scenario.drainingRelays)) }
        for _ in 0..<scenario.transactions { planTransaction() }
        planFault(.crashes, every: scenario.crashes)
        planFault(.freezes, every: scenario.freezes)
        planFault(.stops, every: scenario.stops)
        planFault(.reconfigures, every: scenario.reconfigurations)
        planFault(.goesAway, every: scenario.outages)
        planFault(.changesMood, every: scenario.moodChanges)
        planFault(.personActs, every: scenario.peopleActs)
        queue.plan(.calms, at: scenario.turbulence)
        while !isOver, broken == nil, let (at, event) = queue.next() {
            time = at
            steps += 1
            database.now = databaseTime
            handle(event)
            if steps >= Self.mostSteps { violated("the world does not come to rest") }
        }
        if broken == nil { checkTheEnd() }
    }

    /// The database's clock now.
    var databaseTime: Timestamp { databaseStart + TimeSpan(nanoseconds: time) }

    func note(_ kind: TraceEvent.Kind, _ process: RelayProcess? = nil, _ a: Int64 = 0, _ b: Int64 = 0) {
        trace.note(TraceEvent(time: time, kind: kind, relay: process?.number ?? -1, a: a, b: b))
    }

    func violated(_ rule: @autoclosure () -> String) {
        if broken == nil { broken = rule() }
    }

    /// A fault that comes again and again while there is turbulence.
    func planFault(_ event: WorldEvent, every mean: Int64) {
        guard mean > 0, isTurbulent else { return }
        queue.plan(event, at: time + random.span(0...(2 * mean)))
    }

    private func handle(_ event: WorldEvent) {
        switch event {
        case .turn(let number, _), .reply(let number, _), .listenEnds(let number, _, _), .listenFails(let number, _):
            toProcess(processes[number], event)
        case .answered(let flight, _): toProcess(processes[flights[flight].process], event)
        case .thaws(let number): thaw(processes[number])
        case .crashes, .freezes, .stops, .reconfigures: disturb(event)
        case .starts(let drains): start(draining: drains)
        case .effect(let number, let token): takeEffect(processes[number], token: token)
        case .zombie(let step, let number): awaken(step, of: processes[number])
        case .goesAway: loseDatabase()
        case .comesBack:
            database.comeBack()
            note(.databaseBack)
        case .arrives(let flight): arrive(flight)
        case .responds(let flight, let result): respond(flight, result)
        case .changesMood: changeMood()
        case .begins(let rows): beginTransaction(rows: rows)
        case .commits(let rows):
            pendingTransactions -= 1
            commit(rows)
        case .personActs: letSomebodyAct()
        case .calms: calmDown()
        case .reviews: review()
        }
    }

    private func toProcess(_ process: RelayProcess, _ event: WorldEvent) {
        guard process.isRunning else { return }
        if process.isFrozen {
            process.stalled.append(event)
            return
        }
        switch event {
        case .turn(_, let token):
            if token == process.turnToken { turn(process) }
        case .reply(_, let token):
            if token == process.runToken { goOn(process) }
        case .listenEnds(_, let token, let hint):
            if token == process.runToken { endListening(process, .storeListened(hint)) }
        case .listenFails(_, let token):
            if token == process.runToken {
                process.store.close()
                endListening(process, .storeFailed(MemoryStore.lost("listen"), StoreOrder()))
            }
        case .answered(let flight, let result): collect(flight, result, for: process)
        default: break
        }
    }
}

/// How one seed went.
public struct SimulationReport: Sendable {
    /// The seed.
    public let seed: UInt64
    /// Events of the world.
    public let steps: Int
    /// How long it lasted, in the world's time.
    public let duration: TimeSpan
    /// Requests sent by relays.
    public let sent: Int
    /// Tasks that the application committed.
    public let tasks: Int
    /// What happened how often, by name.
    public let counts: [(name: String, count: Int)]
    /// Of everything that happened: the same for the same seed, in every process.
    public let traceHash: UInt64
    /// The rule that was broken; nil when all held.
    public let broken: String?
    /// What happened last.
    public let lastEvents: [String]

    /// Memberwise.
    public init(
        seed: UInt64, steps: Int, duration: TimeSpan, sent: Int, tasks: Int, counts: [(name: String, count: Int)],
        traceHash: UInt64,
        broken: String?, lastEvents: [String]
    ) {
        self.seed = seed
        self.steps = steps
        self.duration = duration
        self.sent = sent
        self.tasks = tasks
        self.counts = counts
        self.traceHash = traceHash
        self.broken = broken
        self.lastEvents = lastEvents
    }

    /// For a person: the rule, where to look, and how to see it again.
    public var finding: String? {
        guard let broken else { return nil }
        return """
            seed \(seed), step \(steps): \(broken)
            The last \(lastEvents.count) events:
            \(lastEvents.joined(separator: "\n"))
            Again: swift run tallypost-simulate --seed \(seed) --trace
            """
    }
}

/// The entrance to the simulator.
public enum Simulation {
    /// Plays one seed.
    /// - Parameter show: called with a line for everything that happens; nil: quiet.
    public static func play(seed: UInt64, show: (@Sendable (String) -> Void)? = nil) -> SimulationReport {
        let world = World(seed: seed, show: show)
        world.play()
        return SimulationReport(
            seed: seed, steps: world.steps, duration: TimeSpan(nanoseconds: world.time), sent: world.flights.count,
            tasks: world.ledger.committed,
            counts: TraceEvent.Kind.allCases.map { ("\($0)", world.trace.counts[Int($0.rawValue)]) }, traceHash: world.trace.hash,
            broken: world.broken, lastEvents: world.trace.last)
    }
}
