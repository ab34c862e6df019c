import TallypostCore

/// Reads `-- expect: …`.
struct ExpectationParser {
    /// What is wrong with it, and what mends it.
    struct Failure: Error, Equatable {
        var what: String
        var mend: String
    }

    /// As the contract has it.
    static let example =
        "one completed send-receipt per orders.id where state = 'paid' amount total_minor currency currency at paid_at"

    private let source: [UInt8]
    private var tokens: ArraySlice<SQLToken>

    /// - Parameter text: what follows `expect:`, its lines joined by line ends.
    static func parse(_ text: String) throws(Failure) -> Expectation {
        let (head, rest) = try split(text)
        let (count, words) = try readCount(head)
        let (status, type) = try readTask(words)
        var parser = try ExpectationParser(rest)
        let (table, key) = try parser.readKey()
        var expectation = Expectation(count: count, status: status, type: type, table: table, key: key)
        try parser.readClauses(into: &expectation)
        guard (expectation.amount == nil) == (expectation.currency == nil) else {
            throw Failure(
                what: expectation.amount == nil
                    ? "expect: a currency without an amount" : "expect: an amount without its currency",
                mend: "name both (amount total_minor currency currency), a fixed currency (currency 'EUR'), or neither")
        }
        return expectation
    }

    private init(_ text: String) throws(Failure) {
        source = Array(text.utf8)
        do throws(SQLScanner.Unended) { tokens = try SQLScanner.tokens(of: text)[...] } catch {
            throw Failure(what: "expect: a \(error.what) is not ended", mend: "end it")
        }
    }

    /// The words before `per`, and the text behind it.
    private static func split(_ text: String) throws(Failure) -> ([String], String) {
        var words: [String] = []
        var rest = text[...]
        while true {
            rest = rest.drop { $0.isWhitespace }
            let word = rest.prefix { !$0.isWhitespace }
            guard !word.isEmpty else {
                throw Failure(what: "expect: it does not say “per TABLE.KEY”", mend: "for example: \(example)")
            }
            rest = rest.dropFirst(word.count)
            if word.lowercased() == "per" { return (words, String(rest)) }
            words.append(String(word))
        }
    }

    private static func readCount(_ words: [String]) throws(Failure) -> (Expectation.Count, ArraySlice<String>) {
        let low = words.prefix(3).map { $0.lowercased() }
        if low == ["at", "least", "one"] { return (.atLeastOne, words.dropFirst(3)) }
        if low == ["at", "most", "one"] { return (.atMostOne, words.dropFirst(3)) }
        if low.first == "one" { return (.exactly(1), words.dropFirst()) }
        if let word = words.first, let count = Int64(word), (1...1_000).contains(count) {
            return (.exactly(count), words.dropFirst())
        }
        throw Failure(
            what: "expect: it does not begin with how many tasks\(words.first.map { ": “\($0)”" } ?? "")",
            mend: "begin with one, a number from 1 to 1000, at least one, or at most one")
    }

    private static func readTask(_ words: ArraySlice<String>) throws(Failure) -> (TaskStatus?, String) {
        let statuses = TaskStatus.allCases.map(\.rawValue).filter { $0 != "cancelled" }
        guard let type = words.last, words.count <= 2 else {
            throw Failure(
                what: words.isEmpty
                    ? "expect: no type of task stands before “per”"
                    : "expect: “\(words.joined(separator: " "))” is more than a status and a type",
                mend: "for example: \(example)")
        }
        guard words.count == 2, let word = words.first else {
            guard TaskStatus(rawValue: type) == nil else {
                throw Failure(
                    what: "expect: “\(type)” is a status, and no type of task follows it",
                    mend: "for example: one \(type) send-receipt per orders.id")
            }
            return (nil, type)
        }
        guard let status = TaskStatus(rawValue: word), statuses.contains(word) else {
            let near = NearestName.of(word, among: statuses).map { "did you mean \($0)?" }
            throw Failure(
                what: "expect: “\(word)” is no status that tasks can be expected in",
                mend: near ?? "one of: \(statuses.joined(separator: ", "))")
        }
        return (status, type)
    }

    // MARK: behind `per`

    private mutating func readName() -> SQLToken? {
        guard let token = tokens.first, token.kind == .word || token.kind == .quotedName else { return nil }
        tokens.removeFirst()
        return token
    }

    private mutating func readKey() throws(Failure) -> (table: String, key: String) {
        var names: [String] = []
        while let name = readName() {
            names.append(name.text)
            guard tokens.first?.isMark(".") == true else { break }
            tokens.removeFirst()
        }
        guard (2...3).contains(names.count) else {
            throw Failure(
                what: "expect: behind “per” stands no TABLE.KEY",
                mend: "write the table and the column that subject holds: per orders.id, or per shop.orders.id")
        }
        return (names.dropLast().joined(separator: "."), names[names.count - 1])
    }

    private static let clauses = ["amount", "currency", "at"]

    private mutating func readClauses(into expectation: inout Expectation) throws(Failure) {
        if tokens.first?.isWord("where") == true {
            tokens.removeFirst()
            expectation.condition = try readCondition()
        }
        var seen: Set<String> = []
        while let token = tokens.popFirst() {
            let word = token.text.lowercased()
            guard token.kind == .word, Self.clauses.contains(word) else {
                let near = NearestName.of(word, among: Self.clauses + ["where"])
                throw Failure(
                    what: "expect: “\(token.text)” is not understood here",
                    mend: near.map { "did you mean \($0)?" } ?? "where, amount, currency and at may follow, in this order")
            }
            guard seen.insert(word).inserted else {
                throw Failure(what: "expect: “\(word)” is given twice", mend: "leave one out")
            }
            let value = tokens.popFirst()
            switch (word, value?.kind) {
            case ("amount", .word), ("amount", .quotedName): expectation.amount = value?.text
            case ("at", .word), ("at", .quotedName): expectation.at = value?.text
            case ("currency", .word), ("currency", .quotedName): expectation.currency = (value?.text).map { .column($0) }
            case ("currency", .string): expectation.currency = .fixed(try Self.readCurrency(value?.text ?? ""))
            default:
                throw Failure(
                    what: "expect: behind “\(word)” stands no column", mend: "for example: \(Self.example)")
            }
        }
    }

    private static func readCurrency(_ text: String) throws(Failure) -> String {
        let code = text.dropFirst().dropLast()
        guard code.utf8.count == 3, code.utf8.allSatisfy({ (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }) else {
            throw Failure(what: "expect: \(text) is no currency", mend: "write its ISO 4217 code: currency 'EUR'")
        }
        return String(code)
    }

    /// To the first of the clauses' words that is followed by a column and does not belong to the condition itself (`amount > 5`).
    private mutating func readCondition() throws(Failure) -> String {
        let all = tokens
        while let token = tokens.first {
            if token.depth == 0, token.kind == .word, Self.clauses.contains(token.text.lowercased()), isClause() {
                break
            }
            tokens.removeFirst()
        }
        let part = all[all.startIndex..<tokens.startIndex]
        guard let first = part.first, let last = part.last else {
            throw Failure(what: "expect: behind “where” stands no condition", mend: "for example: where state = 'paid'")
        }
        if part.contains(where: { $0.isMark(";") }) {
            throw Failure(what: "expect: a semicolon in the condition", mend: "leave it out")
        }
        guard part.reduce(0, { $0 + ($1.isMark("(") ? 1 : $1.isMark(")") ? -1 : 0) }) == 0 else {
            throw Failure(what: "expect: the parentheses of the condition do not match", mend: "count them")
        }
        return String(decoding: source[first.range.lowerBound..<last.range.upperBound], as: UTF8.self)
    }

    /// Whether what begins here is `amount COLUMN`, `currency COLUMN` or `at COLUMN`, up to the end or the next such.
    private func isClause() -> Bool {
        var rest = tokens
        while let word = rest.popFirst() {
            guard word.kind == .word, Self.clauses.contains(word.text.lowercased()), let value = rest.popFirst() else {
                return false
            }
            guard [.word, .quotedName, .string].contains(value.kind) else { return false }
        }
        return true
    }
}
