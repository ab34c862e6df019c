package import TallypostCore

/// A final task that was opened again, as its event tells: why a settled row may be open now.
package struct Reopening: Sendable, Equatable {
    /// The task's `id`.
    package var taskID: Int64
    /// When.
    package var at: Timestamp
    /// Its status before: `completed`, `cancelled`, `failed`, `timeout`.
    package var was: String
    /// Its `finished_at` before; nil: not known.
    package var finishedAt: Timestamp?

    /// Memberwise.
    package init(taskID: Int64, at: Timestamp, was: String, finishedAt: Timestamp?) {
        self.taskID = taskID
        self.at = at
        self.was = was
        self.finishedAt = finishedAt
    }
}

/// A step of retention, as its event tells: why rows may be gone.
package struct Purge: Sendable, Equatable {
    /// The lowest `id` that it removed.
    package var from: Int64
    /// The highest.
    package var to: Int64
    /// How many rows it removed.
    package var count: Int64
    /// The sum of their ids, so that a row that somebody else removed is told from them; nil: events of older releases do not have it.
    package var idSum: Int64?
    /// When.
    package var at: Timestamp

    /// Memberwise.
    package init(from: Int64, to: Int64, count: Int64, idSum: Int64?, at: Timestamp) {
        self.from = from
        self.to = to
        self.count = count
        self.idSum = idSum
        self.at = at
    }
}

/// What a change that nothing explains did to the books: kept with its finding, so that a person who explains it takes it out again.
package struct UnexplainedEffect: Sendable, Equatable {
    /// Type and currency.
    package var series: Series
    /// Rows and money, signed.
    package var delta: Tally
    /// The quarter of an hour that it stands in.
    package var recorded: Timestamp

    /// Memberwise.
    package init(series: Series, delta: Tally, recorded: Timestamp) {
        self.series = series
        self.delta = delta
        self.recorded = recorded
    }
}
