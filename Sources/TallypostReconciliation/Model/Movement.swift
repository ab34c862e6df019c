package import TallypostCore

/// Why the number of open tasks, or of rows, changed.
package enum MovementKind: String, Sendable, CaseIterable {
    /// A row came.
    case created
    /// A settled task (completed, cancelled) was opened again by a person.
    case reopened
    /// An open task was completed.
    case completed
    /// An open task was called off.
    case cancelled
    /// Retention removed an open one: a dead letter or a timed-out task. It leaves the closing balance.
    case purgedOpen = "purged_open"
    /// Retention removed a settled one. The closing balance is not touched.
    case purgedSettled = "purged_settled"
    /// The balance of open tasks moved, and nothing says why: signed.
    case unexplainedOpen = "unexplained_open"
    /// Rows or their amounts changed, and nothing says why: signed; a row that vanished is −1 and its amount, whatever its status.
    case unexplained

    /// What it does to the balance of open tasks: +1, −1 or nothing.
    package var sign: Int64 {
        switch self {
        case .created, .reopened, .unexplainedOpen: 1
        case .completed, .cancelled, .purgedOpen: -1
        case .purgedSettled, .unexplained: 0
        }
    }
}

/// Movements of a quarter of an hour, added up. Time zones lie whole quarters apart, so every cut at a local midnight falls between two.
///
/// `recorded` is when the books saw it: the row's own time, but never before the run that could have seen it first and did not. So a
/// period, once its figures are told, never changes.
package struct MovementKey: Sendable, Hashable {
    /// The quarter's first moment.
    package var recorded: Timestamp
    /// The quarter of the row's own time, where that lies before ``recorded``'s: a late arrival. Else nil.
    package var effective: Timestamp?
    /// Type and currency.
    package var series: Series
    /// Why.
    package var kind: MovementKind

    /// Memberwise.
    package init(recorded: Timestamp, effective: Timestamp?, series: Series, kind: MovementKind) {
        self.recorded = recorded
        self.effective = effective
        self.series = series
        self.kind = kind
    }

    /// The quarter of an hour that a moment lies in: its first microsecond.
    package static func quarter(_ time: Timestamp) -> Timestamp {
        let length: Int64 = 900_000_000
        let rest = time.microseconds % length
        return Timestamp(microseconds: time.microseconds - (rest < 0 ? rest + length : rest))
    }
}

/// Movements by quarter, series and kind.
package typealias MovementBook = [MovementKey: Tally]
