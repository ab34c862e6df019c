import Synchronization
import TallypostCore
import TallypostReconciliation
import TallypostRelay

/// What stands between the database and dispatch, as the process sees it: the rules that hold tasks, and whether anything is held.
final class DispatchGuard: Sendable {
    private let log: Log
    private let rules = Mutex<[HoldRule]>([])
    private let hold = Mutex<DispatchHold?>(nil)

    init(log: Log) { self.log = log }

    /// Other rules from now on.
    func apply(_ rules: [HoldRule]) { self.rules.withLock { $0 = rules } }

    /// What keeps this relay from sending, as far as it knows.
    var currentHold: DispatchHold? { hold.withLock { $0 } }

    /// The engine's store behind it. Called on the store thread.
    func guarding(_ store: any TaskStore, memory: (any TideMemory)?) -> any TaskStore {
        GuardedStore(store, memory: memory, rules: { self.rules.withLock { $0 } }, now: MonotonicClock.now, tell: take)
    }

    private func take(_ notice: GuardedStore.Notice) {
        switch notice {
        case .held(let found):
            hold.withLock { $0 = found }
            log.critical(
                "dispatch is held: nothing is sent until a person lifts the hold",
                ["hold": found.name, "reason": found.reason, "mend": "tallypost doctor --after-restore"])
        case .released:
            hold.withLock { $0 = nil }
            log.info("the hold is lifted: dispatch goes on", [:])
        case .forgetful(let fault):
            log.warning(
                "the tide mark cannot be kept outside of the database; a restore while this relay is stopped would not be noticed",
                ["error": fault])
        case .ruleFailed(let rule, let type, let error):
            log.error(
                "a rule cannot be asked; its tasks are held",
                ["rule": rule, "type": type, "error": error.description, "mend": "tallypost rules test"])
        }
    }

    /// Where the tide mark of a database is remembered: in systemd's state directory; else beside an SQLite file, or in the user's
    /// own state directory. Nil: nowhere.
    static func memory(of database: DatabaseURL, environment: [String: String]) -> TideFile? {
        if let directory = environment["STATE_DIRECTORY"]?.split(separator: ":").first {
            return TideFile(path: "\(directory)/tallypost.mark")
        }
        switch database {
        case .sqlite(let path): return TideFile(path: "\(path)-tallypost-mark")
        case .postgres:
            let set = environment["XDG_STATE_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
            guard let folder = set ?? environment["HOME"].map({ "\($0)/.local/state" }) else { return nil }
            // The same database by another URL is another one to us: it is remembered anew.
            let name = Digest.hex(Digest.sha256(Array(database.redacted.utf8)).prefix(8))
            return TideFile(path: "\(folder)/tallypost/\(name).mark")
        }
    }
}
