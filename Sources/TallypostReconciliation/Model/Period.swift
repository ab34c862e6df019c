package import TallypostCore

/// A half-open stretch of time `[from, to)`, cut at a zone's own days. A day of daylight saving has 23 or 25 hours.
package struct Period: Sendable, Equatable {
    /// Its first moment.
    package var from: Timestamp
    /// The first moment after it.
    package var to: Timestamp
    /// The zone's name, "Europe/London".
    package var zone: String
    /// How it was asked for and how its files are named: `2026-11-19`, `2026-11`, `2026-11-01..2026-11-15`.
    package var label: String

    /// Memberwise.
    package init(from: Timestamp, to: Timestamp, zone: String, label: String) {
        self.from = from
        self.to = to
        self.zone = zone
        self.label = label
    }
}
