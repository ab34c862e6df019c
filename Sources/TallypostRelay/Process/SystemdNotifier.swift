import Glibc
public import TallypostCore

/// Tells systemd how the service is (sd_notify(3)): one datagram to `$NOTIFY_SOCKET`. Without that variable it does nothing.
public final class SystemdNotifier {
    private let descriptor: Int32
    private let address: sockaddr_un
    private let addressLength: socklen_t
    private let watchdogPeriod: TimeSpan?
    private var pingedAt = Instant(nanoseconds: .min)

    /// Reads `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` from `environment`.
    public init(environment: [String: String]) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = Array((environment["NOTIFY_SOCKET"] ?? "").utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        let isUsable = path.count > 1 && path.count < room && (path[0] == UInt8(ascii: "/") || path[0] == UInt8(ascii: "@"))
        if isUsable {
            unsafe withUnsafeMutableBytes(of: &address.sun_path) { target in
                unsafe target.copyBytes(from: path)
                // A leading '@' stands for the NUL of an abstract socket's name.
                if path[0] == UInt8(ascii: "@") { unsafe target[0] = 0 }
            }
        }
        self.address = address
        addressLength = socklen_t(MemoryLayout<sa_family_t>.size + path.count)
        descriptor = isUsable ? socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0) : -1

        let isForUs = environment["WATCHDOG_PID"].map { $0 == String(getpid()) } ?? true
        if isForUs, let text = environment["WATCHDOG_USEC"], let microseconds = Int64(text), microseconds > 0, descriptor >= 0 {
            watchdogPeriod = .microseconds(microseconds)
        } else {
            watchdogPeriod = nil
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Whether anybody listens.
    public var isActive: Bool { descriptor >= 0 }

    /// How often to call ``pingWatchdog(at:)``: half of systemd's patience; nil when it does not watch.
    public var watchdogInterval: TimeSpan? { watchdogPeriod.map { TimeSpan(nanoseconds: $0.nanoseconds / 2) } }

    /// The relay is up, or has finished reloading.
    public func ready() { send("READY=1") }

    /// A reload has begun.
    public func reloading(at now: Instant) {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        send("RELOADING=1\nMONOTONIC_USEC=\(Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000)")
    }

    /// The relay is going down.
    public func stopping() { send("STOPPING=1") }

    /// One line for `systemctl status`.
    public func status(_ text: String) { send("STATUS=\(text.replacing("\n", with: " "))") }

    /// Tells the watchdog that the dispatch loop turns; at most every ``watchdogInterval``. Never depends on the database: a
    /// database that is away is no reason to be restarted.
    public func pingWatchdog(at now: Instant) {
        guard let watchdogInterval, now - pingedAt >= watchdogInterval || pingedAt.nanoseconds == .min else { return }
        pingedAt = now
        send("WATCHDOG=1")
    }

    private func send(_ text: String) {
        guard descriptor >= 0 else { return }
        let bytes = Array(text.utf8)
        var address = address
        unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { target in
                // A full queue or an absent manager is not the relay's trouble.
                _ = unsafe sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT), target, addressLength)
            }
        }
    }
}
