import TallypostDelivery

/// Where a listener is to be: `127.0.0.1:7411`, `[::1]:7411` or `unix:/run/tallypost/admin.sock`.
enum ListenAddress: Sendable, Equatable {
    case tcp(IPAddress, port: Int)
    case unix(path: String)

    /// Nil when it is neither.
    init?(parsing text: String) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard path.hasPrefix("/"), path.utf8.count < 108 else { return nil }
            self = .unix(path: path)
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]), (1...65_535).contains(port)
        else {
            return nil
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard let address = IPAddress(host == "localhost" ? "127.0.0.1" : String(host)) else { return nil }
        self = .tcp(address, port: port)
    }

    /// What to say of a text that is none.
    static func refusal(_ text: String) -> String {
        "\"\(text)\" is no address; write \"127.0.0.1:7411\", \"[::1]:7411\" or \"unix:/run/tallypost/admin.sock\""
    }

    /// For the address guard: callbacks never go there.
    var listener: ListenerAddress? {
        guard case .tcp(let address, let port) = self else { return nil }
        return ListenerAddress(address: address, port: port)
    }
}
