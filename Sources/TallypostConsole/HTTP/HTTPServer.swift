import CMicrohttpd
import Glibc
import Synchronization
import TallypostCore
import TallypostThreads

/// What a server serves.
protocol HTTPService: Sendable {
    /// Says what becomes of a request. Called on the server's thread, which serves everybody: never waits for anything.
    func respond(to request: HTTPRequest) -> HTTPResponse
}

/// What becomes of a request.
enum HTTPResponse: Sendable {
    /// This is the answer.
    case now(HTTPAnswer)
    /// The request rests, and whoever gets it here answers it later by ``Exchange/finish(_:)``, from any thread.
    case later(@Sendable (Exchange) -> Void)
}

/// What a server bears.
struct HTTPLimits: Sendable {
    /// Open connections.
    var connections = 4_096
    /// Of one address; a /64 with IPv6.
    var connectionsPerAddress: Int? = 256
    /// Bytes of a body.
    var body = 256 << 10
    /// Bytes of a body too long that are still read, so that its sender reads the answer.
    var discarded = 1 << 20
    /// Bytes of all bodies that are held at once.
    var bodies = 64 << 20
    /// Bytes of a request's head.
    var memory = 16 << 10
    /// From a request's first byte to its last.
    var request = TimeSpan.seconds(15)
    /// Between two requests, and for a client to read its answer.
    var idle = TimeSpan.seconds(60)
}

/// An HTTP/1.1 server on a socket that listens already: libmicrohttpd, on one thread with epoll, with the guards that its version
/// in Debian 12 lacks.
@safe final class HTTPServer: Sendable {
    let limits: HTTPLimits
    let table: ConnectionTable
    let service: any HTTPService
    private struct State: Sendable {
        var isStopping = false
        /// Requests that rest.
        var pending = 0
        /// Requests whose last byte of answer has not gone out.
        var open = 0
        var bodies = 0
    }
    private let state = Mutex(State())
    private let socket: ListeningSocket
    private let daemon = Mutex<DaemonHandle?>(nil)
    private let sweeper = Mutex<WorkerThread?>(nil)
    private let sweeps = JobQueue<Bool>(capacity: 1)

    /// Takes the socket over. Nil when the library does not start.
    init?(socket: ListeningSocket, limits: HTTPLimits, service: any HTTPService) {
        self.socket = socket
        self.limits = limits
        self.service = service
        table = ConnectionTable(perAddress: socket.isUnix ? nil : limits.connectionsPerAddress)
        var settings = unsafe mhd_console_settings()
        unsafe settings.listener = socket.descriptor
        unsafe settings.connection_limit = UInt32(limits.connections)
        unsafe settings.idle_seconds = UInt32(limits.idle.milliseconds / 1_000)
        unsafe settings.memory_limit = limits.memory
        // The server outlives the daemon: stop() ends it, and deinit calls that.
        unsafe settings.context = Unmanaged.passUnretained(self).toOpaque()
        guard
            let started = unsafe mhd_start_console(
                &settings, consoleAccepts, consoleTarget, consoleAnswers, consoleCompleted, consoleConnected)
        else { return nil }
        daemon.withLock { $0 = unsafe DaemonHandle(started) }
        let thread = WorkerThread(name: "tp-http-sweep") { [table, sweeps] in
            while sweeps.take(1, within: .seconds(1)) != nil { _ = table.sweep(at: ConsoleClock.now()) }
        }
        sweeper.withLock { $0 = thread }
    }

    deinit { stop(finishing: {}) }

    /// Accepts no more, lets `finishing` answer all requests that rest, gives their clients up to two seconds to read, and ends.
    func stop(finishing: () -> Void) {
        guard
            let handle = daemon.withLock({ daemon in
                defer { daemon = nil }
                return daemon
            })
        else { return }
        state.withLock { $0.isStopping = true }
        handle.quiesce()
        finishing()
        let deadline = ConsoleClock.now() + .seconds(2)
        // The library may not be stopped while a connection rests.
        while state.withLock({ $0.pending > 0 || ($0.open > 0 && ConsoleClock.now() < deadline) }) { usleep(2_000) }
        handle.stop()
        sweeps.close()
        sweeper.withLock { $0 }?.join()
        socket.close()
    }

    // MARK: For the callbacks and the exchanges

    /// A request's first line is here.
    func began(slot: Int) {
        state.withLock { $0.open += 1 }
        table.hasten(slot, ConsoleClock.now() + limits.request)
    }

    /// A request is whole: its answer, or nil when it rests until it has one.
    func handle(_ exchange: Exchange, _ connection: ConnectionHandle) -> HTTPAnswer? {
        guard let request = exchange.request else { return .problem(.badRequest, "there is no request") }
        switch service.respond(to: request) {
        case .now(let answer): return answer
        case .later(let start):
            let isOpen = state.withLock { state in
                guard !state.isStopping else { return false }
                state.pending += 1
                return true
            }
            guard isOpen else {
                return .problem(.unavailable, "the relay is stopping; ask again").adding("Retry-After", "1")
            }
            table.setDeadline(exchange.slot, nil)
            exchange.markPending()
            connection.suspend()
            start(exchange)
            return nil
        }
    }

    /// Goes on with a request that rested.
    func wake(_ connection: ConnectionHandle) {
        connection.resume()
        state.withLock { $0.pending -= 1 }
    }

    /// An answer goes out: the client has so long to read it.
    func answers(slot: Int) { table.setDeadline(slot, ConsoleClock.now() + limits.idle) }

    /// A request is over; the next one may come on its connection.
    func ended(slot: Int) {
        state.withLock { $0.open -= 1 }
        table.setDeadline(slot, ConsoleClock.now() + limits.idle)
    }

    /// Room for a piece of a body; false when there is none.
    func reserve(_ count: Int) -> Bool {
        state.withLock { state in
            guard state.bodies + count <= limits.bodies else { return false }
            state.bodies += count
            return true
        }
    }

    /// Gives room back.
    func release(_ count: Int) { state.withLock { $0.bodies -= count } }
}

/// The library's server.
@safe private struct DaemonHandle: @unchecked Sendable {
    private let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { unsafe self.pointer = pointer }

    func quiesce() { _ = unsafe MHD_quiesce_daemon(pointer) }
    func stop() { unsafe MHD_stop_daemon(pointer) }
}
