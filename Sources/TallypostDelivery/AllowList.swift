public import TallypostCore

/// `allow` of the configuration: where URLs of rows may lead beside public addresses.
public struct AllowList: Sendable, Equatable {
    /// Exact origins.
    public let origins: Set<Origin>
    /// Networks, whatever the name that resolved there.
    public let networks: [IPNetwork]

    /// Allows nothing.
    public static let empty = AllowList(origins: [], networks: [])

    private init(origins: Set<Origin>, networks: [IPNetwork]) {
        self.origins = origins
        self.networks = networks
    }

    /// Each entry an origin (`http://10.0.0.5:8080`) or a network (`10.0.0.0/8`). Throws at the first that is neither.
    public init(parsing entries: [String]) throws(TargetError) {
        var origins: Set<Origin> = []
        var networks: [IPNetwork] = []
        for entry in entries {
            if let network = IPNetwork(entry) {
                networks.append(network)
            } else if entry.contains("://") {
                let target = try CurlTarget(parsing: entry)
                guard target.isBareOrigin else {
                    throw TargetError(reason: "an origin is scheme, host and port, with no path or query behind it")
                }
                origins.insert(target.origin)
            } else {
                throw TargetError(
                    reason:
                        "neither an origin (\"http://10.0.0.5:8080\") nor a network (\"10.0.0.0/8\", no bits set beyond its prefix)"
                )
            }
        }
        self.init(origins: origins, networks: networks)
    }
}
