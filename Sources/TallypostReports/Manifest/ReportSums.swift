import TallypostReconciliation

/// Sums by currency and group: what a manifest says of a file, and what ``ReportVerifier`` adds up again.
struct ReportSums: Sendable, Equatable {
    /// Where there is no money.
    static let noCurrency = "-"
    private(set) var byCurrency: [String: [String: Tally]] = [:]

    mutating func add(_ tally: Tally, _ currency: String?, _ group: String) {
        byCurrency[currency ?? Self.noCurrency, default: [:]][group, default: .zero] += tally
    }

    mutating func add(_ other: ReportSums, prefix: String) {
        for (currency, groups) in other.byCurrency {
            for (group, tally) in groups { add(tally, currency, prefix + group) }
        }
    }

    /// Of a table that has something to add up.
    init?(_ table: ReportTable) {
        guard let group = table.group.flatMap(table.index), let currency = table.index("currency"),
            let amount = table.index("amount")
        else { return nil }
        let count = table.index("count")
        for index in 0..<table.count {
            let row = table.row(index)
            guard case .text(let name) = row[group] else { continue }
            var tally = Tally(count: count == nil ? 1 : 0, amount: 0)
            if let count {
                guard case .count(let number) = row[count] else { continue }
                tally.count = number
            }
            if case .amount(let minor, _) = row[amount] { tally.amount = minor }
            if case .text(let code) = row[currency] { add(tally, code, name) } else { add(tally, nil, name) }
        }
    }

    init() {}

    var tree: JSONTree {
        .object(
            byCurrency.mapValues { groups in
                .object(
                    groups.mapValues { .object(["count": .string("\($0.count)"), "amountMinor": .string("\($0.amount)")]) })
            })
    }

    /// - Returns: nil for what ``tree`` would not have written.
    init?(_ tree: JSONTree) {
        guard let currencies = tree.members else { return nil }
        for (currency, groups) in currencies {
            guard let groups = groups.members else { return nil }
            for (group, sums) in groups {
                guard let count = sums["count"]?.text.flatMap(Int64.init),
                    let amount = sums["amountMinor"]?.text.flatMap({ Int128($0) })
                else { return nil }
                byCurrency[currency, default: [:]][group] = Tally(count: count, amount: amount)
            }
        }
    }

    /// The first sum that differs, in words.
    func firstDifference(from found: ReportSums) -> (what: String, expected: String, found: String)? {
        for currency in Set(byCurrency.keys).union(found.byCurrency.keys).sorted() {
            let (ours, theirs) = (byCurrency[currency] ?? [:], found.byCurrency[currency] ?? [:])
            for group in Set(ours.keys).union(theirs.keys).sorted() where ours[group] != theirs[group] {
                return ("sum of \(group) in \(currency)", Self.words(ours[group]), Self.words(theirs[group]))
            }
        }
        return nil
    }

    private static func words(_ tally: Tally?) -> String { tally.map { "count \($0.count), minor units \($0.amount)" } ?? "none" }
}
