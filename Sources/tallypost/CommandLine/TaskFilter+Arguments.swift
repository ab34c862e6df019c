import TallypostCore

extension ParsedArguments {
    /// `--status`, `--type`, `--subject`, and the positional arguments as ids.
    func taskFilter() throws(CommandFailure) -> TaskFilter {
        var filter = TaskFilter(type: value("--type"), subject: value("--subject"))
        if let word = value("--status") {
            guard let status = TaskStatus(rawValue: word) else {
                let words = TaskStatus.allCases.map(\.rawValue)
                throw .usage(
                    "--status: there is no status “\(word)”",
                    mend: NearestName.of(word, among: words).map { "did you mean \($0)?" }
                        ?? "one of: \(words.joined(separator: ", "))")
            }
            filter.status = status
        }
        if !positionals.isEmpty {
            var ids: [Int64] = []
            for text in positionals { ids.append(try Self.taskID(text)) }
            filter.ids = ids
        }
        return filter
    }

    /// A task's id; `task_7`, as callbacks have it in `webhook-id`, is 7.
    static func taskID(_ text: String) throws(CommandFailure) -> Int64 {
        guard let id = Int64(text.hasPrefix("task_") ? String(text.dropFirst(5)) : text) else {
            throw .usage("“\(text)” is no task id", mend: "an id is a whole number: tallypost task list shows them")
        }
        return id
    }
}
