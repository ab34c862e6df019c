// The compiler may find `sockaddr` in either module, whichever it read first.
import CCurl
import Glibc

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
