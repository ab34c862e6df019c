/// How much a relay asks of its database at once: the slower the visits, the less. A database in trouble gets shorter
/// transactions, and fewer leases are lost when a visit takes longer than they last.
struct StorePace {
    /// Rows of one claim now, at most.
    private(set) var batch: Int
    private var slowVisits = 0
    /// How long the last slow visit took.
    private(set) var slowest = TimeSpan.zero

    /// What a visit changed.
    enum Change: Equatable { case slowed, recovered }

    init(_ limits: RelayLimits) { batch = limits.claimBatch }

    /// Whether claims are smaller than they could be.
    func isSlow(_ limits: RelayLimits) -> Bool { batch < limits.claimBatch }

    /// A settlement, a claim or both took so long. Two slow visits in a row halve the batch; a quick one, at less than half of what
    /// is slow, doubles it.
    mutating func visited(for span: TimeSpan, _ limits: RelayLimits) -> Change? {
        let wasSlow = isSlow(limits)
        if span > limits.slowVisit {
            slowVisits += 1
            slowest = span
            guard slowVisits >= 2 else { return nil }
            batch = max(min(limits.leastClaimBatch, limits.claimBatch), batch / 2)
            return !wasSlow && isSlow(limits) ? .slowed : nil
        }
        slowVisits = 0
        guard wasSlow, span.nanoseconds < limits.slowVisit.nanoseconds / 2 else { return nil }
        batch = min(limits.claimBatch, batch * 2)
        return isSlow(limits) ? nil : .recovered
    }
}
