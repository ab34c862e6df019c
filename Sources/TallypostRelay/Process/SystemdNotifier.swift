import Glibc
import Synchronization
public import TallypostCore

/// Tells systemd how the process is: the protocol of sd_notify(3), one datagram a message.
///
/// Does nothing where no `$NOTIFY_SOCKET` was given. Nothing that fails here may harm a delivery, so nothing throws.
public final class SystemdNotifier: Sendable {
    private let socket: Int32?
    private let address: [UInt8]
    private let lastPing = Mutex(Instant(nanoseconds: .min))

    /// How often at least ``pingWatchdog(at:)`` has to be called: half of what systemd waits. Nil: no watchdog watches.
    public let watchdogInterval: TimeSpan?

    /// - Parameters:
    ///   - environment: reads a variable; `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` are asked for.
    ///   - process: this process's id: a watchdog meant for another is not ours. Nil: ask the kernel.
    public init(environment: (String) -> String? = ProcessEnvironment.value, process: Int32? = nil) {
        address = environment("NOTIFY_SOCKET").flatMap(Self.socketAddress) ?? []
        socket = address.isEmpty ? nil : Self.openSocket()
        let isOurs = environment("WATCHDOG_PID").map { Int32($0) == process ?? getpid() } ?? true
        let span = environment("WATCHDOG_USEC").flatMap(Int64.init) ?? 0
        watchdogInterval = socket != nil && isOurs && span > 0 ? .microseconds(max(span / 2, 1)) : nil
    }

    /// Whether anybody listens.
    public var isActive: Bool { socket != nil }

    /// The start, or a reload, is done.
    public func ready() { send("READY=1") }

    /// One line for `systemctl status`.
    public func status(_ text: String) { send("STATUS=\(Self.oneLine(text))") }

    /// A reload has begun; ``ready()`` ends it. systemd compares the time with its own CLOCK_MONOTONIC, so that clock is sent.
    public func reloading() {
        let time = MonotonicClock.read(CLOCK_MONOTONIC)
        send("RELOADING=1\nMONOTONIC_USEC=\(Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000)")
    }

    /// The stop has begun.
    public func stopping() { send("STOPPING=1") }

    /// The stop, start or reload under way takes so much longer, counted from now.
    public func extendTimeout(by span: TimeSpan) { send("EXTEND_TIMEOUT_USEC=\(max(span.nanoseconds / 1_000, 0))") }

    /// The loop turns. May be called at every turn: a ping goes out at most twice an interval.
    public func pingWatchdog(at now: Instant) {
        guard let watchdogInterval else { return }
        let isDue = lastPing.withLock { last in
            guard last.nanoseconds == .min || now - last >= TimeSpan(nanoseconds: watchdogInterval.nanoseconds / 2) else {
                return false
            }
            last = now
            return true
        }
        if isDue { send("WATCHDOG=1") }
    }

    private func send(_ message: String) {
        guard let socket else { return }
        let bytes = Array(message.utf8)
        unsafe bytes.withUnsafeBytes { bytes in
            unsafe address.withUnsafeBytes { address in
                guard let base = address.baseAddress else { return }
                let target = unsafe base.assumingMemoryBound(to: sockaddr.self)
                while unsafe sendto(socket, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL), target, socklen_t(address.count))
                    < 0,
                    errno == EINTR
                {}
            }
        }
    }

    /// A `sockaddr_un` as bytes: an absolute path, or with `@` for the leading NUL of an abstract name. Nil for all else.
    private static func socketAddress(_ name: String) -> [UInt8]? {
        var path = Array(name.utf8)
        let isAbstract = path.first == UInt8(ascii: "@")
        guard isAbstract || path.first == UInt8(ascii: "/"), path.count > 1 else { return nil }
        if isAbstract { path[0] = 0 } else { path.append(0) }
        guard path.count <= MemoryLayout.size(ofValue: sockaddr_un().sun_path) else { return nil }
        return unsafe withUnsafeBytes(of: sa_family_t(AF_UNIX)) { unsafe Array($0) } + path
    }

    /// A systemd that takes no message for a second gets none: the dispatch loop does not wait longer.
    private static func openSocket() -> Int32? {
        let socket = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return nil }
        var longest = timeval(tv_sec: 1, tv_usec: 0)
        unsafe setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &longest, socklen_t(MemoryLayout<timeval>.size))
        return socket
    }

    private static func oneLine(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.prefix(1_024).map { $0.value < 0x20 ? " " : $0 }))
    }

    deinit { if let socket { close(socket) } }
}

/// The process's environment, read without Foundation.
public enum ProcessEnvironment {
    /// The variable's value; nil when it is not set.
    public static func value(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }
}
