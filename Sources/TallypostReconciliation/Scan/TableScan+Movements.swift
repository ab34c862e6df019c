import TallypostCore

extension TableScan {
    /// A row that no run has seen yet: it came, and what happened since.
    func arrive(_ row: RowState) {
        add(.created, row.series, Self.time(row.created) ?? earliest, row.tally)
        var walk = Walk(status: .open, finished: RowState.noTime)
        reopen(&walk, row)
        // Without an end it is invalid, and told as such; its books are those of a row that ended when it came.
        if row.status.isSettled {
            add(Self.ending(row.status), row.series, Self.time(row.finished) ?? Self.time(row.created) ?? earliest, row.tally)
        }
        note(walk, row)
    }

    /// A row that differs from what the last run saw, or that was opened again since.
    func change(_ old: RowState, _ row: RowState) {
        var walk = Walk(status: old.status, finished: old.finished)
        compareIdentity(old, row, &walk)
        reopen(&walk, row)
        end(&walk, row)
    }

    /// A row that is not there any more: what is to be said of it shows when all of them are known.
    func vanish(_ old: RowState) {
        var (row, walk) = (old, Walk(status: old.status, finished: old.finished))
        reopen(&walk, row)
        note(walk, row, place: " before")
        row.status = walk.status
        gone.append(row)
    }

    /// The first moment at which this run could have seen something that the last one did not: when a change happened that has no time.
    var earliest: Timestamp { settings.previousAsOf ?? settings.asOf }

    func add(_ kind: MovementKind, _ series: Int32, _ time: Timestamp, _ tally: Tally) {
        sums.add(kind, series: series, at: time, previousAsOf: settings.previousAsOf, asOf: settings.asOf, tally)
    }

    /// What happened to one row, as far as it is followed, and what of it nothing explains.
    struct Walk {
        var status: RowClass
        var finished: Int64
        /// Sentences.
        var unexplained: [String] = []
        /// What that did to the books.
        var effects: [(series: Int32, delta: Tally)] = []
        /// The difference in money, when an amount was edited.
        var difference: Int64?
    }

    private static func ending(_ status: RowClass) -> MovementKind { status == .cancelled ? .cancelled : .completed }

    /// What of a row nobody may change. The balance follows the edit, so that what comes after is reckoned with the new values.
    private func compareIdentity(_ old: RowState, _ row: RowState, _ walk: inout Walk) {
        if old.series != row.series || old.hasAmount != row.hasAmount || old.amount != row.amount {
            let (was, now) = (sums.series[old.series], sums.series[row.series])
            if was.type != now.type { walk.unexplained.append("type was \(was.type), is \(now.type)") }
            if was.currency != now.currency {
                walk.unexplained.append("currency was \(was.currency ?? "NULL"), is \(now.currency ?? "NULL")")
            }
            if old.hasAmount != row.hasAmount || old.amount != row.amount {
                walk.unexplained.append("amount was \(money(old)), is \(money(row))")
                let (difference, isTooLarge) = row.amount.subtractingReportingOverflow(old.amount)
                if was == now, !isTooLarge { walk.difference = difference }
            }
            let isOpen = !old.status.isSettled
            if old.series == row.series {
                unexplain(&walk, row.series, Tally(count: 0, amount: row.tally.amount - old.tally.amount), isOpen: isOpen)
            } else {
                unexplain(&walk, old.series, -old.tally, isOpen: isOpen)
                unexplain(&walk, row.series, row.tally, isOpen: isOpen)
            }
        }
        if old.hash != row.hash {
            walk.unexplained.append("subject or idempotency_key was changed")
        }
        if old.created != row.created {
            walk.unexplained.append("created_at was \(Self.text(old.created)), is \(Self.text(row.created))")
        }
    }

    /// Follows the events by which a person opened the task again.
    private func reopen(_ walk: inout Walk, _ row: RowState) {
        guard !settings.reopenings.isEmpty, let events = settings.reopenings[row.id] else { return }
        for event in events.sorted(by: { $0.at < $1.at }) {
            let was = RowClass(event.was)
            switch (walk.status.isSettled, was.isSettled) {
            case (false, true):
                // It ended and was opened again, both since the last run.
                add(Self.ending(was), row.series, event.finishedAt ?? event.at, row.tally)
                add(.reopened, row.series, event.at, row.tally)
            case (true, true):
                let finished = event.finishedAt.map(Self.milliseconds)
                if walk.status != was {
                    walk.unexplained.append("its status went from \(walk.status.name) to \(was.name) before it was retried")
                } else if let finished, finished != walk.finished {
                    walk.unexplained.append(
                        "its finished_at was \(Self.text(walk.finished)), and \(Self.text(finished)) when it was retried")
                }
                add(.reopened, row.series, event.at, row.tally)
            case (true, false):
                walk.unexplained.append("its status went from \(walk.status.name) to \(was.name) before it was retried")
                unexplain(&walk, row.series, row.tally, isOpen: true)
            case (false, false):
                // A dead letter was in the balance all the time.
                break
            }
            walk.status = .open
            walk.finished = RowState.noTime
        }
    }

    /// From where the events lead to what the table says.
    private func end(_ walk: inout Walk, _ row: RowState) {
        let (was, isSame) = (walk.status, walk.finished == row.finished)
        let went = "its status went from \(was.name) to \(row.status.name), and no event says why"
        switch (was.isSettled, row.status.isSettled) {
        case (true, true):
            if was != row.status {
                walk.unexplained.append(went)
            } else if !isSame {
                walk.unexplained.append(
                    "its finished_at was \(Self.text(walk.finished)), is \(Self.text(row.finished)), and no event says why")
            }
        case (true, false):
            walk.unexplained.append(went)
            unexplain(&walk, row.series, row.tally, isOpen: true)
        case (false, true):
            // Whatever ends a task writes when. A dead letter that is completed with its old end was never sent again.
            let unsent = row.status == .cancelled ? ", and no event says who called it off" : ", and nothing was ever sent"
            let lack: String? =
                was.isFinal && isSame
                ? " with its old finished_at: no relay does that"
                : row.finished == RowState.noTime
                    ? " with no finished_at: no relay does that" : row.isEvident ? nil : unsent
            if let lack {
                walk.unexplained.append("its status went from \(was.name) to \(row.status.name)\(lack)")
                unexplain(&walk, row.series, -row.tally, isOpen: true)
            } else if let finished = Self.time(row.finished) {
                add(Self.ending(row.status), row.series, finished, row.tally)
            }
        case (false, false):
            // Deliveries to subscribers are opened again with their parent: a dead letter may be open with no event of its own.
            if was.isFinal, row.status.isFinal, was != row.status, isSame { walk.unexplained.append(went) }
        }
        note(walk, row)
    }

    private func unexplain(_ walk: inout Walk, _ series: Int32, _ delta: Tally, isOpen: Bool) {
        add(.unexplained, series, earliest, delta)
        if isOpen { add(.unexplainedOpen, series, earliest, delta) }
        walk.effects.append((series, delta))
    }

    /// One finding for all that nothing explains about a row.
    private func note(_ walk: Walk, _ row: RowState, place: String = "") {
        guard !walk.unexplained.isEmpty else { return }
        tellUnexplained(
            row, place: place, difference: walk.difference, effects: walk.effects,
            detail: "task \(row.id): " + walk.unexplained.joined(separator: "; "))
    }

    /// Found once only, by the run that saw the change: so its as-of is part of its name, and a second change of the row is another one.
    func tellUnexplained(
        _ row: RowState, place: String = "", difference: Int64? = nil, effects: [(series: Int32, delta: Tally)], detail: String
    ) {
        let series = sums.series[row.series]
        let told = tell(.unexplainedChange) {
            Finding(
                kind: .unexplainedChange, severity: row.hasAmount || series.currency != nil ? .critical : .high,
                owner: owner(of: series.type),
                type: series.type, key: "\(row.id)@\(settings.asOf.iso8601)\(place)", taskID: row.id,
                amountMinor: difference ?? (row.hasAmount ? row.amount : nil), currency: series.currency,
                since: settings.previousAsOf,
                detail: detail)
        }
        if let told { keep(effects, of: told) }
    }

    func keep(_ effects: [(series: Int32, delta: Tally)], of finding: Finding) {
        self.effects[finding.id] = effects.map { effect in
            UnexplainedEffect(series: sums.series[effect.series], delta: effect.delta, recorded: MovementKey.quarter(earliest))
        }
    }

    func owner(of type: String) -> String { settings.policies?[type]?.owner ?? "" }

    static func text(_ milliseconds: Int64) -> String { time(milliseconds)?.iso8601 ?? "NULL" }

    /// An amount as people read it: `EUR 42.00`; without a currency the minor units.
    func money(_ row: RowState) -> String {
        guard row.hasAmount else { return "none" }
        guard let currency = sums.series[row.series].currency else { return "\(row.amount) of no currency" }
        let digits = CurrencyDigits.of(currency, configured: settings.exponents)
        return "\(currency) \(CurrencyDigits.decimal(Int128(row.amount), digits: digits))"
    }
}
