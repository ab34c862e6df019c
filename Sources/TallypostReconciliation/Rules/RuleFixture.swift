package import TallypostCore

/// The examples of a rule, `NAME.test.sql`: SQL that fills tables, and what the rule must then find.
///
/// What stands before the first `-- case:` is run before each case. A case has SQL and `-- expect:` lines: `nothing`, `failure`, or a
/// finding's class and key, and its amount and currency if they matter: `missing o_1 4200 EUR`. `-- as of: TIME` is when the rule is run;
/// without it, so long after now that nothing is within the grace.
package struct RuleFixture: Sendable, Equatable {
    /// What a line expects.
    package struct Expected: Sendable, Equatable {
        /// The finding's class.
        package var kind: FindingClass
        /// The business row's key.
        package var key: String
        /// In minor units; nil: any.
        package var amount: Int64?
        /// ISO 4217; nil: any.
        package var currency: String?

        /// Whether a finding is this.
        func fits(_ finding: Finding) -> Bool {
            finding.kind == kind && (finding.subject ?? "") == key && (amount == nil || finding.amountMinor == amount)
                && (currency == nil || finding.currency == currency)
        }

        /// As it is written.
        package var spoken: String {
            ([kind.rawValue, key.isEmpty || key.contains(" ") ? "'\(key)'" : key] + (amount.map { ["\($0)"] } ?? [])
                + (currency.map { [$0] } ?? []))
                .joined(separator: " ")
        }
    }

    /// One example.
    package struct Case: Sendable, Equatable {
        /// What it is called.
        package var name: String
        /// Where it begins, from 1.
        package var line: Int
        /// Its statements, with their lines.
        package var sql: [Statement] = []
        /// When the rule is run; nil: long after.
        package var asOf: Timestamp?
        /// What must be found, and nothing else.
        package var expected: [Expected] = []
        /// The rule must fail.
        package var expectsFailure = false
        var saysNothing = false
    }

    /// A statement and where it stands.
    package struct Statement: Sendable, Equatable {
        /// One statement.
        package var sql: String
        /// From 1.
        package var line: Int
    }

    /// The file.
    package var file: String
    /// Run before each case.
    package var setup: [Statement] = []
    /// In the file's order.
    package var cases: [Case] = []

    /// Reads a fixture; all that is wrong with it is told at once.
    package init(parsing text: String, file: String) throws(RuleProblems) {
        self.file = file
        var problems: [RuleProblem] = []
        var part = ""
        var partLine = 1
        func statements() -> [Statement] {
            do throws(SQLScanner.Unended) {
                return try SQLScanner.statements(of: part).map { Statement(sql: $0.sql, line: partLine + $0.line - 1) }
            } catch {
                problems.append(
                    RuleProblem(file: file, line: partLine, what: "below this line a \(error.what) is not ended", mend: "end it"))
                return []
            }
        }
        var fixture: (setup: [Statement], cases: [Case]) = ([], [])
        func close() {
            if fixture.cases.isEmpty {
                fixture.setup += statements()
            } else {
                fixture.cases[fixture.cases.count - 1].sql += statements()
            }
        }
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let number = index + 1
            if let name = Self.value(of: "case", line) {
                close()
                (part, partLine) = ("", number + 1)
                fixture.cases.append(Case(name: name, line: number))
            } else if let text = Self.value(of: "expect", line) ?? Self.value(of: "as of", line) {
                guard let last = fixture.cases.indices.last else {
                    problems.append(
                        RuleProblem(
                            file: file, line: number, what: "this stands before the first case",
                            mend: "begin with -- case: WHAT IT SHOWS"))
                    continue
                }
                let isExpect = Self.value(of: "expect", line) != nil
                let problem =
                    isExpect ? Self.take(expect: text, &fixture.cases[last]) : Self.take(asOf: text, &fixture.cases[last])
                if let problem { problems.append(RuleProblem(file: file, line: number, what: problem.what, mend: problem.mend)) }
                part += "\n"
            } else {
                part += line + "\n"
            }
        }
        close()
        (setup, cases) = fixture
        for one in cases where one.expected.isEmpty && !one.saysNothing && !one.expectsFailure {
            problems.append(
                RuleProblem(
                    file: file, line: one.line, what: "the case expects neither something nor nothing",
                    mend: "add -- expect: nothing"))
        }
        if cases.isEmpty {
            problems.append(
                RuleProblem(file: file, line: nil, what: "there is no case in it", mend: "begin one with -- case: WHAT IT SHOWS"))
        }
        guard problems.isEmpty else { throw RuleProblems(problems) }
    }

    private static func value(of key: String, _ line: Substring) -> String? {
        let plain = line.drop { $0.isWhitespace }
        guard plain.hasPrefix("--") else { return nil }
        let content = plain.dropFirst(2).drop { $0.isWhitespace }
        guard content.hasPrefix(key + ":") else { return nil }
        let value = content.dropFirst(key.count + 1).drop { $0.isWhitespace }
        return String(String(value.reversed().drop { $0.isWhitespace }.reversed()))
    }

    private static func take(expect text: String, _ one: inout Case) -> (what: String, mend: String)? {
        if text == "nothing" {
            one.saysNothing = true
            return one.expected.isEmpty ? nil : ("the case expects something and nothing", "leave one out")
        }
        if text == "failure" {
            one.expectsFailure = true
            return nil
        }
        if one.saysNothing { return ("the case expects something and nothing", "leave one out") }
        let tokens = (try? words(text)) ?? []
        let classes = FindingClass.allCases.map(\.rawValue)
        guard let word = tokens.first, let kind = FindingClass(rawValue: word) else {
            let near = NearestName.of(tokens.first ?? "", among: classes + ["nothing", "failure"])
            return (
                "“\(tokens.first ?? "")” is no class of findings",
                near.map { "did you mean \($0)?" } ?? "for example: missing o_1 4200 EUR"
            )
        }
        let bad = (
            "“\(text)” is not understood",
            "write a class, a key, and if they matter an amount in minor units and its currency: missing o_1 4200 EUR"
        )
        guard (2...4).contains(tokens.count) else { return bad }
        var expected = Expected(kind: kind, key: tokens[1])
        if tokens.count > 2 {
            guard let amount = Int64(tokens[2]) else { return bad }
            expected.amount = amount
        }
        if tokens.count > 3 { expected.currency = tokens[3] }
        one.expected.append(expected)
        return nil
    }

    /// Words, of which one may be in quotes.
    private static func words(_ text: String) throws(SQLScanner.Unended) -> [String] {
        var words: [String] = []
        var rest = text[...]
        while true {
            rest = rest.drop { $0.isWhitespace }
            guard let first = rest.first else { return words }
            if first == "'" {
                let word = rest.dropFirst().prefix { $0 != "'" }
                words.append(String(word))
                rest = rest.dropFirst(word.count + 2)
            } else {
                let word = rest.prefix { !$0.isWhitespace }
                words.append(String(word))
                rest = rest.dropFirst(word.count)
            }
        }
    }

    private static func take(asOf text: String, _ one: inout Case) -> (what: String, mend: String)? {
        guard let time = time(text) else {
            return ("“\(text)” is no time", "write it as 2026-11-20T12:00:00Z")
        }
        one.asOf = time
        return nil
    }

    /// `2026-11-20T12:00:00Z`; a space may stand for T, and Z may be missing.
    private static func time(_ text: String) -> Timestamp? {
        let digits = text.utf8.split(whereSeparator: { !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        let numbers = digits.compactMap { Int64(Substring($0)) }
        guard digits.prefix(5).map(\.count) == [4, 2, 2, 2, 2] || digits.prefix(6).map(\.count) == [4, 2, 2, 2, 2, 2],
            text.utf8.count <= 20,
            numbers.count == 6, (0..<24).contains(numbers[3]), (0..<60).contains(numbers[4]), (0..<60).contains(numbers[5])
        else { return nil }
        let day = CivilDay(year: numbers[0], month: numbers[1], day: numbers[2])
        guard day.exists else { return nil }
        let seconds = day.daysSinceEpoch * 86_400 + numbers[3] * 3_600 + numbers[4] * 60 + numbers[5]
        return Timestamp(microseconds: seconds * 1_000_000)
    }
}
