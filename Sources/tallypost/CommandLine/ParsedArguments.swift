import TallypostCore

/// A command's arguments, taken apart as GNU's long options are: `--name value`, `--name=value`, options and other
/// arguments in any order, nothing an option after `--`.
struct ParsedArguments: Sendable, Equatable {
    /// Values by option name, in the order given; an option without a value has an empty list.
    private(set) var options: [String: [String]] = [:]
    /// The arguments without a name.
    private(set) var positionals: [String] = []
    /// Whether `--help` or `-h` was among them; nothing else is checked then.
    private(set) var asksForHelp = false

    /// Takes `arguments` apart as `specification` says, and refuses what it does not name.
    init(_ arguments: [String], for specification: CommandSpecification) throws(CommandFailure) {
        let ends = arguments.firstIndex(of: "--") ?? arguments.endIndex
        if arguments[..<ends].contains(where: { $0 == "--help" || $0 == "-h" }) {
            asksForHelp = true
            return
        }
        var rest = arguments[...]
        var onlyPositionals = false
        while let argument = rest.popFirst() {
            if onlyPositionals || !argument.hasPrefix("-") || argument == "-" {
                positionals.append(argument)
            } else if argument == "--" {
                onlyPositionals = true
            } else {
                try take(argument, from: &rest, specification)
            }
        }
        try checkPositionals(specification)
    }

    /// Whether the option was given.
    func has(_ name: String) -> Bool { options[name] != nil }
    /// The option's value, if it was given.
    func value(_ name: String) -> String? { options[name]?.last }
    /// The option's values.
    func values(_ name: String) -> [String] { options[name] ?? [] }

    /// The option's value as a whole number in `range`.
    func integer(_ name: String, in range: ClosedRange<Int>) throws(CommandFailure) -> Int? {
        guard let text = value(name) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw .usage("\(name): “\(text)” is no whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    private mutating func take(
        _ argument: String, from rest: inout ArraySlice<String>, _ specification: CommandSpecification
    ) throws(CommandFailure) {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(parts[0])
        guard let option = specification.options.first(where: { $0.name == name }) else {
            let nearest = NearestName.of(name, among: specification.options.map(\.name) + ["--help"])
            throw .usage(
                "\(specification.name) has no option “\(name)”",
                mend: nearest.map { "did you mean \($0)?" } ?? "tallypost \(specification.name) --help lists its options")
        }
        guard option.repeats || options[name] == nil else { throw .usage("\(name) is given twice") }
        guard let placeholder = option.value else {
            guard parts.count == 1 else { throw .usage("\(name) takes no value") }
            options[name] = []
            return
        }
        guard let value = parts.count == 2 ? String(parts[1]) : rest.popFirst() else {
            throw .usage("\(name) needs a value", mend: "\(name) \(placeholder)")
        }
        guard !value.isEmpty else { throw .usage("\(name) has an empty value", mend: "\(name) \(placeholder)") }
        options[name, default: []].append(value)
    }

    private func checkPositionals(_ specification: CommandSpecification) throws(CommandFailure) {
        var wanted = positionals.count
        for positional in specification.positionals {
            switch positional.arity {
            case .one:
                guard wanted > 0 else {
                    throw .usage("\(specification.name) needs \(positional.name)", mend: specification.usageLine)
                }
                wanted -= 1
            case .optional: wanted -= min(wanted, 1)
            case .any: wanted = 0
            }
        }
        guard wanted == 0 else {
            throw .usage(
                "\(specification.name) takes no “\(positionals[positionals.count - wanted])” here", mend: specification.usageLine)
        }
    }
}
