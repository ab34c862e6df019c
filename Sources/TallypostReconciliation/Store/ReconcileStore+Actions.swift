package import TallypostCore

/// What became of a person's word on a break.
package enum BreakOutcome: Sendable, Equatable {
    /// It is done, and noted.
    case done
    /// There is no such break.
    case unknown
    /// It cannot be said of a break in this state.
    case wrongState(BreakState)
}

extension ReconcileStore {
    /// Somebody knows of it, until a date (nil: for good). Of breaks that are open or acknowledged already. With its event, in one
    /// transaction; a run that commits at the same time does not undo it.
    package func acknowledge(
        _ id: String, by who: String, reason: String, until: Timestamp?
    ) throws(StoreError) -> BreakOutcome {
        try change(
            id, from: [.open, .acknowledged], to: .acknowledged, by: who, reason: reason, until: until, event: "acknowledge")
    }

    /// Somebody says that it is dealt with. The same.
    package func resolve(_ id: String, by who: String, reason: String) throws(StoreError) -> BreakOutcome {
        try change(id, from: [.open, .acknowledged], to: .resolved, by: who, reason: reason, until: nil, event: "resolve")
    }

    private func change(
        _ id: String, from states: [BreakState], to state: BreakState, by who: String, reason: String, until: Timestamp?,
        event: String
    ) throws(StoreError) -> BreakOutcome {
        try writing.write { () throws(StoreError) in
            let found = try rows(.breakState, [.text(id)], from: writing) { row in
                row.text(0).flatMap { BreakState(rawValue: $0) }.map { (state: $0, task: row.integer(1)) }
            }
            guard let found = found.first else { return .unknown }
            guard states.contains(found.state) else { return .wrongState(found.state) }
            try writing.run(
                .setBreakState, [.text(id), .text(state.rawValue), .text(who), .text(reason), .optional(until)])
            try writing.run(.noteEvent, [.optional(found.task), .text(event), .text(who), .text(reason), .text(id)])
            return .done
        }
    }
}
