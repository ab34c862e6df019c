import TallypostCore

/// Decides which socket addresses a request may reach: asked with the address that connect is about to use, after all
/// resolving, and again with the address of a connection that is about to be used again.
struct AddressGuard: Sendable {
    /// Who named the address.
    enum Provenance: Equatable {
        /// The configuration: any address but the forbidden ones.
        case configuration
        /// A row, with an origin that is not in `allow`: public addresses and allowed networks only.
        case row
        /// A row, with an origin that the configuration allows: as if it stood in the configuration.
        case allowedRow
    }

    let networks: [IPNetwork]
    let listeners: [ListenerAddress]

    /// Why nothing may be sent there, for a person; nil when it may.
    func objection(to address: IPAddress, port: Int, from provenance: Provenance) -> String? {
        if let service = Self.metadataService(at: address) {
            return "\(address) is \(service), which is never called"
        }
        for listener in listeners where listener.isReached(at: address, port: port) {
            return "\(address.description(port: port)) is a listener of Tallypost itself, which is never called"
        }
        guard provenance == .row, let kind = Self.nonPublicKind(of: address) else { return nil }
        for network in networks where network.contains(address) { return nil }
        return "\(address) is \(kind): a URL of a row may reach public addresses only, unless `allow` lists its origin or network"
    }

    /// Addresses at which clouds hand credentials to whoever asks from inside.
    static let metadataServices: [(address: String, name: String)] = [
        ("169.254.169.254", "the cloud's metadata service"),
        ("169.254.170.2", "the cloud's credential service for containers"),
        ("169.254.170.23", "the cloud's credential service for pods"),
        ("169.254.0.23", "the cloud's metadata service"),
        ("169.254.42.42", "the cloud's metadata service"),
        ("168.63.129.16", "the cloud's wire server"),
        ("100.100.100.200", "the cloud's metadata service"),
        ("192.0.0.192", "the cloud's metadata service"),
        ("fd00:ec2::254", "the cloud's metadata service"),
        ("fd00:ec2::23", "the cloud's credential service for pods"),
        ("fd20:ce::254", "the cloud's metadata service"),
        ("fd00:42::42", "the cloud's metadata service"),
        ("fe80::a9fe:a9fe", "the cloud's metadata service"),
    ]

    private static let metadataTable: [IPAddress: String] = Dictionary(
        metadataServices.compactMap { entry in IPAddress(entry.address).map { ($0, entry.name) } },
        uniquingKeysWith: { first, _ in first })

    static func metadataService(at address: IPAddress) -> String? {
        if let name = metadataTable[address] { return name }
        guard let embedded = address.embeddedV4, embedded != address else { return nil }
        return metadataTable[embedded]
    }

    /// IPv4 that is not public: the union of the IANA special-purpose registry and of what the known guards refuse.
    static let nonPublicV4: [(network: IPNetwork, kind: String)] = [
        (IPNetwork(v4: 0x0000_0000, 8), "an address of “this network”"),
        (IPNetwork(v4: 0x0A00_0000, 8), "a private address"),
        (IPNetwork(v4: 0x6440_0000, 10), "an address behind a carrier's NAT"),
        (IPNetwork(v4: 0x7F00_0000, 8), "a loopback address"),
        (IPNetwork(v4: 0xA9FE_0000, 16), "a link-local address"),
        (IPNetwork(v4: 0xAC10_0000, 12), "a private address"),
        (IPNetwork(v4: 0xC000_0000, 24), "an address reserved for protocols"),
        (IPNetwork(v4: 0xC000_0200, 24), "an address for documentation"),
        (IPNetwork(v4: 0xC058_6300, 24), "a 6to4 relay's address"),
        (IPNetwork(v4: 0xC0A8_0000, 16), "a private address"),
        (IPNetwork(v4: 0xC612_0000, 15), "an address for benchmarks"),
        (IPNetwork(v4: 0xC633_6400, 24), "an address for documentation"),
        (IPNetwork(v4: 0xCB00_7100, 24), "an address for documentation"),
        (IPNetwork(v4: 0xE000_0000, 4), "a multicast address"),
        (IPNetwork(v4: 0xF000_0000, 4), "a reserved address"),
    ]

    /// IPv6: what is named here, and all that is not global unicast (2000::/3).
    static let nonPublicV6: [(network: IPNetwork, kind: String)] = [
        (IPNetwork(v6: 0, 1, 128), "the loopback address"),
        (IPNetwork(v6: 0, 0, 128), "the unspecified address"),
        (IPNetwork(v6: 0xFE80_0000_0000_0000, 0, 10), "a link-local address"),
        (IPNetwork(v6: 0xFC00_0000_0000_0000, 0, 7), "a unique local address"),
        (IPNetwork(v6: 0xFF00_0000_0000_0000, 0, 8), "a multicast address"),
        (IPNetwork(v6: 0x0064_FF9B_0000_0000, 0, 96), "a NAT64 address"),
        (IPNetwork(v6: 0x0064_FF9B_0001_0000, 0, 48), "a NAT64 address"),
        (IPNetwork(v6: 0x2001_0000_0000_0000, 0, 23), "an address reserved for protocols (Teredo among them)"),
        (IPNetwork(v6: 0x2001_0DB8_0000_0000, 0, 32), "an address for documentation"),
        (IPNetwork(v6: 0x2002_0000_0000_0000, 0, 16), "a 6to4 address"),
        (IPNetwork(v6: 0x3FFF_0000_0000_0000, 0, 20), "an address for documentation"),
    ]

    private static let globalUnicast = IPNetwork(v6: 0x2000_0000_0000_0000, 0, 3)

    /// What it is, if it is not public.
    static func nonPublicKind(of address: IPAddress) -> String? {
        guard address.v4 == nil else {
            return nonPublicV4.first { $0.network.contains(address) }?.kind
        }
        if let known = nonPublicV6.first(where: { $0.network.contains(address) }) { return known.kind }
        return globalUnicast.contains(address) ? nil : "no global unicast address"
    }
}
