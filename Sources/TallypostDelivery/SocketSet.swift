import CLinux
import Glibc

/// The epoll set of the dispatch thread: libcurl's sockets, and the descriptors that others want watched.
///
/// Lazy: between two requests libcurl takes a kept-alive socket out of the set and puts it in again. Obeying costs two system
/// calls per request, so such a socket stays; only when it becomes readable while nobody wants it (the peer closed it) is it
/// taken out. Level-triggered, so that nothing is lost while nobody wants it, nor when an answer is longer than one read.
/// libcurl's other descriptors (the resolver's) are closed behind our back, so with those every wish is obeyed at once.
@safe final class SocketSet {
    /// What a ready descriptor is.
    enum Ready {
        /// A descriptor that was watched.
        case watched
        /// One of libcurl's, with its shard and its flags of `curl_multi_socket_action`.
        case curl(shard: Int, flags: Int32)
        /// One that nobody wants now.
        case unwanted
    }

    private enum Owner: UInt8 { case nobody, curl, connection, watcher }

    private struct State {
        var owner = Owner.nobody
        /// Whose socket it is, if libcurl's.
        var shard: UInt8 = 0
        /// Events that libcurl waits for; 0: none.
        var wanted: UInt32 = 0
        /// Events under which it stands in the set; 0: it does not.
        var registered: UInt32 = 0
    }

    private let descriptor: Int32
    private let events: UnsafeMutablePointer<epoll_event>
    private var states = [State](repeating: State(), count: 256)

    static let eventsPerWait = 256
    static let readable = EPOLLIN.rawValue
    static let writable = EPOLLOUT.rawValue

    init() {
        descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        precondition(descriptor >= 0, "no epoll set: \(errno)")
        unsafe events = .allocate(capacity: Self.eventsPerWait)
    }

    deinit {
        Glibc.close(descriptor)
        unsafe events.deallocate()
    }

    /// A socket was opened for a connection of libcurl's.
    func adopt(_ socket: Int32) {
        reserve(socket)
        states[Int(socket)] = State(owner: .connection)
    }

    /// Closes a connection's socket, which takes it out of the set.
    func close(_ socket: Int32) -> Int32 {
        reserve(socket)
        states[Int(socket)] = State()
        return Glibc.close(socket)
    }

    /// libcurl waits for these events on a socket of its own; 0: for none any more.
    func want(_ events: UInt32, on socket: Int32, for shard: Int) {
        reserve(socket)
        let index = Int(socket)
        states[index].shard = UInt8(truncatingIfNeeded: shard)
        states[index].wanted = events
        if states[index].registered == events { return }
        if events == 0 {
            if states[index].owner == .connection { return }
            states[index].owner = .nobody
        } else if states[index].owner == .nobody {
            states[index].owner = .curl
        }
        register(events, socket)
    }

    /// A descriptor that ends waits while it is readable.
    func watch(_ descriptor: Int32) {
        reserve(descriptor)
        states[Int(descriptor)].owner = .watcher
        if states[Int(descriptor)].registered == 0 { register(Self.readable, descriptor) }
    }

    /// Takes out a watched descriptor.
    func ignore(_ descriptor: Int32) {
        reserve(descriptor)
        guard states[Int(descriptor)].owner == .watcher else { return }
        register(0, descriptor)
        states[Int(descriptor)] = State()
    }

    /// Waits; says how many are ready. -1 for no limit.
    func wait(milliseconds: Int32) -> Int {
        let count = unsafe epoll_wait(descriptor, events, Int32(Self.eventsPerWait), milliseconds)
        if count < 0 {
            // A signal is as good a reason to return as any other.
            precondition(errno == EINTR, "epoll_wait: \(errno)")
            return 0
        }
        return Int(count)
    }

    /// One of those that the last wait found.
    func ready(_ index: Int) -> (descriptor: Int32, Ready) {
        let event = unsafe events[index]
        let socket = unsafe event.data.fd
        let state = states[Int(socket)]
        switch state.owner {
        case .watcher: return (socket, .watched)
        case .nobody: return (socket, .unwanted)
        case .curl, .connection:
            guard state.wanted != 0 else {
                // Gone from the set until it is wanted again; else it would be ready for ever.
                if state.registered != 0 { register(0, socket) }
                return (socket, .unwanted)
            }
            return (socket, .curl(shard: Int(state.shard), flags: Self.flags(unsafe event.events)))
        }
    }

    private static func flags(_ events: UInt32) -> Int32 {
        var flags: Int32 = 0
        if events & readable != 0 { flags |= 1 }  // CURL_CSELECT_IN
        if events & writable != 0 { flags |= 2 }  // CURL_CSELECT_OUT
        if events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 { flags |= 4 }  // CURL_CSELECT_ERR
        return flags
    }

    private func register(_ events: UInt32, _ socket: Int32) {
        let before = states[Int(socket)].registered
        states[Int(socket)].registered = events
        var event = unsafe epoll_event()
        unsafe event.events = events
        unsafe event.data.fd = socket
        let operation = before == 0 ? EPOLL_CTL_ADD : (events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD)
        if unsafe epoll_ctl(descriptor, operation, socket, &event) == 0 { return }
        // A descriptor that was closed behind our back has left the set by itself, and its number may be in use again.
        switch errno {
        case ENOENT where events != 0:
            precondition(unsafe epoll_ctl(descriptor, EPOLL_CTL_ADD, socket, &event) == 0, "epoll_ctl: \(errno)")
        case EEXIST: precondition(unsafe epoll_ctl(descriptor, EPOLL_CTL_MOD, socket, &event) == 0, "epoll_ctl: \(errno)")
        case ENOENT, EBADF: states[Int(socket)].registered = 0
        default: preconditionFailure("epoll_ctl: \(errno)")
        }
    }

    private func reserve(_ descriptor: Int32) {
        precondition(descriptor >= 0, "no descriptor")
        while states.count <= Int(descriptor) { states.append(contentsOf: [State](repeating: State(), count: states.count)) }
    }
}
