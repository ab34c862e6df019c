import TallypostCore
import TallypostDelivery

/// One route: what the relay's mind knows of it, and how it looks on the wire.
struct RouteConfiguration: Sendable {
    var policy: RoutePolicy
    var wire: WireRoute
    /// Whether it names secrets; `wire` has them only where they were read.
    var isSigned = false
    var sla: TimeSpan?
    /// Whose findings of its tasks are; nil: as the rules about them say.
    var owner: String?
    /// So long after a task was sent its receiver still knows its idempotency key; nil: for ever.
    var keyRetention: TimeSpan?
    /// By name; each a route of its own. When there are any, nothing is sent by this route itself.
    var subscribers: [String: RouteConfiguration] = [:]
    /// Keys that do nothing beside subscribers. Whoever reads of them is not surprised by unsigned deliveries.
    var idleKeys: [String] = []

    static let keys = [
        "url", "secrets", "headers", "body", "format", "idempotencyKeyFormat", "timeoutSeconds", "maxAttempts", "retry",
        "deadline", "owner",
        "keyRetention", "sla", "lease", "concurrency", "rate", "burst", "heartbeatSeconds", "maxWaitSeconds", "whenFailed",
        "batch",
        "subscribers", "tls",
    ]
    /// What says how a request is made, and when again.
    static let requestKeys = [
        "url", "secrets", "headers", "body", "format", "idempotencyKeyFormat", "timeoutSeconds", "maxAttempts", "retry",
        "concurrency", "rate", "burst", "heartbeatSeconds", "maxWaitSeconds", "batch", "tls",
    ]
    static let mostSubscribers = 1_000

    /// A route with the contract's defaults, as `--route TYPE=URL` makes it. Throws what is wrong with the URL.
    init(type: String, url: String) throws(TargetError) {
        let origin = try CurlTargetParser().origin(of: url)
        policy = RoutePolicy(type: type, origin: origin)
        wire = WireRoute(url: url)
    }

    /// A route without a URL of its own: rows say where they go, or subscribers do.
    init(type: String) {
        policy = RoutePolicy(type: type, origin: nil)
        wire = WireRoute(url: nil)
    }
}

/// Reads routes out of the tree.
struct RouteReader {
    /// Where `env:` and `credential:` lead; nil: secrets and TLS files are not read.
    let environment: [String: String]?

    /// Nil when the URL is missing or bad, or it is no object at all; other problems are reported and a default stands in.
    func route(_ type: String, _ node: ConfigurationNode, isSubscriber: Bool = false) -> RouteConfiguration? {
        guard let fields = node.fields(RouteConfiguration.keys), var route = start(type, node, fields) else { return nil }
        if isSubscriber, let nested = fields["subscribers"] {
            nested.report("a subscriber has no subscribers of its own; list them all under the route")
            return nil
        }
        readWire(fields, into: &route)
        readPolicy(fields, into: &route)
        if let sla = fields["sla"]?.duration() { route.sla = sla }
        if let owner = fields["owner"]?.string("a name") { route.owner = owner }
        if let retention = fields["keyRetention"]?.duration() {
            if retention <= .zero {
                fields["keyRetention"]?.report("must be longer than nothing; leave it out for a receiver that never forgets")
            }
            route.keyRetention = retention
        }
        if let subscribers = fields["subscribers"] {
            readSubscribers(subscribers, of: type, into: &route)
            route.idleKeys = RouteConfiguration.requestKeys.filter { fields[$0] != nil }
        }
        if type == RoutePolicy.noticeType { checkNotices(fields, route) }
        return route
    }

    // MARK: Subscribers and notices

    private func readSubscribers(_ node: ConfigurationNode, of type: String, into route: inout RouteConfiguration) {
        guard let members = node.members() else { return }
        if members.isEmpty {
            node.report("is empty; name a subscriber, such as { \"inventory\": { url: \"https://…\" } }, or leave it out")
        }
        if members.count > RouteConfiguration.mostSubscribers {
            node.report("has \(members.count) members; at most \(RouteConfiguration.mostSubscribers) can subscribe to a route")
        }
        for (name, subscriber) in members {
            if name.isEmpty || name.contains("/") {
                subscriber.report("a subscriber's name cannot be empty or hold a \"/\": its tasks have the type \"\(type)/NAME\"")
                continue
            }
            route.subscribers[name] = self.route(RoutePolicy.subscription(of: type, to: name), subscriber, isSubscriber: true)
        }
        route.policy.origin = nil
        route.policy.batch = nil
        route.policy.subscribers = members.map(\.name)
    }

    private func checkNotices(_ fields: ConfigurationFields, _ route: RouteConfiguration) {
        fields["url"]?.report("notices go to the URLs in on_complete_url and on_failure_url; leave it out")
        fields["subscribers"]?.report("notices go to the URLs in on_complete_url and on_failure_url; leave it out")
        for header in route.wire.headers where header.isSecret {
            fields["headers"]?.report(
                "\(header.name) is a secret, and secrets are never sent to URLs that rows name; sign the notices with secrets")
        }
    }

    private func start(_ type: String, _ node: ConfigurationNode, _ fields: ConfigurationFields) -> RouteConfiguration? {
        guard !type.isEmpty else {
            node.report("a route's name is the task type; it cannot be empty")
            return nil
        }
        guard !type.hasPrefix(RoutePolicy.alertPrefix) else {
            node.report("is the route of an alert, which is made from alerts: write its url, secrets and headers there")
            return nil
        }
        guard let url = fields["url"] else {
            if type == RoutePolicy.noticeType || fields["subscribers"] != nil { return RouteConfiguration(type: type) }
            node.report("has no url; add url: \"https://…\"")
            return nil
        }
        guard let text = url.string("a URL") else { return nil }
        do {
            return try RouteConfiguration(type: type, url: text)
        } catch {
            url.report("\(error.reason); write an absolute http or https URL")
            return nil
        }
    }

    // MARK: On the wire

    /// What signs a request, and its headers.
    func readRequest(_ fields: ConfigurationFields, into route: inout RouteConfiguration) {
        for secret in fields["secrets"]?.list() ?? [] {
            route.isSigned = true
            guard let text = self.secret(secret) else { continue }
            do { route.wire.secrets.append(try WebhookSecret(parsing: text)) } catch { secret.report(error.reason) }
        }
        for (name, value) in fields["headers"]?.members() ?? [] {
            guard let text = value.string() else { continue }
            do { route.wire.headers.append(try HeaderField(name: name, value: text)) } catch { value.report(error.reason) }
        }
    }

    private func readWire(_ fields: ConfigurationFields, into route: inout RouteConfiguration) {
        readRequest(fields, into: &route)
        if let body = fields["body"]?.word(WireRoute.Body.self) { route.wire.body = body }
        if let format = fields["format"]?.word(WireRoute.Format.self) { route.wire.format = format }
        if let format = fields["idempotencyKeyFormat"]?.word(IdempotencyKeyFormat.self) {
            route.wire.idempotencyKeyFormat = format
        }
        if let tls = fields["tls"]?.fields(["ca", "certificate", "key"]) {
            route.wire.tls = .init(ca: file(tls["ca"]), certificate: file(tls["certificate"]), key: file(tls["key"]))
            if tls["key"] != nil, tls["certificate"] == nil { tls.node.report("has a key but no certificate; add certificate") }
        }
    }

    /// The text of a named secret; nil when it is not to be read, or with the reason reported.
    func secret(_ node: ConfigurationNode) -> String? {
        guard let text = node.string("the name of a secret") else { return nil }
        do {
            let source = try SecretSource(parsing: text)
            guard let environment else { return nil }
            return try source.resolve(environment: environment)
        } catch {
            node.report(error.reason)
            return nil
        }
    }

    private func file(_ node: ConfigurationNode?) -> String? {
        guard let node, let path = node.string("a file's path") else { return nil }
        if environment != nil, !FileCheck.isReadable(path) { node.report("\(path) cannot be read by this user") }
        return path
    }

    // MARK: In the relay's mind

    private func readPolicy(_ fields: ConfigurationFields, into route: inout RouteConfiguration) {
        var policy = route.policy
        if let timeout = fields["timeoutSeconds"]?.seconds(0.1...86_400) {
            policy.timeout = timeout
            policy.lease = timeout + RoutePolicy.leaseMargin
        }
        if let attempts = fields["maxAttempts"]?.integer(0...1_000_000) { policy.maxAttempts = attempts }
        if let retry = fields["retry"] { policy.retry = self.retry(retry) }
        if let deadline = fields["deadline"]?.duration() { policy.deadline = deadline }
        if let lease = fields["lease"], let span = lease.duration() {
            if span < policy.timeout + RoutePolicy.leastLeaseMargin {
                lease.report(
                    "must be at least \(RoutePolicy.leastLeaseMargin.milliseconds / 1_000) s longer than timeoutSeconds "
                        + "(\(policy.timeout.seconds) s), or a slow answer would come after the lease; leave it out for timeout + 30 s"
                )
            } else {
                policy.lease = span
            }
        }
        if let concurrency = fields["concurrency"]?.integer(1...5_000) { policy.concurrency = concurrency }
        if let rate = fields["rate"] { policy.rate = self.rate(rate, burst: fields["burst"]) }
        if let burst = fields["burst"], fields["rate"] == nil {
            burst.report("goes with a rate; add rate: \"100/s\" or leave it out")
        }
        if let whenFailed = fields["whenFailed"]?.word(RoutePolicy.WhenFailed.self) { policy.whenFailed = whenFailed }
        policy.heartbeat = fields["heartbeatSeconds"]?.seconds(1...86_400)
        policy.longestWait = fields["maxWaitSeconds"]?.seconds(1...31_536_000)
        policy.batch = batch(fields)
        route.policy = policy
    }

    private func batch(_ fields: ConfigurationFields) -> BatchPolicy? {
        guard let node = fields["batch"], let batch = node.fields(["max", "wait"]) else { return nil }
        let wait = batch["wait"]?.duration() ?? .seconds(5)
        if wait > .hours(1) {
            batch["wait"]?.report("is longer than 1h; its tasks wait in the relay's memory, so make it shorter")
        }
        if case .string(WireRoute.Format.cloudEventsBinary.rawValue) = fields["format"]?.value {
            node.report(
                "cannot be sent as \"cloudevents-binary\", which has one event in a request; use \"cloudevents-structured\"")
        }
        return BatchPolicy(most: batch["max"]?.integer(1...10_000) ?? 100, wait: wait)
    }

    private enum ScheduleWord: String, CaseIterable {
        case exponential
        case standardWebhooks = "standard-webhooks"
    }

    private func retry(_ node: ConfigurationNode) -> RetryPolicy {
        var policy = RetryPolicy()
        guard let fields = node.fields(["schedule", "base", "cap", "alsoOn"]) else { return policy }
        let base = fields["base"]?.duration() ?? .seconds(1)
        let cap = fields["cap"]?.duration() ?? max(.hours(1), base)
        if cap < base { fields["cap"]?.report("is shorter than base; make it at least as long") }
        policy.schedule = .exponential(base: base, cap: cap)
        if let schedule = fields["schedule"] {
            if case .array = schedule.value {
                let delays = (schedule.list() ?? []).compactMap { $0.duration() }
                if delays.isEmpty { schedule.report("is an empty list; write the delays, such as [\"5s\", \"5m\"]") }
                policy.schedule = .delays(delays)
            } else if schedule.word(ScheduleWord.self) == .standardWebhooks {
                policy.schedule = .standardWebhooks
            }
            if case .exponential = policy.schedule {
            } else {
                for name in ["base", "cap"] { fields[name]?.report("goes with schedule \"exponential\" only; leave it out") }
            }
        }
        for status in fields["alsoOn"]?.list() ?? [] {
            guard let number = status.integer(300...599) else { continue }
            policy.alsoOn.insert(number)
        }
        return policy
    }

    private func rate(_ node: ConfigurationNode, burst: ConfigurationNode?) -> RateLimit? {
        guard let text = node.string("a rate such as \"100/s\"") else { return nil }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        let units: [Substring: TimeSpan] = ["s": .seconds(1), "m": .minutes(1), "h": .hours(1)]
        guard parts.count == 2, let count = Int(parts[0]), (1...RateLimit.most).contains(count), let per = units[parts[1]] else {
            node.report("\"\(text)\" is no rate; write a number from 1 to \(RateLimit.most) and /s, /m or /h, such as \"100/s\"")
            return nil
        }
        return RateLimit(count: count, per: per, burst: burst?.integer(1...RateLimit.most))
    }
}
