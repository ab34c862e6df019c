package import TallypostCore

/// One pass over pending_tasks, merged with the register of what the last run saw: what moved, what is open, and what is wrong with rows.
///
/// Feed it every row by ascending `id` with ``take(_:)``, and at the end of each chunk (``chunk(of:)``) the register's data with
/// ``closeChunk(previous:)``; chunks that only the register has go to ``vanished(chunk:previous:)``. In whatever order the two tables are
/// merged, a chunk's rows come together. Columns, by number: 0 id, 1 type, 2 status, 3 subject, 4 idempotency_key, 5 amount_minor,
/// 6 currency, 7 created_at, 8 run_at, 9 deadline_at, 10 started_at, 11 finished_at, 12 lease_expires_at, 13 attempts, 14 max_attempts,
/// 15 response_status, 16 wait_for_signal, 17 signal_status, 18 has_dependents, 19 waits_until, 20 last_error (of failed, timeout and cancelled).
package final class TableScan {
    /// What a type means, looked up once.
    struct TypeFacts {
        var name: String
        var isKnown: Bool
        var sla: TimeSpan?
        var owner: String
    }

    let settings: ScanSettings
    var sums = MovementSums()
    var findings: [FindingClass: [Finding]] = [:]
    var found: [FindingClass: Int64] = [:]
    var effects: [String: [UnexplainedEffect]] = [:]
    /// Rows that the register has and the table has not.
    var gone: [RowState] = []

    var types = NameTable()
    var typeFacts: [TypeFacts] = []
    var currencies = NameTable()
    /// Whether each is three capital letters.
    var areCurrencies: [Bool] = []
    private var statuses = NameTable()
    private var statusFacts: [(status: TaskStatus?, kind: RowClass)] = []
    private var statusCounts: [Int64] = []
    private var withoutStatus: Int64 = 0

    private var rowCount: Int64 = 0
    /// Numbers of series by type and currency.
    private var seriesNumbers: [UInt64: Int32] = [:]
    private var lastSeries: (key: UInt64, number: Int32)?
    private var populations: [Tally] = []
    private var live: [[Tally]] = []

    private var current: [RowState] = []
    private var packed: [UInt8] = []
    private var places: [Int32] = []
    private let reopenedChunks: Set<Int64>

    /// Begins one.
    package init(_ settings: ScanSettings) {
        self.settings = settings
        reopenedChunks = Set(settings.reopenings.keys.map(Self.chunk))
        current.reserveCapacity(4_096)
        packed.reserveCapacity(100_000)
    }

    /// The chunk that a task belongs to: 4,096 ids each.
    package static func chunk(of id: Int64) -> Int64 { id >> 12 }

    /// The next row of the table.
    package func take(_ row: any SQLRow) {
        guard let id = row.integer(0) else { return }
        rowCount += 1
        var facts = RowFacts(id: id, type: -1, currency: -1, status: nil, state: RowState(id: id))
        facts.type = name(row, 1, &types)
        if Int(facts.type) == typeFacts.count { typeFacts.append(typeFact(types.names[Int(facts.type)])) }
        takeStatus(row, &facts)
        takeMoney(row, &facts)
        facts.created = row.time(7)
        facts.finished = row.time(11)
        facts.state.created = facts.created.map(Self.milliseconds) ?? RowState.noTime
        facts.state.finished = facts.finished.map(Self.milliseconds) ?? RowState.noTime
        let subject = unsafe row.withBytes(3) { unsafe StableHash.of($0) }
        facts.state.hash = unsafe UInt32(truncatingIfNeeded: row.withBytes(4) { unsafe StableHash.of($0, seed: subject) })
        facts.state.series = series(type: facts.type, currency: facts.currency)

        facts.state.isEvident = isEvident(row, facts)

        let tally = facts.state.tally
        populations[Int(facts.state.series)] += tally
        if !facts.state.status.isSettled {
            let age = settings.asOf - (facts.created ?? settings.asOf)
            live[Int(facts.state.series)][AgeingLine.bucket(age: age)] += tally
        }
        current.append(facts.state)
        judge(row, facts)
    }

    /// Ends a chunk of the table.
    ///
    /// - Parameter previous: what the register has of it; nil: nothing.
    /// - Returns: what the register shall have; nil: what it has.
    package func closeChunk(previous: [UInt8]?) throws(RegisterError) -> [UInt8]? {
        guard let first = current.first else { return nil }
        defer { current.removeAll(keepingCapacity: true) }
        let chunk = Self.chunk(of: first.id)
        RegisterChunk.pack(current, sums.series, places: &places, into: &packed)
        let isSame = previous.map { $0 == packed } ?? false
        if isSame, !reopenedChunks.contains(chunk) { return nil }
        try compare(previous, chunk: chunk)
        return isSame ? nil : packed
    }

    /// A chunk that the register has and the table has no row of.
    package func vanished(chunk: Int64, previous: [UInt8]) throws(RegisterError) {
        for row in try unpack(previous, chunk: chunk) { vanish(row) }
    }

    /// Adds up what is left: call it once, after the last chunk.
    package func finish() -> ScanResult {
        let unseen = settleVanished()
        var result = ScanResult(
            movements: sums.book, live: [:], population: [:], ageing: [], findings: [], found: found, notListed: [:],
            effects: effects,
            statusCounts: [:], rows: rowCount, purgedUnseen: unseen)
        for (number, series) in sums.series.all.enumerated() where number < populations.count {
            if populations[number].count != 0 { result.population[series] = populations[number] }
            let open = live[number].reduce(.zero, +)
            guard open.count != 0 else { continue }
            result.live[series] = open
            var line = AgeingLine(series: series)
            line.buckets = live[number]
            result.ageing.append(line)
        }
        result.ageing.sort { $0.series < $1.series }
        for kind in FindingClass.allCases {
            let listed = findings[kind] ?? []
            result.findings += listed
            let more = (found[kind] ?? 0) - Int64(listed.count)
            if more > 0 { result.notListed[kind] = more }
        }
        for (number, name) in statuses.names.enumerated() { result.statusCounts[name] = statusCounts[number] }
        if withoutStatus > 0 { result.statusCounts["NULL", default: 0] += withoutStatus }
        return result
    }

    /// Lists a finding, or only counts it when its class has enough.
    @discardableResult
    func tell(_ kind: FindingClass, _ make: () -> Finding) -> Finding? {
        found[kind, default: 0] += 1
        guard findings[kind, default: []].count < settings.maxListed else { return nil }
        let finding = make()
        findings[kind, default: []].append(finding)
        return finding
    }

    func unpack(_ data: [UInt8], chunk: Int64) throws(RegisterError) -> [RowState] {
        try sums.withSeries { (series: inout SeriesTable) throws(RegisterError) in
            try RegisterChunk.unpack(data, chunk: chunk, &series)
        }
    }

    /// Rows of the chunk against what the register has of it, by id.
    private func compare(_ previous: [UInt8]?, chunk: Int64) throws(RegisterError) {
        var old: [RowState] = []
        if let previous { old = try unpack(previous, chunk: chunk) }
        var place = 0
        for row in current {
            while place < old.count, old[place].id < row.id {
                vanish(old[place])
                place += 1
            }
            let isKnown = place < old.count && old[place].id == row.id
            if !isKnown {
                arrive(row)
            } else if old[place] != row || settings.reopenings[row.id] != nil {
                change(old[place], row)
            }
            if isKnown { place += 1 }
        }
        for row in old[place...] { vanish(row) }
    }

    private func typeFact(_ name: String) -> TypeFacts {
        let policy = settings.policies?[name]
        let isKnown =
            policy != nil || settings.policies == nil || name.hasPrefix("tallypost.") || settings.knownTypes.contains(name)
        return TypeFacts(name: name, isKnown: isKnown, sla: policy?.sla, owner: policy?.owner ?? "")
    }

    private func takeStatus(_ row: any SQLRow, _ facts: inout RowFacts) {
        let status = name(row, 2, &statuses)
        guard status >= 0 else {
            withoutStatus += 1
            facts.state.status = .other
            return
        }
        if Int(status) == statusFacts.count {
            let name = statuses.names[Int(status)]
            statusFacts.append((TaskStatus(rawValue: name), RowClass(name)))
            statusCounts.append(0)
        }
        statusCounts[Int(status)] += 1
        facts.status = statusFacts[Int(status)].status
        facts.state.status = statusFacts[Int(status)].kind
    }

    private func takeMoney(_ row: any SQLRow, _ facts: inout RowFacts) {
        if let amount = row.integer(5) {
            facts.state.amount = amount
            facts.state.hasAmount = true
        }
        facts.currency = name(row, 6, &currencies)
        if Int(facts.currency) == areCurrencies.count {
            let letters = currencies.names[Int(facts.currency)].utf8
            areCurrencies.append(letters.count == 3 && letters.allSatisfy { (65...90).contains($0) })
        }
    }

    /// The number of a column's text; −1 for NULL.
    private func name(_ row: any SQLRow, _ column: Int, _ names: inout NameTable) -> Int32 {
        if row.isNull(column) { return -1 }
        return unsafe row.withBytes(column) { unsafe names.index(of: $0) }
    }

    private func series(type: Int32, currency: Int32) -> Int32 {
        let key = UInt64(UInt32(bitPattern: type)) << 32 | UInt64(UInt32(bitPattern: currency))
        if let lastSeries, lastSeries.key == key { return lastSeries.number }
        let number: Int32
        if let known = seriesNumbers[key] {
            number = known
        } else {
            // An empty currency is none: the books keep '' where there is no money, and two series with one key would lose one of them.
            let code = currency < 0 ? "" : currencies.names[Int(currency)]
            let series = Series(type: type < 0 ? "" : types.names[Int(type)], currency: code.isEmpty ? nil : code)
            number = sums.number(of: series)
            seriesNumbers[key] = number
            while populations.count <= Int(number) {
                populations.append(.zero)
                live.append(Array(repeating: .zero, count: AgeingLine.names.count))
            }
        }
        lastSeries = (key, number)
        return number
    }

    /// Rounded down, as the register keeps it on both engines.
    static func milliseconds(_ time: Timestamp) -> Int64 {
        let (whole, rest) = time.microseconds.quotientAndRemainder(dividingBy: 1_000)
        return rest < 0 ? whole - 1 : whole
    }

    /// The register's time; nil for none.
    static func time(_ milliseconds: Int64) -> Timestamp? {
        if milliseconds == RowState.noTime { return nil }
        let (product, overflow) = milliseconds.multipliedReportingOverflow(by: 1_000)
        return overflow ? nil : Timestamp(microseconds: product)
    }
}

/// A row as it is read: numbers for its names, and what the register will keep.
struct RowFacts {
    var id: Int64
    /// −1: NULL.
    var type: Int32
    /// −1: NULL.
    var currency: Int32
    /// nil: NULL or unknown.
    var status: TaskStatus?
    var created: Timestamp?
    var finished: Timestamp?
    var state: RowState
}
