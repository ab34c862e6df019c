import CMicrohttpd
import Synchronization

/// One request on its way through the server, from its first line to the last byte of its answer.
///
/// The library's thread fills it; whoever has the answer hands it back from any thread.
final class Exchange: Sendable {
    private struct State: Sendable {
        var target: String
        var head: RequestHead?
        var body: [UInt8] = []
        /// Bytes of the body that came, kept or not.
        var received = 0
        var answer: HTTPAnswer?
        var isPending = false
    }

    let peer: PeerAddress
    let slot: Int
    private let server: HTTPServer
    private let connection: ConnectionHandle
    private let state: Mutex<State>

    init(server: HTTPServer, connection: ConnectionHandle, slot: Int, peer: PeerAddress, target: String) {
        self.server = server
        self.connection = connection
        self.slot = slot
        self.peer = peer
        state = Mutex(State(target: target))
    }

    /// Whether the headers have come.
    var hasHead: Bool { state.withLock { $0.head != nil || $0.answer != nil } }

    /// What to say now; nil: read on, or it is not known yet.
    var answer: HTTPAnswer? { state.withLock { $0.answer } }

    /// The headers are here. What is wrong with them is said when the body has been read and thrown away, since a client
    /// that is still sending would not read it; a body too long for that is not waited for, and then this is true.
    func begin(method: String, version: String, fields: [(name: String, value: String)]) -> Bool {
        state.withLock { state in
            do throws(RequestHead.Fault) {
                let head = try RequestHead(method: method, target: state.target, version: version, fields: fields)
                state.head = head
                if (head.contentLength ?? 0) > server.limits.body { state.answer = Self.tooLarge(server.limits.body) }
                return (head.contentLength ?? 0) > server.limits.discarded
            } catch {
                state.answer = .problem(error.problem, error.detail)
                // Where a body ends is not certain now.
                return true
            }
        }
    }

    /// A piece of the body. False: no more of it is read, the connection ends.
    func append(_ piece: UnsafeRawBufferPointer) -> Bool {
        state.withLock { state in
            state.received += piece.count
            guard state.received <= server.limits.discarded else { return false }
            guard state.answer == nil else { return true }
            if state.received > server.limits.body {
                drop(&state, Self.tooLarge(server.limits.body))
            } else if !server.reserve(piece.count) {
                drop(
                    &state, .problem(.unavailable, "too many bodies are being read; try again").adding("Retry-After", "1"))
            } else {
                unsafe state.body.append(contentsOf: piece)
            }
            return true
        }
    }

    private func drop(_ state: inout State, _ answer: HTTPAnswer) {
        server.release(state.body.count)
        state.body = []
        state.answer = answer
    }

    /// The request is whole.
    var request: HTTPRequest? {
        state.withLock { state in state.head.map { HTTPRequest(head: $0, body: state.body, peer: peer) } }
    }

    /// The server lets the connection rest until ``finish(_:)``.
    func markPending() { state.withLock { $0.isPending = true } }

    /// The answer to a request that rests. A second one is ignored.
    func finish(_ answer: HTTPAnswer) {
        let isFirst = state.withLock { state in
            guard state.isPending else { return false }
            state.isPending = false
            state.answer = answer
            return true
        }
        guard isFirst else { return }
        server.wake(connection)
    }

    /// The request is over: gives back what it held.
    func end() {
        let held = state.withLock { state in
            defer { state.body = [] }
            return state.body.count
        }
        server.release(held)
        server.ended(slot: slot)
    }

    private static func tooLarge(_ limit: Int) -> HTTPAnswer {
        .problem(.contentTooLarge, "a body may have \(limit) bytes")
    }
}

/// The library's connection. It is used on other threads only to wake it, which the library allows.
@safe struct ConnectionHandle: @unchecked Sendable {
    private let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { unsafe self.pointer = pointer }

    /// Lets it rest: no callback until ``resume()``. On the library's thread alone.
    func suspend() { unsafe MHD_suspend_connection(pointer) }

    /// Goes on with it.
    func resume() { unsafe MHD_resume_connection(pointer) }
}
