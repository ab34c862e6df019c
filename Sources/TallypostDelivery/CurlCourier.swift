import CCurl
import Glibc
public import TallypostCore

/// The courier: libcurl's multi interface, driven by sockets and a timer over one epoll set.
///
/// It belongs to the thread that made it. HTTP/1.1 only; no redirects, proxies, cookies or compression; total timeouts; the
/// address guard is asked for every connection and again whenever one is used again. A request is written once at most.
@safe public final class CurlCourier: CourierLoop {
    /// Empty once closed.
    private var shards: [CurlShard] = []
    /// Which shard has the connections to a destination.
    private var shardOf: [Origin: Int] = [:]
    private var nextShard = 0
    private let sockets = SocketSet()
    private let digest = KeyDigest()
    private var spans = SpanSource()
    private var rowHeaders = RowHeadersCache()
    private var allow: AllowList
    private var addressGuard: AddressGuard
    private var routes: [String: CompiledRoute]
    private var idleCount = 0
    /// Answers to what was not sent at all.
    private var refusals: [Answer] = []
    private var head: [UInt8] = []

    /// Transfers kept for the next requests; each costs some 20 kB.
    static let mostIdle = 1_024
    /// Multi handles; see ``CurlShard``.
    private static let shardCount = 16
    /// Destinations whose shard is remembered, at most. One that was forgotten opens new connections.
    private static let mostDestinations = 4_096

    /// Takes the settings, or says what is wrong with them.
    public init(_ settings: CourierSettings) throws(CourierSettingsError) {
        precondition(CurlLibrary.isReady, "libcurl cannot be initialised")
        routes = try settings.compiled()
        allow = settings.allow
        addressGuard = AddressGuard(networks: settings.allow.networks, listeners: settings.ownListeners)
        let connections = Self.mostConnections()
        shards = (0..<Self.shardCount).map { CurlShard(index: $0, sockets: sockets, connections: connections) }
    }

    deinit { close() }

    /// Replaces the settings, or throws and leaves the old ones in force. What is in flight goes on under the old ones.
    public func apply(_ settings: CourierSettings) throws(CourierSettingsError) {
        let compiled = try settings.compiled()
        for route in routes.values {
            route.isRetired = true
            idleCount -= route.idle.count
            route.idle = []
        }
        routes = compiled
        allow = settings.allow
        addressGuard = AddressGuard(networks: settings.allow.networks, listeners: settings.ownListeners)
    }

    /// Idle connections may take three quarters of the descriptors.
    private static func mostConnections() -> Int {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1_024 }
        return Int(min(limit.rlim_cur / 4 * 3, 16_384))
    }

    // MARK: Courier

    /// Hands the request to libcurl; what may not be sent is answered as refused at the next collection.
    public func send(_ delivery: Delivery) {
        precondition(!shards.isEmpty, "the courier is closed")
        do {
            let transfer = try prepare(delivery)
            shards[shard(of: delivery.origin)].start(transfer)
        } catch {
            refusals.append(
                Answer(id: delivery.task.id, epoch: delivery.task.epoch, result: .refused(error.reason), duration: .zero))
        }
    }

    private func shard(of origin: Origin) -> Int {
        if let index = shardOf[origin] { return index }
        if shardOf.count >= Self.mostDestinations { shardOf.removeAll(keepingCapacity: true) }
        let index = nextShard
        nextShard = (nextShard + 1) % Self.shardCount
        shardOf[origin] = index
        return index
    }

    private func prepare(_ delivery: Delivery) throws(Refusal) -> Transfer {
        let task = delivery.task
        guard let route = routes[task.type] else { throw Refusal("no route is configured for this type") }
        var target = route.target
        var provenance = AddressGuard.Provenance.configuration
        var isOwnOrigin = true
        if let url = task.targetURL {
            let named: CurlTarget
            do { named = try CurlTarget(parsing: url) } catch { throw Refusal("target_url: \(error.reason)") }
            provenance = allow.origins.contains(named.origin) ? .allowedRow : .row
            isOwnOrigin = named.origin == route.target?.origin
            target = named
        }
        guard let target else { throw Refusal("its route has no url, and the row no target_url") }
        var extra = RowHeaders.none
        if let text = task.headers {
            do { extra = try rowHeaders.headers(of: text) } catch { throw Refusal(error.reason) }
        }
        let circumstances = RequestComposer.Circumstances(
            now: MonotonicTime.timeOfDay(), span: spans.next(), deadline: delivery.deadline, isOwnOrigin: isOwnOrigin,
            rowHeaders: extra)
        let body =
            delivery.isBatch
            ? try route.composer.composeBatch([task] + delivery.others, circumstances, digest: digest, into: &head)
            : try route.composer.compose(task, circumstances, digest: digest, into: &head)
        let transfer = idleTransfer(of: route)
        transfer.load(delivery, target: target, provenance: provenance, head: head, body: body, at: MonotonicTime.now())
        return transfer
    }

    private func idleTransfer(of route: CompiledRoute) -> Transfer {
        if let transfer = route.idle.popLast() {
            idleCount -= 1
            return transfer
        }
        return Transfer(route: route, sockets: sockets, addressGuard: addressGuard)
    }

    /// Takes the answers that came, and those to what was not sent at all.
    public func collect(into answers: inout [Answer]) {
        if !refusals.isEmpty {
            answers.append(contentsOf: refusals)
            refusals.removeAll(keepingCapacity: true)
        }
        let now = MonotonicTime.now()
        for shard in shards where shard.hasAnswers {
            shard.collect(
                judge: { transfer, code in
                    let result = transfer.result(of: code)
                    answers.append(
                        Answer(
                            id: transfer.id, epoch: transfer.epoch, result: result, duration: now - transfer.started,
                            wasOnClosedConnection: transfer.diedOnReuse(code)))
                }, retire: retire)
        }
    }

    private func retire(_ transfer: Transfer) {
        transfer.unload()
        if !transfer.route.isRetired && idleCount < Self.mostIdle {
            transfer.route.idle.append(transfer)
            idleCount += 1
        }
    }

    /// Gives back what it holds. Again is a no-op.
    public func close() {
        shards = []
        shardOf = [:]
        refusals = []
        for route in routes.values { route.idle = [] }
        idleCount = 0
    }

    // MARK: CourierLoop

    /// Requests under way, and answers that wait to be collected.
    public var inFlight: Int { shards.reduce(refusals.count) { $0 + $1.active.count } }

    /// Has the wait end when that descriptor is readable.
    public func watch(_ descriptor: Int32) { sockets.watch(descriptor) }

    /// Takes a watched descriptor out again.
    public func ignore(_ descriptor: Int32) { sockets.ignore(descriptor) }

    /// Does the requests' I/O and sleeps, as ``CourierLoop`` says.
    public func wait(timeout: TimeSpan) -> [Int32] {
        guard !shards.isEmpty else { return [] }
        var now = MonotonicTime.now()
        var patience = refusals.isEmpty ? timeout : .zero
        for shard in shards {
            // First what was sent since the last wait: it is written here.
            shard.runTimer(at: now)
            patience = shard.hasAnswers ? .zero : shard.patience(at: now, atMost: patience)
        }
        var fired: [Int32] = []
        let count = sockets.wait(milliseconds: Self.milliseconds(patience))
        for index in 0..<count {
            let (descriptor, ready) = sockets.ready(index)
            switch ready {
            case .watched: fired.append(descriptor)
            case .curl(let shard, let flags): shards[shard].act(on: descriptor, flags: flags)
            case .unwanted: break
            }
        }
        now = MonotonicTime.now()
        for shard in shards { shard.runTimer(at: now) }
        return fired
    }

    /// Rounded up, so that a wait does not end just before what it waits for.
    private static func milliseconds(_ span: TimeSpan) -> Int32 {
        Int32(min(max(span.nanoseconds, 0) / 1_000_000 + (span.nanoseconds % 1_000_000 > 0 ? 1 : 0), Int64(Int32.max)))
    }
}
