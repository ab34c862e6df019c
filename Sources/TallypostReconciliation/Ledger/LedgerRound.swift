/// By what rows of both sides are joined, in turn; each round gets what those before it left over.
enum LedgerRound: Sendable, CaseIterable {
    /// Our idempotency key.
    case key
    /// The receiver's name for it, as its response told us.
    case reference
    /// Subject, amount and currency.
    case subject
    /// Several of ours to one of theirs: the tasks' `group_key` is the row's batch, and sums are equal.
    case group
    /// Several of theirs to one of ours: the task's subject is the rows' batch, and sums are equal.
    case instalments

    /// The rounds that a map makes possible; at least one.
    static func all(_ map: LedgerMap) -> [LedgerRound] {
        var rounds: [LedgerRound] = []
        if map.columns[.idempotencyKey] != nil { rounds.append(.key) }
        if map.reference != nil { rounds.append(.reference) }
        if map.columns[.subject] != nil { rounds.append(.subject) }
        if map.columns[.batch] != nil { rounds.append(map.batchOf == .group ? .group : .instalments) }
        return rounds.isEmpty ? [.key] : rounds
    }

    /// Whether sums are joined, and not single rows.
    var isGrouped: Bool { self == .group || self == .instalments }

    /// Which text of ours it goes by.
    var ours: LedgerRecord.Text {
        switch self {
        case .key: .key
        case .reference: .reference
        case .subject, .instalments: .subject
        case .group: .group
        }
    }

    /// Which text of theirs it goes by.
    var theirs: LedgerRecord.Text {
        switch self {
        case .key: .key
        case .reference: .reference
        case .subject: .subject
        case .group, .instalments: .group
        }
    }

    /// - Parameter withMoney: whether the ledger has amounts.
    func hash(
        _ bytes: Span<UInt8>, _ range: Range<Int>, _ record: LedgerRecord, seed: UInt64, withMoney: Bool
    ) -> UInt64 {
        var hash = LedgerHash(seed: seed)
        hash.combine(bytes, range.lowerBound, range.upperBound)
        if self == .subject, withMoney {
            hash.combine(UInt64(bitPattern: record.amount))
            hash.combine(record.currency.packed)
        }
        return hash.finish()
    }

    /// Of a row whose texts stand anywhere.
    func hash(
        theirs record: LedgerRecord, texts: (Range<Int>, Range<Int>, Range<Int>, Range<Int>), of bytes: Span<UInt8>, seed: UInt64
    ) -> UInt64 {
        let range =
            switch theirs {
            case .key: texts.0
            case .subject: texts.1
            case .reference: texts.2
            case .group: texts.3
            }
        return hash(bytes, range, record, seed: seed, withMoney: record.hasAmount)
    }
}
