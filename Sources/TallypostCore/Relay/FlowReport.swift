/// What does not flow freely at one relay, as it is kept in `tallypost_relays.state`: a line of JSON, so that `explain`, `status` and
/// whoever reads the table can say why tasks wait.
public struct FlowReport: Sendable, Equatable, Codable {
    /// Why a destination takes less than there is.
    public enum Reason: String, Sendable, Codable, CaseIterable {
        /// Its breaker is open.
        case breaker
        /// It asked for time.
        case retryAfter
        /// The route's rate is used up.
        case rate
        /// All places in flight are taken.
        case concurrency
    }

    /// One destination, or one route's share of it.
    public struct Restraint: Sendable, Equatable, Codable {
        /// Scheme, host and port.
        public var destination: String
        /// Why.
        public var reason: Reason
        /// The route's type, where the reason is the route's own.
        public var type: String?
        /// Nothing is sent before that time of the database; nil: a probe is under way, or there is no such time.
        public var until: String?
        /// What the breaker opened on: so many failures …
        public var failures: Int?
        /// … in so many attempts.
        public var attempts: Int?
        /// The limit as configured: `100/s`, or a number of places.
        public var limit: String?
        /// Relays that share the rate.
        public var relays: Int?

        /// - Parameters:
        ///   - destination: scheme, host and port.
        ///   - reason: why.
        public init(destination: String, reason: Reason) {
            self.destination = destination
            self.reason = reason
        }
    }

    /// At most ``mostRestraints``.
    public var restraints: [Restraint] = []
    /// Further ones, which are only counted.
    public var unlisted = 0
    /// Memory bounds are reached with so many tasks: nothing is claimed.
    public var heldTasks: Int?
    /// The database is slow: a visit took so long.
    public var visitMilliseconds: Int64?
    /// Rows of one claim at most, for that.
    public var claimBatch: Int?

    /// Restraints that are listed; a row in the database should stay small.
    public static let mostRestraints = 50

    /// Everything flows.
    public init() {}

    mutating func add(_ restraint: Restraint) {
        if restraints.count < Self.mostRestraints { restraints.append(restraint) } else { unlisted += 1 }
    }

    /// One line. By hand: the core knows no Foundation.
    public var json: String {
        var members = ["\"restraints\":[\(restraints.map(Self.json).joined(separator: ","))]", "\"unlisted\":\(unlisted)"]
        if let heldTasks { members.append("\"heldTasks\":\(heldTasks)") }
        if let visitMilliseconds { members.append("\"visitMilliseconds\":\(visitMilliseconds)") }
        if let claimBatch { members.append("\"claimBatch\":\(claimBatch)") }
        return "{\(members.joined(separator: ","))}"
    }

    private static func json(_ restraint: Restraint) -> String {
        let texts: [(String, String?)] = [
            ("destination", restraint.destination), ("reason", restraint.reason.rawValue), ("type", restraint.type),
            ("until", restraint.until), ("limit", restraint.limit),
        ]
        let numbers = [("failures", restraint.failures), ("attempts", restraint.attempts), ("relays", restraint.relays)]
        let members =
            texts.compactMap { name, text in text.map { "\"\(name)\":\(ResultText.quoted($0))" } }
            + numbers.compactMap { name, number in number.map { "\"\(name)\":\($0)" } }
        return "{\(members.joined(separator: ","))}"
    }
}
