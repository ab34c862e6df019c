import TallypostCore

/// What the database keeps of a source's ledgers, as the snapshot shows it.
struct LedgerHistory: Sendable {
    /// A finding of an earlier import.
    struct Known: Sendable {
        let id: String
        let kind: FindingClass?
        let state: BreakState?
        let since: Timestamp?
        let task: Int64?
    }

    /// The number of the source's last import; 0: there was none.
    var lastImport: Int64 = 0
    /// Windows of earlier imports.
    var windows: [LedgerWindow] = []
    /// Rows that are theirs alone so far, and their ids.
    var items: [(id: Int64, item: LedgerItem)] = []
    /// Findings of this source, whatever their state.
    var known: [Known] = []
}

/// The statements of an import, typed.
struct LedgerBooks {
    let database: any ReconcileDatabase
    let map: LedgerMap

    /// All that earlier imports of the source left.
    func history() throws(StoreError) -> LedgerHistory {
        var history = LedgerHistory()
        try database.run(.ledgerImports, [.text(map.source)]) { row in
            history.lastImport = max(history.lastImport, row.integer(0) ?? 0)
            if let from = row.time(1), let to = row.time(2) {
                history.windows.append(LedgerWindow(from: from.microseconds, to: to.microseconds))
            }
            return true
        }
        try database.run(.ledgerItems, [.text(map.source)]) { row in
            let item = LedgerItem(
                externalID: row.text(1), idempotencyKey: row.text(2), subject: row.text(3), amount: row.integer(4),
                currency: row.text(5), batch: row.text(7), at: row.time(6) ?? Timestamp(microseconds: 0))
            history.items.append((row.integer(0) ?? 0, item))
            return true
        }
        try database.run(.ledgerFindings, [.text(map.rule)]) { row in
            history.known.append(
                LedgerHistory.Known(
                    id: row.text(0) ?? "", kind: row.text(1).flatMap { FindingClass(rawValue: $0) },
                    state: row.text(2).flatMap { BreakState(rawValue: $0) }, since: row.time(3), task: row.integer(4)))
            return true
        }
        return history
    }

    /// When a file was imported before, and under which name.
    func earlierImport(sha256: String) throws(StoreError) -> (file: String, source: String, at: Timestamp)? {
        var found: (String, String, Timestamp)?
        try database.run(.ledgerImportSame, [.text(sha256)]) { row in
            found = (row.text(0) ?? "", row.text(1) ?? "", row.time(2) ?? Timestamp(microseconds: 0))
            return false
        }
        return found
    }

    /// Completed tasks in a window by currency, added up by the database itself; "": without money.
    func completed(in window: LedgerWindow) throws(StoreError) -> [String: Tally] {
        var sums: [String: Tally] = [:]
        let parameters: [SQLValue] = [
            .json(map.types.map { .text($0) }), .time(Timestamp(microseconds: window.from)),
            .time(Timestamp(microseconds: window.to)),
        ]
        // SQLite gives a row for each task: neighbours mostly have one currency.
        var last: (currency: [UInt8], tally: Tally) = ([], .zero)
        try database.run(.ledgerOurs, parameters) { row in
            let isSame = unsafe row.withBytes(0) { unsafe $0.elementsEqual(last.currency) }
            if !isSame {
                sums[String(decoding: last.currency, as: UTF8.self), default: .zero] += last.tally
                last = (row.bytes(0) ?? [], .zero)
            }
            let amount = Int128(row.integer(2) ?? 0) * 1_000_000_000 + Int128(row.integer(3) ?? 0)
            last.tally += Tally(count: row.integer(1) ?? 0, amount: amount)
            return true
        }
        sums[String(decoding: last.currency, as: UTF8.self), default: .zero] += last.tally
        sums = sums.filter { !$0.value.isZero }
        return sums
    }

    // MARK: Writing

    /// What a finished import adds; in one transaction, or not at all. Its number.
    func record(_ entry: Entry) throws(StoreError) -> Int64 {
        try database.write { () throws(StoreError) in
            try database.run(.ledgerLock, [.text(map.source)])
            var last: Int64 = 0
            try database.run(.ledgerLastImport, [.text(map.source)]) { row in
                last = row.integer(0) ?? 0
                return false
            }
            guard last == entry.lastImport else {
                throw StoreError(
                    kind: .busy, code: "conflict", operation: "ledger_import_add",
                    message:
                        "another ledger of \(map.source) was imported in the meantime, and this one was not held against it: run it again"
                )
            }
            var number: Int64 = 0
            try database.run(.ledgerImportAdd, entry.row) { row in
                number = row.integer(0) ?? 0
                return true
            }
            try writeItems(entry, number)
            try writeMatches(entry)
            try writeFindings(entry)
            return number
        }
    }

    /// Everything that is written.
    struct Entry {
        /// Parameters of the row in `tallypost_imports`.
        var row: [SQLValue]
        var lastImport: Int64
        var result: LedgerResult
        var matches: [Pairs]
        var asOf: Timestamp
        /// Findings that are true no longer.
        var cleared: [String]
    }

    private static let rowsAtOnce = 1_000

    private func writeItems(_ entry: Entry, _ number: Int64) throws(StoreError) {
        for ids in parts(entry.result.settledItems.sorted()) {
            try database.run(.ledgerItemsRemove, [.json(ids.map { .number($0) })])
        }
        for items in parts(entry.result.newItems) {
            let rows = items.map { item in
                JSONText.object([
                    ("external_id", .text(item.externalID)), ("idempotency_key", .text(item.idempotencyKey)),
                    ("subject", .text(item.subject)), ("amount_minor", .number(item.amount)), ("currency", .text(item.currency)),
                    ("batch", .text(item.batch)), ("at", .text(item.at.iso8601)),
                ])
            }
            try database.run(
                .ledgerItemsAdd, [.text(map.source), .integer(number), .json(rows)])
        }
    }

    private func writeMatches(_ entry: Entry) throws(StoreError) {
        var pairs: [(id: Int64, hash: UInt64)] = []
        for partition in 0..<PairSpill.partitions {
            pairs.removeAll(keepingCapacity: true)
            do throws(LedgerError) { for spill in entry.matches { try spill.load(partition, into: &pairs) } } catch {
                throw StoreError(kind: .unwritable, code: "", operation: "ledger_match_put", message: error.message)
            }
            LedgerMatches.groupByChunk(&pairs)
            var start = 0
            while start < pairs.count {
                let chunk = LedgerMatches.chunk(of: pairs[start].id)
                var end = start
                while end < pairs.count, LedgerMatches.chunk(of: pairs[end].id) == chunk { end += 1 }
                var old: [UInt8]?
                if entry.lastImport > 0 {
                    try database.run(.ledgerMatchOf, [.text(map.source), .integer(chunk)]) { row in
                        old = row.bytes(0)
                        return false
                    }
                }
                let data = LedgerMatches.pack(pairs[start..<end], onto: old)
                try database.run(.ledgerMatchPut, [.text(map.source), .integer(chunk), .blob(data)])
                start = end
            }
        }
    }

    private func writeFindings(_ entry: Entry) throws(StoreError) {
        for kind in entry.result.findings.keys.sorted() {
            for part in parts(entry.result.findings[kind]?.list ?? []) {
                let rows = part.map { finding in
                    JSONText.object([
                        ("id", .text(finding.id)), ("class", .text(finding.kind.rawValue)),
                        ("severity", .text(finding.severity.rawValue)), ("type", .text(finding.type)),
                        ("owner", .text(finding.owner)), ("subject", .text(finding.subject)),
                        ("idempotency_key", .text(finding.idempotencyKey)),
                        ("task_id", .number(finding.taskID)), ("amount_minor", .number(finding.amountMinor)),
                        ("currency", .text(finding.currency)), ("since", .text(finding.since?.iso8601)),
                        ("detail", .text(finding.detail)),
                    ])
                }
                try database.run(
                    .ledgerFindingsPut,
                    [.text(map.rule), .time(entry.asOf), .json(rows)])
            }
        }
        for part in parts(entry.cleared) {
            try database.run(.ledgerFindingsClear, [.json(part.map { .text($0) }), .time(entry.asOf)])
        }
    }

    private func parts<Element>(_ all: [Element]) -> [[Element]] {
        stride(from: 0, to: all.count, by: Self.rowsAtOnce).map { Array(all[$0..<min(all.count, $0 + Self.rowsAtOnce)]) }
    }
}
