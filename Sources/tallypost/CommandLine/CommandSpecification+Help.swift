extension CommandSpecification {
    /// `tallypost task show [options] ID`.
    var usageLine: String {
        let named = positionals.map { positional in
            switch positional.arity {
            case .one: positional.name
            case .optional: "[\(positional.name)]"
            case .any: "[\(positional.name)…]"
            }
        }
        return (["tallypost", name] + (options.isEmpty ? [] : ["[options]"]) + named).joined(separator: " ")
    }

    /// The command's page: what `--help` prints.
    var helpText: String {
        var text = Self.wrap("tallypost \(name) – \(summary)", indent: 0) + "\nUsage\n  \(usageLine)\n"
        for paragraph in details { text += "\n" + Self.wrap(paragraph, indent: 0) }
        if !positionals.isEmpty {
            text += "\nArguments\n" + positionals.map { Self.entry($0.name, $0.summary) }.joined()
        }
        text +=
            "\nOptions\n"
            + (options + [.help]).map { option in
                let again = option.repeats ? " May be given again." : ""
                return Self.entry(option.name + (option.value.map { " " + $0 } ?? ""), option.summary + again)
            }.joined()
        if !examples.isEmpty {
            text += "\nExamples\n" + examples.map { "  \($0.line)\n" + Self.wrap($0.meaning, indent: 6) }.joined()
        }
        let codes = Set(exits + [.good, .usage, .fault]).sorted { $0.rawValue < $1.rawValue }
        text += "\nExit status\n" + codes.map { Self.entry("\($0.rawValue)", $0.meaning, column: 6) }.joined()
        return text
    }

    /// A term and what it means, in two columns; a long term has a line to itself.
    static func entry(_ term: String, _ meaning: String, column: Int = 24) -> String {
        let head = "  " + term
        let body = wrap(meaning, indent: column)
        guard head.count + 2 <= column else { return head + "\n" + body }
        return head + String(repeating: " ", count: column - head.count) + body.dropFirst(column)
    }

    /// Lines of at most 80 characters.
    static func wrap(_ text: String, indent: Int, width: Int = 80) -> String {
        let margin = String(repeating: " ", count: indent)
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            if !line.isEmpty, indent + line.count + 1 + word.count > width {
                lines.append(margin + line)
                line = ""
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        if !line.isEmpty { lines.append(margin + line) }
        return lines.map { $0 + "\n" }.joined()
    }
}
