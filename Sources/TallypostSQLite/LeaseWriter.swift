import TallypostCore

/// Writes the leases of rows that were read, inside one transaction.
struct LeaseWriter {
    let statements: StoreStatements
    let relay: String
    let now: Timestamp

    /// What is written alike. Nearly all rows of a batch are in their first attempt, and of one route.
    private struct Lease: Hashable {
        var attempt: Int
        var epoch: Int64
        var span: TimeSpan
    }

    /// A `timeout_seconds` beyond a year leases no longer than that.
    private static let longestTimeout: Int64 = 366 * 86_400

    /// - Parameter spans: how long the leases of each type last.
    func lease(_ tasks: [ClaimedTask], for spans: [String: ClaimRequest.Demand]) throws(StoreError) {
        var leases: [Lease: [Int64]] = [:]
        for task in tasks {
            let usual = spans[task.type]?.lease ?? RoutePolicy.leaseMargin
            let own = task.timeoutSeconds.map { TimeSpan.seconds(min(Int64($0), Self.longestTimeout)) + RoutePolicy.leaseMargin }
            leases[Lease(attempt: task.attempt, epoch: task.epoch, span: max(usual, own ?? usual)), default: []].append(task.id)
        }
        let update = statements.lease
        let nowText = now.iso8601
        for (lease, ids) in leases {
            try update.bind(1, text: ClaimReader.list(ids))
            try update.bind(2, lease.attempt)
            try update.bind(3, lease.epoch)
            try update.bind(4, (now + lease.span).iso8601)
            try update.bind(5, relay)
            try update.bind(6, nowText)
            try update.run()
        }
    }
}
