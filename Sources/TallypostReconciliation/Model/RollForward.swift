package import TallypostCore

/// opening + created + reopened − completed − cancelled − purged + unexplained = closing, for one type and currency.
package struct RollForwardLine: Sendable, Equatable {
    /// Type and currency.
    package var series: Series
    /// Open at the period's first moment: pending, processing, blocked, waiting, failed and timed out. A dead letter is not settled.
    package var opening = Tally.zero
    /// Rows that came.
    package var created = Tally.zero
    /// Of ``created``: late arrivals, whose own time lies before the period.
    package var late = Tally.zero
    /// Settled ones that were opened again.
    package var reopened = Tally.zero
    /// Open ones that were completed.
    package var completed = Tally.zero
    /// Open ones that were called off.
    package var cancelled = Tally.zero
    /// Open ones (dead letters) that retention removed.
    package var purged = Tally.zero
    /// Moves of the balance that nothing explains: signed.
    package var unexplained = Tally.zero
    /// Of the residual: what a person has since explained (resolved findings of `unexplained_change`), signed.
    package var explained = Tally.zero
    /// Changes that nothing explains, of rows in any status, less what was explained: signed. Must be zero.
    package var residual = Tally.zero
    /// Open rows in the live table, where the period ends with the run; nil for a period in the past.
    package var live: Tally?

    /// An empty one.
    package init(series: Series) { self.series = series }

    /// Open at the period's end, by the movements.
    package var closing: Tally { opening + created + reopened - completed - cancelled - purged + unexplained }
    /// The closing balance less what the live table holds; zero when it is not compared.
    package var check: Tally { live.map { closing - $0 } ?? .zero }
    /// Whether nothing is left over.
    package var isBalanced: Bool { residual.isZero && check.isZero }
}

/// Open tasks of one type and currency by age, from the business date (`created_at`: retries do not make a task young).
package struct AgeingLine: Sendable, Equatable {
    /// Type and currency.
    package var series: Series
    /// As many as ``bounds`` and one more, youngest first.
    package var buckets: [Tally]

    /// Upper ends of the buckets; the last has none.
    package static let bounds: [TimeSpan] = [
        .hours(1), .hours(4), .hours(24), .hours(72), .hours(168), .hours(720), .hours(2160),
    ]
    /// The buckets' names.
    package static let names = ["≤ 1 h", "1–4 h", "4–24 h", "1–3 d", "3–7 d", "7–30 d", "30–90 d", "> 90 d"]

    /// An empty one.
    package init(series: Series) {
        self.series = series
        buckets = Array(repeating: .zero, count: Self.names.count)
    }

    /// Where a task of that age belongs.
    package static func bucket(age: TimeSpan) -> Int { bounds.firstIndex { age <= $0 } ?? bounds.count }
}
