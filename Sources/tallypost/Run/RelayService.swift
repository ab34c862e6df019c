import Glibc
import TallypostConsole
import TallypostCore
import TallypostDelivery
import TallypostRelay
import TallypostThreads

/// The relay as a process: configuration, store thread, courier and dispatch loop put together, and taken apart again.
struct RelayService {
    /// Where the configuration comes from, at the start and at every reload.
    let sources: Configuration.Sources
    /// Finish when nothing is due or in flight.
    let drains: Bool
    let log: Log

    /// Runs until it is stopped. Throws when it cannot start.
    func run() throws(ConfigurationError) -> ExitCode {
        // Before any thread, so that all of them inherit the mask.
        let signals = SignalDescriptor()
        let configuration = try Configuration.load(sources)
        guard let database = configuration.database else {
            throw ConfigurationError(problems: [
                ConfigurationProblem(
                    file: sources.file, line: nil, path: "database",
                    message: "no database is named; write database: \"postgres://…\" or use --database sqlite:/var/lib/app/app.db"
                )
            ])
        }
        guard !configuration.routes.isEmpty else {
            throw ConfigurationError(problems: [
                ConfigurationProblem(
                    file: sources.file, line: nil, path: "routes",
                    message: "there are none; add one to the configuration or use --route TYPE=URL")
            ])
        }
        warn(of: configuration)
        let listeners = try ConsoleListeners(configuration, file: sources.file, environment: sources.environment)
        let courier = try Self.courier(for: configuration, file: sources.file)
        let relay = Relay(
            name: Self.name(), routes: configuration.policies, parser: CurlTargetParser(), drains: drains,
            retention: configuration.retention, schedules: Array(configuration.schedules.values),
            seed: UInt64.random(in: 0...UInt64.max), limits: Self.limits(for: configuration))
        let engine = Engine(database)
        let pollOnly = configuration.wakeUp == .poll
        let guarding = DispatchGuard(log: log)
        guarding.apply(try configuration.holdRules(dialect: database.dialect))
        let memory = DispatchGuard.memory(of: database, environment: sources.environment)
        let store = StoreThread { guarding.guarding(engine.makeStore(pollOnly: pollOnly), memory: memory) }
        let pulse = ConsolePulse(configuration)

        log.info("starting", ["relay": relay.name, "version": Version.current, "database": database.redacted])
        let board = MetricsBoard(version: Version.current)
        let reconciling = ReconcileThread(
            configuration, name: relay.name, log: log, environment: sources.environment,
            isBusy: { board.isRushed(at: MonotonicClock.now()) })
        let console = try console(listeners, engine, pulse, board, reconciling)
        let alerts = AlertService(configuration, engine: engine, log: log)
        var surroundings = Dispatcher.Surroundings(
            now: pulse.now, signals: signals, notifier: SystemdNotifier(), log: log, board: board,
            reload: { reload(courier, pulse, guarding, alerts, reconciling) })
        surroundings.stopping = pulse.stop
        let dispatcher = Dispatcher(relay: relay, courier: courier, store: store, surroundings: surroundings)
        let ending = dispatcher.run()
        let patience: TimeSpan
        if case .interrupted = ending { patience = .zero } else { patience = .seconds(5) }
        // After the loop: signals were still taken while it drained. On a thread of its own, which keeps the console: one that waits for a
        // database that hangs must not keep the process.
        if let console { WorkerThread(name: "tp-stop") { console.stop() }.join(within: patience) }
        alerts.stop(within: patience)
        reconciling.stop(within: patience)
        store.close(within: patience)
        return report(ending, tally: dispatcher.tally, hold: guarding.currentHold)
    }

    private func report(_ ending: Dispatcher.Ending, tally: RelayTally, hold: DispatchHold?) -> ExitCode {
        let counts: KeyValuePairs<String, any LogValue> = [
            "completed": tally.completed, "retried": tally.retried, "failed": tally.failed, "released": tally.released,
            "purged": tally.purged,
        ]
        switch ending {
        case .finished where drains && hold != nil:
            // What is due was not even looked at.
            log.critical(
                "dispatch is held: not drained", ["reason": hold?.reason ?? "", "mend": "tallypost doctor --after-restore"])
            return .unavailable
        case .finished:
            log.info("finished", counts)
            return .good
        case .interrupted:
            log.warning("stopped at once, by a second signal; what was in flight goes on after its lease", counts)
            return .good
        case .unusable(let error):
            log.critical("the database cannot be used", ["error": "\(error)"])
            return ExitCode(error)
        }
    }

    /// Another configuration, or nil with the reason logged: the old one stays in force.
    private func reload(
        _ courier: CurlCourier, _ pulse: ConsolePulse, _ guarding: DispatchGuard, _ alerts: AlertService,
        _ reconciling: ReconcileThread
    ) -> (routes: [String: RoutePolicy], retention: RetentionPolicy, schedules: [Schedule])? {
        do throws(ConfigurationError) {
            let configuration = try Configuration.load(sources)
            if let key = pulse.fixedKey(changedBy: configuration) {
                throw ConfigurationError(problems: [
                    ConfigurationProblem(
                        file: sources.file, line: nil, path: key, message: "cannot change while the relay runs; restart it"
                    )
                ])
            }
            let rules = try configuration.database.map { database throws(ConfigurationError) in
                try configuration.holdRules(dialect: database.dialect)
            }
            try Self.apply(configuration, to: courier, file: sources.file)
            guarding.apply(rules ?? [])
            alerts.apply(configuration)
            reconciling.apply(configuration)
            pulse.apply(configuration)
            warn(of: configuration)
            log.info("configuration reloaded", ["routes": configuration.routes.count])
            return (configuration.policies, configuration.retention, Array(configuration.schedules.values))
        } catch {
            for problem in error.problems {
                log.error("the new configuration is refused; the old one stays in force", ["problem": "\(problem)"])
            }
            return nil
        }
    }

    private func warn(of configuration: Configuration) {
        for problem in configuration.schedulesWithoutRoute(file: sources.file) {
            log.warning("a schedule inserts tasks without a route", ["problem": "\(problem)"])
        }
        for problem in configuration.idleKeys { log.warning("configuration", ["problem": "\(problem)"]) }
    }

    // MARK: Parts

    private static func courier(for configuration: Configuration, file: String?) throws(ConfigurationError) -> CurlCourier {
        do {
            return try CurlCourier(configuration.courierSettings(version: Version.current))
        } catch {
            throw refusal(error, file: file)
        }
    }

    private static func apply(_ configuration: Configuration, to courier: CurlCourier, file: String?) throws(ConfigurationError) {
        do {
            try courier.apply(configuration.courierSettings(version: Version.current))
        } catch {
            throw refusal(error, file: file)
        }
    }

    private static func refusal(_ error: CourierSettingsError, file: String?) -> ConfigurationError {
        let path = error.route.map { "routes.\($0)" } ?? ""
        return ConfigurationError(problems: [ConfigurationProblem(file: file, line: nil, path: path, message: error.reason)])
    }

    private static func limits(for configuration: Configuration) -> RelayLimits {
        var limits = RelayLimits()
        if configuration.wakeUp == .poll { limits.pollInterval = .milliseconds(100) }
        return limits
    }

    /// Host, process and a random part: no two processes that ever ran share a name.
    private static func name() -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        let status = unsafe gethostname(&buffer, buffer.count - 1)
        let host =
            status == 0 ? String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) : "relay"
        return "\(host):\(getpid()):\(String(UInt32.random(in: 0...UInt32.max), radix: 16))"
    }
}
