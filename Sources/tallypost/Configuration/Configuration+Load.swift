import FoundationEssentials
import TallypostCore
import TallypostDelivery
import TallypostReconciliation

extension Configuration {
    /// Where a configuration comes from. The command line goes before the file.
    struct Sources: Sendable, Equatable {
        /// `--config`.
        var file: String?
        /// `--database`.
        var database: String?
        /// `--route TYPE=URL`, in order.
        var routes: [String] = []
        /// `--listen-admin`.
        var listenAdmin: String?
        /// `--listen-public`.
        var listenPublic: String?
        /// `--admin-token none`.
        var adminToken: String?
        var environment: [String: String] = [:]
        /// Whether secrets and TLS files are read. Commands for people work without: those files are the relay's alone.
        var readsSecrets = true
    }

    static let keys = [
        "database", "listen", "adminToken", "signalBaseURL", "allow", "wakeup", "routes", "schedules", "reconcile", "alerts",
        "retention",
    ]

    /// Reads everything anew; used at the start and at every reload. All problems are told at once.
    static func load(_ sources: Sources) throws(ConfigurationError) -> Configuration {
        var configuration = Configuration()
        var problems: [ConfigurationProblem] = []
        if let file = sources.file {
            let reader = try configuration.read(file: file, environment: sources.readsSecrets ? sources.environment : nil)
            problems += reader.problems
        }
        problems += configuration.apply(commandLine: sources)
        guard problems.isEmpty else { throw ConfigurationError(problems: problems.sorted { ($0.line ?? 0) < ($1.line ?? 0) }) }
        configuration.idleKeys =
            configuration.listIdleKeys(file: sources.file)
        return configuration
    }

    private mutating func read(file: String, environment: [String: String]?) throws(ConfigurationError) -> ConfigurationReader {
        let text: JSON5File
        do { text = try JSON5File(reading: file, option: "--config") } catch { throw ConfigurationError(problems: [error]) }
        let reader = ConfigurationReader(file: file, lines: text.lines)
        read(ConfigurationNode(value: text.tree, path: "", reader: reader), environment: environment)
        return reader
    }

    private mutating func read(_ node: ConfigurationNode, environment: [String: String]?) {
        guard let fields = node.fields(Self.keys) else { return }
        let routeReader = RouteReader(environment: environment)
        if let database = fields["database"], let text = database.string("a database URL") {
            do { self.database = try DatabaseURL(parsing: text) } catch { database.report(error.reason) }
        }
        if let listen = fields["listen"]?.fields(["admin", "public"]) {
            self.listen.admin = address(listen["admin"])
            self.listen.public = address(listen["public"])
        }
        if let token = fields["adminToken"] {
            if case .string("none") = token.value {
                adminToken = AdminToken.none
            } else {
                adminToken = routeReader.secret(token).map { .token($0) }
            }
        }
        if let base = fields["signalBaseURL"], let text = base.string("a URL") {
            do {
                _ = try CurlTargetParser().origin(of: text)
                signalBaseURL = text
            } catch { base.report(error.reason) }
        }
        if let allow = fields["allow"] { readAllow(allow) }
        if let word = fields["wakeup"]?.word(WakeUp.self) { wakeUp = word }
        let named = fields["routes"]?.members() ?? []
        for (type, route) in named { routes[type] = routeReader.route(type, route) }
        for (type, route) in named { reportClashes(of: type, route) }
        for (name, schedule) in fields["schedules"]?.members() ?? [] {
            schedules[name] = schedule.schedule(name, zones: ZoneDirectory())
        }
        reconcile = fields["reconcile"]?.reconcile()
        for alert in fields["alerts"]?.list() ?? [] { readAlert(alert, routeReader) }
        if let retention = fields["retention"], let policy = retention.retention() { self.retention = policy }
    }

    /// Two routes of one type: a route and somebody's subscriber.
    private func reportClashes(of type: String, _ node: ConfigurationNode) {
        for name in routes[type]?.subscribers.keys.sorted() ?? [] {
            let subscription = RoutePolicy.subscription(of: type, to: name)
            guard routes[subscription] != nil else { continue }
            node.reader.report(
                "\(node.path).subscribers.\(name)",
                "its tasks have the type \"\(subscription)\", which is a route too; rename one")
        }
    }

    private func address(_ node: ConfigurationNode?) -> ListenAddress? {
        guard let node, let text = node.string("an address and a port") else { return nil }
        if let address = ListenAddress(parsing: text) { return address }
        node.report(ListenAddress.refusal(text))
        return nil
    }

    private mutating func readAllow(_ node: ConfigurationNode) {
        var entries: [String] = []
        for entry in node.list() ?? [] {
            guard let text = entry.string("an origin or a network") else { continue }
            do {
                _ = try AllowList(parsing: [text])
                entries.append(text)
            } catch { entry.report("\"\(text)\": \(error.reason)") }
        }
        if let list = try? AllowList(parsing: entries) { allow = list }
    }

    private mutating func readAlert(_ node: ConfigurationNode, _ routes: RouteReader) {
        guard let alert = node.alert(reading: routes) else { return }
        if alerts.contains(where: { $0.settings.name == alert.settings.name }) {
            node.report("is the second alert named \"\(alert.settings.name)\"; give each a name of its own: name: \"…\"")
        }
        if alert.settings.missedRun, reconcile?.every == nil {
            node.report("waits for runs that were missed (missedRun), but nothing runs; add reconcile: { every: \"5m\" }")
        }
        alerts.append(alert)
    }

    // MARK: The command line

    private mutating func apply(commandLine sources: Sources) -> [ConfigurationProblem] {
        var problems: [ConfigurationProblem] = []
        func refuse(_ option: String, _ message: String) {
            problems.append(ConfigurationProblem(file: nil, line: nil, path: option, message: message))
        }
        if let text = sources.database {
            do { database = try DatabaseURL(parsing: text) } catch { refuse("--database", error.reason) }
        }
        for text in sources.routes {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, !parts[0].isEmpty else {
                refuse("--route", "\"\(text)\" is not TYPE=URL; write --route send-receipt=https://mail.example.com/receipts")
                continue
            }
            guard !parts[0].hasPrefix(RoutePolicy.alertPrefix) else {
                refuse("--route \(parts[0])", "alerts have routes of their own; write them under alerts in the configuration")
                continue
            }
            guard parts[0] != RoutePolicy.noticeType else {
                refuse("--route \(parts[0])", "notices go to the URLs in on_complete_url and on_failure_url; leave it out")
                continue
            }
            do { routes[parts[0]] = try RouteConfiguration(type: parts[0], url: parts[1]) } catch {
                refuse("--route \(parts[0])", error.reason)
            }
        }
        if let text = sources.listenAdmin {
            listen.admin = ListenAddress(parsing: text)
            if listen.admin == nil { refuse("--listen-admin", ListenAddress.refusal(text)) }
        }
        if let text = sources.listenPublic {
            listen.public = ListenAddress(parsing: text)
            if listen.public == nil { refuse("--listen-public", ListenAddress.refusal(text)) }
        }
        if let token = sources.adminToken {
            if token == "none" {
                adminToken = AdminToken.none
            } else {
                refuse("--admin-token", "takes only \"none\"; name the token's secret in the configuration")
            }
        }
        return problems
    }

    /// Options of requests in routes that make none.
    private func listIdleKeys(file: String?) -> [ConfigurationProblem] {
        routes.sorted { $0.key < $1.key }.flatMap { type, route in
            route.idleKeys.map { key in
                ConfigurationProblem(
                    file: file, line: nil, path: "routes.\(type).\(key)",
                    message: "does nothing beside subscribers, which get the route's tasks; write it under each of them")
            }
        }
    }
}
