import CCurl
import Glibc
public import TallypostCore

/// The courier: libcurl's multi interface, driven by sockets and a timer over one epoll set.
///
/// It belongs to the thread that made it. HTTP/1.1 only; no redirects, proxies, cookies or compression; total timeouts; the
/// address guard is asked for every connection and again whenever one is used again. A request is written once at most.
@safe public final class CurlCourier: CourierLoop {
    /// CURLM; nil once closed.
    private var multi: UnsafeMutableRawPointer?
    private let sockets = SocketSet()
    private let timer = CurlTimer()
    private let digest = KeyDigest()
    private var spans = SpanSource()
    private var rowHeaders = RowHeadersCache()
    private var allow: AllowList
    private var addressGuard: AddressGuard
    private var routes: [String: CompiledRoute]
    private var active: [Transfer] = []
    private var idleCount = 0
    /// Answers to what was not sent at all.
    private var refusals: [Answer] = []
    /// How many transfers libcurl counted as under way when it was last asked.
    private var running: Int32 = 0
    private var head: [UInt8] = []

    /// Transfers kept for the next requests; each costs some 20 kB.
    static let mostIdle = 1_024

    /// Takes the settings, or says what is wrong with them.
    public init(_ settings: CourierSettings) throws(CourierSettingsError) {
        precondition(CurlLibrary.isReady, "libcurl cannot be initialised")
        routes = try settings.compiled()
        allow = settings.allow
        addressGuard = AddressGuard(networks: settings.allow.networks, listeners: settings.ownListeners)
        guard let multi = unsafe curl_multi_init() else { preconditionFailure("out of memory") }
        unsafe self.multi = unsafe multi
        unsafe curl_multi_set_socket(multi, socketWish, Unmanaged.passUnretained(sockets).toOpaque())
        unsafe curl_multi_set_timer(multi, timerWish, Unmanaged.passUnretained(timer).toOpaque())
        unsafe curl_multi_set_long(multi, CURLMOPT_PIPELINING, Int(CURLPIPE_NOTHING))
        // Far above what is ever in flight: with fewer, connections are closed and opened all the time.
        unsafe curl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, Self.mostConnections())
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
        guard let multi = unsafe multi else { preconditionFailure("the courier is closed") }
        do {
            let transfer = try prepare(delivery)
            transfer.index = active.count
            active.append(transfer)
            running += 1
            let code = unsafe curl_multi_add_handle(multi, transfer.easy)
            precondition(code == CURLM_OK, "curl_multi_add_handle: \(code.rawValue)")
        } catch {
            refusals.append(
                Answer(id: delivery.task.id, epoch: delivery.task.epoch, result: .refused(error.reason), duration: .zero))
        }
    }

    private func prepare(_ delivery: Delivery) throws(Refusal) -> Transfer {
        let task = delivery.task
        guard let route = routes[task.type] else { throw Refusal("no route is configured for this type") }
        var target = route.target
        var provenance = AddressGuard.Provenance.configuration
        var isOwnOrigin = true
        if let url = task.targetURL {
            do { target = try CurlTarget(parsing: url) } catch { throw Refusal("target_url: \(error.reason)") }
            provenance = allow.origins.contains(target.origin) ? .allowedRow : .row
            isOwnOrigin = target.origin == route.target.origin
        }
        var extra = RowHeaders.none
        if let text = task.headers {
            do { extra = try rowHeaders.headers(of: text) } catch { throw Refusal(error.reason) }
        }
        let circumstances = RequestComposer.Circumstances(
            now: MonotonicTime.timeOfDay(), span: spans.next(), deadline: delivery.deadline, isOwnOrigin: isOwnOrigin,
            rowHeaders: extra)
        let body = try route.composer.compose(task, circumstances, digest: digest, into: &head)
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
        guard let multi = unsafe multi else { return }
        let now = MonotonicTime.now()
        var left: Int32 = 0
        while let message = unsafe curl_multi_info_read(multi, &left) {
            let code = unsafe curl_message_result(message)
            let easy = unsafe message.pointee.easy_handle
            var context: UnsafeMutableRawPointer?
            unsafe curl_get_pointer(easy, CURLINFO_PRIVATE, &context)
            guard let context = unsafe context else { preconditionFailure("a curl handle of nobody's") }
            let transfer = unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
            let result = transfer.result(of: code)
            answers.append(
                Answer(
                    id: transfer.id, epoch: transfer.epoch, result: result, duration: now - transfer.started,
                    wasOnClosedConnection: transfer.diedOnReuse(code)))
            unsafe curl_multi_remove_handle(multi, easy)
            retire(transfer)
        }
    }

    private func retire(_ transfer: Transfer) {
        guard let last = active.popLast() else { preconditionFailure("an answer to nothing") }
        if last !== transfer {
            active[transfer.index] = last
            last.index = transfer.index
        }
        transfer.unload()
        if !transfer.route.isRetired && idleCount < Self.mostIdle {
            transfer.route.idle.append(transfer)
            idleCount += 1
        }
    }

    /// Gives back what it holds. Again is a no-op.
    public func close() {
        guard let multi = unsafe multi else { return }
        unsafe self.multi = nil
        for transfer in active { unsafe curl_multi_remove_handle(multi, transfer.easy) }
        active = []
        refusals = []
        for route in routes.values { route.idle = [] }
        idleCount = 0
        unsafe curl_multi_cleanup(multi)
    }

    // MARK: CourierLoop

    /// Requests under way, and answers that wait to be collected.
    public var inFlight: Int { active.count + refusals.count }

    /// Has the wait end when that descriptor is readable.
    public func watch(_ descriptor: Int32) { sockets.watch(descriptor) }

    /// Takes a watched descriptor out again.
    public func ignore(_ descriptor: Int32) { sockets.ignore(descriptor) }

    /// Does the requests' I/O and sleeps, as ``CourierLoop`` says.
    public func wait(timeout: TimeSpan) -> [Int32] {
        guard let multi = unsafe multi else { return [] }
        var now = MonotonicTime.now()
        // First what was sent since the last wait: it is written here.
        unsafe runTimer(multi, at: now)
        var patience = timer.remaining(at: now, atMost: timeout)
        if hasAnswers { patience = .zero }
        var fired: [Int32] = []
        let count = sockets.wait(milliseconds: Self.milliseconds(patience))
        for index in 0..<count {
            let (descriptor, ready) = sockets.ready(index)
            switch ready {
            case .watched: fired.append(descriptor)
            case .curl(let flags): unsafe curl_multi_socket_action(multi, descriptor, flags, &running)
            case .unwanted: break
            }
        }
        now = MonotonicTime.now()
        unsafe runTimer(multi, at: now)
        return fired
    }

    private var hasAnswers: Bool { !refusals.isEmpty || Int(running) < active.count }

    private func runTimer(_ multi: UnsafeMutableRawPointer, at now: Instant) {
        // libcurl may ask to be called again at once, several times over.
        var rounds = 0
        while rounds < 4, timer.takeIfDue(at: now) {
            unsafe curl_multi_socket_action(multi, -1, 0, &running)
            rounds += 1
        }
    }

    /// Rounded up, so that a wait does not end just before what it waits for.
    private static func milliseconds(_ span: TimeSpan) -> Int32 {
        Int32(min(max(span.nanoseconds, 0) / 1_000_000 + (span.nanoseconds % 1_000_000 > 0 ? 1 : 0), Int64(Int32.max)))
    }
}
