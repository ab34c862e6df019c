import Glibc
import TallypostCore
import Testing

@testable import TallypostRelay

/// A datagram socket that stands for systemd's.
private final class NotifySocket {
    let name: String
    private let socket: Int32

    /// An abstract name, as a container manager gives it, or a path.
    init(abstract: Bool) throws {
        let path = "/tmp/tallypost-notify-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        name = abstract ? "@" + path : path
        socket = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = (abstract ? [0] : []) + Array(path.utf8)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count + (abstract ? 0 : 1))
        let status = unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(socket, $0, length) }
        }
        try #require(status == 0)
    }

    /// The datagrams that have come.
    func messages() -> [String] {
        var found: [String] = []
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = unsafe recv(socket, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            guard count >= 0 else { return found }
            found.append(String(decoding: buffer[..<count], as: UTF8.self))
        }
    }

    deinit {
        close(socket)
        if name.hasPrefix("/") { unsafe unlink(name) }
    }
}

@Suite struct SystemdNotifierTests {
    @Test(arguments: [false, true])
    func `every message is one datagram as sd_notify writes it`(abstract: Bool) throws {
        let socket = try NotifySocket(abstract: abstract)
        let notifier = SystemdNotifier(environment: { $0 == "NOTIFY_SOCKET" ? socket.name : nil })
        #expect(notifier.isActive)
        notifier.ready()
        notifier.status("3 in flight\nREADY=1")
        notifier.extendTimeout(by: .seconds(10))
        notifier.stopping()
        #expect(socket.messages() == ["READY=1", "STATUS=3 in flight READY=1", "EXTEND_TIMEOUT_USEC=10000000", "STOPPING=1"])
    }

    @Test func `a reload carries the time on systemd's clock`() throws {
        let socket = try NotifySocket(abstract: true)
        let notifier = SystemdNotifier(environment: { $0 == "NOTIFY_SOCKET" ? socket.name : nil })
        let before = MonotonicClock.read(CLOCK_MONOTONIC)
        notifier.reloading()
        let message = try #require(socket.messages().first)
        let lines = message.split(separator: "\n")
        #expect(lines.first == "RELOADING=1")
        let time = try #require(lines.last?.split(separator: "=").last.flatMap { Int($0) })
        #expect(lines.last?.hasPrefix("MONOTONIC_USEC=") == true)
        #expect(time >= before.tv_sec * 1_000_000)
        #expect(time < (before.tv_sec + 60) * 1_000_000)
    }

    @Test func `the watchdog is fed at most twice an interval, and only when it is ours`() throws {
        let socket = try NotifySocket(abstract: true)
        var environment = ["NOTIFY_SOCKET": socket.name, "WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "77"]
        let ours = SystemdNotifier(environment: { environment[$0] }, process: 77)
        #expect(ours.watchdogInterval == .seconds(10))
        let start = Instant(nanoseconds: 1_000)
        ours.pingWatchdog(at: start)
        ours.pingWatchdog(at: start + .seconds(4))
        ours.pingWatchdog(at: start + .seconds(5))
        ours.pingWatchdog(at: start + .seconds(6))
        #expect(socket.messages() == ["WATCHDOG=1", "WATCHDOG=1"])
        #expect(SystemdNotifier(environment: { environment[$0] }, process: 78).watchdogInterval == nil)
        environment["WATCHDOG_PID"] = nil
        #expect(SystemdNotifier(environment: { environment[$0] }, process: 78).watchdogInterval == .seconds(10))
        environment["WATCHDOG_USEC"] = "soon"
        #expect(SystemdNotifier(environment: { environment[$0] }, process: 78).watchdogInterval == nil)
    }

    @Test(arguments: [nil, "", "@", "relative", "/no/such/socket", "/" + String(repeating: "x", count: 200)])
    func `without a socket to reach nothing happens`(name: String?) {
        let notifier = SystemdNotifier(environment: { $0 == "NOTIFY_SOCKET" ? name : "1" })
        notifier.ready()
        notifier.status("fine")
        notifier.pingWatchdog(at: Instant(nanoseconds: 0))
        #expect(notifier.isActive == (name == "/no/such/socket"))
    }
}
