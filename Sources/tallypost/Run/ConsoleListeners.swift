import TallypostConsole
import TallypostCore
import TallypostDelivery
import TallypostRelay

/// The console's listeners, bound: by the configuration's addresses, or by systemd, whose sockets go before them.
struct ConsoleListeners {
    var admin: ListeningSocket?
    var `public`: ListeningSocket?
    /// The admin listener's; nil: nobody is asked for one.
    var token: String?

    /// Binds what the configuration names. Throws with the mend when one may not, or cannot, be.
    init(_ configuration: Configuration, file: String?, environment: [String: String]) throws(ConfigurationError) {
        let inherited = InheritedSockets(environment: environment)
        admin = try Self.socket(configuration.listen.admin, inherited.descriptors["admin"], "listen.admin", file)
        if case .token(let text) = configuration.adminToken { token = text }
        do throws(ConfigurationError) {
            if let admin { try Self.checkToken(configuration.adminToken, admin, file) }
            `public` = try Self.socket(configuration.listen.public, inherited.descriptors["public"], "listen.public", file)
        } catch {
            admin?.close()
            throw error
        }
    }

    private static func socket(
        _ address: ListenAddress?, _ inherited: Int32?, _ path: String, _ file: String?
    ) throws(ConfigurationError) -> ListeningSocket? {
        do throws(ListenerFault) {
            if let inherited { return try ListeningSocket(inherited: inherited) }
            switch address {
            case .tcp(let address, let port): return try ListeningSocket(.tcp(host: address.description, port: port))
            case .unix(let path): return try ListeningSocket(.unix(path: path))
            case nil: return nil
            }
        } catch {
            throw refusal(error.description, path, file)
        }
    }

    private static func checkToken(
        _ token: AdminToken?, _ socket: ListeningSocket, _ file: String?
    ) throws(ConfigurationError) {
        switch token {
        case .token: return
        case _ where socket.isUnix: return
        case .some(.none) where socket.isLocal: return
        case .some(.none):
            throw refusal(
                "\"none\" would let the network in at \(socket.name); name a token (adminToken: \"credential:admin-token\"), "
                    + "or listen on 127.0.0.1", "adminToken", file)
        case nil:
            throw refusal(
                "the admin listener at \(socket.name) needs a token; name one (\"credential:admin-token\", \"file:PATH\" or "
                    + "\"env:NAME\"), serve a Unix socket (listen: { admin: \"unix:/run/tallypost/admin.sock\" }), or use "
                    + "--admin-token none for trying things out on loopback", "adminToken", file)
        }
    }

    private static func refusal(_ message: String, _ path: String, _ file: String?) -> ConfigurationError {
        ConfigurationError(problems: [ConfigurationProblem(file: file, line: nil, path: path, message: message)])
    }
}

extension ConsoleNotice {
    /// As a log line. No token stands in any of them.
    func write(to log: Log) {
        switch self {
        case .listening(let listener, let place): log.info("listening", ["listener": listener, "address": place])
        case .databaseAway(let part, let error):
            log.warning("the console cannot reach the database", ["part": part, "error": "\(error)"])
        case .databaseBack(let part): log.info("the console reaches the database again", ["part": part])
        case .requestFailed(let part, let error):
            log.error("a request failed in the database", ["part": part, "error": "\(error)"])
        }
    }
}
