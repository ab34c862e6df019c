import Synchronization
package import TallypostCore

/// What is imported, and how.
package struct LedgerRequest: Sendable {
    /// The map.
    package var map: LedgerMap
    /// The file.
    package var path: String
    /// Its name without folders, for people.
    package var name: String
    /// Rows that the receiver says there are; nil: it says nothing.
    package var expectedRows: Int64?
    /// Sums that the receiver says there are, in minor units by currency.
    package var expectedSums: [String: Int128] = [:]
    /// The window's beginning; nil: the first row's time.
    package var from: Timestamp?
    /// The first moment behind the window; nil: just behind the last row's time.
    package var to: Timestamp?
    /// Who imports.
    package var by: String
    /// Whether everything is done but recorded.
    package var isDryRun = false
    /// Where temporary files are kept.
    package var directory: String

    /// With what every import has.
    package init(map: LedgerMap, path: String, name: String, by: String, directory: String) {
        self.map = map
        self.path = path
        self.name = name
        self.by = by
        self.directory = directory
    }
}

/// How far an import is, for whoever watches it.
package struct LedgerProgress: Sendable {
    /// Bytes of the file that were read.
    package var bytes: Int64 = 0
    /// Tasks that were read.
    package var tasks: Int64 = 0
    /// Partitions that were joined, of ``partitions``.
    package var joined = 0
    /// Partitions in all; 0: it is not known yet.
    package var partitions = 0
}

/// Does two things at once: the first on another thread, the second here; ends when both have.
package typealias LedgerCrew = (_ elsewhere: @escaping @Sendable () -> Void, _ here: () -> Void) -> Void

/// Imports a receiver's ledger: reads both sides at once, joins them, and records what came of it in one transaction.
///
/// Until that transaction is committed nothing is kept anywhere: temporary files have no names.
package final class LedgerImport: Sendable {
    private let request: LedgerRequest
    private let seed = UInt64.random(in: .min ... .max)
    private let state = Mutex(LedgerProgress())
    private let report: @Sendable (LedgerProgress) -> Void

    /// - Parameter report: called now and then, from either thread.
    package init(_ request: LedgerRequest, report: @escaping @Sendable (LedgerProgress) -> Void) {
        self.request = request
        self.report = report
    }

    private func advance(_ change: (inout LedgerProgress) -> Void) {
        report(
            state.withLock { state in
                change(&state)
                return state
            })
    }

    /// All of it.
    package func run(on database: any ReconcileDatabase, crew: LedgerCrew) throws(LedgerError) -> LedgerVerdict {
        let books = LedgerBooks(database: database, map: request.map)
        let asOf = try LedgerError.asking { () throws(StoreError) in
            try database.beginReading(statementTimeout: .hours(6))
        }
        defer { database.endReading() }
        let history = try LedgerError.asking { () throws(StoreError) in try books.history() }
        let sides = try readBoth(database, history, crew)
        try check(sides.totals, books)
        let window = try self.window(sides.totals)
        let context = context(window, history, types: sides.ours.types, asOf: asOf)
        let joined = try join(sides, context, crew) { () throws(StoreError) in try books.completed(in: window) }
        guard joined.result.newItemCount <= LedgerResult.mostItems else {
            throw LedgerError(
                .data,
                "\(joined.result.newItemCount) rows of \(request.name) fit none of our tasks: it looks like the ledger of somebody else",
                mend:
                    "look at the map's columns (idempotencyKey above all) and at types; of more than \(LedgerResult.mostItems) rows "
                    + "that fit nothing none is recorded")
        }
        var verdict = LedgerVerdict(
            map: request.map, file: request.name, totals: sides.totals, window: window, asOf: asOf, tasks: sides.ours.count,
            result: joined.result, ours: joined.ours, history: history)
        database.endReading()
        if !request.isDryRun {
            let entry = LedgerBooks.Entry(
                row: verdict.row(by: request.by), lastImport: history.lastImport, result: joined.result, matches: joined.matches,
                asOf: asOf, cleared: verdict.cleared)
            verdict.number = try LedgerError.asking { () throws(StoreError) in try books.record(entry) }
        }
        return verdict
    }

    // MARK: Reading

    private struct Sides {
        var totals: LedgerFileTotals
        var theirs: [Spill]
        var ours: LedgerExport.Outcome
    }

    private struct TheirSide: Sendable {
        var totals: LedgerFileTotals
        var spill: Spill
        var itemsSeen: Set<UInt64>
    }

    private func readBoth(
        _ database: any ReconcileDatabase, _ history: LedgerHistory, _ crew: LedgerCrew
    ) throws(LedgerError) -> Sides {
        var byHash: [UInt64: Int64] = [:]
        for (id, item) in history.items { byHash[item.record.record.hash] = id }
        let items = byHash
        let theirs = Slot<TheirSide>()
        var exported: Result<LedgerExport.Outcome, LedgerError>?
        let export = LedgerExport(database: database, map: request.map, directory: request.directory, seed: seed)
        crew(
            { theirs.fill { () throws(LedgerError) in try self.readTheirs(items) } },
            {
                exported = Result { () throws(LedgerError) in
                    try export.run { tasks in
                        self.advance { $0.tasks = tasks }
                        return !theirs.hasFailed
                    }
                }
            })
        // The file's fault is told first: ours was broken off because of it.
        let side = try theirs.get()
        guard let ours = try exported?.get() else { throw LedgerError(.interrupted, "tasks were not read") }
        let kept = try spillItems(history, besides: side.itemsSeen)
        return Sides(totals: side.totals, theirs: [kept, side.spill], ours: ours)
    }

    private func readTheirs(_ items: [UInt64: Int64]) throws(LedgerError) -> TheirSide {
        let spill = try SpillWriter(in: request.directory)
        var intake = LedgerIntake(request.map, spill: spill, seed: seed, items: items)
        let totals = try LedgerFile(path: request.path, map: request.map).read(into: &intake) { bytes in
            self.advance { $0.bytes = bytes }
            return true
        }
        return TheirSide(totals: totals, spill: try spill.finish(), itemsSeen: intake.itemsSeen)
    }

    /// Rows that earlier files had and nothing of ours matched; those that stand in this file too are taken from it.
    private func spillItems(_ history: LedgerHistory, besides seen: Set<UInt64>) throws(LedgerError) -> Spill {
        let spill = try SpillWriter(in: request.directory)
        let round = LedgerRound.all(request.map)[0]
        for (id, item) in history.items {
            var (record, bytes, texts) = item.record
            guard !seen.contains(record.hash) else { continue }
            record.item = id
            let hash = round.hash(theirs: record, texts: texts, of: bytes.span, seed: seed)
            try unsafe spill.append(record, texts: texts, of: bytes.span.bytes, hash: hash)
        }
        return try spill.finish()
    }

    // MARK: Before the join

    private func check(_ totals: LedgerFileTotals, _ books: LedgerBooks) throws(LedgerError) {
        let earlier = try LedgerError.asking { () throws(StoreError) in try books.earlierImport(sha256: totals.sha256) }
        if let earlier {
            throw LedgerError(
                .data,
                "\(request.name) was imported already, at \(earlier.at.iso8601) as \(earlier.file) of \(earlier.source): the same bytes "
                    + "(SHA-256 \(totals.sha256))", mend: "nothing is to be done; a corrected file has other bytes")
        }
        if let expected = request.expectedRows, expected != totals.rows {
            let aside = totals.quarantine.count > 0 ? ", and \(totals.quarantine.count) that cannot be read" : ""
            throw LedgerError(
                .data, "\(request.name) has \(totals.rows) rows\(aside); --expect-rows says \(expected)",
                mend: "get the whole file from the receiver; nothing was recorded")
        }
        for (currency, expected) in request.expectedSums.sorted(by: { $0.key < $1.key }) {
            let sum = totals.completed[currency]?.amount ?? 0
            guard sum != expected else { continue }
            let digits = request.map.digits(of: currency)
            throw LedgerError(
                .data,
                "\(request.name) adds up to \(currency) \(LedgerAmount.text(sum, digits: digits)); --expect-sum says "
                    + LedgerAmount.text(expected, digits: digits),
                mend: "get the whole file from the receiver, or look at the map's sign and exponent; nothing was recorded")
        }
    }

    private func window(_ totals: LedgerFileTotals) throws(LedgerError) -> LedgerWindow {
        guard let from = request.from ?? totals.first,
            let last = request.to?.microseconds ?? totals.last.map({ $0.microseconds + 1 })
        else {
            throw LedgerError(
                .data,
                "no row of \(request.name) can be read: \(totals.quarantine.rows.first?.reason ?? "all of them are ignored")",
                mend: "look at the map; or say the window with --from and --to")
        }
        guard from.microseconds < last else {
            throw LedgerError(
                .data, "the window ends before it begins: \(from.iso8601) to \(Timestamp(microseconds: last).iso8601)",
                mend: "--from and --to fit the file's times")
        }
        // Whole milliseconds, which are what SQLite keeps: both ends of the bridge must mean the same window.
        let floor = from.microseconds - ((from.microseconds % 1_000) + 1_000) % 1_000
        return LedgerWindow(from: floor, to: last + (1_000 - last % 1_000) % 1_000)
    }

    private func context(_ window: LedgerWindow, _ history: LedgerHistory, types: [String], asOf: Timestamp) -> LedgerContext {
        let lag = request.map.lag.nanoseconds / 1_000
        let edge = min(lag, 300_000_000)
        let windows = history.windows + [window]
        // What earlier imports called in transit is due by now, when this one reaches further.
        let end = min(asOf.microseconds, windows.map(\.to).max() ?? window.to)
        return LedgerContext(
            map: request.map, hasAmounts: request.map.hasAmounts, file: request.name, types: types, window: window,
            covered: LedgerWindow.union(windows, edge: edge), transitFrom: end - lag,
            knownTasks: Set(history.known.filter { $0.state != .cleared }.compactMap(\.task)),
            resolvedItems: Set(history.known.filter { $0.state == .resolved }.map(\.id)))
    }

    // MARK: The join

    private struct Joined: Sendable {
        var result: LedgerResult
        var matches: [Pairs]
        /// Ours in the window, as the database adds them up.
        var ours: [String: Tally]
    }

    /// - Parameter sum: adds up our side; while one thread waits for the database the other joins.
    private func join(
        _ sides: Sides, _ context: LedgerContext, _ crew: LedgerCrew, sum: @escaping () throws(StoreError) -> [String: Tally]
    ) throws(LedgerError) -> Joined {
        let rounds = LedgerRound.all(request.map)
        advance { $0.partitions = rounds.count * SpillWriter.partitions }
        let results = [Slot<Part>(), Slot<Part>()]
        var (ours, theirs) = ([sides.ours.spill], sides.theirs)
        var joined = Joined(result: LedgerResult(), matches: [], ours: [:])
        var summed: Result<[String: Tally], LedgerError>?
        for (index, round) in rounds.enumerated() {
            let next = index + 1 < rounds.count ? rounds[index + 1] : nil
            let turn = Turn(round: round, next: next, ours: ours, theirs: theirs, context: context)
            crew(
                { results[0].fill { () throws(LedgerError) in try self.work(turn) } },
                {
                    if summed == nil { summed = Result { () throws(LedgerError) in try LedgerError.asking(sum) } }
                    results[1].fill { () throws(LedgerError) in try self.work(turn) }
                })
            (ours, theirs) = ([], [])
            for slot in results {
                let part = try slot.get()
                joined.result.add(part.result)
                joined.matches.append(part.matches)
                if let left = part.left {
                    ours.append(left.ours)
                    theirs.append(left.theirs)
                }
            }
        }
        joined.ours = try summed?.get() ?? [:]
        return joined
    }

    /// What two threads share in a round: whoever is free takes the next partition.
    private final class Turn: Sendable {
        let round: LedgerRound
        let next: LedgerRound?
        let ours: [Spill]
        let theirs: [Spill]
        let context: LedgerContext
        let partition = Atomic(0)

        init(round: LedgerRound, next: LedgerRound?, ours: [Spill], theirs: [Spill], context: LedgerContext) {
            self.round = round
            self.next = next
            self.ours = ours
            self.theirs = theirs
            self.context = context
        }
    }

    private struct Part: Sendable {
        var result: LedgerResult
        var matches: Pairs
        var left: (ours: Spill, theirs: Spill)?
    }

    private func work(_ turn: Turn) throws(LedgerError) -> Part {
        var join = try LedgerJoin(turn.context, directory: request.directory, seed: seed)
        try join.begin(turn.round, next: turn.next)
        while true {
            let partition = turn.partition.add(1, ordering: .relaxed).oldValue
            guard partition < SpillWriter.partitions else { break }
            try join.join(partition, ours: turn.ours, theirs: turn.theirs)
            advance { $0.joined += 1 }
        }
        let left = try join.finishRound()
        return Part(result: join.result, matches: try join.matches.finish(), left: left)
    }
}

/// What another thread came to.
private final class Slot<Value: Sendable>: Sendable {
    private let outcome = Mutex<Result<Value, LedgerError>?>(nil)

    func fill(_ body: () throws(LedgerError) -> Value) {
        let result = Result { () throws(LedgerError) in try body() }
        outcome.withLock { $0 = result }
    }

    var hasFailed: Bool {
        outcome.withLock { outcome in
            if case .failure = outcome { true } else { false }
        }
    }

    /// Once; then it is empty.
    func get() throws(LedgerError) -> Value {
        let result = outcome.withLock { outcome in
            defer { outcome = nil }
            return outcome
        }
        guard let result else { throw LedgerError(.interrupted, "a thread came to no end") }
        return try result.get()
    }
}

extension LedgerItem {
    /// As it stood in its file: a record and its texts.
    var record: (record: LedgerRecord, bytes: [UInt8], texts: (Range<Int>, Range<Int>, Range<Int>, Range<Int>)) {
        var record = LedgerRecord()
        var bytes: [UInt8] = []
        func add(_ text: String?, _ kind: LedgerRecord.Text) -> Range<Int> {
            let start = bytes.count
            bytes += Array((text ?? "").utf8.prefix(longestLedgerField))
            record.setLength(of: kind, bytes.count - start)
            return start..<bytes.count
        }
        let texts = (add(idempotencyKey, .key), add(subject, .subject), add(externalID, .reference), add(batch, .group))
        record.hasAmount = amount != nil
        record.amount = amount ?? 0
        record.currency = CurrencyCode(currency)
        record.time = at.microseconds
        record.hash = LedgerIntake.stableHash(record, texts, bytes.span)
        return (record, bytes, texts)
    }
}
