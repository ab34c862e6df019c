import Foundation
import StoreContract
import Synchronization
import TallypostPostgres

/// Databases made from one migrated template, and the roles of grants.sql, on one server.
public final class TestDatabases: Sendable {
    /// The server.
    public let server: PostgresServer
    private let state: Mutex<State>
    private let mark = "\(ProcessInfo.processInfo.processIdentifier)_\(UInt32.random(in: 0 ... .max))"

    private struct State: ~Copyable {
        let session: PostgresSession
        var made = 0
    }

    /// Those of the server that all tests share.
    public static func shared() throws -> TestDatabases { try sharedResult.get() }
    private static let sharedResult = Result {
        let databases = try TestDatabases(on: PostgresServer.shared())
        atexit { (try? TestDatabases.shared())?.dropAll() }
        return databases
    }

    /// Makes the template and the roles.
    public init(on server: PostgresServer) throws {
        self.server = server
        let session = try PostgresSession(url: server.url)
        for role in Role.allCases { try session.execute("CREATE ROLE \(role.rawValue)_\(mark) LOGIN") }
        for name in ["bare", "granted"] { try session.execute("CREATE DATABASE template_\(name)_\(mark)") }
        state = Mutex(State(session: session))
        for name in ["bare", "granted"] {
            _ = try PostgresSchema(url: try server.url(database: "template_\(name)_\(mark)")).migrate()
        }
        try grant(on: "template_granted_\(mark)")
    }

    /// The roles that grants.sql gives rights to.
    public enum Role: String, CaseIterable, Sendable {
        /// The application's.
        case app
        /// The relay's.
        case relay
        /// Who reads.
        case report
    }

    /// A role's name on this server.
    public func name(of role: Role) -> String { "\(role.rawValue)_\(mark)" }

    /// Runs sql/postgres/grants.sql on a database with psql, as a person would, for our roles.
    public func grant(on database: String) throws {
        try psql(database, Role.allCases.map { ($0.rawValue, name(of: $0)) })
    }

    /// Runs grants.sql with these variables.
    @discardableResult public func psql(_ database: String, _ variables: [(String, String)]) throws -> String {
        let script = try String(contentsOf: Self.grants, encoding: .utf8)
        let set = variables.flatMap { ["-v", "\($0.0)=\($0.1)"] }
        return try GuardedProcess.run(
            ["psql", "-X", "-q", "-d", try server.url(database: database)] + set + ["-f", "-"], input: script)
    }

    /// The file in the source tree.
    static let grants = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
        .appending(path: "sql/postgres/grants.sql")

    /// A new database, migrated; with the grants when asked. Returns its name.
    func make(granted: Bool) throws -> String {
        try state.withLock { state in
            state.made += 1
            let name = "test_\(state.made)_\(mark)"
            try state.session.execute("CREATE DATABASE \(name) TEMPLATE template_\(granted ? "granted" : "bare")_\(mark)")
            return name
        }
    }

    func drop(_ name: String) {
        state.withLock { state in _ = try? state.session.execute("DROP DATABASE IF EXISTS \(name) WITH (FORCE)") }
    }

    private func dropAll() {
        for name in ["bare", "granted"] { drop("template_\(name)_\(mark)") }
        state.withLock { state in
            for role in Role.allCases { _ = try? state.session.execute("DROP ROLE \(role.rawValue)_\(mark)") }
        }
    }
}
