import TallypostReconciliation

/// Adds a CSV or JSON file up again from its own bytes.
struct FileAddition {
    let entry: ReportVerifier.Entry
    let exponents: [String: Int]

    func add(_ bytes: [UInt8]) throws -> (rows: Int, sums: ReportSums) {
        try entry.name.hasSuffix(".csv") ? addCSV(bytes) : addJSON(bytes)
    }

    private func fault(_ what: String, _ expected: String, _ found: String) -> ReportVerifier.Difference {
        ReportVerifier.Difference(file: entry.name, what: what, expected: expected, found: found)
    }

    private func addCSV(_ bytes: [UInt8]) throws -> (rows: Int, sums: ReportSums) {
        guard var reader = CSVReader(bytes), let heading = try next(&reader) else {
            throw fault("content", "CSV with a byte order mark and headings", "something else")
        }
        var sums = ReportSums()
        var rows = 0
        let group = entry.group.flatMap { heading.firstIndex(of: $0) }
        let (currency, count) = (heading.firstIndex(of: "currency"), heading.firstIndex(of: "count"))
        let amount = heading.firstIndex(of: "amount")
        while let fields = try next(&reader) {
            rows += 1
            guard fields.count == heading.count else {
                throw fault("row \(rows)", "\(heading.count) fields", "\(fields.count) fields")
            }
            guard let group, let currency, let amount else { continue }
            if let count, fields[count].isEmpty { continue }
            var tally = Tally(count: 1, amount: 0)
            if let count {
                guard let number = Int64(fields[count]) else {
                    throw fault("row \(rows), count", "a whole number", fields[count])
                }
                tally.count = number
            }
            let code = Self.unguarded(fields[currency])
            if !fields[amount].isEmpty {
                guard let minor = AmountText.parse(fields[amount], digits: exponents[code] ?? 2) else {
                    throw fault("row \(rows), amount", "an amount of \(code)", fields[amount])
                }
                tally.amount = minor
            }
            sums.add(tally, code.isEmpty ? nil : code, Self.unguarded(fields[group]))
        }
        return (rows, sums)
    }

    private func next(_ reader: inout CSVReader) throws -> [String]? {
        do throws(CSVFault) { return try reader.next() } catch { throw fault("byte \(error.offset)", "CSV", "something else") }
    }

    private static func unguarded(_ text: String) -> String { text.hasPrefix("'") ? String(text.dropFirst()) : text }

    private func addJSON(_ bytes: [UInt8]) throws -> (rows: Int, sums: ReportSums) {
        guard let tree = JSONTree(parsing: bytes) else { throw fault("content", "JSON", "something else") }
        var sums = ReportSums()
        var rows = 0
        for line in tree["rollForward"]?.elements ?? [] {
            rows += 1
            try addLines(of: line, "rollforward.", &sums)
        }
        for side in ["business", "receiver"] {
            for bridge in tree["bridges"]?[side]?.elements ?? [] { try addLines(of: bridge, "bridges.", &sums) }
        }
        for line in tree["ageing"]?.elements ?? [] {
            for bucket in line["buckets"]?.elements ?? [] {
                sums.add(try tally(bucket), line["currency"]?.text, "ageing." + (bucket["age"]?.text ?? ""))
            }
        }
        for list in ["findings", "closedFindings"] {
            for finding in tree[list]?.elements ?? [] {
                rows += 1
                let amount = finding["currency"]?.text == nil ? nil : finding["amountMinor"]?.text
                guard let minor = Int128(amount ?? "0") else { throw fault("findings", "amounts in digits", amount ?? "") }
                sums.add(Tally(count: 1, amount: minor), finding["currency"]?.text, "breaks." + (finding["state"]?.text ?? ""))
            }
        }
        return (rows, sums)
    }

    /// Every member of it that is a tally.
    private func addLines(of tree: JSONTree, _ prefix: String, _ sums: inout ReportSums) throws {
        for (name, value) in tree.members ?? [:] where value.members != nil {
            sums.add(try tally(value), tree["currency"]?.text, prefix + name)
        }
    }

    private func tally(_ tree: JSONTree) throws -> Tally {
        let amount = tree["amountMinor"]?.text ?? "0"
        guard let count = tree["count"]?.integer.flatMap({ Int64(exactly: $0) }), let minor = Int128(amount) else {
            throw fault("amounts", "counts as numbers, amounts as strings", amount)
        }
        return Tally(count: count, amount: minor)
    }
}
