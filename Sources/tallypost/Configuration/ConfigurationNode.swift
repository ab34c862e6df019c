import TallypostCore

/// Collects problems while a tree is read, so that a person mends a file once and not once per mistake.
final class ConfigurationReader {
    let file: String?
    private let lines: KeyLines?
    private(set) var problems: [ConfigurationProblem] = []

    init(file: String?, lines: KeyLines?) {
        self.file = file
        self.lines = lines
        for duplicate in lines?.duplicates ?? [] {
            problems.append(
                ConfigurationProblem(
                    file: file, line: duplicate.line, path: duplicate.path, message: "stands twice; keep one of them"))
        }
    }

    func report(_ path: String, _ message: String) {
        problems.append(ConfigurationProblem(file: file, line: lines?.line(of: path), path: path, message: message))
    }
}

/// A value of the tree with its path. Reading it as something that it is not is a problem reported, and nil.
struct ConfigurationNode {
    let value: JSONValue
    let path: String
    let reader: ConfigurationReader

    func report(_ message: String) { reader.report(path, message) }

    private func mismatch(_ wanted: String) { report("must be \(wanted), but is \(value.kind)") }

    func string(_ wanted: String = "a string") -> String? {
        guard case .string(let text) = value else {
            mismatch(wanted)
            return nil
        }
        return text
    }

    func boolean() -> Bool? {
        guard case .boolean(let flag) = value else {
            mismatch("true or false")
            return nil
        }
        return flag
    }

    func integer(_ range: ClosedRange<Int>) -> Int? {
        guard case .integer(let number) = value else {
            mismatch("a whole number from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        guard let whole = Int(exactly: number), range.contains(whole) else {
            report("is \(number); it must be \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return whole
    }

    /// Seconds, fractions allowed.
    func seconds(_ range: ClosedRange<Double>) -> TimeSpan? {
        let number: Double
        switch value {
        case .integer(let whole): number = Double(whole)
        case .number(let fraction): number = fraction
        default:
            mismatch("a number of seconds")
            return nil
        }
        guard range.contains(number) else {
            report("is \(number); it must be \(range.lowerBound) to \(range.upperBound) seconds")
            return nil
        }
        return .milliseconds(Int64((number * 1_000).rounded()))
    }

    func duration() -> TimeSpan? {
        let wanted = "a duration such as \"500ms\", \"5s\", \"10m\", \"24h\" or \"30d\""
        guard let text = string(wanted) else { return nil }
        guard let span = TimeSpan(configured: text) else {
            report("\"\(text)\" is no duration; write \(wanted.dropFirst(2))")
            return nil
        }
        return span
    }

    func list() -> [ConfigurationNode]? {
        guard case .array(let values) = value else {
            mismatch("a list")
            return nil
        }
        return values.enumerated().map { ConfigurationNode(value: $1, path: "\(path)[\($0)]", reader: reader) }
    }

    /// One of the words of an enumeration.
    func word<Word: RawRepresentable & CaseIterable>(_: Word.Type) -> Word? where Word.RawValue == String {
        let words = Word.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
        guard let text = string("one of \(words)") else { return nil }
        if let word = Word(rawValue: text) { return word }
        report("\"\(text)\" is none of \(words)\(hint(text, Word.allCases.map(\.rawValue)))")
        return nil
    }

    /// The members of an object with free names, in the order of the names.
    func members() -> [(name: String, node: ConfigurationNode)]? {
        guard case .object(let members) = value else {
            mismatch("an object")
            return nil
        }
        return members.sorted { $0.key < $1.key }.map { ($0.key, child($0.key, $0.value)) }
    }

    /// An object with these keys and no others.
    func fields(_ known: [String]) -> ConfigurationFields? {
        guard case .object(let members) = value else {
            mismatch("an object")
            return nil
        }
        for key in members.keys.sorted() where !known.contains(key) {
            reader.report(path.isEmpty ? key : "\(path).\(key)", "no such key\(hint(key, known))")
        }
        return ConfigurationFields(node: self, members: members)
    }

    func child(_ name: String, _ value: JSONValue) -> ConfigurationNode {
        ConfigurationNode(value: value, path: path.isEmpty ? name : "\(path).\(name)", reader: reader)
    }

    private func hint(_ word: String, _ known: [String]) -> String {
        if let name = NearestName.of(word, among: known) { return "; did you mean \"\(name)\"?" }
        return "; known are \(known.sorted().joined(separator: ", "))"
    }
}

/// The members of an object whose keys are known.
struct ConfigurationFields {
    let node: ConfigurationNode
    let members: [String: JSONValue]

    /// The member of that name; nil when it is not there.
    subscript(_ name: String) -> ConfigurationNode? { members[name].map { node.child(name, $0) } }
}

extension TimeSpan {
    /// Reads `500ms`, `5s`, `10m`, `24h`, `30d`: a whole number and a unit.
    init?(configured text: String) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let count = Int64(digits), count <= 100_000_000 else { return nil }
        switch text.dropFirst(digits.count) {
        case "ms": self = .milliseconds(count)
        case "s": self = .seconds(count)
        case "m": self = .minutes(count)
        case "h": self = .hours(count)
        case "d": self = .hours(count * 24)
        default: return nil
        }
    }
}
