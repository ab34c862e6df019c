import TallypostCore

extension ConfigurationNode {
    /// `{ completed: "30d", final: "90d" }`, each a duration or "never"; or "never" for both.
    func retention() -> RetentionPolicy? {
        if case .string(let text) = value {
            if text == Self.never { return .never }
            report("\"\(text)\" is no retention; write { completed: \"30d\", final: \"90d\" }, or \"never\" to keep everything")
            return nil
        }
        guard let fields = fields(["completed", "final"]) else { return nil }
        var policy = RetentionPolicy()
        if let completed = fields["completed"] { policy.completed = completed.keepingTime() }
        if let final = fields["final"] { policy.final = final.keepingTime() }
        return policy
    }

    private static let never = "never"

    /// Nil: for ever, or the reason why not reported.
    private func keepingTime() -> TimeSpan? {
        let wanted = "a duration such as \"30d\", or \"never\""
        guard let text = string(wanted), text != Self.never else { return nil }
        guard let span = TimeSpan(configured: text) else {
            report("\"\(text)\" is no duration; write one such as \"24h\" or \"30d\", or \"never\" to keep them")
            return nil
        }
        guard span >= .seconds(1) else {
            report("is \"\(text)\": a task would be removed as it ends; write at least \"1s\", or \"never\" to keep them")
            return nil
        }
        return span
    }
}
