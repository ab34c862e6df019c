public import TallypostCore

/// When to try again to reach a database that is away: full jitter on an exponential from 100 ms to 10 s, so that many relays do
/// not all come back at once.
struct DatabaseLink: Sendable {
    private(set) var failures = 0
    private(set) var retryAt: Instant?

    static let base = TimeSpan.milliseconds(100)
    static let cap = TimeSpan.seconds(10)

    /// Whether a try is due.
    func mayTry(at now: Instant) -> Bool { retryAt.map { $0 <= now } ?? true }

    /// It could not be reached. `share` is the jitter, from 0 to 1.
    mutating func failed(at now: Instant, share: Double = .random(in: 0...1)) {
        let ceiling = min(Self.cap.nanoseconds, Self.base.nanoseconds << Int64(min(failures, 10)))
        failures += 1
        retryAt = now + TimeSpan(nanoseconds: Int64(Double(ceiling) * share))
    }

    /// It was reached.
    mutating func succeeded() {
        failures = 0
        retryAt = nil
    }
}

/// What the console tells people.
public enum ConsoleNotice: Sendable {
    /// A listener is open.
    case listening(String, at: String)
    /// A part of the console cannot reach the database; told once, until ``databaseBack(_:)``.
    case databaseAway(String, StoreError)
    /// It can again.
    case databaseBack(String)
    /// A request failed in the database.
    case requestFailed(String, StoreError)
}

extension StoreError {
    /// What a client is told: never the engine's message, which may name hosts and values.
    func answer(_ instance: String? = nil) -> HTTPAnswer {
        switch kind {
        case .connection: Self.away(instance)
        case .busy: .problem(.unavailable, "the database is busy; ask again", instance: instance).adding("Retry-After", "1")
        case .unwritable:
            .problem(.unavailable, "the database takes no writes now; ask again later", instance: instance).adding(
                "Retry-After", "5")
        case .schema:
            .problem(.unavailable, "the tables are missing or of another version; run tallypost init", instance: instance)
                .adding("Retry-After", "30")
        case .permission:
            .problem(.unavailable, "the relay lacks a right in the database; run tallypost doctor", instance: instance)
                .adding("Retry-After", "30")
        case .corrupt: .problem(.unavailable, "the database is damaged", instance: instance).adding("Retry-After", "30")
        // A value that can be, but not beside what is there: a predecessor that is missing, a group that has ended.
        case .data where code.hasPrefix("23") || code.hasPrefix("SQLITE_CONSTRAINT"):
            .problem(.conflict, "the database refuses it: \(message)", instance: instance)
        case .data: .problem(.badRequest, "the database refuses a value: \(message)", instance: instance)
        case .defect: .problem(.defect, "the relay's log says more", instance: instance)
        }
    }

    /// The database cannot be reached.
    static func away(_ instance: String? = nil) -> HTTPAnswer {
        .problem(.unavailable, "the database is away; ask again", instance: instance).adding("Retry-After", "2")
    }
}
