import Glibc
import TallypostCore

/// A route made ready: its URL parsed, its constant headers written, its handles.
final class CompiledRoute {
    let wire: WireRoute
    /// Nil: rows say where they go.
    let target: CurlTarget?
    let composer: RequestComposer
    /// Transfers that carry nothing at the moment.
    var idle: [Transfer] = []
    /// Whether newer settings have taken its place. What it has in flight goes on; nothing new is started.
    var isRetired = false

    /// Throws what is wrong with the route, without its type.
    init(type: String, wire: WireRoute, settings: CourierSettings) throws(TargetError) {
        self.wire = wire
        if let url = wire.url { target = try CurlTarget(parsing: url) } else { target = nil }
        try Self.check(wire.tls)
        composer = RequestComposer(type: type, route: wire, settings: settings)
    }

    private static func check(_ tls: WireRoute.TLS) throws(TargetError) {
        if tls.key != nil && tls.certificate == nil { throw TargetError(reason: "tls.key without tls.certificate") }
        for (name, path) in [("ca", tls.ca), ("certificate", tls.certificate), ("key", tls.key)] {
            guard let path else { continue }
            guard unsafe access(path, R_OK) == 0 else {
                throw TargetError(reason: "tls.\(name): \(path) cannot be read: \(unsafe String(cString: strerror(errno)))")
            }
        }
    }
}

extension CourierSettings {
    /// Finds what would keep a courier from taking these settings; changes nothing.
    public func check() throws(CourierSettingsError) { _ = try compiled() }

    /// All routes made ready, or the first fault, in the order of the types.
    func compiled() throws(CourierSettingsError) -> [String: CompiledRoute] {
        if let signalBaseURL {
            do { _ = try CurlTarget(parsing: signalBaseURL) } catch {
                throw CourierSettingsError(route: nil, reason: "signalBaseURL: \(error.reason)")
            }
        }
        var compiled: [String: CompiledRoute] = [:]
        for (type, wire) in routes.sorted(by: { $0.key < $1.key }) {
            do { compiled[type] = try CompiledRoute(type: type, wire: wire, settings: self) } catch {
                throw CourierSettingsError(route: type, reason: error.reason)
            }
        }
        return compiled
    }
}
