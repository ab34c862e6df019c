public import TallypostCore

// Short forms for tests.

extension TaskStore {
    /// Steps of retention until the walk is over: a step that takes too long is broken off, and removes nothing.
    ///
    /// - Returns: How many rows they removed.
    public func purgeAll(_ policy: RetentionPolicy) throws -> Int {
        var removed = 0
        for _ in 0..<10_000 {
            let step = try purge(policy)
            removed += step.removed
            if step.rest != nil { return removed }
        }
        throw FixtureError("the walk does not end")
    }

    /// Claims of one type.
    public func claim(
        _ type: String, limit: Int = 10, lease: TimeSpan = .seconds(60), relay: String = "relay-1", thorough: Bool = false
    ) throws(StoreError) -> [ClaimedTask] {
        try claim([type], limit: limit, lease: lease, relay: relay, thorough: thorough)
    }

    /// Claims of several types, as often as the store says that there may be more, until `limit` is reached.
    public func claim(
        _ types: [String], limit: Int = 10, lease: TimeSpan = .seconds(60), relay: String = "relay-1", thorough: Bool = false
    ) throws(StoreError) -> [ClaimedTask] {
        var tasks: [ClaimedTask] = []
        while tasks.count < limit {
            let left = limit - tasks.count
            let demands = types.map { ClaimRequest.Demand(type: $0, limit: left, lease: lease) }
            let batch = try claim(ClaimRequest(relay: relay, demands: demands, limit: left, thorough: thorough))
            tasks += batch.tasks
            if batch.tasks.isEmpty, !batch.mayHaveMore { break }
            if !batch.mayHaveMore { break }
        }
        return tasks
    }

    /// Settles one outcome.
    @discardableResult public func settle(_ outcome: Outcome) throws(StoreError) -> Settlement { try settle([outcome]) }
}

extension ClaimedTask {
    /// An outcome of this lease.
    public func outcome(_ change: Outcome.Change, attempt: AttemptRecord? = nil, blocksKey: Bool = false) -> Outcome {
        Outcome(id: id, epoch: epoch, change: change, attempt: attempt, blocksKey: blocksKey, hasFollowers: hasFollowers)
    }

    /// It was delivered.
    public var completed: Outcome { outcome(.completed(responseStatus: 200, result: nil)) }

    /// It was refused for good.
    public var failed: Outcome { outcome(.failed(responseStatus: 400, error: "400 Bad Request")) }

    /// It was taken on, and a signal is to come.
    public func waiting(longest: TimeSpan? = nil, heartbeat: TimeSpan? = nil) -> Outcome {
        outcome(.waiting(responseStatus: 202, startResult: #"{"job":1}"#, longestWait: longest, heartbeat: heartbeat))
    }

    /// The attempt failed; due again after `delay`.
    public func retried(after delay: TimeSpan = .zero) -> Outcome {
        outcome(.retry(after: delay, responseStatus: 500, error: "500 Internal Server Error"))
    }
}

extension Outcome.Change {
    /// One of each kind.
    public static let examples: [Outcome.Change] = [
        .completed(responseStatus: 200, result: #"{"ok":true}"#),
        .waiting(responseStatus: 202, startResult: #"{"job":1}"#, longestWait: nil, heartbeat: nil),
        .retry(after: .seconds(30), responseStatus: 503, error: "503"), .failed(responseStatus: 400, error: "400"),
        .timedOut(error: "too late"), .released(after: .seconds(2)),
    ]
}
