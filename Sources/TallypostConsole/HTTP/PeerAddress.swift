import CMicrohttpd
import Glibc

/// Who is at the other end of a connection.
struct PeerAddress: Sendable, Equatable {
    /// The part of an address that belongs to one holder: an IPv4 address, or the /64 of an IPv6 one.
    struct Network: Hashable, Sendable {
        var isV6: Bool
        var bits: UInt64
    }

    /// For events; `unix` for a Unix socket.
    var text: String
    /// Nil on a Unix socket.
    var network: Network?
    var isLoopback: Bool

    /// Of a Unix socket.
    static let local = PeerAddress(text: "unix", network: nil, isLoopback: true)

    /// Of four bytes, or of sixteen; an IPv4 address in an IPv6 one counts as what it is.
    init(v4 bytes: [UInt8]) {
        self.init(
            text: bytes.map(String.init).joined(separator: "."),
            network: Network(isV6: false, bits: bytes.reduce(0) { $0 << 8 | UInt64($1) }), isLoopback: bytes.first == 127)
    }

    init(v6 bytes: [UInt8]) {
        if bytes.prefix(10).allSatisfy({ $0 == 0 }), bytes[10] == 0xFF, bytes[11] == 0xFF {
            self.init(v4: Array(bytes.suffix(4)))
            return
        }
        var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        _ = unsafe bytes.withUnsafeBytes { unsafe inet_ntop(AF_INET6, $0.baseAddress, &buffer, socklen_t(buffer.count)) }
        self.init(
            text: String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self),
            network: Network(isV6: true, bits: bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }),
            isLoopback: bytes.dropLast().allSatisfy { $0 == 0 } && bytes.last == 1)
    }

    private init(text: String, network: Network?, isLoopback: Bool) {
        self.text = text
        self.network = network
        self.isLoopback = isLoopback
    }

    /// Of a socket address; a Unix one, or none, is ``local``.
    init(_ address: UnsafePointer<sockaddr>?) {
        guard let address = unsafe address else {
            self = .local
            return
        }
        switch unsafe Int32(address.pointee.sa_family) {
        case AF_INET:
            self.init(
                v4: unsafe address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { plain in
                    unsafe withUnsafeBytes(of: plain.pointee.sin_addr) { unsafe Array($0) }
                })
        case AF_INET6:
            self.init(
                v6: unsafe address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { plain in
                    unsafe withUnsafeBytes(of: plain.pointee.sin6_addr) { unsafe Array($0) }
                })
        default: self = .local
        }
    }

    /// Of a text such as a proxy writes it; nil when it is no address.
    init?(parsing text: String) {
        var v4 = in_addr()
        var v6 = in6_addr()
        if unsafe inet_pton(AF_INET, text, &v4) == 1 {
            self.init(v4: unsafe withUnsafeBytes(of: v4) { unsafe Array($0) })
        } else if unsafe inet_pton(AF_INET6, text, &v6) == 1 {
            self.init(v6: unsafe withUnsafeBytes(of: v6) { unsafe Array($0) })
        } else {
            return nil
        }
    }
}
