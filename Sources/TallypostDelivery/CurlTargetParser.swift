public import TallypostCore

/// Core's reader of URLs, by libcurl. Any number of threads may ask at once: each call has a parser of its own.
public struct CurlTargetParser: TargetParser {
    /// Holds nothing.
    public init() {}

    /// The origin as libcurl's own parser reads it.
    public func origin(of url: String) throws(TargetError) -> Origin { try CurlTarget(parsing: url).origin }
}
