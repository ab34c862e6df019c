import CLinux
import Glibc
import Synchronization

/// A TCP server of the test's own making: a thread accepts, a thread per connection plays the part. Every read and write is
/// bounded in time, so a test that goes wrong ends.
final class TestServer: Sendable {
    let port: Int
    private let listener: Int32
    private let state: Mutex<State>

    struct State {
        var connections = 0
        var requests: [Request] = []
        var bytes = 0
        var isStopping = false
    }

    /// A request as it came.
    struct Request: Sendable {
        var head: [String]
        var body: [UInt8]
        var connection: Int

        func value(_ name: String) -> String? {
            head.first { $0.lowercased().hasPrefix(name.lowercased() + ":") }.map { line in
                String(line.dropFirst(name.utf8.count + 1).drop { $0 == " " })
            }
        }
    }

    /// - Parameter play: what to do with each connection; it is closed afterwards.
    init(v6: Bool = false, _ play: @escaping @Sendable (Connection) -> Void) throws {
        let family = v6 ? AF_INET6 : AF_INET
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        try SystemFault.check(descriptor, "socket")
        var port: UInt16 = 0
        if v6 {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_addr = in6addr_loopback
            port = try Self.bind(descriptor, &address) { UInt16(bigEndian: $0.sin6_port) }
        } else {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            port = try Self.bind(descriptor, &address) { UInt16(bigEndian: $0.sin_port) }
        }
        try SystemFault.check(listen(descriptor, 128), "listen")
        listener = descriptor
        self.port = Int(port)
        state = Mutex(State())
        PosixThread.start { [self] in accept(play) }
    }

    private static func bind<Address>(_ descriptor: Int32, _ address: inout Address, _ port: (Address) -> UInt16) throws -> UInt16
    {
        var length = socklen_t(MemoryLayout<Address>.size)
        let bound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { plain in
                unsafe Glibc.bind(descriptor, plain, length) == 0 ? getsockname(descriptor, plain, &length) : -1
            }
        }
        try SystemFault.check(bound, "bind")
        return port(address)
    }

    private func accept(_ play: @escaping @Sendable (Connection) -> Void) {
        while true {
            let descriptor = Glibc.accept(listener, nil, nil)
            guard descriptor >= 0 else { break }
            let number = state.withLock { state in
                state.connections += 1
                return state.connections
            }
            let connection = Connection(descriptor: descriptor, number: number, server: self)
            PosixThread.start {
                play(connection)
                connection.close()
            }
        }
        Glibc.close(listener)
    }

    /// Takes no more connections.
    func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

    fileprivate func record(_ request: Request) { state.withLock { $0.requests.append(request) } }
    fileprivate func record(bytes: Int) { state.withLock { $0.bytes += bytes } }

    /// Whole requests so far.
    var requests: [Request] { state.withLock { $0.requests } }
    /// Connections so far.
    var connections: Int { state.withLock { $0.connections } }
    /// Bytes read so far.
    var bytes: Int { state.withLock { $0.bytes } }

    func url(_ path: String = "/") -> String { "http://127.0.0.1:\(port)\(path)" }
}

/// One connection, in the hands of one thread.
final class Connection: @unchecked Sendable {
    let number: Int
    private let descriptor: Int32
    private let server: TestServer
    private var rest: [UInt8] = []
    private var isOpen = true

    init(descriptor: Int32, number: Int, server: TestServer) {
        self.descriptor = descriptor
        self.number = number
        self.server = server
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    /// The next whole request; nil when the peer closed or nothing came for ten seconds.
    @discardableResult func readRequest() -> TestServer.Request? {
        while true {
            if let request = takeRequest() {
                server.record(request)
                return request
            }
            guard fill() else { return nil }
        }
    }

    private func takeRequest() -> TestServer.Request? {
        let end: [UInt8] = [13, 10, 13, 10]
        guard rest.count >= 4, let headEnd = (0...rest.count - 4).first(where: { Array(rest[$0..<$0 + 4]) == end }) else {
            return nil
        }
        let head = String(decoding: rest[..<headEnd], as: UTF8.self).split(separator: "\r\n").map(String.init)
        var request = TestServer.Request(head: head, body: [], connection: number)
        let length = request.value("Content-Length").flatMap { Int($0) } ?? 0
        guard rest.count >= headEnd + 4 + length else { return nil }
        request.body = Array(rest[headEnd + 4..<headEnd + 4 + length])
        rest.removeFirst(headEnd + 4 + length)
        return request
    }

    private func fill() -> Bool {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = unsafe recv(descriptor, &chunk, chunk.count, 0)
        guard count > 0 else { return false }
        server.record(bytes: count)
        rest.append(contentsOf: chunk.prefix(count))
        return true
    }

    /// False when the peer is gone.
    @discardableResult func send(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.send(descriptor, $0.baseAddress.map { unsafe $0 + sent }, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    /// An answer with a length.
    @discardableResult func answer(_ status: String = "200 OK", headers: [String] = [], body: String = "{\"ok\":true}") -> Bool {
        let lines = (["HTTP/1.1 \(status)", "Content-Length: \(body.utf8.count)"] + headers).joined(separator: "\r\n")
        return send(lines + "\r\n\r\n" + body)
    }

    /// Waits until the peer sends something or closes, at most so long. True when it did.
    @discardableResult func waitForPeer(milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&entry, 1, milliseconds) > 0
    }

    /// Closes with a reset instead of an orderly end.
    func reset() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    func close() {
        guard isOpen else { return }
        isOpen = false
        Glibc.close(descriptor)
    }
}

/// A system call that failed.
struct SystemFault: Error {
    let call: String
    let code: Int32
    static func check(_ result: Int32, _ call: String) throws { if result < 0 { throw SystemFault(call: call, code: errno) } }
}

/// A detached thread.
enum PosixThread {
    private final class Work {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    static func start(_ run: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let context = unsafe Unmanaged.passRetained(Work(run)).toOpaque()
        let code = unsafe pthread_create(
            &thread, nil,
            { context in
                if let context = unsafe context { unsafe Unmanaged<Work>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, context)
        precondition(code == 0, "pthread_create: \(code)")
        pthread_detach(thread)
    }
}
