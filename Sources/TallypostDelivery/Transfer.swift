import CCurl
import Glibc
import TallypostCore

/// A curl handle for its whole life, and the request that it carries at the moment.
///
/// Everything that libcurl keeps a pointer to lives here, at addresses that do not move: the head, the body, the list of
/// headers, the room for an error's text. Options that are the same for every request are set once.
@safe final class Transfer {
    /// CURL.
    let easy: UnsafeMutableRawPointer
    let route: CompiledRoute
    /// Place among the courier's active transfers.
    var index = 0

    // The request.
    private(set) var id: Int64 = 0
    private(set) var epoch: Int64 = 0
    private(set) var origin: Origin
    private(set) var timeout = TimeSpan.zero
    /// The items' idempotency keys, of a batch.
    private(set) var batchKeys: Set<String>?
    private(set) var provenance = AddressGuard.Provenance.configuration
    private(set) var started = Instant(nanoseconds: 0)

    // What happens to it.
    /// Why an address was refused.
    private(set) var refusal: String?
    /// Whether the refusal was about a connection that stood already.
    private(set) var wasRefusedOnReuse = false
    /// Connections that were tried.
    private(set) var attemptedConnections = 0
    /// The last address that was tried.
    private(set) var lastAddress: (address: IPAddress, port: Int)?
    /// How often the request was about to be written. libcurl would write it a second time if a kept-alive connection dies.
    private(set) var writes = 0
    /// errno of a socket that could not be made.
    private(set) var socketFault: Int32 = 0
    private(set) var headBytes = 0
    private(set) var isHeadTooLong = false
    private(set) var isBodyCut = false
    private(set) var body: [UInt8] = []

    private let sockets: SocketSet
    private let addressGuard: AddressGuard
    private var target: CurlTarget?
    private var timeoutMilliseconds = 0
    private var isFresh = false
    private var headRoom: UnsafeMutableRawBufferPointer
    private var bodyRoom: UnsafeMutableRawBufferPointer
    private let list: UnsafeMutablePointer<curl_slist>
    private let errorText: UnsafeMutablePointer<CChar>

    /// Bytes of an answer's body that are kept; at the first beyond them the connection is cut.
    static let longestBody = 65_536
    /// Bytes of an answer's status lines and headers, those of interim answers included.
    static let longestHead = 65_536
    /// Bytes read at a time, at most.
    private static let readSize = 4_096
    /// A connection that takes longer is given up, however long the request may take.
    static let connectTimeout = TimeSpan.seconds(10)
    /// A connection idle for longer is not used again: the longer it was idle, the likelier the peer is just closing it.
    static let longestIdleSeconds = 30
    /// Room that an idle transfer keeps for the next body.
    static let keptRoom = 65_536

    init(route: CompiledRoute, sockets: SocketSet, addressGuard: AddressGuard) {
        guard let easy = unsafe curl_easy_init() else { preconditionFailure("out of memory") }
        unsafe self.easy = unsafe easy
        self.route = route
        self.sockets = sockets
        self.addressGuard = addressGuard
        origin = route.target?.origin ?? Origin(scheme: "", host: "", port: 0)
        unsafe headRoom = .allocate(byteCount: 1_024, alignment: 1)
        unsafe bodyRoom = .allocate(byteCount: 1_024, alignment: 1)
        unsafe list = .allocate(capacity: 3)
        unsafe errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        unsafe errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        // A name with nothing behind its colon keeps libcurl from sending that header.
        unsafe list.initialize(to: curl_slist(data: nil, next: list + 1))
        unsafe (list + 1).initialize(to: curl_slist(data: strdup("Accept:"), next: list + 2))
        unsafe (list + 2).initialize(to: curl_slist(data: strdup("Expect:"), next: nil))
        setOptions()
        setTLS(route.wire.tls)
    }

    deinit {
        unsafe curl_easy_cleanup(easy)
        unsafe free(list[1].data)
        unsafe free(list[2].data)
        unsafe list.deallocate()
        unsafe errorText.deallocate()
        unsafe headRoom.deallocate()
        unsafe bodyRoom.deallocate()
    }

    private func setOptions() {
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe curl_set_pointer(easy, CURLOPT_PRIVATE, context)
        unsafe curl_set_long(easy, CURLOPT_NOSIGNAL, 1)
        unsafe curl_set_text(easy, CURLOPT_PROTOCOLS_STR, "http,https")
        unsafe curl_set_long(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1)
        unsafe curl_set_long(easy, CURLOPT_FOLLOWLOCATION, 0)
        // Empty, not absent: absent lets the environment choose one.
        unsafe curl_set_text(easy, CURLOPT_PROXY, "")
        unsafe curl_set_long(easy, CURLOPT_NETRC, 0)
        unsafe curl_set_long(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1)
        unsafe curl_set_long(easy, CURLOPT_POST, 1)
        // libcurl would keep 16 kB for every request in flight; answers are short.
        unsafe curl_set_long(easy, CURLOPT_BUFFERSIZE, Self.readSize)
        unsafe curl_set_pointer(easy, CURLOPT_HTTPHEADER, list)
        unsafe curl_set_pointer(easy, CURLOPT_ERRORBUFFER, errorText)
        unsafe curl_set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, Int(Self.connectTimeout.milliseconds))
        unsafe curl_set_long(easy, CURLOPT_MAXAGE_CONN, Self.longestIdleSeconds)
        // Without it, giving up on a name waits for the resolver's thread, and with it the whole loop.
        unsafe curl_set_long(easy, CURLOPT_QUICK_EXIT, 1)
        unsafe curl_set_write(easy, takeBodyBytes, context)
        unsafe curl_set_header(easy, takeHeaderLine, context)
        unsafe curl_set_open_socket(easy, openSocket, context)
        unsafe curl_set_before_request(easy, beforeRequest, context)
        // A connection outlives the transfer that opened it, so this is not told which.
        unsafe curl_set_close_socket(easy, closeSocket, Unmanaged.passUnretained(sockets).toOpaque())
    }

    private func setTLS(_ tls: WireRoute.TLS) {
        unsafe curl_set_long(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2)
        unsafe curl_set_long(easy, CURLOPT_SSL_VERIFYPEER, 1)
        unsafe curl_set_long(easy, CURLOPT_SSL_VERIFYHOST, 2)
        // Reading the system's authorities takes longer than a handshake; a changed file is seen after so long.
        unsafe curl_set_long(easy, CURLOPT_CA_CACHE_TIMEOUT, 300)
        if let ca = tls.ca {
            unsafe curl_set_text(easy, CURLOPT_CAINFO, ca)
            unsafe curl_set_text(easy, CURLOPT_CAPATH, nil)
        }
        if let certificate = tls.certificate {
            unsafe curl_set_text(easy, CURLOPT_SSLCERT, certificate)
            unsafe curl_set_text(easy, CURLOPT_SSLKEY, tls.key ?? certificate)
        }
    }

    /// Makes it ready to carry a request. `head` and `body` are copied.
    func load(
        _ delivery: Delivery, target: CurlTarget, provenance: AddressGuard.Provenance, head: [UInt8], body: [UInt8],
        at now: Instant
    ) {
        id = delivery.task.id
        epoch = delivery.task.epoch
        origin = delivery.origin
        timeout = delivery.timeout
        started = now
        batchKeys = delivery.isBatch ? Set(delivery.others.map(\.idempotencyKey)).union([delivery.task.idempotencyKey]) : nil
        self.provenance = provenance
        refusal = nil
        wasRefusedOnReuse = false
        attemptedConnections = 0
        lastAddress = nil
        writes = 0
        socketFault = 0
        headBytes = 0
        isHeadTooLong = false
        isBodyCut = false
        unsafe errorText[0] = 0

        if self.target !== target {
            self.target = target
            unsafe curl_set_url(easy, target.handle)
        }
        let milliseconds = Int(min(max(delivery.timeout.milliseconds, 1), Int64(Int32.max)))
        if timeoutMilliseconds != milliseconds {
            timeoutMilliseconds = milliseconds
            unsafe curl_set_long(easy, CURLOPT_TIMEOUT_MS, milliseconds)
        }
        // A retry has a connection of its own: a receiver that drops kept-alive ones costs a task one attempt, not one after another.
        let wantsFresh = delivery.task.attempt > 1 || delivery.others.contains { $0.attempt > 1 }
        if isFresh != wantsFresh {
            isFresh = wantsFresh
            unsafe curl_set_long(easy, CURLOPT_FRESH_CONNECT, wantsFresh ? 1 : 0)
        }
        unsafe Self.fill(&headRoom, with: head)
        unsafe list[0].data = headRoom.baseAddress?.assumingMemoryBound(to: CChar.self)
        unsafe Self.fill(&bodyRoom, with: body)
        unsafe curl_set_long(easy, CURLOPT_POSTFIELDSIZE, body.count)
        unsafe curl_set_pointer(easy, CURLOPT_POSTFIELDS, bodyRoom.baseAddress)
    }

    /// Gives back what an idle transfer need not hold.
    func unload() {
        if unsafe bodyRoom.count > Self.keptRoom {
            unsafe bodyRoom.deallocate()
            unsafe bodyRoom = .allocate(byteCount: 1_024, alignment: 1)
        }
        // A row's URL goes; the route's stays for the next task.
        if target !== route.target { target = nil }
        body = []
        batchKeys = nil
    }

    /// The body so far, handed over.
    func takeBody() -> [UInt8] {
        let taken = body
        body = []
        return taken
    }

    /// Copies the bytes and a 0 behind them.
    private static func fill(_ room: inout UnsafeMutableRawBufferPointer, with bytes: [UInt8]) {
        if room.count <= bytes.count {
            unsafe room.deallocate()
            unsafe room = .allocate(byteCount: (bytes.count + 1).nextPowerOfTwo, alignment: 1)
        }
        unsafe room.copyBytes(from: bytes)
        unsafe room[bytes.count] = 0
    }

    /// What libcurl says of the last fault, at most 200 characters.
    var errorMessage: String { unsafe String(String(cString: errorText).prefix(200)) }
}

extension Int {
    fileprivate var nextPowerOfTwo: Int { 1 << (Int.bitWidth - (self - 1).leadingZeroBitCount) }
}

// What libcurl's callbacks ask of a transfer.
extension Transfer {
    /// A socket for a connection to that address, or CURL_SOCKET_BAD: the name has been resolved, and nothing is sent yet.
    func open(_ request: UnsafeMutablePointer<curl_sockaddr>) -> Int32 {
        // A second connection after the request was written once would write it again.
        if writes > 0 {
            writes += 1
            return -1
        }
        guard let place = MemoryLayout<curl_sockaddr>.offset(of: \.addr),
            let (address, port) = unsafe IPAddress.read(
                (UnsafeRawPointer(request) + place).assumingMemoryBound(to: sockaddr.self))
        else {
            refusal = "the host has an address that is neither IPv4 nor IPv6"
            return -1
        }
        if let objection = addressGuard.objection(to: address, port: port, from: provenance) {
            refusal = objection
            return -1
        }
        attemptedConnections += 1
        lastAddress = (address, port)
        let descriptor = unsafe socket(
            request.pointee.family, request.pointee.socktype | Int32(SOCK_CLOEXEC.rawValue), request.pointee.protocol)
        if descriptor < 0 { socketFault = errno } else { sockets.adopt(descriptor) }
        return descriptor
    }

    /// Whether the request may be written on this connection. Asked for a connection that stands already, too.
    func mayWrite(to address: IPAddress?, port: Int) -> Bool {
        writes += 1
        guard writes == 1 else { return false }
        guard let address else {
            refusal = "the connection's address cannot be read"
            wasRefusedOnReuse = true
            return false
        }
        lastAddress = (address, port)
        if let objection = addressGuard.objection(to: address, port: port, from: provenance) {
            refusal = objection
            wasRefusedOnReuse = true
            return false
        }
        return true
    }

    /// Counts a line of the answer's head. False ends the transfer.
    func countHeader(_ count: Int) -> Bool {
        headBytes += count
        isHeadTooLong = headBytes > Self.longestHead
        return !isHeadTooLong
    }

    /// Keeps bytes of the answer's body. False ends the transfer.
    func keep(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let room = Self.longestBody - body.count
        if bytes.count <= room {
            unsafe body.append(contentsOf: bytes)
            return true
        }
        unsafe body.append(contentsOf: bytes.prefix(room))
        isBodyCut = true
        return false
    }
}
