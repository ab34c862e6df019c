package import TallypostCore

/// What has been done about a finding.
package enum BreakState: String, Sendable, CaseIterable {
    /// Seen by fewer runs than its rule wants: not told yet.
    case unconfirmed
    /// It is there, and nobody has taken it on.
    case open
    /// Somebody knows, until a date. It stays in the totals.
    case acknowledged
    /// Somebody says that it is dealt with.
    case resolved
    /// It went by itself.
    case cleared
}

/// How a break stands to the run before.
package enum BreakChange: String, Sendable, CaseIterable {
    /// Not there before.
    case new
    /// There before, with another amount or severity; an acknowledgement is void.
    case changed
    /// As before.
    case persisting
    /// There before, not now.
    case cleared
    /// Cleared or resolved once, and there again: it keeps its id and its first day.
    case reopened
}

/// A finding and its history, as the register of breaks keeps it.
package struct Break: Sendable, Equatable {
    /// What was found last.
    package var finding: Finding
    /// What has been done about it.
    package var state: BreakState
    /// How it stands to the run before; nil where no run was made.
    package var change: BreakChange?
    /// How it stands to the last signed report; nil where none is signed.
    package var changeSinceSigned: BreakChange?
    /// The as-of of the first run that saw it.
    package var firstSeen: Timestamp
    /// The as-of of the last run that saw it.
    package var lastSeen: Timestamp
    /// Who acknowledged or resolved it.
    package var by: String?
    /// Why.
    package var reason: String?
    /// Until when it is acknowledged; nil: for good.
    package var until: Timestamp?

    /// Memberwise.
    package init(
        finding: Finding, state: BreakState, change: BreakChange? = nil, changeSinceSigned: BreakChange? = nil,
        firstSeen: Timestamp,
        lastSeen: Timestamp, by: String? = nil, reason: String? = nil, until: Timestamp? = nil
    ) {
        self.finding = finding
        self.state = state
        self.change = change
        self.changeSinceSigned = changeSinceSigned
        self.firstSeen = firstSeen
        self.lastSeen = lastSeen
        self.by = by
        self.reason = reason
        self.until = until
    }

    /// Whether it counts as a break today: open or acknowledged.
    package var counts: Bool { state == .open || state == .acknowledged }
}
