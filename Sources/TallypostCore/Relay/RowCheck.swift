/// A claimed row that was found fit to send: everything that the row and its route say together. A class, because it is handed
/// from hand to hand and one reference is cheaper than its fields.
final class FitTask: Sendable {
    let task: ClaimedTask
    let policy: RoutePolicy
    let origin: Origin
    let timeout: TimeSpan
    let maxAttempts: Int
    let deadline: Timestamp?

    init(
        task: ClaimedTask, policy: RoutePolicy, origin: Origin, timeout: TimeSpan, maxAttempts: Int, deadline: Timestamp?
    ) {
        self.task = task
        self.policy = policy
        self.origin = origin
        self.timeout = timeout
        self.maxAttempts = maxAttempts
        self.deadline = deadline
    }
}

/// Why a row is set aside. The text goes to `last_error`, so it names the thing and the mend.
struct UnfitRow: Error, Equatable {
    let reason: String
}

extension ClaimedTask {
    /// Longest `timeout_seconds` that a row may ask for.
    public static let longestTimeoutSeconds = 86_400

    /// Judges the row. A bad one never stops the others: it ends as `failed` with the reason.
    func check(policy: RoutePolicy?, parser: any TargetParser) throws(UnfitRow) -> FitTask {
        guard statusBefore == TaskStatus.pending.rawValue else {
            throw UnfitRow(reason: "status \"\(statusBefore)\" is none of Tallypost's; set it to 'pending' or retry the task")
        }
        guard let policy else {
            throw UnfitRow(reason: "no route for type \"\(type)\": add it to routes in the configuration, then retry the task")
        }
        guard let payload else { throw UnfitRow(reason: "payload is NULL; it must be JSON") }
        guard JSONSyntax.isValid(payload) else { throw UnfitRow(reason: "payload is not JSON") }
        if let timeoutSeconds, !(1...Self.longestTimeoutSeconds).contains(timeoutSeconds) {
            throw UnfitRow(reason: "timeout_seconds is \(timeoutSeconds); it must be 1 to \(Self.longestTimeoutSeconds)")
        }
        if let maxAttempts, maxAttempts < 0 {
            throw UnfitRow(reason: "max_attempts is \(maxAttempts); it must be 0 (for ever) or more")
        }
        if waitsForSignal, policy.batch != nil, let signalToken, !TaskSignal.isToken(signalToken) {
            throw UnfitRow(reason: "signal_token is not base64url or hex: nobody could signal this task")
        }
        let origin: Origin
        if !policy.subscribers.isEmpty {
            origin = .nowhere
        } else if let targetURL {
            do { origin = try parser.origin(of: targetURL) } catch { throw UnfitRow(reason: "target_url: \(error.reason)") }
        } else if let own = policy.origin {
            origin = own
        } else {
            throw UnfitRow(reason: "target_url is NULL, and tasks of type \"\(type)\" go where their rows say")
        }
        return FitTask(
            task: self, policy: policy, origin: origin,
            timeout: timeoutSeconds.map { .seconds(Int64($0)) } ?? policy.timeout,
            maxAttempts: maxAttempts ?? policy.maxAttempts,
            deadline: deadlineAt ?? policy.deadline.map { createdAt + $0 })
    }
}

extension Origin {
    /// Of a task that is not sent itself, but to its route's subscribers.
    static let nowhere = Origin(scheme: "", host: "", port: 0)
}
