package import TallypostCore

/// How breaks stand to what the last signed report told.
package struct SignedDiff: Sendable {
    /// A break as a signed report told it.
    package struct Told: Sendable, Equatable {
        /// Its id.
        package var id: String
        /// Its amount in minor units.
        package var amountMinor: Int64?

        /// Memberwise.
        package init(id: String, amountMinor: Int64?) {
            self.id = id
            self.amountMinor = amountMinor
        }
    }

    private let told: [String: Int64?]
    private let asOf: Timestamp

    /// - Parameters:
    ///   - told: the breaks of the last signed report.
    ///   - asOf: its as-of.
    package init(told: [Told], asOf: Timestamp) {
        self.told = Dictionary(told.map { ($0.id, $0.amountMinor) }) { first, _ in first }
        self.asOf = asOf
    }

    /// How one break stands to it; nil: neither told then nor counting now.
    package func change(of entry: Break) -> BreakChange? {
        guard let amount = told[entry.finding.id] else {
            guard entry.counts else { return nil }
            // Known then, and not told as open: it had been dealt with.
            return entry.firstSeen <= asOf ? .reopened : .new
        }
        if !entry.counts { return .cleared }
        return amount == entry.finding.amountMinor ? .persisting : .changed
    }

    /// Sets each break's change since.
    package func mark(_ breaks: inout [Break]) {
        for place in breaks.indices { breaks[place].changeSinceSigned = change(of: breaks[place]) }
    }
}
