/// Where a callback goes: scheme, host and port. The unit of isolation: each destination has its own places in flight,
/// and one bad destination never slows another.
public struct Origin: Hashable, Sendable, CustomStringConvertible {
    /// `http` or `https`.
    public let scheme: String
    /// The host as written, lower case; an IPv6 address with its brackets.
    public let host: String
    /// The port, the scheme's default where none was written.
    public let port: Int

    /// Memberwise; the caller has parsed and lower-cased.
    public init(scheme: String, host: String, port: Int) {
        self.scheme = scheme
        self.host = host
        self.port = port
    }

    /// As it stands in a label or a log line: `https://mail.example.com:443`.
    public var description: String { "\(scheme)://\(host):\(port)" }
}

/// Why a URL can be no target. The reason is for a person and holds no secret of the URL.
public struct TargetError: Error, Sendable, Equatable {
    /// What is wrong with it.
    public let reason: String
    /// - Parameter reason: what is wrong with it.
    public init(reason: String) { self.reason = reason }
}

/// Reads URLs; the real one is libcurl's parser. Pure: no look-up, no I/O.
public protocol TargetParser: Sendable {
    /// The origin of an absolute `http` or `https` URL without user information.
    func origin(of url: String) throws(TargetError) -> Origin
}
