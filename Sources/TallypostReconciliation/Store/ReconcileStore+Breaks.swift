package import TallypostCore

/// Which breaks to list.
package struct BreakFilter: Sendable, Equatable {
    /// In one of these states.
    package var states: [BreakState]
    /// nil: any.
    package var severity: Severity?
    /// nil: any.
    package var kind: FindingClass?
    /// Of tasks; nil: any.
    package var type: String?
    /// nil: any.
    package var owner: String?
    /// nil: any.
    package var rule: String?

    /// Open and acknowledged ones, unless told otherwise.
    package init(
        states: [BreakState] = [.open, .acknowledged], severity: Severity? = nil, kind: FindingClass? = nil, type: String? = nil,
        owner: String? = nil, rule: String? = nil
    ) {
        self.states = states
        self.severity = severity
        self.kind = kind
        self.type = type
        self.owner = owner
        self.rule = rule
    }
}

/// Where a page of breaks ended.
package struct BreakCursor: Sendable, Equatable {
    /// Of the page's last break.
    package var severity: Severity
    /// Its id.
    package var id: String

    /// Memberwise.
    package init(severity: Severity, id: String) {
        self.severity = severity
        self.id = id
    }
}

extension ReconcileStore {
    /// Breaks that are not resolved and not cleared, by id: what a run compares its findings with.
    package func liveBreaks() throws(StoreError) -> [StoredBreak] { try stored(.liveBreaks, []) }

    /// Breaks in any state: resolved and cleared ones that were found again, above all.
    package func breaks(ids: [String]) throws(StoreError) -> [StoredBreak] {
        var found: [StoredBreak] = []
        var rest = ids[...]
        while !rest.isEmpty {
            let part = rest.prefix(5_000)
            rest = rest.dropFirst(part.count)
            found += try stored(.breaksById, [.json(part.map { .text($0) })])
        }
        return found
    }

    private func stored(_ statement: ReconcileStatement, _ parameters: [SQLValue]) throws(StoreError) -> [StoredBreak] {
        var breaks = try rows(statement, parameters) { Self.storedBreak($0) }
        var effects: [String: [UnexplainedEffect]] = [:]
        if breaks.contains(where: { $0.entry.finding.kind == .unexplainedChange }) {
            try reading.run(.breakEffects, []) { row in
                if let id = row.text(0), let recorded = row.time(6) {
                    effects[id, default: []].append(
                        UnexplainedEffect(series: Self.series(row, 2), delta: Self.tally(row, 4), recorded: recorded))
                }
                return true
            }
        }
        for place in breaks.indices {
            let id = breaks[place].entry.finding.id
            breaks[place].effects = effects[id] ?? []
            readStates[id] = breaks[place].changedAt
        }
        return breaks
    }

    /// A page of them, the worst first.
    package func breaks(_ filter: BreakFilter, after cursor: BreakCursor? = nil, limit: Int) throws(StoreError) -> [Break] {
        let rank = cursor.map { Int64(Severity.allCases.firstIndex(of: $0.severity) ?? 0) } ?? 99
        return try rows(
            .listBreaks,
            [
                .json(filter.states.map { .text($0.rawValue) }), .optional(filter.severity?.rawValue),
                .optional(filter.kind?.rawValue), .optional(filter.type), .optional(filter.owner), .optional(filter.rule),
                .integer(rank), .text(cursor?.id ?? ""), .integer(Int64(max(0, limit))),
            ]
        ) { Self.storedBreak($0)?.entry }
    }

    /// Those whose state changed in a stretch of time, in that order.
    package func breaks(changedIn range: Range<Timestamp>) throws(StoreError) -> [Break] {
        try rows(.changedBreaks, [.time(range.lowerBound), .time(range.upperBound)]) { Self.storedBreak($0)?.entry }
    }

    /// Nil for a row of a later release's class.
    private static func storedBreak(_ row: any SQLRow) -> StoredBreak? {
        guard let id = row.text(0), let kind = row.text(1).flatMap({ FindingClass(rawValue: $0) }),
            let severity = row.text(2).flatMap({ Severity(rawValue: $0) }),
            let state = row.text(13).flatMap({ BreakState(rawValue: $0) }),
            let firstSeen = row.time(16), let lastSeen = row.time(17), let changedAt = row.time(19)
        else { return nil }
        var finding = Finding(
            kind: kind, severity: severity, rule: row.text(3), owner: row.text(4) ?? "", type: row.text(5) ?? "", key: "",
            subject: row.text(6), idempotencyKey: row.text(7), taskID: row.integer(8), amountMinor: row.integer(9),
            currency: row.text(10),
            since: row.time(11), detail: row.text(12) ?? "")
        finding.id = id
        let entry = Break(
            finding: finding, state: state, change: row.text(14).flatMap { BreakChange(rawValue: $0) }, firstSeen: firstSeen,
            lastSeen: lastSeen, by: row.text(20), reason: row.text(21), until: row.time(22))
        return StoredBreak(entry, seenRuns: Int(row.integer(15) ?? 0), lastRun: row.integer(18) ?? 0, changedAt: changedAt)
    }

    // MARK: Within the commit

    /// Writes what the run makes of them. What a person has said of a break after the run read it stands.
    func put(_ breaks: [StoredBreak]) throws(StoreError) {
        var rest = breaks[...]
        while !rest.isEmpty {
            var part = Array(rest.prefix(500))
            rest = rest.dropFirst(part.count)
            let read = part.compactMap { stored in
                readStates[stored.entry.finding.id].map {
                    JSONText.object([("id", .text(stored.entry.finding.id)), ("was", time($0))])
                }
            }
            var said: [String: (BreakState, Timestamp, by: String?, reason: String?, until: Timestamp?)] = [:]
            try writing.run(.saidSince, [.json(read)]) { row in
                if let id = row.text(0), let state = row.text(1).flatMap({ BreakState(rawValue: $0) }), let at = row.time(2) {
                    said[id] = (state, at, by: row.text(3), reason: row.text(4), until: row.time(5))
                }
                return true
            }
            for place in part.indices {
                guard let word = said[part[place].entry.finding.id] else { continue }
                part[place].entry.state = word.0
                part[place].changedAt = word.1
                part[place].entry.by = word.by
                part[place].entry.reason = word.reason
                part[place].entry.until = word.until
            }
            try writing.run(.putBreaks, [.json(part.map { object(of: $0) })])
        }
    }

    private func time(_ time: Timestamp?) -> JSONText { .time(time, writing.dialect) }

    private func object(of stored: StoredBreak) -> JSONText {
        let (entry, finding) = (stored.entry, stored.entry.finding)
        let effects = stored.effects.map { effect in
            JSONText.object([
                ("type", .text(effect.series.type)), ("currency", .text(effect.series.currency)),
                ("count", .number(effect.delta.count)), ("amount", .text("\(effect.delta.amount)")),
                ("recorded", time(effect.recorded)),
            ])
        }
        return JSONText.object([
            ("id", .text(finding.id)), ("class", .text(finding.kind.rawValue)),
            ("severity", .text(finding.severity.rawValue)),
            ("rule", .text(finding.rule)), ("owner", .text(finding.owner)), ("type", .text(finding.type)),
            ("subject", .text(finding.subject)), ("key", .text(finding.idempotencyKey)),
            ("task", .number(finding.taskID)),
            ("amount", .number(finding.amountMinor)), ("currency", .text(finding.currency)),
            ("since", time(finding.since)),
            ("detail", .text(finding.detail)), ("state", .text(entry.state.rawValue)),
            ("change", .text(entry.change?.rawValue)), ("runs", .number(Int64(stored.seenRuns))),
            ("first", time(entry.firstSeen)),
            ("last", time(entry.lastSeen)), ("run", .number(stored.lastRun)), ("changed", time(stored.changedAt)),
            ("by", .text(entry.by)), ("reason", .text(entry.reason)), ("until", time(entry.until)),
            ("effect", stored.effects.isEmpty ? .null : .text(JSONText.list(effects).text)),
        ])
    }
}
