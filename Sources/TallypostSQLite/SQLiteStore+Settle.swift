public import TallypostCore

extension SQLiteStore {
    /// In transactions of ``rowsPerTransaction``: an outcome and its attempt row always commit together, and a call that
    /// threw may be repeated whole.
    public func settle(_ outcomes: [Outcome]) throws(StoreError) -> Settlement {
        let session = try opened(for: "settle_completed")
        var settlement = Settlement(written: 0, late: [])
        var rest = outcomes[...]
        while !rest.isEmpty {
            let part = rest.prefix(Self.rowsPerTransaction)
            rest = rest.dropFirst(part.count)
            let missed = try session.connection.write { () throws(StoreError) in
                try Self.write(part, session.statements)
            }
            for outcome in part {
                if let key = keysInFlight.removeValue(forKey: outcome.id) { hintedKeys.insert(key) }
            }
            for outcome in missed.sorted(by: { $0.id < $1.id }) {
                if try Self.wasSettled(outcome, session.statements) { continue }
                settlement.late.append(outcome.id)
            }
        }
        settlement.written = outcomes.count - settlement.late.count
        return settlement
    }

    /// Returns the outcomes whose row may have moved on.
    private static func write(
        _ outcomes: ArraySlice<Outcome>, _ statements: StoreStatements
    ) throws(StoreError) -> [Outcome] {
        let now = Timestamp.machineNow
        let nowText = now.iso8601
        var missed: [Outcome] = []
        var alike: [Completion: [Outcome]] = [:]
        for outcome in outcomes {
            // First, while the row still says who held it.
            if let attempt = outcome.attempt { try record(attempt, of: outcome, at: nowText, statements) }
            if case .completed(let status, let result) = outcome.change {
                alike[Completion(epoch: outcome.epoch, status: status, result: result), default: []].append(outcome)
            } else if try bind(outcome, now: now, nowText: nowText, statements).run() == 0 {
                missed.append(outcome)
            }
        }
        for (completion, outcomes) in alike {
            let update = outcomes.count == 1 ? statements.settleCompleted : statements.settleCompletedAlike
            if outcomes.count == 1 {
                try update.bind(1, outcomes[0].id)
            } else {
                try update.bind(1, text: ClaimReader.list(outcomes.lazy.map(\.id)))
            }
            try update.bind(2, completion.epoch)
            try update.bind(3, completion.status)
            try update.bind(4, completion.result)
            try update.bind(5, nowText)
            // Which of them it was, the look afterwards tells.
            if try update.run() != outcomes.count { missed += outcomes }
        }
        return missed
    }

    /// Tasks that end alike are written by one statement: most receivers answer with nothing, or always the same.
    private struct Completion: Hashable {
        var epoch: Int64
        var status: Int
        var result: String?
    }

    private static func record(
        _ attempt: AttemptRecord, of outcome: Outcome, at now: String, _ statements: StoreStatements
    ) throws(StoreError) {
        let insert = statements.recordAttempt
        try insert.bind(1, outcome.id)
        try insert.bind(2, outcome.epoch)
        try insert.bind(3, attempt.number)
        try insert.bind(4, now)
        try insert.bind(5, attempt.duration.milliseconds)
        try insert.bind(6, attempt.responseStatus)
        try insert.bind(7, attempt.error)
        try insert.bind(8, attempt.responseStart)
        try insert.run()
    }

    private static func bind(
        _ outcome: Outcome, now: Timestamp, nowText: String, _ statements: StoreStatements
    ) throws(StoreError) -> SQLiteStatement {
        let write = SettledColumns(outcome.change)
        let update = statements.settleOther
        try update.bind(1, outcome.id)
        try update.bind(2, outcome.epoch)
        try update.bind(3, outcome.status.rawValue)
        try update.bind(4, write.responseStatus)
        try update.bind(5, write.error)
        try update.bind(6, outcome.status.isFinal ? nowText : nil)
        // Text that SQLite can hold as a time ends with the year 9999.
        try update.bind(7, write.delay.map { Int(min((now + max($0, .zero)).milliseconds, Self.lastMillisecond)) })
        try update.bind(8, outcome.status == .failed && outcome.blocksKey ? 1 : 0)
        try update.bind(9, write.refunds ? 1 : 0)
        try update.bind(10, write.startResult)
        return update
    }

    /// 9999-12-31T23:59:59.999Z.
    private static let lastMillisecond: Int64 = 253_402_300_799_999

    private static func wasSettled(_ outcome: Outcome, _ statements: StoreStatements) throws(StoreError) -> Bool {
        let look = statements.settledBefore
        try look.bind(1, outcome.id)
        try look.bind(2, outcome.epoch)
        try look.bind(3, outcome.status.rawValue)
        return try look.firstRow { _ in true } ?? false
    }
}

/// What `settle_other` writes, taken out of the change.
private struct SettledColumns {
    var responseStatus: Int?
    var error: String?
    var startResult: String?
    /// Set when the task goes back to `pending`.
    var delay: TimeSpan?
    var refunds = false

    init(_ change: Outcome.Change) {
        switch change {
        case .completed(let status, _): responseStatus = status
        case .fannedOut: break
        case .waiting(let status, let result, _, _): (responseStatus, startResult) = (status, result)
        case .retry(let after, let status, let error): (delay, responseStatus, self.error) = (after, status, error)
        case .failed(let status, let error): (responseStatus, self.error) = (status, error)
        case .timedOut(let error): self.error = error
        case .released(let after): (delay, refunds) = (after, true)
        }
    }
}
