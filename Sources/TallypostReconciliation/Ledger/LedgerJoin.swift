import TallypostCore

/// Joins partitions, one after the other; each thread has its own.
///
/// Ours are held in a table, theirs stream by. Every row of either side is used once and ends in exactly one line of the bridge.
/// A value that is never copied: what twenty million rows touch is not asked for exclusive access each time.
struct LedgerJoin: ~Copyable {
    let context: LedgerContext
    private let directory: String
    private let seed: UInt64
    var result = LedgerResult()
    let matches: PairSpill

    /// What the round leaves over goes into these; nil: it is the last one.
    private var nextOurs: SpillWriter?
    private var nextTheirs: SpillWriter?
    private var nextRound: LedgerRound?
    var round: LedgerRound

    /// The partition of ours: records, and what happened to each.
    var bytes: [UInt8] = []
    var entries: [Entry] = []
    private var slots: [UInt64] = []
    /// Theirs of a key that no task has: the first of them.
    private var alone: [UInt64: UInt64] = [:]

    /// What happened to one of ours.
    struct Entry {
        var offset: Int
        /// The row that used it up, in this import or an earlier one; 0: none.
        var consumed: UInt64
        /// That row stands in this file, with the same currency.
        var isPaired = false
        /// One of theirs was held against it in this round.
        var isUsed = false
        /// That row says another currency.
        var isMismatched = false
        /// It is one of several that were matched by their sum: the bridge has it.
        var isGrouped = false
        /// When the receiver said that it failed; `Int64.min`: it did not.
        var failed: Int64 = .min
    }

    /// Larger partitions of ours are split once more.
    private static let mostBytes = 20 << 20

    init(_ context: LedgerContext, directory: String, seed: UInt64) throws(LedgerError) {
        self.context = context
        self.directory = directory
        self.seed = seed
        round = .key
        matches = try PairSpill(in: directory)
    }

    /// Begins a round; what it leaves over is kept for `next`.
    mutating func begin(_ round: LedgerRound, next: LedgerRound?) throws(LedgerError) {
        self.round = round
        nextRound = next
        nextOurs = next == nil ? nil : try SpillWriter(in: directory)
        nextTheirs = next == nil ? nil : try SpillWriter(in: directory)
    }

    /// What the round left over; nil after the last.
    mutating func finishRound() throws(LedgerError) -> (ours: Spill, theirs: Spill)? {
        guard let ours = nextOurs.take(), let theirs = nextTheirs.take() else { return nil }
        return (try ours.finish(), try theirs.finish())
    }

    /// Joins one partition of all the files of both sides.
    mutating func join(_ partition: Int, ours: [Spill], theirs: [Spill], depth: Int = 0) throws(LedgerError) {
        let length = ours.reduce(0) { $0 + $1.length(partition) }
        if length > Self.mostBytes, depth < 3 { return try split(partition, ours, theirs, depth) }
        try load(partition, ours)
        if round.isGrouped { return try joinGroups(partition, theirs) }
        alone.removeAll(keepingCapacity: true)
        for spill in theirs {
            try spill.forEach(partition) { record, bytes throws(LedgerError) in try take(record, bytes) }
        }
        for index in entries.indices { try finish(index) }
    }

    /// A partition that is too large: its rows once more over 64, by another hash.
    private mutating func split(_ partition: Int, _ ours: [Spill], _ theirs: [Spill], _ depth: Int) throws(LedgerError) {
        let seed = self.seed &+ UInt64(depth + 1) &* 0x9E37_79B9_7F4A_7C15
        let round = round
        let withMoney = context.hasAmounts
        let directory = directory
        func again(_ spills: [Spill], _ text: LedgerRecord.Text) throws(LedgerError) -> Spill {
            let writer = try SpillWriter(in: directory)
            for spill in spills {
                try spill.forEach(partition) { record, bytes throws(LedgerError) in
                    let hash = round.hash(bytes, record.range(of: text), record, seed: seed, withMoney: withMoney)
                    try unsafe writer.append(record, of: bytes.bytes, hash: hash)
                }
            }
            return try writer.finish()
        }
        let parts = (ours: try again(ours, round.ours), theirs: try again(theirs, round.theirs))
        for part in 0..<SpillWriter.partitions {
            try join(part, ours: [parts.ours], theirs: [parts.theirs], depth: depth + 1)
        }
    }

    // MARK: The table

    private mutating func load(_ partition: Int, _ ours: [Spill]) throws(LedgerError) {
        bytes.removeAll(keepingCapacity: true)
        entries.removeAll(keepingCapacity: true)
        // Once for all partitions, which are about as large: growing by doubling would hold far more.
        let length = ours.reduce(0) { $0 + $1.length(partition) }
        if bytes.capacity < length { bytes.reserveCapacity(length + length / 8) }
        for spill in ours { try spill.load(partition, into: &bytes) }
        let count = ours.reduce(0) { $0 + $1.records[partition] }
        var size = 16
        while size < count * 2 { size *= 2 }
        slots.removeAll(keepingCapacity: true)
        slots.append(contentsOf: repeatElement(0, count: size))
        if entries.capacity < count { entries.reserveCapacity(count + count / 8) }
        let (end, mask) = (bytes.count, size - 1)
        var position = 0
        while position < end {
            let record = unsafe LedgerRecord(bytes.span.bytes, at: position)
            if record.length(of: round.ours) > 0 {
                let hash = tableHash(record, bytes.span, record.range(of: round.ours))
                var slot = Int(truncatingIfNeeded: hash) & mask
                while slots[slot] != 0 { slot = (slot + 1) & mask }
                slots[slot] = hash & 0xFFFF_FFFF_0000_0000 | UInt64(entries.count + 1)
            }
            entries.append(Entry(offset: position, consumed: record.hash))
            position += record.length
        }
    }

    private func tableHash(_ record: LedgerRecord, _ bytes: Span<UInt8>, _ range: Range<Int>) -> UInt64 {
        round.hash(bytes, range, record, seed: ~seed, withMoney: context.hasAmounts)
    }

    func record(_ index: Int) -> LedgerRecord {
        unsafe LedgerRecord(bytes.span.bytes, at: entries[index].offset)
    }

    /// The one of ours that a row belongs to; nil: none has its key. The one that this very row was matched with goes first, then what is
    /// completed and not used up, then what is not completed.
    private func candidate(_ row: LedgerRecord, _ rowBytes: Span<UInt8>, _ hash: UInt64) -> Int? {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        var best: (index: Int, rank: Int)?
        let range = row.range(of: round.theirs)
        while slots[slot] != 0 {
            let word = slots[slot]
            slot = (slot + 1) & mask
            guard word & 0xFFFF_FFFF_0000_0000 == hash & 0xFFFF_FFFF_0000_0000 else { continue }
            let index = Int(word & 0xFFFF_FFFF) - 1
            let ours = record(index)
            guard isEqual(ours, row, rowBytes, range) else { continue }
            let consumed = entries[index].consumed
            if consumed == row.hash { return index }
            let rank = consumed != 0 ? 3 : ours.state == TaskState.completed.rawValue ? 1 : 2
            if rank < best?.rank ?? 4 { best = (index, rank) }
        }
        return best?.index
    }

    private func isEqual(_ ours: LedgerRecord, _ row: LedgerRecord, _ rowBytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        let mine = ours.range(of: round.ours)
        guard mine.count == range.count else { return false }
        let span = bytes.span
        for index in 0..<range.count where span[mine.lowerBound + index] != rowBytes[range.lowerBound + index] { return false }
        guard round == .subject, context.hasAmounts else { return true }
        return ours.amount == row.amount && ours.currency == row.currency
    }

    // MARK: Theirs

    private mutating func take(_ row: LedgerRecord, _ rowBytes: Span<UInt8>) throws(LedgerError) {
        let range = row.range(of: round.theirs)
        guard !range.isEmpty else { return try leaveOver(row, rowBytes) }
        let hash = tableHash(row, rowBytes, range)
        if let index = candidate(row, rowBytes, hash) {
            // Two orders of one customer may well cost the same: where rows have keys, the subject alone makes no repeat.
            let isRepeat = entries[index].consumed != 0 && entries[index].consumed != row.hash
            if isRepeat, round == .subject, context.map.columns[.idempotencyKey] != nil { return try leaveOver(row, rowBytes) }
            return try consume(index, row, rowBytes)
        }
        guard round == .key, row.state == LedgerOutcome.completed.rawValue else { return try leaveOver(row, rowBytes) }
        if let first = alone[hash] {
            if first == row.hash, !row.isInFile { return }
            guard row.isInFile else { return try leaveOver(row, rowBytes) }
            addRepeat(row, rowBytes, of: nil, isSameRow: first == row.hash)
        } else {
            alone[hash] = row.hash
            try leaveOver(row, rowBytes)
        }
    }

    mutating func leaveOver(_ row: LedgerRecord, _ rowBytes: Span<UInt8>) throws(LedgerError) {
        guard let nextTheirs, let nextRound else { return finishTheirs(row, rowBytes) }
        let hash = nextRound.hash(
            rowBytes, row.range(of: nextRound.theirs), row, seed: seed, withMoney: context.hasAmounts)
        try unsafe nextTheirs.append(row, of: rowBytes.bytes, hash: hash)
    }

    private mutating func consume(_ index: Int, _ row: LedgerRecord, _ rowBytes: Span<UInt8>) throws(LedgerError) {
        let ours = record(index)
        if row.state == LedgerOutcome.failed.rawValue {
            entries[index].failed = row.time
            return
        }
        let isDone = ours.state == TaskState.completed.rawValue
        if entries[index].consumed == 0 || entries[index].consumed == row.hash { entries[index].isUsed = true }
        if entries[index].consumed == 0 {
            entries[index].consumed = row.hash
            guard isDone else { return tellNotDone(ours, row, rowBytes) }
            result.matched += 1
            try matches.append(id: ours.number, hash: row.hash)
            if row.item != 0 { result.settledItems.insert(row.item) }
            compare(ours, row, index)
        } else if entries[index].consumed == row.hash {
            guard row.isInFile else {
                result.settledItems.insert(row.item)
                return
            }
            if entries[index].isPaired { return addRepeat(row, rowBytes, of: ours, isSameRow: true) }
            result.alreadyImported += 1
            if isDone { compare(ours, row, index) } else { tellNotDone(ours, row, rowBytes) }
        } else {
            addRepeat(row, rowBytes, of: ours, isSameRow: false)
            if row.item != 0, isDone { result.settledItems.insert(row.item) }
        }
    }

    /// Money of a completed task and of its row.
    private mutating func compare(_ ours: LedgerRecord, _ row: LedgerRecord, _ index: Int) {
        guard context.hasAmounts else {
            entries[index].isPaired = row.isInFile
            return
        }
        guard ours.hasAmount, ours.currency == row.currency else {
            if row.isInFile { bridge(row.currency) { $0.theirsOnly += Tally(one: row.amount) } }
            entries[index].isMismatched = row.isInFile
            return tellCurrency(ours, row)
        }
        entries[index].isPaired = row.isInFile
        let (difference, overflow) = row.amount.subtractingReportingOverflow(ours.amount)
        guard difference != 0 || overflow else { return }
        let isTolerated = !overflow && difference.magnitude <= UInt64(context.map.tolerance[row.currency.text ?? ""] ?? 0)
        if row.isInFile {
            let tally = Tally(count: 0, amount: Int128(row.amount) - Int128(ours.amount))
            bridge(row.currency) { if isTolerated { $0.tolerated += tally } else { $0.amountDifferences += tally } }
        }
        if !isTolerated { tellAmount(ours, row, difference) }
    }

    // MARK: Ours

    /// What became of one of ours, once all of theirs went by.
    mutating func finish(_ index: Int) throws(LedgerError) {
        let entry = entries[index]
        let ours = record(index)
        let isDone = ours.state == TaskState.completed.rawValue
        if entry.isGrouped { return }
        if entry.isUsed {
            if isDone { finishMatched(ours, entry) }
            return
        }
        if entry.failed != .min, entry.consumed == 0 {
            if isDone {
                tellTheyFailed(ours, entry.failed)
                let tally = tally(ours)
                if context.window.contains(ours.time) { bridge(series(ours)) { $0.oursOnly += tally } }
            }
            return
        }
        if let nextOurs, let nextRound {
            let hash = nextRound.hash(
                bytes.span, ours.range(of: nextRound.ours), ours, seed: seed, withMoney: context.hasAmounts)
            return try unsafe nextOurs.append(ours, of: bytes.span.bytes, hash: hash)
        }
        guard isDone else { return }
        // Matched by an earlier import, and its row is not in this file.
        if entry.consumed != 0 { return finishMatched(ours, entry) }
        if context.window.contains(ours.time) {
            let (isMissing, tally) = (context.shouldHave(ours.time), tally(ours))
            bridge(series(ours)) { if isMissing { $0.oursOnly += tally } else { $0.inTransit += tally } }
        }
        if context.shouldHave(ours.time) { tellOursOnly(ours) }
    }

    private mutating func finishMatched(_ ours: LedgerRecord, _ entry: Entry) {
        if !context.knownTasks.isEmpty, context.knownTasks.contains(ours.number) { result.matchedKnown.insert(ours.number) }
        let isInWindow = context.window.contains(ours.time)
        let tally = tally(ours)
        if entry.isPaired {
            if !isInWindow { bridge(series(ours)) { $0.otherPeriods += tally } }
        } else if isInWindow {
            bridge(series(ours)) { if entry.isMismatched { $0.oursOnly += tally } else { $0.otherPeriods -= tally } }
        }
    }

    // MARK: The bridge

    func tally(_ ours: LedgerRecord) -> Tally {
        Tally(one: context.hasAmounts && ours.hasAmount ? ours.amount : 0)
    }

    func series(_ ours: LedgerRecord) -> CurrencyCode { context.hasAmounts ? ours.currency : .none }

    mutating func bridge(_ currency: CurrencyCode, _ change: (inout ReceiverBridge) -> Void) {
        var bridge =
            result.bridges[currency]
            ?? ReceiverBridge(source: context.map.source, file: context.file, currency: currency.text)
        change(&bridge)
        result.bridges[currency] = bridge
    }
}
