package import TallypostCore

/// Where rows go that cannot be read: nothing of them is ever guessed.
package struct LedgerQuarantine: Sendable {
    /// A row that was set aside.
    package struct Row: Sendable, Equatable {
        /// The line it begins on, from 1.
        package var line: Int64
        /// Why.
        package var reason: String
        /// What stands there, cut.
        package var text: String
    }

    /// How many there are.
    package private(set) var count: Int64 = 0
    /// The first of them.
    package private(set) var rows: [Row] = []

    /// As many are kept for the quarantine file.
    package static let most = 100_000

    mutating func add(_ line: Int64, _ reason: String, _ bytes: Span<UInt8>, _ start: Int, _ end: Int) {
        count += 1
        guard rows.count < Self.most else { return }
        var text: [UInt8] = []
        var stop = min(end, start + 500)
        while stop > start, bytes[stop - 1] == UInt8(ascii: "\n") || bytes[stop - 1] == UInt8(ascii: "\r") { stop -= 1 }
        for index in start..<stop { text.append(bytes[index]) }
        rows.append(Row(line: line, reason: reason, text: String(decoding: text, as: UTF8.self)))
    }
}

/// What was read of a file: its control totals.
package struct LedgerFileTotals: Sendable {
    /// Lower-case hex.
    package var sha256 = ""
    /// Rows that say something was done or was tried and failed, and rows that say that it is not over.
    package var rows: Int64 = 0
    /// Of them: not over.
    package var ignored: Int64 = 0
    /// Of them: tried and failed.
    package var failed: Int64 = 0
    /// What was done, by currency; "": without money.
    package var completed: [String: Tally] = [:]
    /// The earliest and the latest time.
    package var first: Timestamp?
    /// The latest.
    package var last: Timestamp?
    /// Bytes.
    package var bytes: Int64 = 0
    /// Rows that were set aside.
    package var quarantine = LedgerQuarantine()
}

/// Makes records of rows, adds them up and puts them into their partitions. One for each file.
///
/// A value that is never copied: what every row touches is not asked for exclusive access each time.
struct LedgerIntake: ~Copyable {
    private let map: LedgerMap
    // What the map says, asked for every row.
    private let hasAmounts, hasStatus, hasCurrency, hasKey: Bool
    private let spill: SpillWriter
    private let seed: UInt64
    private let style: LedgerAmount.Style
    private var clock: LedgerClock
    private let firstRound: LedgerRound
    /// Rows that earlier imports could match with nothing, by hash.
    private let items: [UInt64: Int64]
    /// Those of ``items`` that stand in this file too.
    private(set) var itemsSeen: Set<UInt64> = []
    private let completed, failed, ignored, positive, negative: [[UInt8]]
    private let fixedCurrency: CurrencyCode
    private let fixedSign: Int64
    private var digitsKnown: [CurrencyCode: Int] = [:]
    private var lastCurrency = CurrencyCode.none
    private var lastDigits = 0
    private var sums: [CurrencyCode: Tally] = [:]
    private var lastSum: (currency: CurrencyCode, tally: Tally)
    private var first = Int64.max
    private var last = Int64.min
    private(set) var totals = LedgerFileTotals()

    init(_ map: LedgerMap, spill: SpillWriter, seed: UInt64, items: [UInt64: Int64]) {
        self.map = map
        self.spill = spill
        self.seed = seed
        self.items = items
        hasAmounts = map.hasAmounts
        hasStatus = map.columns[.status] != nil
        hasCurrency = map.columns[.currency] != nil
        hasKey = map.columns[.idempotencyKey] != nil
        style = LedgerAmount.Style(map)
        clock = LedgerClock(map.timeFormat, zone: map.zone)
        firstRound = LedgerRound.all(map)[0]
        func words(_ list: [String]) -> [[UInt8]] { list.map { Array($0.utf8) } }
        completed = words(map.completed)
        failed = words(map.failed)
        ignored = words(map.ignored)
        if case .words(let plus, let minus) = map.sign {
            positive = words(plus)
            negative = words(minus)
            fixedSign = 0
        } else {
            (positive, negative) = ([], [])
            if case .fixed(let sign) = map.sign { fixedSign = sign } else { fixedSign = 1 }
        }
        fixedCurrency = CurrencyCode(map.currency)
        lastSum = (.none, .zero)
    }

    /// What is wrong with a row, for the quarantine; nil: it was taken.
    mutating func take(_ bytes: Span<UInt8>, _ fields: LedgerFields, line: Int64) throws(LedgerError) -> String? {
        var record = LedgerRecord()
        record.isInFile = true
        record.number = line
        if let reason = readOutcome(bytes, fields, &record) { return reason }
        if record.state == Self.ignoredState {
            totals.rows += 1
            totals.ignored += 1
            return nil
        }
        if let reason = readTime(bytes, fields, &record) { return reason }
        if let reason = readMoney(bytes, fields, &record) { return reason }
        var texts: (Range<Int>, Range<Int>, Range<Int>, Range<Int>) = (0..<0, 0..<0, 0..<0, 0..<0)
        if let reason = readTexts(bytes, fields, &record, &texts) { return reason }
        record.hash = Self.stableHash(record, texts, bytes)
        if !items.isEmpty, let item = items[record.hash] {
            record.item = item
            itemsSeen.insert(record.hash)
        }
        count(record)
        let hash = firstRound.hash(theirs: record, texts: texts, of: bytes, seed: seed)
        try unsafe spill.append(record, texts: texts, of: bytes.bytes, hash: hash)
        return nil
    }

    mutating func reject(_ line: Int64, _ reason: String, _ bytes: Span<UInt8>, _ start: Int, _ end: Int) {
        totals.quarantine.add(line, reason, bytes, start, end)
    }

    /// The sums, once all is read.
    mutating func finish() -> LedgerFileTotals {
        sums[lastSum.currency, default: .zero] += lastSum.tally
        var totals = totals
        for (currency, tally) in sums where !tally.isZero { totals.completed[currency.text ?? ""] = tally }
        if first <= last {
            totals.first = Timestamp(microseconds: first)
            totals.last = Timestamp(microseconds: last)
        }
        return totals
    }

    private mutating func count(_ record: LedgerRecord) {
        totals.rows += 1
        first = min(first, record.time)
        last = max(last, record.time)
        guard record.state == LedgerOutcome.completed.rawValue else {
            totals.failed += 1
            return
        }
        if lastSum.currency != record.currency {
            sums[lastSum.currency, default: .zero] += lastSum.tally
            lastSum = (record.currency, .zero)
        }
        lastSum.tally.count += 1
        lastSum.tally.amount += Int128(record.amount)
    }

    // MARK: Fields

    private static let ignoredState: UInt8 = 255

    private func readOutcome(_ bytes: Span<UInt8>, _ fields: LedgerFields, _ record: inout LedgerRecord) -> String? {
        guard hasStatus else { return nil }
        guard let range = fields.range(.status, in: bytes) else { return "it has no status" }
        if Self.isAny(of: completed, bytes, range) { return nil }
        if Self.isAny(of: failed, bytes, range) {
            record.state = LedgerOutcome.failed.rawValue
        } else if Self.isAny(of: ignored, bytes, range) {
            record.state = Self.ignoredState
        } else {
            return "the status “\(Self.text(bytes, range))” is in none of the map's outcomes"
        }
        return nil
    }

    private mutating func readTime(_ bytes: Span<UInt8>, _ fields: LedgerFields, _ record: inout LedgerRecord) -> String? {
        guard let range = fields.range(.at, in: bytes) else { return "it has no time" }
        switch clock.read(bytes, range.start, range.end) {
        case .time(let time): record.time = time
        case .unreadable: return "“\(Self.text(bytes, range))” is no time as the map's timeFormat says"
        case .skipped: return "the time “\(Self.text(bytes, range))” does not exist in \(map.zoneName): clocks were set forward"
        }
        return nil
    }

    private mutating func readMoney(_ bytes: Span<UInt8>, _ fields: LedgerFields, _ record: inout LedgerRecord) -> String? {
        guard hasAmounts else { return nil }
        guard let range = fields.range(.amount, in: bytes) else { return "it has no amount" }
        if hasCurrency {
            guard let place = fields.range(.currency, in: bytes) else { return "it has no currency" }
            guard let code = CurrencyCode.iso(bytes, place.start, place.end) else {
                return "“\(Self.text(bytes, place))” is no currency of three letters"
            }
            record.currency = code
        } else {
            record.currency = fixedCurrency
        }
        if record.currency != lastCurrency {
            lastCurrency = record.currency
            lastDigits = digits(of: record.currency)
        }
        switch LedgerAmount.read(bytes, range.start, range.end, style: style, digits: lastDigits) {
        case .minor(let amount): record.amount = amount
        case .unreadable: return "“\(Self.text(bytes, range))” is no amount as the map says"
        case .tooFine:
            return "the amount “\(Self.text(bytes, range))” has more than \(lastDigits) decimals, as many as "
                + "\(record.currency.text ?? "") has"
        case .tooLarge: return "the amount “\(Self.text(bytes, range))” is beyond what 64 bits hold"
        }
        record.hasAmount = true
        if fixedSign == 1 { return nil }
        if fixedSign == -1 || Self.isAny(of: negative, bytes, fields.range(.direction, in: bytes)) {
            guard record.amount != .min else { return "the amount “\(Self.text(bytes, range))” is beyond what 64 bits hold" }
            record.amount = -record.amount
        } else if !Self.isAny(of: positive, bytes, fields.range(.direction, in: bytes)) {
            let word = fields.range(.direction, in: bytes).map { Self.text(bytes, $0) } ?? ""
            return "the direction “\(word)” is in neither list of the map's sign"
        }
        return nil
    }

    private mutating func digits(of currency: CurrencyCode) -> Int {
        if let known = digitsKnown[currency] { return known }
        let digits = map.digits(of: currency.text ?? "")
        digitsKnown[currency] = digits
        return digits
    }

    private func readTexts(
        _ bytes: Span<UInt8>, _ fields: LedgerFields, _ record: inout LedgerRecord,
        _ texts: inout (Range<Int>, Range<Int>, Range<Int>, Range<Int>)
    ) -> String? {
        func range(_ column: LedgerColumn) -> Range<Int> { fields.range(column, in: bytes).map { $0.start..<$0.end } ?? 0..<0 }
        texts = (range(.idempotencyKey), range(.subject), range(.externalID), range(.batch))
        if map.keyFormat == .quoted, !texts.0.isEmpty {
            let key = texts.0
            guard key.count >= 3, bytes[key.lowerBound] == UInt8(ascii: "\""), bytes[key.upperBound - 1] == UInt8(ascii: "\"")
            else {
                return "the idempotency key “\(Self.text(bytes, (key.lowerBound, key.upperBound)))” has no quotes around it"
            }
            texts.0 = (key.lowerBound + 1)..<(key.upperBound - 1)
        }
        guard
            texts.0.count <= longestLedgerField, texts.1.count <= longestLedgerField, texts.2.count <= longestLedgerField,
            texts.3.count <= longestLedgerField
        else { return "a key, subject or id is longer than \(longestLedgerField) bytes" }
        record.setLength(of: .key, texts.0.count)
        record.setLength(of: .subject, texts.1.count)
        record.setLength(of: .reference, texts.2.count)
        record.setLength(of: .group, texts.3.count)
        if texts.0.isEmpty, texts.1.isEmpty, texts.3.isEmpty, map.reference == nil || texts.2.isEmpty {
            return hasKey ? "it has no idempotency key" : "it has nothing that joins it with a task"
        }
        return nil
    }

    // MARK: Bytes

    private static func isAny(of words: [[UInt8]], _ bytes: Span<UInt8>, _ range: (start: Int, end: Int)?) -> Bool {
        guard let range else { return false }
        for word in words where word.count == range.end - range.start {
            var index = 0
            while index < word.count, word[index] == bytes[range.start + index] { index += 1 }
            if index == word.count { return true }
        }
        return false
    }

    private static func text(_ bytes: Span<UInt8>, _ range: (start: Int, end: Int)) -> String {
        var text: [UInt8] = []
        for index in range.start..<min(range.end, range.start + 60) { text.append(bytes[index]) }
        return String(decoding: text, as: UTF8.self) + (range.end - range.start > 60 ? "…" : "")
    }

    /// What tells a ledger's row from every other, in this file and in the next: its external id, or else all that it says.
    static func stableHash(
        _ record: LedgerRecord, _ texts: (Range<Int>, Range<Int>, Range<Int>, Range<Int>), _ bytes: Span<UInt8>
    ) -> UInt64 {
        var hash = LedgerHash(seed: LedgerHash.stable)
        // The outcome too: a payment that failed and then succeeded may keep its id.
        hash.combine(UInt64(record.state))
        if !texts.2.isEmpty {
            hash.combine(bytes, texts.2.lowerBound, texts.2.upperBound)
            return hash.finish()
        }
        hash.combine(bytes, texts.0.lowerBound, texts.0.upperBound)
        hash.combine(bytes, texts.1.lowerBound, texts.1.upperBound)
        hash.combine(UInt64(bitPattern: record.amount))
        hash.combine(record.currency.packed)
        // Milliseconds are what SQLite keeps.
        hash.combine(UInt64(bitPattern: record.time / 1_000))
        return hash.finish()
    }
}
