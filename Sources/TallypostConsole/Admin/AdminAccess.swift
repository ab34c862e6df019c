import CCrypto

/// Who may use the admin listener: whoever has the token, by a name that is ours.
struct AdminAccess: Sendable {
    /// SHA-256 of the token; nil: nobody is asked for one.
    private let digest: [UInt8]?
    /// Hosts that a request may name; nil: any. On loopback, where a page that a browser shows could otherwise reach us under its own
    /// name (DNS rebinding).
    private let hosts: Set<String>?

    init(token: String?, hosts: Set<String>?) {
        digest = token.map { Self.sha256(Array($0.utf8)) }
        self.hosts = hosts
    }

    /// The hosts of a listener: nil for one that the network, or a Unix socket, reaches.
    static func hosts(of socket: ListeningSocket) -> Set<String>? {
        guard socket.isLocal, !socket.isUnix, let port = socket.port else { return nil }
        let names: Set<String> = ["localhost", "127.0.0.1", "[::1]", String(socket.name.dropLast(":\(port)".count))]
        return Set(names.flatMap { [$0, "\($0):\(port)"] })
    }

    /// Why a request is refused; nil: it is not.
    func refusal(_ head: RequestHead, needsToken: Bool) -> HTTPAnswer? {
        if let hosts, !hosts.contains((head.headers["host"] ?? "").lowercased()) {
            return .problem(.misdirected, "call this listener by its address or as localhost", instance: head.path)
        }
        guard needsToken, let digest else { return nil }
        let parts = (head.headers["authorization"] ?? "").split(separator: " ", maxSplits: 1)
        let token = parts.count == 2 && parts[0].lowercased() == "bearer" ? String(parts[1]) : ""
        // Digests are compared, and all of both, so that the time tells nothing of the token.
        let presented = Self.sha256(Array(token.utf8))
        guard unsafe CRYPTO_memcmp(presented, digest, digest.count) == 0, !token.isEmpty else {
            return .problem(.unauthorized, "send Authorization: Bearer and the admin token", instance: head.path)
                .adding("WWW-Authenticate", "Bearer realm=\"tallypost\"")
        }
        return nil
    }

    private static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        _ = unsafe SHA256(bytes, bytes.count, &digest)
        return digest
    }
}
