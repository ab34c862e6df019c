package import TallypostCore

extension Rule {
    /// The SQL that the rule runs, for a person: in order, with what each statement is for.
    package func explanation(dialect: SQLDialect) -> String {
        var lines = [
            "-- rule \(name)\(owner.isEmpty ? "" : ", owner \(owner)"): severity \(severity.rawValue), grace \(grace.configured)"
                + (confirmRuns > 1 ? ", told after \(confirmRuns) runs in a row" : ""),
            "-- file \(file), sha256 \(hash)", "-- on one read-only snapshot, times in UTC",
        ]
        switch body {
        case .query(let sql):
            lines += ["", "-- its rows are the breaks; those whose `at` is younger than the grace are passed over", sql + ";"]
        case .expectation(let expectation): lines += explanation(expectation, dialect)
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func explanation(_ expectation: Expectation, _ dialect: SQLDialect) -> [String] {
        let sql = ExpectationSQL(expectation: expectation, dialect: dialect)
        let status = expectation.status.map { " \($0.rawValue)" } ?? ""
        let condition = expectation.condition.map { " where \($0)" } ?? ""
        let cutoff =
            sql.takesCutoff
            ? ["-- \(dialect == .postgres ? "$1" : "?1") = as-of less grace (\(grace.configured)): what is younger is in transit"]
            : []
        var lines = [
            "-- \(expectation.count.spoken)\(status) \(expectation.type) for each row of \(expectation.table)\(condition)", "",
            "-- control total of the business rows, by currency\(dialect == .sqlite ? " (upper and lower 32 bits of the sum)" : "")",
            sql.expected + ";", "",
            "-- control total of the tasks, by currency; cancelled ones do not count", sql.tasks + ";", "",
        ]
        if let pairs = sql.pairs {
            lines.append(
                "-- what is not as expected, where an index says that \(expectation.key) is unique and the counts say that no task is a second one"
            )
            lines += cutoff + [pairs + ";", ""]
        }
        lines.append(
            "-- \(sql.pairs == nil ? "" : "else, ")keys that are not as expected: missing, orphan, duplicate, other amount, currency or status"
        )
        lines += cutoff + [sql.keys + ";", "", "-- only if keys with several tasks or rows came out: each of them"] + cutoff
        lines += [
            sql.details + ";", "", "-- only if there are tasks without a subject or rows without a key: each of them",
            sql.withoutKey + ";",
        ]
        if let unmet = sql.unmet {
            let parameter = dialect == .postgres ? "$1" : "?1"
            lines += [
                "", "-- only for orphans, whose keys are \(parameter): is the row there, and does not meet the condition?",
                unmet + ";",
            ]
        }
        return lines
    }
}
