import TallypostCore

extension Rule {
    /// Reads a rule's file. All that is wrong with it is told at once.
    ///
    /// - Parameters:
    ///   - text: the file, byte for byte.
    ///   - file: how problems name it; its last part must be the rule's name and `.sql`.
    package init(parsing text: String, file: String) throws(RuleProblems) {
        var parser = RuleParser(text: text, file: file)
        self = try parser.parse()
    }
}

/// From a file's text to a rule.
struct RuleParser {
    /// Header lines that a rule may have.
    static let keys = [
        "rule", "severity", "owner", "grace", "expect", "confirm_runs", "critical_over", "type", "hold", "until", "payload",
    ]

    private let text: String
    private let file: String
    private var problems: [RuleProblem] = []
    private var header: [String: (value: String, line: Int)] = [:]
    private var body = ""
    private var bodyLine = 1

    init(text: String, file: String) {
        self.text = text
        self.file = file
    }

    mutating func parse() throws(RuleProblems) -> Rule {
        readHeader()
        var rule = Rule(
            name: readName(), file: file, text: text, hash: Digest.hex(Digest.sha256(Array(text.utf8))), body: .query(""))
        readWho(into: &rule)
        readWhen(into: &rule)
        readMoney(into: &rule)
        readBody(into: &rule)
        readTaskKeys(into: &rule)
        guard problems.isEmpty else { throw RuleProblems(problems.sorted { ($0.line ?? 0) < ($1.line ?? 0) }) }
        return rule
    }

    private mutating func report(_ what: String, _ mend: String, line: Int? = nil) {
        problems.append(RuleProblem(file: file, line: line, what: what, mend: mend))
    }

    // MARK: header

    /// The lines before the first that is neither empty nor a comment; `key: value`, or a comment when its first word is no `key:`.
    private mutating func readHeader() {
        let lines = text.split(omittingEmptySubsequences: false) { $0.isNewline }
        var open: String?
        var number = 0
        for line in lines {
            let plain = line.drop { $0.isWhitespace }
            guard plain.isEmpty || plain.hasPrefix("--") else { break }
            number += 1
            let comment = plain.dropFirst(2)
            let content = comment.drop { $0.isWhitespace }
            let indentation = comment.count - content.count
            let word = content.prefix { $0.isASCII && ($0.isLowercase || $0 == "_" || $0 == "-") }
            if let key = open, !content.isEmpty, indentation >= 2 {
                // The next line of a value that is longer than one.
                header[key]?.value += "\n" + Self.trimmed(content)
            } else if !word.isEmpty, content.dropFirst(word.count).first == ":" {
                let key = String(word)
                open = take(key, Self.trimmed(content.dropFirst(word.count + 1)), line: number)
            } else {
                open = nil
            }
        }
        bodyLine = number + 1
        body = lines.dropFirst(number).joined(separator: "\n")
    }

    /// The key that indented lines go on, if it is one that may be long.
    private mutating func take(_ key: String, _ value: String, line: Int) -> String? {
        guard Self.keys.contains(key) else {
            let near = NearestName.of(key, among: Self.keys).map { "did you mean \($0)?" }
            report(
                "the header has no key “\(key)”",
                near ?? "known are \(Self.keys.joined(separator: ", ")); a comment begins with a capital letter", line: line)
            return nil
        }
        if let first = header[key] {
            report("“\(key)” is given twice, first in line \(first.line)", "leave one out", line: line)
            return nil
        }
        header[key] = (value, line)
        return key == "expect" || key == "payload" ? key : nil
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        let start = text.drop { $0.isWhitespace }
        return String(String(start.reversed().drop { $0.isWhitespace }.reversed()))
    }

    private mutating func readName() -> String {
        let base = file.split(separator: "/").last.map(String.init) ?? file
        let stem = base.hasSuffix(".sql") ? String(base.dropLast(4)) : base
        guard let (name, line) = header["rule"] else {
            report("the rule has no name", "begin the file with: -- rule: \(stem)")
            return stem
        }
        let allowed = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        if name.isEmpty || !allowed || name.utf8.count > 100 {
            report("“\(name)” is no name of a rule", "use letters, digits, “-”, “_” and “.”", line: line)
        } else if name != stem {
            report(
                "the rule is called “\(name)”, its file \(base)", "call the file \(name).sql, or write: -- rule: \(stem)",
                line: line)
        }
        return name
    }

    private mutating func readWho(into rule: inout Rule) {
        rule.owner = header["owner"]?.value ?? ""
        if let (word, line) = header["severity"] {
            let words = Severity.allCases.map(\.rawValue)
            if let severity = Severity(rawValue: word) {
                rule.severity = severity
            } else {
                report(
                    "“\(word)” is no severity",
                    NearestName.of(word, among: words).map { "did you mean \($0)?" }
                        ?? "one of: \(words.joined(separator: ", "))",
                    line: line)
            }
        }
        if let (word, line) = header["hold"] {
            switch word {
            case "yes": rule.holdsOrphans = true
            case "no": break
            default: report("hold: “\(word)” is neither yes nor no", "write -- hold: yes", line: line)
            }
        }
    }

    private mutating func readWhen(into rule: inout Rule) {
        if let (text, line) = header["grace"] {
            if let span = Self.duration(text) {
                rule.grace = span
            } else {
                report("grace: “\(text)” is no duration", "write a number and ms, s, m, h or d: 15m", line: line)
            }
        }
        if let (text, line) = header["confirm_runs"] {
            if let runs = Int(text), (1...1_000).contains(runs) {
                rule.confirmRuns = runs
            } else {
                report("confirm_runs: “\(text)” is no number from 1 to 1000", "write -- confirm_runs: 2", line: line)
            }
        }
        if let (text, line) = header["until"] {
            if let day = Self.day(text) {
                rule.until = day
            } else {
                report(
                    "until: “\(text)” is no day", "write it as 2027-01-31; the rule is not run from that day on (UTC)", line: line
                )
            }
        }
    }

    private mutating func readMoney(into rule: inout Rule) {
        guard let (text, line) = header["critical_over"] else { return }
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let words = part.split { $0.isWhitespace || $0 == ":" }.map(String.init)
            guard words.count == 2, words[0].utf8.count == 3, words[0].allSatisfy({ $0.isASCII && $0.isUppercase }),
                let limit = Self.limit(words[0], words[1])
            else {
                report(
                    "critical_over: “\(Self.trimmed(part))” is no currency and amount",
                    "write -- critical_over: GBP 1000.00, JPY 100000",
                    line: line)
                continue
            }
            if rule.criticalOver.contains(where: { $0.currency == limit.currency }) {
                report("critical_over: \(limit.currency) is given twice", "leave one out", line: line)
            }
            rule.criticalOver.append(limit)
        }
    }

    private static func limit(_ currency: String, _ text: String) -> Rule.Limit? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let digits = parts.joined()
        guard parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy { $0.isASCII && $0.isNumber } }), digits.utf8.count <= 17,
            let number = Int64(digits)
        else { return nil }
        return Rule.Limit(currency: currency, digits: number, scale: parts.count == 2 ? parts[1].count : 0)
    }

    static func duration(_ text: String) -> TimeSpan? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let count = Int64(digits), count <= 100_000_000 else { return nil }
        switch text.dropFirst(digits.count) {
        case "ms": return .milliseconds(count)
        case "s": return .seconds(count)
        case "m": return .minutes(count)
        case "h": return .hours(count)
        case "d": return .hours(count * 24)
        default: return nil
        }
    }

    /// `2027-01-31`: its first moment in UTC.
    private static func day(_ text: String) -> Timestamp? {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false).map(String.init)
        guard parts.map(\.count) == [4, 2, 2], let year = Int64(parts[0]), let month = Int64(parts[1]), let day = Int64(parts[2])
        else {
            return nil
        }
        let civil = CivilDay(year: year, month: month, day: day)
        return civil.exists ? Timestamp(microseconds: civil.daysSinceEpoch * 86_400_000_000) : nil
    }

    // MARK: body

    private mutating func readBody(into rule: inout Rule) {
        let statements: [(sql: String, line: Int)]
        do throws(SQLScanner.Unended) { statements = try SQLScanner.statements(of: body) } catch {
            let line = bodyLine + Array(body.utf8)[..<min(error.at, body.utf8.count)].count { $0 == UInt8(ascii: "\n") }
            return report("a \(error.what) is not ended", "end it", line: line)
        }
        switch (header["expect"], statements.first) {
        case (let (text, line)?, nil):
            do throws(ExpectationParser.Failure) {
                rule.body = .expectation(try ExpectationParser.parse(text))
            } catch { report(error.what, error.mend, line: line) }
        case (nil, let statement?):
            if statements.count > 1 {
                report(
                    "there are \(statements.count) statements",
                    "a rule is one query: join them with UNION ALL, or make a file of each",
                    line: bodyLine + statements[1].line - 1)
            }
            checkQuery(statement.sql, line: bodyLine + statement.line - 1)
            rule.body = .query(statement.sql)
        case (_?, let statement?):
            report(
                "there is both an expect line and SQL", "keep one of them: an expect line needs no SQL below it",
                line: bodyLine + statement.line - 1)
        case (nil, nil):
            report(
                "the rule asks nothing",
                "add a line -- expect: \(ExpectationParser.example), or a query whose rows are the breaks")
        }
    }

    /// One that reads, whose rows are the breaks.
    private mutating func checkQuery(_ sql: String, line: Int) {
        let verbs = ["select", "values", "insert", "update", "delete", "replace", "merge"]
        let tokens = (try? SQLScanner.tokens(of: sql)) ?? []
        let first = tokens.first { !$0.isMark("(") }
        let verb =
            first?.isWord("with") == true
            ? tokens.first { $0.depth == 0 && $0.kind == .word && verbs.contains($0.text.lowercased()) } : first
        guard let verb, verb.isWord("select") else {
            return report(
                "a rule only reads: “\(verb?.text ?? "")” is no query", "begin it with SELECT or WITH … SELECT", line: line)
        }
    }

    private mutating func readTaskKeys(into rule: inout Rule) {
        if let expectation = rule.expectation {
            rule.type = expectation.type
            if let (_, line) = header["type"] {
                report("the type is said twice", "leave out the line -- type: the expect line names it", line: line)
            }
        } else {
            rule.type = header["type"]?.value ?? ""
            if header["expect"] == nil {
                for key in ["hold", "payload"] {
                    guard let (_, line) = header[key] else { continue }
                    report("“\(key)” goes with an expect line", "leave it out of a rule that is a query", line: line)
                }
            }
        }
        guard let (payload, line) = header["payload"] else { return }
        rule.payload = payload
        if !JSONSyntax.isValid(Array(rule.payload(key: "k").utf8)) {
            report(
                "the payload is no JSON once {key} is replaced by \"k\"", "write it as in: -- payload: {\"order\": {key}}",
                line: line)
        }
    }
}

extension Rule {
    /// The payload of the task for a business row.
    package func payload(key: String) -> String {
        var result = ""
        var rest = payload[...]
        let mark = "{key}"
        while let start = rest.indices.first(where: { rest[$0...].hasPrefix(mark) }) {
            result += rest[..<start] + ResultText.quoted(key)
            rest = rest[rest.index(start, offsetBy: mark.count)...]
        }
        return result + rest
    }
}
