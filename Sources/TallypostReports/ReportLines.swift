import TallypostReconciliation

/// A line of a roll-forward or of a bridge, in the order in which it is read and added up.
struct ReportLine: Sendable {
    /// What a line does to the result.
    enum Effect: String, Sendable {
        case add, subtract, result, includes, check

        /// In front of the line's title, for people.
        var sign: String {
            switch self {
            case .add: "+"
            case .subtract: "−"
            case .result: "="
            case .includes, .check: ""
            }
        }
    }

    /// As files spell it: `closing`.
    var name: String
    /// For people: `Open at the end`.
    var title: String
    /// What it does to the result.
    var effect: Effect
    /// How many, and how much; nil: not looked at.
    var tally: Tally?

    init(_ name: String, _ title: String, _ effect: Effect, _ tally: Tally?) {
        self.name = name
        self.title = title
        self.effect = effect
        self.tally = tally
    }
}

extension RollForwardLine {
    /// In the order of reading.
    var lines: [ReportLine] {
        [
            ReportLine("opening", "Open at the start", .add, opening),
            ReportLine("created", "Created", .add, created),
            ReportLine("late", "of these, late arrivals", .includes, late),
            ReportLine("reopened", "Reopened", .add, reopened),
            ReportLine("completed", "Completed", .subtract, completed),
            ReportLine("cancelled", "Cancelled", .subtract, cancelled),
            ReportLine("purged", "Removed by retention", .subtract, purged),
            ReportLine("unexplained", "Moved without explanation", .add, unexplained),
            ReportLine("closing", "Open at the end", .result, closing),
            ReportLine("live", "Counted in the table", .check, live),
            ReportLine("check", "Difference to the table", .check, live == nil ? nil : check),
            ReportLine("explained", "Explained since", .check, explained),
            ReportLine("residual", "Residual (must be 0)", .check, residual),
        ]
    }
}

extension BusinessBridge {
    /// In the order of reading.
    var lines: [ReportLine] {
        [
            ReportLine("expected", "Expected by the business", .add, expected),
            ReportLine("retired", "Removed by retention", .subtract, retired),
            ReportLine("missing", "Missing tasks", .subtract, missing),
            ReportLine("inTransit", "In transit, still young", .subtract, inTransit),
            ReportLine("orphans", "Tasks without business record", .add, orphans),
            ReportLine("extraCopies", "Extra copies", .add, extraCopies),
            ReportLine("amountDifferences", "Amount differences", .add, amountDifferences),
            ReportLine("currencyDifferences", "Currency differences", .add, currencyDifferences),
            ReportLine("tasks", "Tasks", .result, tasks),
            ReportLine("residual", "Residual (must be 0)", .check, residual),
        ]
    }
}

extension ReceiverBridge {
    /// In the order of reading.
    var lines: [ReportLine] {
        [
            ReportLine("ours", "Completed by us", .add, ours),
            ReportLine("oursOnly", "Ours only", .subtract, oursOnly),
            ReportLine("inTransit", "In transit, still young", .subtract, inTransit),
            ReportLine("otherPeriods", "Of other periods", .add, otherPeriods),
            ReportLine("theirsOnly", "Theirs only", .add, theirsOnly),
            ReportLine("repeats", "Done again", .add, repeats),
            ReportLine("amountDifferences", "Amount differences", .add, amountDifferences),
            ReportLine("tolerated", "Tolerated differences", .add, tolerated),
            ReportLine("theirs", "In the receiver's ledger", .result, theirs),
            ReportLine("residual", "Residual (must be 0)", .check, residual),
        ]
    }
}
