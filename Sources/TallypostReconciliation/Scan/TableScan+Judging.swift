import TallypostCore

extension TableScan {
    /// Earlier than every task: the epoch of a clock that was not set, a default of 1970.
    private static let firstYear = Timestamp(microseconds: 946_684_800_000_000)

    /// What is wrong with a row by itself. Most rows are right: nothing is made for them.
    func judge(_ row: any SQLRow, _ facts: RowFacts) {
        judgeValidity(row, facts)
        if facts.type >= 0, !typeFacts[Int(facts.type)].isKnown {
            let type = typeFacts[Int(facts.type)].name
            tell(.unknownType, row, facts, .high, since: facts.created, "no route is configured for type \(type)")
        }
        judgeSpeed(row, facts)
        guard let status = facts.status else { return }
        switch status {
        case .pending:
            judgePending(row, facts)
            judgeDeadline(row, facts)
        case .processing:
            judgeLease(row, facts)
            judgeDeadline(row, facts)
        case .blocked: judgeDeadline(row, facts)
        case .waiting:
            if let end = row.time(19), end < settings.asOf + TimeSpan(nanoseconds: -settings.stuckAfter.nanoseconds) {
                tell(
                    .deadlinePassed, row, facts, facts.state.hasAmount ? .critical : .high, since: end,
                    "no signal came by \(end.iso8601), \(age(end)) ago, and nobody ended the wait")
            }
        case .failed, .timeout:
            let error = row.columnCount > 20 ? row.text(20).map { ": " + Self.shortened($0) } ?? "" : ""
            let ended = facts.finished.map { " at \($0.iso8601)" } ?? ""
            let how = status == .failed ? "failed\(ended) after \(Self.attempts(row.integer(13) ?? 0))" : "timed out\(ended)"
            tell(.failed, row, facts, .high, since: facts.finished ?? facts.created, how + error)
        case .completed, .cancelled: break
        }
    }

    private static func attempts(_ count: Int64) -> String { count == 1 ? "1 attempt" : "\(count) attempts" }

    private func judgePending(_ row: any SQLRow, _ facts: RowFacts) {
        if let due = row.time(8), due < settings.asOf + TimeSpan(nanoseconds: -settings.staleAfter.nanoseconds) {
            tell(.stalePending, row, facts, .high, since: due, "due since \(due.iso8601), \(age(due)) ago, and not sent")
        }
        if let most = row.integer(14), most > 0, let attempts = row.integer(13), attempts >= most {
            tell(
                .failed, row, facts, .high, since: facts.created,
                "pending after \(Self.attempts(attempts)), when \(most) were allowed: nobody will send it")
        }
    }

    private func judgeLease(_ row: any SQLRow, _ facts: RowFacts) {
        let lease = row.time(12)
        if let lease, lease >= settings.asOf + TimeSpan(nanoseconds: -settings.stuckAfter.nanoseconds) { return }
        let since = lease ?? row.time(10) ?? facts.created
        let how = lease.map { "its lease ran out at \($0.iso8601), \(age($0)) ago" } ?? "it has no lease"
        tell(.stuckProcessing, row, facts, .high, since: since, "\(how), and nobody took it on: whether it was sent is not known")
    }

    private func judgeDeadline(_ row: any SQLRow, _ facts: RowFacts) {
        // A relay needs its moment to end it: what fell due as the run looked is no break.
        let limit = settings.asOf + TimeSpan(nanoseconds: -settings.stuckAfter.nanoseconds)
        guard let deadline = row.time(9), deadline < limit else { return }
        tell(
            .deadlinePassed, row, facts, facts.state.hasAmount ? .critical : .high, since: deadline,
            "its deadline was \(deadline.iso8601), \(age(deadline)) ago, and it has not ended")
    }

    /// Whether something shows for its end. A row that came completed has only itself to tell; one that the register knows as open
    /// was never sent.
    func isEvident(_ row: any SQLRow, _ facts: RowFacts) -> Bool {
        switch facts.status {
        case .completed: row.integer(13) ?? 0 > 0 || !row.isNull(17) || Self.isTrue(row, 18)
        case .cancelled: isCalledOff(row, facts.id)
        default: true
        }
    }

    /// A person who calls a task off leaves an event, and a relay the reason: its predecessor, its group, the task whose delivery it is.
    private func isCalledOff(_ row: any SQLRow, _ id: Int64) -> Bool {
        guard let events = settings.cancellations else { return true }
        let reason = row.columnCount > 20 ? row.text(20) ?? "" : ""
        if reason.hasPrefix("not run: ") || reason.hasPrefix("task ") { return true }
        var (low, high) = (0, events.count)
        while low < high {
            let middle = low + (high - low) / 2
            if events[middle] < id { low = middle + 1 } else { high = middle }
        }
        return low < events.count && events[low] == id
    }

    /// Whether it took, or takes, longer than its type may. A task that was called off owes nothing.
    private func judgeSpeed(_ row: any SQLRow, _ facts: RowFacts) {
        guard facts.type >= 0, let sla = typeFacts[Int(facts.type)].sla, facts.status != .cancelled, let created = facts.created,
            (facts.finished ?? settings.asOf) - created > sla
        else { return }
        // What was ordered for later is in time when it is in time then. `run_at` is the application's until a retry is put off.
        var start = created
        let attempts = row.integer(13) ?? 0
        let end = facts.finished ?? settings.asOf
        let isOurs = attempts == 0 || (attempts == 1 && facts.status != .pending)
        if isOurs, let due = row.time(8), due > start, facts.finished == nil || due < end { start = due }
        guard end - start > sla else { return }
        let took = SpanText.of(end - start)
        let detail =
            switch (facts.status, facts.finished) {
            case (.completed, .some): "done late: it took \(took), \(SpanText.of(sla)) are promised"
            case (_, .some): "not done: it ended after \(took) without success, \(SpanText.of(sla)) are promised"
            case (_, nil): "still open after \(took), \(SpanText.of(sla)) are promised"
            }
        tell(.slaBreach, row, facts, .medium, since: start + sla, detail)
    }

    /// Whether the row can be. Statuses partition the table: what is none of them is told here.
    private func judgeValidity(_ row: any SQLRow, _ facts: RowFacts) {
        var reasons: [String] = []
        if facts.status == nil { reasons.append(row.text(2).map { "there is no status \($0)" } ?? "status is NULL") }
        if facts.type < 0 { reasons.append("type is NULL") }
        if row.isNull(4) { reasons.append("idempotency_key is NULL") }
        judgeTimes(row, facts, &reasons)
        if facts.state.hasAmount != (facts.currency >= 0) {
            if facts.state.hasAmount {
                reasons.append("amount_minor without currency")
            } else if row.isNull(5) {
                reasons.append("currency without amount_minor")
            }
        }
        if !facts.state.hasAmount, !row.isNull(5) { reasons.append("amount_minor is no whole number") }
        if facts.currency >= 0, !areCurrencies[Int(facts.currency)] {
            reasons.append("currency \(currencies.names[Int(facts.currency)]) is not three capital letters")
        }
        guard !reasons.isEmpty else { return }
        tell(.invalid, row, facts, .high, since: facts.created, reasons.joined(separator: "; "))
    }

    private func judgeTimes(_ row: any SQLRow, _ facts: RowFacts, _ reasons: inout [String]) {
        if let created = facts.created {
            if created < Self.firstYear { reasons.append("created_at \(created.iso8601) lies before the year 2000") }
            if created > settings.asOf + .minutes(1) { reasons.append("created_at \(created.iso8601) lies in the future") }
        } else {
            reasons.append(row.text(7).map { "created_at \($0) is no time" } ?? "created_at is NULL")
        }
        if facts.finished == nil, let text = row.text(11) { reasons.append("finished_at \(text) is no time") }
        guard let status = facts.status else { return }
        if status.isFinal {
            if facts.finished == nil, row.isNull(11) { reasons.append("\(status.rawValue) without finished_at") }
            if let finished = facts.finished, let created = facts.created, finished + .minutes(1) < created {
                reasons.append("finished_at \(finished.iso8601) lies before created_at \(created.iso8601)")
            }
        } else if let finished = facts.finished {
            reasons.append("\(status.rawValue) with finished_at \(finished.iso8601)")
        }
    }

    private func tell(
        _ kind: FindingClass, _ row: any SQLRow, _ facts: RowFacts, _ severity: Severity, since: Timestamp?,
        _ detail: @autoclosure () -> String
    ) {
        tell(kind) {
            let type = facts.type < 0 ? nil : typeFacts[Int(facts.type)]
            return Finding(
                kind: kind, severity: severity, owner: type?.owner ?? "", type: type?.name ?? "", key: String(facts.id),
                subject: row.text(3), idempotencyKey: row.text(4), taskID: facts.id,
                amountMinor: facts.state.hasAmount ? facts.state.amount : nil,
                currency: facts.currency < 0 ? nil : currencies.names[Int(facts.currency)], since: since, detail: detail())
        }
    }

    private func age(_ time: Timestamp) -> String { SpanText.of(settings.asOf - time) }

    /// A truth as either engine gives it: 1, or `t`.
    private static func isTrue(_ row: any SQLRow, _ column: Int) -> Bool {
        row.integer(column).map { $0 != 0 } ?? (row.text(column)?.hasPrefix("t") ?? false)
    }

    /// One line of an error.
    private static func shortened(_ text: String) -> String {
        let line = text.split(separator: "\n", maxSplits: 1).first ?? ""
        return line.count > 200 ? line.prefix(199) + "…" : String(line)
    }
}

/// Lengths of time for a person: the two largest units.
enum SpanText {
    static func of(_ span: TimeSpan) -> String {
        let units: [(name: String, seconds: Int64)] = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)]
        let seconds = span.nanoseconds / 1_000_000_000
        guard seconds.magnitude > 0 else { return "\(span.milliseconds) ms" }
        guard seconds > 0 else { return "−" + of(TimeSpan(nanoseconds: span.nanoseconds == .min ? .max : -span.nanoseconds)) }
        let first = units.firstIndex { seconds >= $0.seconds } ?? units.count - 1
        let whole = seconds / units[first].seconds
        guard first + 1 < units.count else { return "\(whole) \(units[first].name)" }
        let rest = seconds % units[first].seconds / units[first + 1].seconds
        return rest == 0 ? "\(whole) \(units[first].name)" : "\(whole) \(units[first].name) \(rest) \(units[first + 1].name)"
    }
}
