/// Why settings cannot be used. Nothing was changed.
public struct CourierSettingsError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The route's type; nil where it is about none.
    public let route: String?
    /// For a person; no secret in it.
    public let reason: String

    /// As it stands in a message.
    public var description: String { route.map { "route \($0): \(reason)" } ?? reason }
}

/// All that the courier must know. A value, replaced as a whole when the configuration is read again.
public struct CourierSettings: Sendable {
    /// By task type.
    public var routes: [String: WireRoute]
    /// Where URLs of rows may lead beside public addresses.
    public var allow: AllowList
    /// This process's listeners, which are never called.
    public var ownListeners: [ListenerAddress]
    /// For `User-Agent`.
    public var version: String
    /// CloudEvents' `source`: a URI reference.
    public var eventSource: String
    /// Put before `/v1/signals/` and the token, for tasks that wait; nil: no header.
    public var signalBaseURL: String?

    /// Memberwise.
    public init(
        routes: [String: WireRoute], allow: AllowList = .empty, ownListeners: [ListenerAddress] = [], version: String,
        eventSource: String = "tallypost", signalBaseURL: String? = nil
    ) {
        self.routes = routes
        self.allow = allow
        self.ownListeners = ownListeners
        self.version = version
        self.eventSource = eventSource
        self.signalBaseURL = signalBaseURL
    }
}
