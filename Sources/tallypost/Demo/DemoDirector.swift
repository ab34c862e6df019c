import Glibc
import TallypostCore
import TallypostRelay
import TallypostSQLite

/// Runs a demo from the first process to the verdict.
final class DemoDirector {
    /// What is going on. Each act goes on to the next; the relay is killed in the middle of the first.
    private enum Act {
        /// The shop sells, the relay delivers.
        case selling
        /// The relay was killed; it stays down until then.
        case relayDown(until: Instant)
        /// The relay runs again.
        case recovering
    }

    private let options: DemoOptions
    private let directory: DemoDirectory
    private let signals: SignalDescriptor
    private let terminal: Terminal
    private var act = Act.selling
    private var scene = Scene()
    private var children: [ChildProcess] = []

    /// How long the relay stays down after the kill.
    private static let downtime = TimeSpan.seconds(1)
    /// When the shop has closed, the relay must be done within this: leases of 5 s, retries of a second, and much patience.
    private static let patience = TimeSpan.seconds(120)

    /// `signals` come first of all: from then on everything that is made is also removed.
    init(options: DemoOptions, signals: SignalDescriptor) throws(DemoError) {
        self.options = options
        self.signals = signals
        directory = if let name = options.keep { try DemoDirectory(keeping: name) } else { try DemoDirectory() }
        terminal = Terminal(plain: options.plain)
        scene.footer =
            options.keep == nil
            ? "\(directory.path)   Ctrl-C ends it and leaves nothing behind" : "\(directory.path) is kept   Ctrl-C ends the demo"
    }

    /// Returns the proof, which may hold or not.
    func run() throws(DemoError) -> Proof {
        // Whatever happens, nothing keeps running; and nothing may write any more when the directory goes.
        defer { for child in children { child.kill() } }
        try prepare()
        let receiver = try start("receiver", [ReceiverCommand.name, directory.path])
        let ports = try waitForPorts(of: receiver)
        try DemoDirectory.write(configuration(ports: ports), to: directory.configuration)
        let shop = try start("shop", [ShopCommand.name, directory.path, String(options.orders), String(options.seconds)])
        var relay = try startRelay()
        let gauge = try orThrow { () throws(StoreError) in try Gauge(directory: directory) }
        relay = try watch(shop: shop, relay: relay, receiver: receiver, gauge: gauge)
        try finish(relay)
        receiver.kill()
        let proof = try orThrow { () throws(StoreError) in try Proof(directory: directory) }
        show(proof)
        if proof.holds { try showBooks(ports: ports) }
        showNextSteps()
        return proof
    }

    // MARK: Before

    private func prepare() throws(DemoError) {
        let initialise = try start("init", ["init", "--database", "sqlite:\(directory.shopDatabase)"])
        try wait(upTo: .seconds(30), for: "`tallypost init`") { !initialise.isRunning }
        guard initialise.ending == .exited(0) else { throw .process(initialise.obituary) }
        try orThrow { () throws(StoreError) in
            try Shop.makeTables(in: SQLiteSession(path: directory.shopDatabase))
        }
        if options.keep != nil { try DemoDirectory.write(Proof.script, to: "\(directory.path)/proof.sql") }
    }

    private func waitForPorts(of receiver: ChildProcess) throws(DemoError) -> [DemoTask: UInt16] {
        var ports: [DemoTask: UInt16] = [:]
        try wait(upTo: .seconds(30), for: "the receiver") { () throws(DemoError) in
            guard receiver.isRunning else { throw .process(receiver.obituary) }
            ports = ReceiverCommand.ports(in: DemoDirectory.read(directory.receiverPorts) ?? "")
            return ports.count == DemoTask.allCases.count
        }
        return ports
    }

    private func routes(ports: [DemoTask: UInt16]) -> String {
        DemoTask.allCases.map { task in
            """
                "\(task.rawValue)": {
                  url: "http://127.0.0.1:\(ports[task] ?? 0)/\(task.rawValue)",
                  timeoutSeconds: 2,
                  // Short, because this demo kills its relay and nobody wants to wait for the usual half minute.
                  lease: "5s",
                  retry: { schedule: ["250ms", "500ms", "1s"] },
                },
            """
        }.joined(separator: "\n")
    }

    private func configuration(ports: [DemoTask: UInt16]) -> String {
        """
        // The demo's relay: tallypost run --config tallypost.json5
        {
          database: "sqlite:\(directory.shopDatabase)",
          routes: {
        \(routes(ports: ports))
          },
        }

        """
    }

    private func start(_ name: String, _ arguments: [String]) throws(DemoError) -> ChildProcess {
        let child = try ChildProcess(name: name, arguments: arguments, log: directory.log(of: name))
        children.append(child)
        return child
    }

    private func startRelay() throws(DemoError) -> ChildProcess {
        let relay = try start("relay", ["run", "--config", directory.configuration])
        scene.relay = "process \(relay.identifier), running"
        return relay
    }

    // MARK: Meanwhile

    /// Shows what happens until the shop has closed and no task is open. Returns the relay that runs then.
    private func watch(shop: ChildProcess, relay first: ChildProcess, receiver: ChildProcess, gauge: Gauge) throws(DemoError)
        -> ChildProcess
    {
        var relay = first
        let start = MonotonicClock.now()
        var closedAt: Instant?
        var pulse = Pulse()
        while true {
            let began = MonotonicClock.now()
            scene.elapsed = began - start
            scene.snapshot = try orThrow { () throws(StoreError) in try gauge.read() }
            pulse.note(completed: scene.snapshot.completed, at: began)
            scene.rates = pulse.rates
            if closedAt == nil && !shop.isRunning {
                guard shop.ending == .exited(0) else { throw .process(shop.obituary) }
                closedAt = began
            }
            guard receiver.isRunning else { throw .process(receiver.obituary) }
            relay = try direct(relay, at: began, isClosed: closedAt != nil)
            show(closed: closedAt != nil)
            if case .recovering = act, let closedAt {
                // The last reading may be older than the shop's last order.
                if scene.snapshot.open == 0, try orThrow({ () throws(StoreError) in try gauge.read() }).open == 0 { return relay }
                if began - closedAt > Self.patience {
                    throw .late(
                        "\(scene.snapshot.open) tasks have not ended \(Int(Self.patience.seconds)) s after the shop closed")
                }
            }
            try pause(since: began)
        }
    }

    /// Moves the act on: kills the relay once half of the orders are in and something is in flight, and starts it again.
    private func direct(_ relay: ChildProcess, at now: Instant, isClosed: Bool) throws(DemoError) -> ChildProcess {
        switch act {
        case .selling:
            guard relay.isRunning else { throw .process(relay.obituary) }
            let seen = scene.snapshot.orders + scene.snapshot.rolledBack
            let isHalfway = seen * 2 >= options.orders && scene.snapshot["processing"] > 0 && scene.snapshot.completed > 0
            guard isHalfway || isClosed else { return relay }
            relay.kill()
            scene.relay = "killed (SIGKILL) with \(scene.snapshot["processing"]) tasks in flight; starts again in a second"
            act = .relayDown(until: now + Self.downtime)
            return relay
        case .relayDown(let until):
            guard now >= until else { return relay }
            let next = try startRelay()
            scene.restarts += 1
            scene.relay = "process \(next.identifier), started again after the kill"
            act = .recovering
            return next
        case .recovering:
            guard relay.isRunning else { throw .process(relay.obituary) }
            return relay
        }
    }

    private func show(closed: Bool) {
        scene.act =
            switch act {
            case .selling: closed ? "the shop has closed" : "the shop sells, the relay delivers"
            case .relayDown: "the relay is down; the shop goes on"
            case .recovering: closed ? "the shop has closed; the rest is delivered" : "the relay is back and catches up"
            }
        switch terminal.style {
        case .live: terminal.draw { scene.picture(width: $0, blocks: terminal.hasBlocks) }
        case .plain: terminal.print(scene.line)
        }
    }

    /// Until the next picture is due: five a second, one line a second in plain style, and never more than a tenth of the time
    /// spent reading.
    private func pause(since began: Instant) throws(DemoError) {
        let interval: Int64 = terminal.style == .live ? 200 : 1000
        let spent = (MonotonicClock.now() - began).milliseconds
        let until = began + .milliseconds(max(interval, spent * 10))
        while case let left = (until - MonotonicClock.now()).milliseconds, left > 0 {
            try listen(milliseconds: left)
        }
    }

    /// Sleeps, unless somebody asks the demo to end.
    private func listen(milliseconds: Int64) throws(DemoError) {
        var poll = pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0)
        _ = unsafe Glibc.poll(&poll, 1, Int32(clamping: milliseconds))
        if !signals.take().isEmpty { throw .interrupted }
    }

    /// Polls, with an open ear for signals.
    private func wait(upTo longest: TimeSpan, for what: String, until isDone: () throws(DemoError) -> Bool) throws(DemoError) {
        let deadline = MonotonicClock.now() + longest
        while try !isDone() {
            guard MonotonicClock.now() < deadline else { throw .late("\(what) took more than \(Int(longest.seconds)) s") }
            try listen(milliseconds: 10)
        }
    }

    // MARK: After

    /// Ends the relay as an operator would: it has nothing left to do and leaves with status 0.
    private func finish(_ relay: ChildProcess) throws(DemoError) {
        relay.terminate()
        try wait(upTo: .seconds(40), for: "the relay's end") { !relay.isRunning }
        guard relay.ending == .exited(0) else { throw .process(relay.obituary) }
    }

    private func show(_ proof: Proof) {
        terminal.print()
        for line in proof.report { terminal.print(line) }
        terminal.print()
    }

    /// The books, clean; and once more after somebody has had his hands on them.
    private func showBooks(ports: [DemoTask: UInt16]) throws(DemoError) {
        let books = try DemoBooks(directory: directory, routes: routes(ports: ports))
        for words in books.writingOff { try run(words, ending: [.good]) }
        terminal.print("The books of the shop, as finance gets them (tallypost reconcile):")
        terminal.print()
        terminal.print(try run(books.reconciling, ending: [.good]))
        try books.plant()
        terminal.print("Then, in the database, behind everybody's back:")
        for deed in DemoBooks.planted { terminal.print("  - \(deed.words)") }
        terminal.print()
        terminal.print(try run(books.reconciling, ending: [.breaks, .incomplete]))
    }

    /// Runs a command to its end; what it printed.
    @discardableResult private func run(_ words: [String], ending: [ExitCode]) throws(DemoError) -> String {
        let name = "books-\(children.count)"
        let child = try start(name, words)
        try wait(upTo: .seconds(60), for: "tallypost \(words[0])") { !child.isRunning }
        guard ending.contains(where: { child.ending == .exited($0.rawValue) }) else { throw .process(child.obituary) }
        return DemoDirectory.read(child.log) ?? ""
    }

    private func showNextSteps() {
        if options.keep != nil {
            terminal.print(
                "Databases, logs, the questions (proof.sql) and both reports (reports/, for a browser and for a spreadsheet) are in "
                    + "\(directory.path).")
            terminal.print()
        }
        for line in NextSteps.lines(program: CommandLine.arguments.first ?? "tallypost") { terminal.print(line) }
    }

    private func orThrow<Result>(_ body: () throws(StoreError) -> Result) throws(DemoError) -> Result {
        do throws(StoreError) { return try body() } catch { throw .database(error) }
    }
}
