/// A row of either side as it waits in a temporary file: a head of 64 bytes, then up to four texts.
struct LedgerRecord {
    /// Texts of a record. Ours: key, subject, reference, group. Theirs: key, subject, external id, batch.
    enum Text: Int {
        case key, subject, reference, group
    }

    static let headLength = 64

    /// Ours: the status, an index into ``TaskState``. Theirs: an index into ``LedgerOutcome``.
    var state: UInt8 = 0
    /// Whether it has an amount.
    var hasAmount = false
    /// Theirs: it stands in the file that is imported now, and is not only kept from an earlier one.
    var isInFile = false
    /// Ours: an index into the list of types.
    var type: UInt16 = 0
    var amount: Int64 = 0
    var currency = CurrencyCode.none
    /// Microseconds: ours, when it finished; theirs, when they did it. `Int64.min`: never.
    var time: Int64 = .min
    /// Ours: the hash of the ledger's row that it was matched with by an earlier import, or 0. Theirs: the row's hash.
    var hash: UInt64 = 0
    /// Ours: `id`. Theirs: the line.
    var number: Int64 = 0
    /// Theirs: its id in `tallypost_ledger_items`, or 0.
    var item: Int64 = 0
    /// Where it begins, in the bytes it was read from.
    var start = 0
    private var lengths: [4 of UInt16] = .init(repeating: 0)

    init() {}

    /// All of it, in bytes.
    var length: Int { Self.headLength + Int(lengths[0]) + Int(lengths[1]) + Int(lengths[2]) + Int(lengths[3]) }

    func length(of text: Text) -> Int { Int(lengths[text.rawValue]) }

    mutating func setLength(of text: Text, _ length: Int) { lengths[text.rawValue] = UInt16(length) }

    /// Where a text stands, in the bytes that the record was read from.
    func range(of text: Text) -> Range<Int> {
        var first = start + Self.headLength
        for index in 0..<text.rawValue { first += Int(lengths[index]) }
        return first..<(first + Int(lengths[text.rawValue]))
    }

    /// Reads the record that begins at `start`.
    init(_ bytes: RawSpan, at start: Int) {
        self.start = start
        func word(_ offset: Int) -> UInt64 { unsafe bytes.unsafeLoadUnaligned(fromByteOffset: start + offset, as: UInt64.self) }
        let first = word(0)
        state = UInt8(truncatingIfNeeded: first >> 32)
        let flags = first >> 40
        hasAmount = flags & 1 != 0
        isInFile = flags & 2 != 0
        type = UInt16(truncatingIfNeeded: first >> 48)
        let texts = word(8)
        for index in 0..<4 { lengths[index] = UInt16(truncatingIfNeeded: texts >> UInt64(16 * index)) }
        amount = Int64(bitPattern: word(16))
        currency = CurrencyCode(packed: word(24))
        time = Int64(bitPattern: word(32))
        hash = word(40)
        number = Int64(bitPattern: word(48))
        item = Int64(bitPattern: word(56))
    }

    /// The head's eight words.
    var head: [8 of UInt64] {
        var texts: UInt64 = 0
        for index in 0..<4 { texts |= UInt64(lengths[index]) << UInt64(16 * index) }
        let flags: UInt64 = (hasAmount ? 1 : 0) | (isInFile ? 2 : 0)
        let first = UInt64(UInt32(length)) | UInt64(state) << 32 | flags << 40 | UInt64(type) << 48
        return [
            first, texts, UInt64(bitPattern: amount), currency.packed, UInt64(bitPattern: time), hash,
            UInt64(bitPattern: number), UInt64(bitPattern: item),
        ]
    }
}

/// How the receiver says that a row ended.
enum LedgerOutcome: UInt8 {
    case completed, failed
}

/// What reconciliation with a ledger asks of a task's status.
enum TaskState: UInt8, CaseIterable {
    case completed, failed, timeout, cancelled, pending, processing, waiting, blocked, unknown

    init(_ status: Span<UInt8>, _ start: Int, _ end: Int) {
        self = .unknown
        for state in TaskState.allCases where Self.names[Int(state.rawValue)].count == end - start {
            let name = Self.names[Int(state.rawValue)]
            var index = 0
            while index < name.count, name[index] == status[start + index] { index += 1 }
            if index == name.count {
                self = state
                return
            }
        }
    }

    private static let names = allCases.map { Array("\($0)".utf8) }

    /// It ended, and not well: the receiver should not have done it.
    var isRefused: Bool { self == .failed || self == .timeout || self == .cancelled }
}
