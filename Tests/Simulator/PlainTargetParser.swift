public import TallypostCore

/// Reads `http://HOST` and nothing else: everything after the scheme is taken for the host.
public struct PlainTargetParser: TargetParser {
    /// One parser is like another.
    public init() {}

    /// See ``TargetParser/origin(of:)``.
    public func origin(of url: String) throws(TargetError) -> Origin {
        guard url.hasPrefix("http://"), url.count > 7 else { throw TargetError(reason: "not http") }
        return Origin(scheme: "http", host: String(url.dropFirst(7)), port: 80)
    }
}
