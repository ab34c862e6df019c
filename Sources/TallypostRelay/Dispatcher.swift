public import TallypostCore

/// The loop that carries out what the relay's mind decides: the only place where its actions meet the world.
///
/// It runs on one thread, which owns the courier. Each turn: tell the mind what happened, do what it says, sleep until the
/// next answer, the next word from the store, the next signal or the next moment that matters.
public final class Dispatcher {
    /// How the loop ended.
    public enum Ending: Sendable {
        /// Drained, or stopped as asked with everything settled.
        case finished
        /// A second signal said: at once. What is in flight is left to its leases.
        case interrupted
        /// The database cannot be used until a person mends something.
        case unusable(StoreError)
    }

    /// What the process around the loop does for it. All are called on the loop's thread.
    public struct Surroundings {
        /// The monotonic clock.
        public var now: () -> Instant
        /// Signals, and where they come in.
        public var signals: SignalDescriptor
        /// systemd.
        public var notifier: SystemdNotifier
        /// Log lines.
        public var log: Log
        /// Where the loop tells of itself; nil: nobody asks.
        public var board: MetricsBoard?
        /// SIGHUP: the new routes, retention and schedules, or nil when the old ones stay in force.
        public var reload: () -> (routes: [String: RoutePolicy], retention: RetentionPolicy, schedules: [Schedule])?
        /// The first signal to stop has come.
        public var stopping: () -> Void = {}

        /// Memberwise.
        public init(
            now: @escaping () -> Instant, signals: SignalDescriptor, notifier: SystemdNotifier, log: Log,
            board: MetricsBoard? = nil,
            reload: @escaping () -> (routes: [String: RoutePolicy], retention: RetentionPolicy, schedules: [Schedule])?
        ) {
            self.now = now
            self.signals = signals
            self.notifier = notifier
            self.log = log
            self.board = board
            self.reload = reload
        }
    }

    /// How long a stop waits for what is in flight (contract, issue of the relay: 30 s).
    public static let stopWithin = TimeSpan.seconds(30)

    /// A second signal within this time is the first one's echo.
    static let sameSignal = TimeSpan.milliseconds(1)

    private var relay: Relay
    private let courier: any CourierLoop
    private let store: StoreThread
    private let around: Surroundings
    private var answers: [Answer] = []
    private var ending: Ending?
    private var hasBeenReady = false
    /// When the first signal to stop came.
    private var stoppingSince: Instant?
    private var statusAt = Instant(nanoseconds: .min)
    private var publishAt = Instant(nanoseconds: .min)
    private var toldStopping = false

    /// The caller keeps `store` and closes it after ``run()``.
    public init(relay: Relay, courier: any CourierLoop, store: StoreThread, surroundings: Surroundings) {
        self.relay = relay
        self.courier = courier
        self.store = store
        around = surroundings
    }

    /// Counts of this relay so far.
    public var tally: RelayTally { relay.tally }

    /// Runs until the relay has finished, a second signal came, or the database proves unusable.
    public func run() -> Ending {
        courier.watch(store.descriptor)
        courier.watch(around.signals.descriptor)
        tell(.tick)
        publish()
        while ending == nil {
            let now = around.now()
            let woken = courier.wait(
                timeout: min(relay.nextWake(after: now) - now, around.notifier.watchdogInterval ?? .seconds(10)))
            around.notifier.pingWatchdog(at: around.now())
            courier.collect(into: &answers)
            if !answers.isEmpty {
                tell(.answered(answers))
                answers.removeAll(keepingCapacity: true)
            }
            for descriptor in woken where ending == nil {
                if descriptor == store.descriptor {
                    for event in store.takeEvents() { hear(event) }
                } else if descriptor == around.signals.descriptor {
                    for signal in around.signals.take() { hear(signal) }
                }
            }
            tell(.tick)
            showStatus()
            publish()
        }
        if let board = around.board { board.publish(relay.snapshot(), at: around.now()) }
        courier.ignore(store.descriptor)
        courier.ignore(around.signals.descriptor)
        courier.close()
        return ending ?? .finished
    }

    // MARK: In

    private func tell(_ event: RelayEvent) {
        guard ending == nil else { return }
        relay.handle(event, at: around.now())
        for action in relay.takeActions() { perform(action) }
    }

    private func hear(_ event: RelayEvent) {
        switch event {
        case .storeOpened where !hasBeenReady:
            hasBeenReady = true
            around.notifier.ready()
            around.log.info("ready", ["relay": relay.name])
        case .storeUnreachable(let error) where !error.isTransient && !hasBeenReady,
            .storeUnreachable(let error) where error.kind == .corrupt,
            .storeFailed(let error, _) where error.kind == .corrupt:
            ending = .unusable(error)
        default: break
        }
        tell(event)
    }

    private func hear(_ signal: SignalDescriptor.Signal) {
        switch signal {
        case .hangup:
            around.notifier.reloading()
            if let settings = around.reload() {
                tell(.reconfigured(settings.routes))
                tell(.retentionChanged(settings.retention))
                tell(.schedulesChanged(settings.schedules))
            }
            around.notifier.ready()
        case .terminate, .interrupt:
            if let stoppingSince {
                // Some send one signal twice, to the process and to its group (timeout(1) does): that is still the first.
                if around.now() - stoppingSince > Self.sameSignal { ending = .interrupted }
                return
            }
            stoppingSince = around.now()
            around.notifier.stopping()
            around.log.info(
                "stopping", ["in_flight": String(relay.inFlightCount), "held": String(relay.heldCount)])
            tell(.stopRequested(within: Self.stopWithin))
        }
    }

    // MARK: Out

    private func perform(_ action: RelayAction) {
        switch action {
        case .openStore: store.post(.open)
        case .order(let order): store.post(.order(order))
        case .listen(let span): store.post(.listen(span))
        case .send(let delivery): courier.send(delivery)
        case .report(let notice): around.log.report(notice)
        case .finished: ending = .finished
        }
    }

    private func publish() {
        guard let board = around.board else { return }
        let now = around.now()
        board.turned(at: now)
        // Whoever asks whether it is ready should hear of a stop at once.
        guard now >= publishAt || relay.isStopping != toldStopping else { return }
        toldStopping = relay.isStopping
        publishAt = now + MetricsBoard.interval
        board.publish(relay.snapshot(), at: now)
    }

    private func showStatus() {
        let now = around.now()
        guard around.notifier.isActive, now >= statusAt else { return }
        statusAt = now + .seconds(5)
        let tally = relay.tally
        around.notifier.status(
            "\(relay.inFlightCount) in flight, \(relay.heldCount) held; \(tally.completed) completed, \(tally.retried) retried, "
                + "\(tally.failed) failed\(relay.reachesStore ? "" : "; the database is away")")
    }
}
