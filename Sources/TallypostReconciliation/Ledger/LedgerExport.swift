import TallypostCore

/// Our side: every task that a ledger may tell of, from the snapshot into its partitions.
struct LedgerExport {
    /// What was exported.
    struct Outcome {
        var spill: Spill
        var types: [String]
        var count: Int64
    }

    let database: any ReconcileDatabase
    let map: LedgerMap
    let directory: String
    let seed: UInt64

    /// Types, beyond which none is told apart.
    private static let mostTypes = 65_000

    /// - Parameter progress: rows so far; says whether to go on.
    func run(progress: (Int64) -> Bool) throws(LedgerError) -> Outcome {
        let round = LedgerRound.all(map)[0]
        var matched = MatchCursor(
            try LedgerError.asking { () throws(StoreError) in
                try database.cursor(.ledgerMatches, [.text(map.source)])
            })
        let statement: ReconcileStatement = map.reference == nil ? .ledgerTasks : .ledgerTasksResults
        let tasks = try LedgerError.asking { () throws(StoreError) in
            try database.cursor(statement, [.text(JSONText.list(map.types))])
        }
        var reader = TaskReader(map)
        var count: Int64 = 0
        let spill = try SpillWriter(in: directory)
        while let row = try LedgerError.asking({ () throws(StoreError) in try tasks.next() }) {
            var record = LedgerRecord()
            reader.read(row, into: &record)
            let id = record.number
            record.hash = try LedgerError.asking { () throws(StoreError) in try matched.hash(of: id) }
            let texts = reader.texts
            let bytes = reader.bytes
            let range =
                switch round.ours {
                case .key: texts.0
                case .subject: texts.1
                case .reference: texts.2
                case .group: texts.3
                }
            let hash = round.hash(bytes.span, range, record, seed: seed, withMoney: map.hasAmounts)
            try unsafe spill.append(record, texts: texts, of: bytes.span.bytes, hash: hash)
            count += 1
            if count & 4_095 == 0, !progress(count) { throw LedgerError(.interrupted, "broken off while tasks were read") }
            guard reader.types.count < Self.mostTypes else {
                throw LedgerError(.data, "there are more than \(Self.mostTypes) types of tasks", mend: "name types in the map")
            }
        }
        _ = progress(count)
        return Outcome(spill: try spill.finish(), types: reader.types, count: count)
    }
}

/// Which row of a ledger each task was matched with, asked in the order of ids.
private struct MatchCursor {
    private let cursor: any SQLCursor
    private var chunk: Int64 = .min
    private var hashes: [UInt64] = []
    private var isAtEnd = false

    init(_ cursor: any SQLCursor) { self.cursor = cursor }

    mutating func hash(of id: Int64) throws(StoreError) -> UInt64 {
        let wanted = LedgerMatches.chunk(of: id)
        while chunk < wanted, !isAtEnd {
            guard let row = try cursor.next() else {
                isAtEnd = true
                break
            }
            chunk = row.integer(0) ?? .max
            hashes = LedgerMatches.unpack(row.bytes(1) ?? [])
        }
        return chunk == wanted ? hashes[Int(id & (LedgerMatches.idsPerChunk - 1))] : 0
    }
}

/// Tasks' rows into records; their texts stand together in ``bytes``.
private struct TaskReader {
    private let reference: [UInt8]?
    private(set) var types: [String] = []
    private var lastType: [UInt8] = []
    private var lastTypeIndex: UInt16 = 0
    private var typeIndices: [[UInt8]: UInt16] = [:]
    private(set) var bytes: [UInt8] = []
    private(set) var texts: (Range<Int>, Range<Int>, Range<Int>, Range<Int>) = (0..<0, 0..<0, 0..<0, 0..<0)

    init(_ map: LedgerMap) { reference = map.reference.map { Array($0.utf8) } }

    mutating func read(_ row: any SQLRow, into record: inout LedgerRecord) {
        bytes.removeAll(keepingCapacity: true)
        record.number = row.integer(0) ?? 0
        record.type = type(row)
        texts.0 = text(row, 2)
        texts.1 = text(row, 3)
        let group = text(row, 8)
        texts.2 = 0..<0
        if let reference { texts.2 = member(reference, of: row) }
        texts.3 = group
        record.setLength(of: .key, texts.0.count)
        record.setLength(of: .subject, texts.1.count)
        record.setLength(of: .reference, texts.2.count)
        record.setLength(of: .group, texts.3.count)
        if let amount = row.integer(4) {
            record.amount = amount
            record.hasAmount = true
        }
        // Without an amount too: so does the database add up.
        let place = text(row, 5)
        record.currency = CurrencyCode(bytes.span, place.lowerBound, place.upperBound)
        let status = text(row, 6)
        record.state = TaskState(bytes.span, status.lowerBound, status.upperBound).rawValue
        if record.state == TaskState.completed.rawValue, let time = row.time(7) { record.time = time.microseconds }
    }

    /// Adds a column's bytes; what is longer than any field of a ledger that is taken matches none of them.
    private mutating func text(_ row: any SQLRow, _ column: Int) -> Range<Int> {
        let start = bytes.count
        unsafe row.withBytes(column) { cell in
            unsafe bytes.append(
                contentsOf: UnsafeRawBufferPointer(start: cell.baseAddress, count: min(cell.count, longestLedgerField + 1)))
        }
        return start..<bytes.count
    }

    private mutating func type(_ row: any SQLRow) -> UInt16 {
        let isLast = unsafe row.withBytes(1) { cell in unsafe cell.elementsEqual(lastType) }
        if isLast, !types.isEmpty { return lastTypeIndex }
        lastType = row.bytes(1) ?? []
        if let known = typeIndices[lastType] {
            lastTypeIndex = known
        } else {
            lastTypeIndex = UInt16(types.count)
            typeIndices[lastType] = lastTypeIndex
            types.append(String(decoding: lastType, as: UTF8.self))
        }
        return lastTypeIndex
    }

    /// A member of the receiver's JSON answer.
    private mutating func member(_ name: [UInt8], of row: any SQLRow) -> Range<Int> {
        guard let answer = row.bytes(9), answer.first == UInt8(ascii: "{") else { return 0..<0 }
        var splitter = JSONLineSplitter([.externalID: String(decoding: name, as: UTF8.self)])
        var fields = LedgerFields()
        let line = answer.map { $0 == UInt8(ascii: "\n") ? UInt8(ascii: " ") : $0 }
        guard case .row = splitter.step(line.span, from: 0, to: line.count, isLast: true, into: &fields) else { return 0..<0 }
        let text = splitter.unescapedRow ?? line
        guard let range = fields.range(.externalID, in: text.span), range.end - range.start <= longestLedgerField else {
            return 0..<0
        }
        let start = bytes.count
        bytes.append(contentsOf: text[range.start..<range.end])
        return start..<bytes.count
    }
}
