import Glibc
import Synchronization
import TallypostCore

@testable import TallypostConsole

/// A console on free ports, with fakes behind it.
final class Bench {
    let database = FakeDatabase()
    let findings = FakeFindings()
    let console: Console
    let adminPort: Int
    let publicPort: Int

    init(
        token: String? = nil, hasFindings: Bool = true, families: [MetricFamily] = [], misses: MissLimit = MissLimit()
    ) throws {
        let admin = try ListeningSocket(.tcp(host: "127.0.0.1", port: 0))
        let signals = try ListeningSocket(.tcp(host: "127.0.0.1", port: 0))
        adminPort = admin.port ?? 0
        publicPort = signals.port ?? 0
        let box = Flags()
        flags = box
        var settings = ConsoleSettings(
            admin: admin, adminToken: token, public: signals, makeSignalBox: { [database] in FakeBox(database) },
            openDesk: { [database] () throws(StoreError) in try FakeConsoleDesk(database) },
            routes: {
                [
                    ConsoleRoute(
                        type: "send/receipt", url: "https://mail.example.com/", isSigned: true, maxAttempts: 8,
                        timeout: .seconds(30), concurrency: 64)
                ]
            }, metrics: { format, others in format.render(others) }, lastTurn: { box.lastTurn.withLock { $0 } },
            isDraining: { box.isDraining.withLock { $0 } }, notice: { _ in })
        if hasFindings {
            settings.openFindings = { [database, findings] () throws(StoreError) in try FakeFindingsDesk(database, findings) }
        }
        settings.families = { families }
        settings.misses = misses
        console = try Console(settings)
    }

    /// What the relay would say.
    final class Flags: Sendable {
        let lastTurn = Mutex(ConsoleClock.now())
        let isDraining = Mutex(false)
    }
    let flags: Flags

    deinit { console.stop() }

    func admin() throws -> Client { try Client(port: adminPort) }
    func `public`(from source: String = "127.0.0.1") throws -> Client { try Client(port: publicPort, from: source) }

    /// A token that a task waits with; each number another.
    func token(_ number: Int) -> String {
        let token = String(repeating: "A", count: 43 - String(number).count) + String(number)
        database.state.withLock { $0.tokens[token] = .some(nil) }
        return token
    }
}
