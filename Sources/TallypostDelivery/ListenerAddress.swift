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

extension IPAddress {
    /// Address and port of a socket address of IPv4 or IPv6; nil for any other family.
    static func read(_ pointer: UnsafePointer<sockaddr>) -> (IPAddress, port: Int)? {
        switch unsafe Int32(pointer.pointee.sa_family) {
        case AF_INET:
            let v4 = unsafe UnsafeRawPointer(pointer).loadUnaligned(as: sockaddr_in.self)
            return (IPAddress(v4: UInt32(bigEndian: v4.sin_addr.s_addr)), Int(UInt16(bigEndian: v4.sin_port)))
        case AF_INET6:
            let v6 = unsafe UnsafeRawPointer(pointer).loadUnaligned(as: sockaddr_in6.self)
            let words = unsafe withUnsafeBytes(of: v6.sin6_addr) {
                unsafe ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            }
            return (
                IPAddress(high: UInt64(bigEndian: words.0), low: UInt64(bigEndian: words.1)), Int(UInt16(bigEndian: v6.sin6_port))
            )
        default: return nil
        }
    }
}
