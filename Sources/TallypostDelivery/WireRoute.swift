/// How the requests of one route look on the wire. What the relay's mind knows of a route is Core's `RoutePolicy`.
public struct WireRoute: Sendable, Equatable {
    /// What the body is.
    public enum Body: String, Sendable, CaseIterable {
        /// The payload, byte for byte.
        case plain
        /// An object with the task, the payload and, where there are any, its predecessor's result and its checkpoint.
        case envelope
    }

    /// In which format the body travels.
    public enum Format: String, Sendable, CaseIterable {
        /// JSON as it is.
        case plain
        /// CloudEvents 1.0: attributes in `ce-` headers.
        case cloudEventsBinary = "cloudevents-binary"
        /// CloudEvents 1.0: attributes and body in one JSON object.
        case cloudEventsStructured = "cloudevents-structured"
    }

    /// Files for TLS, in PEM.
    public struct TLS: Sendable, Equatable {
        /// Trusted instead of the system's authorities; nil: those.
        public var ca: String?
        /// The client's certificate, with its chain.
        public var certificate: String?
        /// The client's private key; nil: in the certificate's file.
        public var key: String?

        /// Memberwise.
        public init(ca: String? = nil, certificate: String? = nil, key: String? = nil) {
            self.ca = ca
            self.certificate = certificate
            self.key = key
        }
    }

    /// Where tasks go that have no `target_url`; nil: nowhere.
    public var url: String?
    /// Signing keys, newest first; every one signs. Empty: unsigned.
    public var secrets: [WebhookSecret]
    /// Sent with every request. A row's header of the same name goes before it.
    public var headers: [HeaderField]
    /// What the body is.
    public var body: Body
    /// In which format it travels.
    public var format: Format
    /// How `Idempotency-Key` is written.
    public var idempotencyKeyFormat: IdempotencyKeyFormat
    /// For all requests of the route, rows with a `target_url` included.
    public var tls: TLS

    /// The contract's defaults.
    public init(
        url: String?, secrets: [WebhookSecret] = [], headers: [HeaderField] = [], body: Body = .plain, format: Format = .plain,
        idempotencyKeyFormat: IdempotencyKeyFormat = .structured, tls: TLS = TLS()
    ) {
        self.url = url
        self.secrets = secrets
        self.headers = headers
        self.body = body
        self.format = format
        self.idempotencyKeyFormat = idempotencyKeyFormat
        self.tls = tls
    }
}
