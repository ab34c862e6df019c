import Glibc
import TallypostCore

/// Asks whether anybody takes connections at an origin. Nothing is sent.
enum ReceiverProbe {
    /// For the look-up's answer and each of its addresses.
    static let patience: Int32 = 2_000

    /// What stands in the way; nil when a connection came about.
    static func obstacle(to origin: Origin) -> String? {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var first: UnsafeMutablePointer<addrinfo>?
        var host = origin.host
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        let status = unsafe getaddrinfo(host, "\(origin.port)", &hints, &first)
        guard status == 0 else { return "the name \(host) is not known: \(unsafe String(cString: gai_strerror(status)))" }
        defer { unsafe freeaddrinfo(first) }
        var obstacle = "the name \(host) has no address"
        var next = unsafe first
        while let entry = unsafe next {
            guard let reason = unsafe connectObstacle(entry.pointee) else { return nil }
            obstacle = reason
            unsafe next = entry.pointee.ai_next
        }
        return obstacle
    }

    private static func connectObstacle(_ address: addrinfo) -> String? {
        let socket = unsafe Glibc.socket(
            address.ai_family, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return text(errno) }
        defer { close(socket) }
        if unsafe connect(socket, address.ai_addr, address.ai_addrlen) == 0 { return nil }
        guard errno == EINPROGRESS else { return text(errno) }
        var entry = pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)
        var ready: Int32
        repeat { ready = unsafe poll(&entry, 1, patience) } while ready < 0 && errno == EINTR
        guard ready > 0 else { return "no answer within \(patience / 1_000) s" }
        var fault: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        unsafe getsockopt(socket, SOL_SOCKET, SO_ERROR, &fault, &length)
        return fault == 0 ? nil : text(fault)
    }

    private static func text(_ code: Int32) -> String { unsafe String(cString: strerror(code)) }
}
