/// Gives each signal of one call its verdict, from what the database held before. Used by every ``SignalBox``.
///
/// The database is asked once for each token, with the first signal that names it; what comes after it in the same call is judged
/// against that one.
public struct SignalLedger {
    /// What a token's task was before the call.
    public struct Entry: Sendable {
        /// Its status.
        public var status: TaskStatus?
        /// The signal that it had: `completed` or `failed`.
        public var signalStatus: String?
        /// That signal's result.
        public var signalResult: String?

        /// Memberwise.
        public init(status: TaskStatus?, signalStatus: String?, signalResult: String?) {
            self.status = status
            self.signalStatus = signalStatus
            self.signalResult = signalResult
        }
    }

    /// The first signal of each token, in order.
    public let firsts: [TaskSignal]
    private let signals: [TaskSignal]

    /// - Parameter signals: of one call, in the order in which they came.
    public init(_ signals: [TaskSignal]) {
        self.signals = signals
        var seen: Set<String> = []
        firsts = signals.filter { seen.insert($0.token).inserted }
    }

    /// The verdicts, in the order of the signals. `entries`: by token; a token without one belongs to no task.
    public func verdicts(_ entries: [String: Entry]) -> [SignalVerdict] {
        var known = entries
        return signals.map { signal in
            guard let entry = known[signal.token] else { return .unknown }
            let word = signal.isCompleted ? "completed" : "failed"
            if let had = entry.signalStatus {
                // A signal that came, and a task that ended otherwise all the same: by a person, or refused for good.
                if let status = entry.status, status.isFinal, status.rawValue != had { return .ended }
                return had == word && entry.signalResult == signal.result ? .repeated : .conflicting
            }
            if entry.status?.isFinal == true { return .ended }
            let status: TaskStatus? = entry.status == .waiting ? (signal.isCompleted ? .completed : .failed) : entry.status
            known[signal.token] = Entry(status: status, signalStatus: word, signalResult: signal.result)
            return .taken
        }
    }
}
