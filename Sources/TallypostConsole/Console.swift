public import TallypostCore

/// What the console is made of: where it listens, what it asks, and what it is told.
public struct ConsoleSettings: Sendable {
    /// Connects; called on the thread that will use it.
    public typealias OpenDesk = @Sendable () throws(StoreError) -> any ConsoleDesk

    /// The admin listener; nil: none.
    public var admin: ListeningSocket?
    /// The bearer token of the admin listener; nil: nobody is asked for one, which is for Unix sockets and for trying things out.
    public var adminToken: String?
    /// The public listener; nil: none.
    public var `public`: ListeningSocket?
    /// Makes the box of signals, not opened yet.
    public var makeSignalBox: @Sendable () -> any SignalBox
    /// Connects for the API.
    public var openDesk: OpenDesk
    /// The routes that are configured now.
    public var routes: @Sendable () -> [ConsoleRoute]
    /// The page that Prometheus scrapes: the relay's own counters and those that it is given.
    public var metrics: @Sendable (MetricsText, [MetricFamily]) -> String
    /// Connects to reconciliation for the API.
    package typealias OpenFindings = @Sendable () throws(StoreError) -> any FindingsDesk
    /// The same; nil: its requests are answered 503.
    package var openFindings: OpenFindings?
    /// How often it is reconciled, for the dashboard; nil: not by this relay's own doing.
    package var reconcilesEvery: @Sendable () -> TimeSpan? = { nil }
    /// What the relay tells of itself, for the dashboard.
    package var families: @Sendable () -> [MetricFamily] = { [] }
    /// How often an address may name a token that is none.
    var misses = MissLimit()
    /// When the dispatch loop last turned, by CLOCK_BOOTTIME.
    public var lastTurn: @Sendable () -> Instant
    /// Whether the relay was told to stop.
    public var isDraining: @Sendable () -> Bool
    /// Called on any thread.
    public var notice: @Sendable (ConsoleNotice) -> Void

    /// Memberwise.
    public init(
        admin: ListeningSocket?, adminToken: String?, public: ListeningSocket?,
        makeSignalBox: @escaping @Sendable () -> any SignalBox, openDesk: @escaping OpenDesk,
        routes: @escaping @Sendable () -> [ConsoleRoute],
        metrics: @escaping @Sendable (MetricsText, [MetricFamily]) -> String,
        lastTurn: @escaping @Sendable () -> Instant, isDraining: @escaping @Sendable () -> Bool,
        notice: @escaping @Sendable (ConsoleNotice) -> Void
    ) {
        self.admin = admin
        self.adminToken = adminToken
        self.public = `public`
        self.makeSignalBox = makeSignalBox
        self.openDesk = openDesk
        self.routes = routes
        self.metrics = metrics
        self.lastTurn = lastTurn
        self.isDraining = isDraining
        self.notice = notice
    }

    var health: Health { Health(lastTurn: lastTurn, isDraining: isDraining) }
}

/// The listeners of a relay, and the threads behind them.
public final class Console: Sendable {
    private let admin: (server: HTTPServer, service: AdminService)?
    private let signals: (server: HTTPServer, service: SignalService)?

    /// Starts what the settings name. The sockets are the console's from now on.
    public init(_ settings: ConsoleSettings) throws(ListenerFault) {
        if let socket = settings.public {
            let service = SignalService(
                makeBox: settings.makeSignalBox, misses: settings.misses, health: settings.health, notice: settings.notice)
            signals = (try Self.start(socket, HTTPLimits(), service, service.stop), service)
            settings.notice(.listening("public", at: socket.name))
        } else {
            signals = nil
        }
        if let socket = settings.admin {
            let access = AdminAccess(token: settings.adminToken, hosts: AdminAccess.hosts(of: socket))
            let service = AdminService(settings, access: access)
            // Thousands may wait for their tasks from one address.
            var limits = HTTPLimits()
            limits.connections = 8_192
            limits.connectionsPerAddress = nil
            admin = (try Self.start(socket, limits, service, service.stop), service)
            settings.notice(.listening("admin", at: socket.name))
        } else {
            admin = nil
        }
    }

    deinit { stop() }

    /// Accepts no more, answers everybody, and ends. Again is a no-op.
    public func stop() {
        if let signals { signals.server.stop(finishing: signals.service.stop) }
        if let admin { admin.server.stop(finishing: admin.service.stop) }
    }

    private static func start(
        _ socket: ListeningSocket, _ limits: HTTPLimits, _ service: any HTTPService, _ stop: () -> Void
    ) throws(ListenerFault) -> HTTPServer {
        if let server = HTTPServer(socket: socket, limits: limits, service: service) { return server }
        stop()
        throw ListenerFault(description: "\(socket.name): the HTTP server does not start; out of descriptors or memory?")
    }
}
