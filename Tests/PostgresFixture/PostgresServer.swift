import Foundation
import Glibc
import StoreContract
import Synchronization

/// A PostgreSQL server for tests: the one that $TALLYPOST_TEST_POSTGRES names, or a private one.
public final class PostgresServer: Sendable {
    /// Where its database `postgres` is, as its superuser.
    public let url: String
    private let own: Own?

    private final class Own: Sendable {
        let directory: String
        let port: Int
        let process = Mutex<GuardedProcess?>(nil)
        init(directory: String, port: Int) {
            self.directory = directory
            self.port = port
        }
    }

    /// The server that all tests of a process share.
    public static func shared() throws -> PostgresServer { try sharedResult.get() }

    private static let sharedResult = Result { () throws -> PostgresServer in
        if let url = ProcessInfo.processInfo.environment["TALLYPOST_TEST_POSTGRES"], !url.isEmpty {
            return PostgresServer(url: url)
        }
        return try PostgresServer()
    }

    private init(url: String) {
        self.url = url
        own = nil
    }

    /// Starts a private server on a free port, in a temporary directory. It outlives no power cut (fsync is off), but any crash of its own.
    public init(settings: [String] = []) throws {
        let directory = try GuardedProcess.makeDirectory()
        let data = directory + "/data"
        try GuardedProcess.run(
            GuardedProcess.asOwner + [
                try Self.program("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N",
            ])
        let port = try GuardedProcess.freePort()
        let lines = [
            "listen_addresses = '127.0.0.1'", "port = \(port)", "unix_socket_directories = '\(directory)'",
            "max_connections = 200", "fsync = off",
        ]
        let path = data + "/postgresql.conf"
        let text = try String(contentsOfFile: path, encoding: .utf8) + (lines + settings).joined(separator: "\n") + "\n"
        try Data(text.utf8).write(to: URL(filePath: path))
        url = "postgres://postgres@127.0.0.1:\(port)/postgres"
        own = Own(directory: directory, port: port)
        try start()
    }

    deinit {
        own?.process.withLock { $0 }?.stop()
    }

    /// The newest installed server's program of this name.
    static func program(_ name: String) throws -> String {
        if let bin = ProcessInfo.processInfo.environment["TALLYPOST_TEST_POSTGRES_BIN"] { return "\(bin)/\(name)" }
        let root = "/usr/lib/postgresql"
        let versions = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
        guard let newest = versions.max(by: { (Int($0) ?? 0) < (Int($1) ?? 0) }) else {
            throw FixtureError("there is no \(root)")
        }
        return "\(root)/\(newest)/bin/\(name)"
    }

    /// Starts a private server (again) and waits until it takes connections.
    public func start() throws {
        guard let own else { throw FixtureError("a server that others run is not ours to start") }
        let process = try GuardedProcess(
            GuardedProcess.asOwner + [try Self.program("postgres"), "-D", own.directory + "/data"], signal: "QUIT",
            directory: own.directory, log: "\(own.directory)/server.log")
        own.process.withLock { $0 = process }
        let deadline = Date(timeIntervalSinceNow: 30)
        while true {
            do {
                _ = try PostgresSession(url: url)
                return
            } catch {
                guard Date() < deadline else { throw FixtureError("PostgreSQL does not start: \(error)") }
                usleep(20_000)
            }
        }
    }

    /// Stops a private server as a crash would: no checkpoint, no goodbye (`pg_ctl stop -m immediate`).
    public func stop() {
        let process = own?.process.withLock { process in
            defer { process = nil }
            return process
        }
        process?.stop(keepingDirectory: true)
    }

    /// The URL of another database of this server, perhaps for another user, perhaps through another port.
    public func url(database: String, user: String? = nil, port: Int? = nil) throws -> String {
        guard var parts = URLComponents(string: url) else { throw FixtureError("no URL: \(url)") }
        parts.path = "/" + database
        if let user { parts.user = user }
        if let port { parts.port = port }
        guard let text = parts.string else { throw FixtureError("no URL: \(url)") }
        return text
    }
}
