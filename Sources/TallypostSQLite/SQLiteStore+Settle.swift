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
            let following = try session.following()
            let (missed, madeDue) = try session.connection.write { () throws(StoreError) in
                try Self.write(part, session.statements, following)
            }
            settlement.madeDue = settlement.madeDue || madeDue
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

    /// Returns the outcomes whose row may have moved on, and whether something fell due by the others.
    private static func write(
        _ outcomes: ArraySlice<Outcome>, _ statements: StoreStatements, _ following: Following
    ) throws(StoreError) -> (missed: [Outcome], madeDue: Bool) {
        let now = Timestamp.machineNow
        let nowText = now.iso8601
        var missed: [Outcome] = []
        var ended: [Int64] = []
        var madeDue = false
        var alike: [Completion: [Outcome]] = [:]
        for outcome in outcomes {
            // First, while the row still says who held it.
            if let attempt = outcome.attempt { try record(attempt, of: outcome, at: now, nowText, statements) }
            switch outcome.change {
            case .completed(let status, let result) where !outcome.hasFollowers:
                alike[Completion(epoch: outcome.epoch, status: status, result: result), default: []].append(outcome)
            case .completed(let status, let result):
                if try complete(outcome, status, result, nowText, statements) {
                    ended.append(outcome.id)
                } else {
                    missed.append(outcome)
                }
            case .fannedOut(let subscribers):
                if let over = try following.fanOut(outcome.id, epoch: outcome.epoch, to: subscribers, at: now) {
                    madeDue = true
                    ended += over
                } else {
                    missed.append(outcome)
                }
            case .waiting, .retry, .failed, .timedOut, .released, .held:
                let update =
                    if case .waiting = outcome.change { try bindWait(outcome, now: now, nowText: nowText, statements) } else {
                        try bind(outcome, now: now, nowText: nowText, statements)
                    }
                // A kept signal may have ended it.
                if let status = try update.rows({ $0.text(0).flatMap { TaskStatus(rawValue: $0) } }).first {
                    if status?.isFinal == true { ended.append(outcome.id) }
                } else {
                    missed.append(outcome)
                }
            }
        }
        try complete(alike, nowText, statements, &ended, &missed)
        if !ended.isEmpty, try following.follow(ended, at: now) { madeDue = true }
        return (missed, madeDue)
    }

    /// Tasks on whose end nothing hangs, as far as was known when they were claimed.
    private static func complete(
        _ alike: [Completion: [Outcome]], _ now: String, _ statements: StoreStatements, _ ended: inout [Int64],
        _ missed: inout [Outcome]
    ) throws(StoreError) {
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
            try update.bind(5, now)
            if try update.run() == outcomes.count { continue }
            // On one of them a successor has come to hang since, or its lease was lost: one by one the rest is written.
            for outcome in outcomes {
                if try complete(outcome, completion.status, completion.result, now, statements) {
                    ended.append(outcome.id)
                } else {
                    missed.append(outcome)
                }
            }
        }
    }

    private static func complete(
        _ outcome: Outcome, _ status: Int, _ result: String?, _ now: String, _ statements: StoreStatements
    ) throws(StoreError) -> Bool {
        let update = statements.settleFollowed
        try update.bind(1, outcome.id)
        try update.bind(2, outcome.epoch)
        try update.bind(3, status)
        try update.bind(4, result)
        try update.bind(5, now)
        return try update.run() > 0
    }

    /// Tasks that end alike are written by one statement: most receivers answer with nothing, or always the same.
    private struct Completion: Hashable {
        var epoch: Int64
        var status: Int
        var result: String?
    }

    private static func record(
        _ attempt: AttemptRecord, of outcome: Outcome, at now: Timestamp, _ nowText: String, _ statements: StoreStatements
    ) throws(StoreError) {
        let insert = statements.recordAttempt
        try insert.bind(1, outcome.id)
        try insert.bind(2, outcome.epoch)
        try insert.bind(3, attempt.number)
        try insert.bind(4, nowText)
        try insert.bind(5, attempt.duration.milliseconds)
        try insert.bind(6, attempt.responseStatus)
        try insert.bind(7, attempt.error)
        try insert.bind(8, attempt.responseStart)
        try insert.bind(9, now.milliseconds)
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
        try update.bind(6, nowText)
        // Text that SQLite can hold as a time ends with the year 9999.
        try update.bind(7, write.delay.map { Int(min((now + max($0, .zero)).milliseconds, Self.lastMillisecond)) })
        try update.bind(8, outcome.status == .failed && outcome.blocksKey ? 1 : 0)
        try update.bind(9, write.refunds ? 1 : 0)
        try update.bind(10, now.milliseconds)
        return update
    }

    private static func bindWait(
        _ outcome: Outcome, now: Timestamp, nowText: String, _ statements: StoreStatements
    ) throws(StoreError) -> SQLiteStatement {
        let update = statements.settleWaiting
        guard case .waiting(let status, let result, let longest, let heartbeat) = outcome.change else {
            preconditionFailure("only a task that waits is bound here")
        }
        try update.bind(1, outcome.id)
        try update.bind(2, outcome.epoch)
        try update.bind(3, status)
        try update.bind(4, result)
        try update.bind(5, longest.map { Int($0.milliseconds) })
        try update.bind(6, heartbeat.map { Int($0.milliseconds) })
        try update.bind(7, nowText)
        try update.bind(8, now.milliseconds)
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
    /// Set when the task goes back to `pending`.
    var delay: TimeSpan?
    var refunds = false

    init(_ change: Outcome.Change) {
        switch change {
        case .completed, .fannedOut, .waiting: break
        case .retry(let after, let status, let error): (delay, responseStatus, self.error) = (after, status, error)
        case .failed(let status, let error): (responseStatus, self.error) = (status, error)
        case .timedOut(let error): self.error = error
        case .released(let after): (delay, refunds) = (after, true)
        case .held(let after, let reason): (delay, refunds, error) = (after, true, reason)
        }
    }
}
