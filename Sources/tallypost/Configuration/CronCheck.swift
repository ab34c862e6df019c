import TallypostCore

/// Judges a schedule's times without reckoning any: five fields as crontab(5) writes them, or `@every 5m`.
enum CronCheck {
    private static let fields: [(name: String, range: ClosedRange<Int>, words: [String])] = [
        ("minute", 0...59, []), ("hour", 0...23, []), ("day of the month", 1...31, []),
        ("month", 1...12, ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
        ("day of the week", 0...7, ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
    ]

    /// What is wrong; nil when nothing is.
    static func fault(in text: String) -> String? {
        if text.hasPrefix("@every ") {
            guard let span = TimeSpan(configured: String(text.dropFirst(7))), span > .zero else {
                return "no interval; write \"@every 5m\""
            }
            return nil
        }
        let parts = text.split(separator: " ")
        guard parts.count == fields.count else { return "neither five fields (\"0 2 * * *\") nor \"@every 5m\"" }
        for (part, field) in zip(parts, fields) {
            for item in part.split(separator: ",", omittingEmptySubsequences: false) where !isItem(item, field.range, field.words)
            {
                return "“\(item)” is no \(field.name): a number from \(field.range.lowerBound) to \(field.range.upperBound), "
                    + "a range 1-5, a step */10, * or a list of these"
            }
        }
        return nil
    }

    /// `*`, `5`, `1-5`, each perhaps with a step; a lone number takes none.
    private static func isItem(_ item: Substring, _ range: ClosedRange<Int>, _ words: [String]) -> Bool {
        let parts = item.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2 else { return false }
        let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false)
        if parts.count == 2 {
            guard let step = number(parts[1]), (1...range.upperBound).contains(step), parts[0] == "*" || ends.count == 2 else {
                return false
            }
        }
        if parts[0] == "*" { return true }
        let values = ends.compactMap { end in
            number(end) ?? words.firstIndex(of: end.lowercased()).map { $0 + (range.lowerBound == 1 ? 1 : 0) }
        }
        guard values.count == ends.count, ends.count <= 2, values.allSatisfy(range.contains), let first = values.first,
            let last = values.last
        else { return false }
        return first <= last
    }

    private static func number(_ text: Substring) -> Int? { text.utf8.allSatisfy { $0 &- 0x30 < 10 } ? Int(text) : nil }
}
