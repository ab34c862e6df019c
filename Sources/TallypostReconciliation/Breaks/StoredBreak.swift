package import TallypostCore

/// A break as the register of breaks keeps it from run to run.
package struct StoredBreak: Sendable, Equatable {
    /// The finding and its history.
    package var entry: Break
    /// How many runs in a row have seen it, up to the last that looked. 0 with state unconfirmed: seen once, gone before it was told.
    package var seenRuns: Int
    /// The last run that saw it.
    package var lastRun: Int64
    /// When its state last changed.
    package var changedAt: Timestamp
    /// What an unexplained change did to the books; else empty.
    package var effects: [UnexplainedEffect]

    /// Memberwise.
    package init(
        _ entry: Break, seenRuns: Int, lastRun: Int64, changedAt: Timestamp, effects: [UnexplainedEffect] = []
    ) {
        self.entry = entry
        self.seenRuns = seenRuns
        self.lastRun = lastRun
        self.changedAt = changedAt
        self.effects = effects
    }

    /// Whether it has been told: it was confirmed once.
    var wasTold: Bool { entry.state != .unconfirmed }
}
