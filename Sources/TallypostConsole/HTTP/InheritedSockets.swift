import Glibc

/// Sockets that systemd opened for us: they listen on across our restarts, so nothing is refused meanwhile.
public struct InheritedSockets: Sendable, Equatable {
    /// By name (`FileDescriptorName=`).
    public var descriptors: [String: Int32]

    /// Reads `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES` (sd_listen_fds(3)); empty when they are not for this process.
    public init(environment: [String: String], process: Int32? = nil) {
        descriptors = [:]
        guard environment["LISTEN_PID"].flatMap({ Int32($0) }) == process ?? getpid(),
            let count = environment["LISTEN_FDS"].flatMap({ Int32($0) }), (1...64).contains(count)
        else { return }
        let names = (environment["LISTEN_FDNAMES"] ?? "").split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        for index in 0..<count where Int(index) < names.count && descriptors[names[Int(index)]] == nil {
            descriptors[names[Int(index)]] = 3 + index
        }
    }
}
