import Foundation
import StoreContract

/// A real PgBouncer in transaction mode before the shared server: statements of one store go to whichever connection is free.
final class PoolerProcess: Sendable {
    let port: Int
    private let process: GuardedProcess

    static func shared() throws -> PoolerProcess { try sharedResult.get() }
    private static let sharedResult = Result { try PoolerProcess(before: PostgresServer.shared()) }

    private init(before server: PostgresServer) throws {
        guard let target = URLComponents(string: server.url), let host = target.host else {
            throw FixtureError("no URL: \(server.url)")
        }
        let directory = try GuardedProcess.makeDirectory()
        port = try GuardedProcess.freePort()
        // Three server connections for all stores of a database: they must share.
        let settings = """
            [databases]
            * = host=\(host) port=\(target.port ?? 5_432)
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = \(port)
            unix_socket_dir =
            auth_type = trust
            auth_file = \(directory)/users
            pool_mode = transaction
            default_pool_size = 3
            max_client_conn = 500
            """
        for (name, text) in [("pgbouncer.ini", settings), ("users", "\"postgres\" \"\"\n")] {
            try Data(text.utf8).write(to: URL(filePath: "\(directory)/\(name)"))
        }
        process = try GuardedProcess(
            GuardedProcess.asOwner + ["/usr/sbin/pgbouncer", "\(directory)/pgbouncer.ini"], signal: "TERM", directory: directory,
            log: "\(directory)/pgbouncer.log")
        let deadline = Date(timeIntervalSinceNow: 10)
        while true {
            do {
                _ = try PostgresSession(url: try server.url(database: "postgres", port: port))
                return
            } catch {
                guard Date() < deadline else {
                    let log = (try? String(contentsOfFile: "\(directory)/pgbouncer.log", encoding: .utf8)) ?? ""
                    throw FixtureError("PgBouncer does not start: \(error); \(log)")
                }
                usleep(20_000)
            }
        }
    }
}
