import Glibc

/// An IPv4 or IPv6 address as bits. IPv4 is held in its v4-mapped form, so that `127.0.0.1` and `::ffff:127.0.0.1` are one.
public struct IPAddress: Hashable, Sendable, CustomStringConvertible {
    /// The first 64 bits.
    let high: UInt64
    /// The last 64 bits.
    let low: UInt64

    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// - Parameter bits: in host order, 127.0.0.1 being 0x7F000001.
    init(v4 bits: UInt32) {
        self.init(high: 0, low: 0xFFFF_0000_0000 | UInt64(bits))
    }

    /// Dotted decimal or RFC 4291 text, an IPv6 address with or without brackets; nothing shorter, no names, no zone.
    public init?(_ text: String) {
        var bare = Substring(text)
        if bare.hasPrefix("["), bare.hasSuffix("]") { bare = bare.dropFirst().dropLast() }
        guard bare.utf8.count < 64, !bare.utf8.contains(0) else { return nil }
        var v4 = in_addr()
        if unsafe inet_pton(AF_INET, String(bare), &v4) == 1 {
            self.init(v4: UInt32(bigEndian: v4.s_addr))
            return
        }
        var words: (UInt64, UInt64) = (0, 0)
        guard unsafe inet_pton(AF_INET6, String(bare), &words) == 1 else { return nil }
        self.init(high: UInt64(bigEndian: words.0), low: UInt64(bigEndian: words.1))
    }

    /// The bits in host order, if this is an IPv4 address.
    var v4: UInt32? { high == 0 && low >> 32 == 0xFFFF ? UInt32(truncatingIfNeeded: low) : nil }

    /// Whether it stands for "every address" when listening and for the own machine when connecting.
    var isUnspecified: Bool { v4 == 0 || (high == 0 && low == 0) }

    /// Whether it never leaves the machine.
    var isLoopback: Bool { v4.map { $0 >> 24 == 127 } ?? (high == 0 && low == 1) }

    /// An IPv4 address that a gateway would unpack from this one: v4-mapped, v4-compatible, NAT64 (RFC 6052) or 6to4 (RFC 3056).
    var embeddedV4: IPAddress? {
        if v4 != nil { return self }
        if high == 0 && low >> 32 == 0 && low > 1 { return IPAddress(v4: UInt32(truncatingIfNeeded: low)) }
        if high == 0x0064_FF9B_0000_0000 && low >> 32 == 0 { return IPAddress(v4: UInt32(truncatingIfNeeded: low)) }
        if high >> 48 == 0x2002 { return IPAddress(v4: UInt32(truncatingIfNeeded: high >> 16)) }
        return nil
    }

    /// As inet_ntop writes it, without brackets.
    public var description: String {
        if let v4 {
            return "\(v4 >> 24).\(v4 >> 16 & 255).\(v4 >> 8 & 255).\(v4 & 255)"
        }
        var words = (high.bigEndian, low.bigEndian)
        var room: [46 of CChar] = .init(repeating: 0)
        var span = room.mutableSpan
        return unsafe span.withUnsafeMutableBufferPointer { buffer in
            guard let start = buffer.baseAddress, unsafe inet_ntop(AF_INET6, &words, start, 46) != nil else { return "?" }
            return unsafe String(cString: start)
        }
    }

    /// With a port, as it stands in a URL: `127.0.0.1:80`, `[::1]:80`.
    func description(port: Int) -> String { v4 == nil ? "[\(self)]:\(port)" : "\(self):\(port)" }
}

/// A block of addresses in CIDR notation.
public struct IPNetwork: Hashable, Sendable, CustomStringConvertible {
    let base: IPAddress
    /// Counted in 128 bits, an IPv4 network's with 96 added.
    let prefix: Int

    /// `10.0.0.0/8`, `fd00::/8`, or an address alone; nil when it is none of them or has bits set beyond the prefix.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let base = IPAddress(String(first)) else { return nil }
        let width = base.v4 == nil ? 128 : 32
        var prefix = width
        if parts.count == 2 {
            guard let written = Int(parts[1]), (0...width).contains(written), parts[1].utf8.allSatisfy({ $0 >= 0x30 }) else {
                return nil
            }
            prefix = written
        }
        self.base = base
        self.prefix = prefix + 128 - width
        guard masked(base) == base else { return nil }
    }

    init(v4 bits: UInt32, _ prefix: Int) {
        base = IPAddress(v4: bits)
        self.prefix = prefix + 96
    }

    init(v6 high: UInt64, _ low: UInt64, _ prefix: Int) {
        base = IPAddress(high: high, low: low)
        self.prefix = prefix
    }

    private func masked(_ address: IPAddress) -> IPAddress {
        let highMask: UInt64 = prefix >= 64 ? .max : ~(UInt64.max >> UInt64(prefix))
        let lowMask: UInt64 = prefix <= 64 ? 0 : (prefix == 128 ? .max : ~(UInt64.max >> UInt64(prefix - 64)))
        return IPAddress(high: address.high & highMask, low: address.low & lowMask)
    }

    /// Whether the address lies in it. `::/0` is all of IPv6 and none of IPv4.
    public func contains(_ address: IPAddress) -> Bool {
        (base.v4 == nil) == (address.v4 == nil) && masked(address) == base
    }

    /// As people write it, without anything secret.
    public var description: String { "\(base)/\(base.v4 == nil ? prefix : prefix - 96)" }
}
