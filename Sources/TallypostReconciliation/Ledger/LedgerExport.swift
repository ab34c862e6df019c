import Glibc
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
        let hasAmounts = map.hasAmounts
        var matched = try MatchTable(database, map.source, directory)
        var reader = TaskReader(map)
        var count: Int64 = 0
        let spill = try SpillWriter(in: directory)
        var failure: LedgerError?
        let statement: ReconcileStatement = map.reference == nil ? .ledgerTasks : .ledgerTasksResults
        try LedgerError.asking { () throws(StoreError) in
            try database.export(statement, [.json(map.types.map { .text($0) })]) { row in
                do throws(LedgerError) {
                    var record = LedgerRecord()
                    reader.read(row, into: &record)
                    record.hash = try matched.hash(of: record.number)
                    let hash = round.hash(
                        reader.bytes.span, reader.range(of: round.ours), record, seed: seed, withMoney: hasAmounts)
                    try unsafe spill.append(record, texts: reader.texts, of: reader.bytes.span.bytes, hash: hash)
                    count += 1
                    guard count & 4_095 != 0 || progress(count) else {
                        throw LedgerError(.interrupted, "broken off while tasks were read")
                    }
                    guard reader.types.count < Self.mostTypes else {
                        throw LedgerError(
                            .data, "there are more than \(Self.mostTypes) types of tasks", mend: "name types in the map")
                    }
                    return true
                } catch {
                    failure = error
                    return false
                }
            }
        }
        if let failure { throw failure }
        _ = progress(count)
        return Outcome(spill: try spill.finish(), types: reader.types, count: count)
    }
}

/// Which row of a ledger each task was matched with by earlier imports: chunk by chunk in a temporary file, the last few at hand. Tasks
/// come as they lie in their table, which is nearly by id.
private struct MatchTable {
    private static let slots: Int64 = 16
    private var file: SpillFile?
    private var places: [Int64: SpillBlock] = [:]
    private var chunks = [Int64](repeating: .min, count: Int(slots))
    private var hashes: [UInt64] = []
    private var packed: [UInt8] = []

    init(_ database: any ReconcileDatabase, _ source: String, _ directory: String) throws(LedgerError) {
        var (file, places, end): (SpillFile?, [Int64: SpillBlock], Int64) = (nil, [:], 0)
        var failure: LedgerError?
        try LedgerError.asking { () throws(StoreError) in
            try database.export(.ledgerMatches, [.text(source)]) { row in
                guard let chunk = row.integer(0), let bytes = row.bytes(1) else { return true }
                do throws(LedgerError) {
                    if file == nil { file = try SpillFile(in: directory) }
                    try file?.write(bytes, at: end)
                } catch {
                    failure = error
                    return false
                }
                places[chunk] = SpillBlock(offset: end, length: bytes.count)
                end += Int64(bytes.count)
                return true
            }
        }
        if let failure { throw failure }
        self.file = file
        self.places = places
        if file != nil { hashes = [UInt64](repeating: 0, count: Int(Self.slots * LedgerMatches.idsPerChunk)) }
    }

    /// 0: with none.
    mutating func hash(of id: Int64) throws(LedgerError) -> UInt64 {
        guard let file else { return 0 }
        let chunk = LedgerMatches.chunk(of: id)
        let slot = Int(chunk & (Self.slots - 1))
        let start = slot * Int(LedgerMatches.idsPerChunk)
        if chunks[slot] != chunk {
            packed.removeAll(keepingCapacity: true)
            if let block = places[chunk] { try file.read(block, into: &packed) }
            hashes.replaceSubrange(start..<(start + Int(LedgerMatches.idsPerChunk)), with: LedgerMatches.unpack(packed))
            chunks[slot] = chunk
        }
        return hashes[start + Int(id & (LedgerMatches.idsPerChunk - 1))]
    }
}

/// Tasks' rows into records; their texts stand together in ``bytes``.
private struct TaskReader {
    private let reference: [UInt8]?
    private let hasGroups: Bool
    private(set) var types: [String] = []
    private var lastType: [UInt8] = []
    private var lastTypeIndex: UInt16 = 0
    private var typeIndices: [[UInt8]: UInt16] = [:]
    private(set) var bytes: [UInt8] = []
    private(set) var texts: (Range<Int>, Range<Int>, Range<Int>, Range<Int>) = (0..<0, 0..<0, 0..<0, 0..<0)

    private var lastStatus: [UInt8] = []
    private var lastState = TaskState.unknown

    init(_ map: LedgerMap) {
        reference = map.reference.map { Array($0.utf8) }
        hasGroups = map.columns[.batch] != nil
    }

    func range(of text: LedgerRecord.Text) -> Range<Int> {
        switch text {
        case .key: texts.0
        case .subject: texts.1
        case .reference: texts.2
        case .group: texts.3
        }
    }

    mutating func read(_ row: any SQLRow, into record: inout LedgerRecord) {
        bytes.removeAll(keepingCapacity: true)
        record.number = row.integer(0) ?? 0
        record.type = type(row)
        texts.0 = text(row, 2)
        texts.1 = text(row, 3)
        let group = hasGroups ? text(row, 8) : 0..<0
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
        record.state = state(row).rawValue
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

    @unsafe private static func isEqual(_ cell: UnsafeRawBufferPointer, _ bytes: [UInt8]) -> Bool {
        guard cell.count == bytes.count, let start = cell.baseAddress else { return cell.count == bytes.count }
        return unsafe memcmp(start, bytes, bytes.count) == 0
    }

    /// Neighbours mostly have the same.
    private mutating func state(_ row: any SQLRow) -> TaskState {
        if unsafe row.withBytes(6, { cell in unsafe Self.isEqual(cell, lastStatus) }), !lastStatus.isEmpty { return lastState }
        lastStatus = row.bytes(6) ?? []
        lastState = TaskState(lastStatus.span, 0, lastStatus.count)
        return lastState
    }

    private mutating func type(_ row: any SQLRow) -> UInt16 {
        let isLast = unsafe row.withBytes(1) { cell in unsafe Self.isEqual(cell, lastType) }
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
