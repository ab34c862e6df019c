import TallypostCore

/// What is told of rows that do not agree.
extension LedgerJoin {
    private func text(_ record: LedgerRecord, _ text: LedgerRecord.Text, _ bytes: Span<UInt8>) -> String? {
        let range = record.range(of: text)
        guard !range.isEmpty else { return nil }
        var copy: [UInt8] = []
        for index in range { copy.append(bytes[index]) }
        return String(decoding: copy, as: UTF8.self)
    }

    private func type(_ ours: LedgerRecord) -> String {
        Int(ours.type) < context.types.count ? context.types[Int(ours.type)] : ""
    }

    /// Where no task says it: the one type that the ledger is about.
    private var onlyType: String { context.map.types.count == 1 ? context.map.types[0] : "" }

    private func place(_ row: LedgerRecord) -> String {
        row.isInFile ? "line \(row.number) of \(context.file)" : "in an earlier file"
    }

    private func said(_ row: LedgerRecord) -> String {
        let time = Timestamp(microseconds: row.time).iso8601
        return row.hasAmount ? "\(context.money(row.amount, row.currency)) at \(time)" : "it at \(time)"
    }

    private mutating func tell(
        _ kind: FindingClass, _ severity: Severity, of ours: LedgerRecord, key: String? = nil, amount: Int64?,
        currency: CurrencyCode,
        since: Int64, _ detail: String
    ) {
        let (subject, idempotencyKey) = (text(ours, .subject, bytes.span), text(ours, .key, bytes.span))
        result.add(
            Finding(
                kind: kind, severity: severity, rule: context.map.rule, owner: context.map.owner, type: type(ours),
                key: key ?? "\(ours.number)", subject: subject, idempotencyKey: idempotencyKey, taskID: ours.number,
                amountMinor: amount, currency: currency.text, since: Timestamp(microseconds: since), detail: detail))
    }

    mutating func tellOursOnly(_ ours: LedgerRecord) {
        let time = Timestamp(microseconds: ours.time).iso8601
        tell(
            .weSayDoneTheyDont, .critical, of: ours, amount: ours.hasAmount ? ours.amount : nil, currency: ours.currency,
            since: ours.time, "task \(ours.number) was completed at \(time), and no ledger of \(context.map.source) has it")
    }

    mutating func tellTheyFailed(_ ours: LedgerRecord, _ failed: Int64) {
        tell(
            .outcomeMismatch, .critical, of: ours, amount: ours.hasAmount ? ours.amount : nil, currency: ours.currency,
            since: failed,
            "task \(ours.number) is completed, and \(context.map.source) says that it failed at "
                + Timestamp(microseconds: failed).iso8601)
    }

    mutating func tellCurrency(_ ours: LedgerRecord, _ row: LedgerRecord) {
        let mine = ours.hasAmount ? context.money(ours.amount, ours.currency) : "no amount"
        tell(
            .currencyMismatch, .critical, of: ours, amount: row.amount, currency: row.currency, since: row.time,
            "task \(ours.number) has \(mine), and \(context.map.source) has \(said(row)) (\(place(row)))")
    }

    mutating func tellAmount(_ ours: LedgerRecord, _ row: LedgerRecord, _ difference: Int64) {
        tell(
            .amountMismatch, .critical, of: ours, amount: difference, currency: row.currency, since: row.time,
            "task \(ours.number) has \(context.money(ours.amount, ours.currency)), and \(context.map.source) has \(said(row)) (\(place(row)))"
        )
    }

    /// Theirs is done, and the task is not completed: it is open, or ended otherwise. The row stays theirs alone until it is.
    mutating func tellNotDone(_ ours: LedgerRecord, _ row: LedgerRecord, _ rowBytes: Span<UInt8>) {
        if row.isInFile { bridge(row.currency) { $0.theirsOnly += Tally(one: row.amount) } }
        keep(row, rowBytes)
        let state = TaskState(rawValue: ours.state) ?? .unknown
        let detail = "\(context.map.source) has \(said(row)) (\(place(row))), and task \(ours.number) is \(state)"
        let amount = row.hasAmount ? row.amount : nil
        if state.isRefused {
            tell(.outcomeMismatch, .critical, of: ours, amount: amount, currency: row.currency, since: row.time, detail)
        } else {
            tell(.theyHaveWeDont, .high, of: ours, amount: amount, currency: row.currency, since: row.time, detail)
        }
    }

    /// A further row for what the ledger has already.
    mutating func addRepeat(_ row: LedgerRecord, _ rowBytes: Span<UInt8>, of ours: LedgerRecord?, isSameRow: Bool) {
        if row.isInFile { bridge(row.currency) { $0.repeats += Tally(one: row.amount) } }
        let external = text(row, .reference, rowBytes)
        if isSameRow, external != nil {
            // The same line twice, by the receiver's own id: the file's fault, and nobody paid twice.
            result.repeatedLines += 1
            return
        }
        let detail =
            "\(context.map.source) has \(said(row)) a second time\(external.map { ", as \($0)" } ?? "") (\(place(row)))"
            + (ours.map { "; task \($0.number) was sent once" } ?? ", and no task has its key")
        let key = external ?? "\(ours?.number ?? 0) \(row.hash)" + (isSameRow ? " \(row.time)" : "")
        if let ours {
            tell(
                .doneTwice, .critical, of: ours, key: key, amount: row.hasAmount ? row.amount : nil, currency: row.currency,
                since: row.time, detail)
        } else {
            let found = finding(.doneTwice, key: key, row, rowBytes, detail)
            result.add(found)
        }
    }

    /// Theirs that no round could match.
    mutating func finishTheirs(_ row: LedgerRecord, _ rowBytes: Span<UInt8>) {
        guard row.state == LedgerOutcome.completed.rawValue else {
            result.failedAlone += 1
            return
        }
        if row.isInFile { bridge(row.currency) { $0.theirsOnly += Tally(one: row.amount) } }
        if row.item != 0, row.isInFile { result.alreadyImported += 1 }
        let external = text(row, .reference, rowBytes)
        let key = text(row, .key, rowBytes)
        let name = key.map { "has the key \($0)" } ?? text(row, .subject, rowBytes).map { "fits its subject \($0)" } ?? "fits it"
        let found = finding(
            .theyHaveWeDont, key: external ?? key ?? "\(row.hash)", row, rowBytes,
            "\(context.map.source) has \(said(row))\(external.map { " as \($0)" } ?? "") (\(place(row))), and no task \(name)")
        keep(row, rowBytes)
        // A person dealt with it: it is theirs alone for good.
        if row.item == 0 || !context.resolvedItems.contains(found.id) { result.add(found) }
    }

    private func finding(
        _ kind: FindingClass, key: String, _ row: LedgerRecord, _ rowBytes: Span<UInt8>, _ detail: String
    ) -> Finding {
        Finding(
            kind: kind, severity: .critical, rule: context.map.rule, owner: context.map.owner, type: onlyType, key: key,
            subject: text(row, .subject, rowBytes), idempotencyKey: text(row, .key, rowBytes),
            amountMinor: row.hasAmount ? row.amount : nil, currency: row.currency.text,
            since: Timestamp(microseconds: row.time), detail: detail)
    }

    private mutating func keep(_ row: LedgerRecord, _ rowBytes: Span<UInt8>) {
        guard row.item == 0 else { return }
        let item = LedgerItem(
            externalID: text(row, .reference, rowBytes), idempotencyKey: text(row, .key, rowBytes),
            subject: text(row, .subject, rowBytes), amount: row.hasAmount ? row.amount : nil, currency: row.currency.text,
            batch: text(row, .group, rowBytes), at: Timestamp(microseconds: row.time))
        result.add(item)
    }
}
