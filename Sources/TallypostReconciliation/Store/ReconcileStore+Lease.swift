package import TallypostCore

/// What the last committed run has seen.
package struct ReconcilerState: Sendable, Equatable {
    /// Its number; 0: there was none.
    package var lastRun: Int64
    /// When its snapshot was taken.
    package var asOf: Timestamp?
    /// The last row of `task_events` that it took into account.
    package var lastEvent: Int64

    /// Memberwise.
    package init(lastRun: Int64, asOf: Timestamp?, lastEvent: Int64) {
        self.lastRun = lastRun
        self.asOf = asOf
        self.lastEvent = lastEvent
    }
}

extension ReconcileStore {
    /// Takes the one lease there is, by the database's clock; nil: somebody else has it.
    ///
    /// A crashed holder's runs out. A holder who lost it without knowing can do no harm: ``commit(_:)`` is fenced.
    ///
    /// - Parameter holder: a name that no other process has, such as host, pid and a random number. The same one may take it again.
    package func acquire(holder: String, for span: TimeSpan) throws(StoreError) -> ReconcilerState? {
        let found = try writing.write { () throws(StoreError) in
            try states(.acquireLease, [.text(holder), .integer(max(1, span.milliseconds))])
        }
        guard let (state, gaps) = found.first else { return nil }
        eventGaps = gaps
        lease = (holder, span)
        return state
    }

    /// Within a write: the lease's row is this transaction's until it ends, or somebody else has taken over, and then nothing is written.
    /// A process that was stopped for longer than the lease lasts must not write over what others have committed since.
    func requireLease() throws(StoreError) {
        guard let lease else { return }
        guard try writing.run(.renewLease, [.text(lease.holder), .integer(max(1, lease.span.milliseconds))]) > 0 else {
            throw StoreError(
                kind: .busy, code: Self.leaseLost, operation: "renew_lease",
                message: "this run's lease had run out, and another one took over")
        }
    }

    /// The code of the error that says so.
    package static let leaseLost = "lease"

    /// The same without taking it: for who only looks.
    package func state() throws(StoreError) -> ReconcilerState {
        guard let (state, gaps) = try states(.reconcilerState, []).first else {
            throw StoreError(
                kind: .schema, code: "", operation: "reconciler_state",
                message: "tallypost_reconciler has lost its row: INSERT INTO tallypost_reconciler (id) VALUES (1)")
        }
        eventGaps = gaps
        return state
    }

    private func states(
        _ statement: ReconcileStatement, _ parameters: [SQLValue]
    ) throws(StoreError) -> [(ReconcilerState, gaps: String)] {
        try rows(statement, parameters, from: writing) { row in
            (
                ReconcilerState(lastRun: row.integer(0) ?? 0, asOf: row.time(1), lastEvent: row.integer(2) ?? 0),
                gaps: row.text(3) ?? "[]"
            )
        }
    }

    /// Whether the snapshot shows what the last run has committed: a standby that lags behind does not, and its register would be an old one.
    func requireSnapshot(of state: ReconcilerState) throws(StoreError) {
        let seen = try rows(.reconcilerState) { $0.integer(0) }.first
        guard seen != state.lastRun else { return }
        throw StoreError(
            kind: .busy, code: "lag", operation: "begin_reading",
            message:
                "the snapshot shows run \(seen ?? 0) as the last one, the database that is written to run \(state.lastRun): reconcile.database "
                + "must be the same database, or a standby that has caught up")
    }

    /// Whether it still is the holder's. One that has run out and that nobody has taken is his again.
    package func renew(holder: String, for span: TimeSpan) throws(StoreError) -> Bool {
        try writing.write { () throws(StoreError) in
            try writing.run(.renewLease, [.text(holder), .integer(max(1, span.milliseconds))]) > 0
        }
    }

    /// Gives it back; of somebody else's nothing is touched.
    package func release(holder: String) throws(StoreError) {
        lease = nil
        _ = try writing.write { () throws(StoreError) in try writing.run(.releaseLease, [.text(holder)]) }
    }
}
