import CCurl
import Glibc

/// Where a listener of this process can be reached. A callback never goes there.
public struct ListenerAddress: Hashable, Sendable {
    /// The address it is bound to; the unspecified one (`0.0.0.0`, `::`) for all.
    public let address: IPAddress
    /// The port it is bound to.
    public let port: Int

    /// Memberwise.
    public init(address: IPAddress, port: Int) {
        self.address = address
        self.port = port
    }

    /// Whether a connection from this machine to `destination` ends here. Connecting to the unspecified address means the own
    /// machine; a listener on all addresses is reached at each that an interface has now.
    func isReached(at destination: IPAddress, port: Int) -> Bool {
        guard port == self.port else { return false }
        if destination == address || destination.isUnspecified { return true }
        return address.isUnspecified && (destination.isLoopback || Self.interfaceAddresses().contains(destination))
    }

    /// Read anew each time: interfaces come and go, and this is asked only where the port is a listener's.
    private static func interfaceAddresses() -> Set<IPAddress> {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard unsafe getifaddrs(&first) == 0 else { return [] }
        defer { unsafe freeifaddrs(first) }
        var found: Set<IPAddress> = []
        var next = unsafe first
        while let entry = unsafe next {
            if let socketAddress = unsafe entry.pointee.ifa_addr, let (address, _) = unsafe IPAddress.read(socketAddress) {
                found.insert(address)
            }
            unsafe next = entry.pointee.ifa_next
        }
        return found
    }
}
