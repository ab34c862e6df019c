import TallypostCore

/// Who may have how much of one batch: lanes and ordering keys are asked in one round trip, so the shares are fixed beforehand.
struct ClaimPlan {
    /// The keys' share.
    struct Heads {
        var limit: Int
        var limits: [(type: String, limit: Int, lease: Int64)]
    }

    /// Types asked for.
    let types: [String]
    let leases: [String: Int64]
    /// Keys asked about; empty when their share is nothing.
    let keys: [String]
    let heads: Heads?
    let lanes: [(lane: PostgresStore.Lane, mark: PostgresStore.Mark)]
    let laneLimit: Int
    let laneLimits: [String: Int]

    /// Keys that one claim asks about, at most.
    static let mostKeys = 1_000

    /// - Parameters:
    ///   - open: lanes with rows in them. While there are any, keys get at most half of everything.
    ///   - hinted: keys that may have a head which is due.
    ///   - marksApply: whether lanes are entered at their marks.
    ///   - turn: whose turn the odd one of a limit is; it changes sides with every claim that both have a share in.
    init(
        _ request: ClaimRequest, _ demands: [String: ClaimRequest.Demand], _ known: [PostgresStore.Lane: PostgresStore.Mark],
        open: Set<PostgresStore.Lane>, keys hinted: Set<String>, marksApply: Bool, turn: inout Bool
    ) {
        let limit = max(0, request.limit)
        let wanted = demands.values.filter { $0.limit > 0 && limit > 0 }.sorted { $0.type < $1.type }
        types = wanted.map(\.type)
        leases = Dictionary(uniqueKeysWithValues: wanted.map { ($0.type, $0.lease.milliseconds) })
        let entered = known.filter { lane, _ in demands[lane.type].map { $0.limit > 0 } ?? false && limit > 0 }
        let keyCount = wanted.isEmpty ? 0 : min(hinted.count, Self.mostKeys)
        let odd = turn ? 1 : 0
        let isShared = entered.keys.contains { open.contains($0) }
        func share(_ limit: Int) -> Int { min(keyCount, isShared ? (limit + odd) / 2 : limit) }
        if keyCount > 0, isShared { turn.toggle() }
        let keyLimits = wanted.map { (type: $0.type, limit: share($0.limit), lease: $0.lease.milliseconds) }.filter {
            $0.limit > 0
        }
        let hasHeads = keyCount > 0 && share(limit) > 0 && !keyLimits.isEmpty
        keys = hasHeads ? Array(hinted.sorted().prefix(keyCount)) : []
        heads = hasHeads ? Heads(limit: share(limit), limits: keyLimits) : nil
        laneLimit = limit - (hasHeads ? share(limit) : 0)
        laneLimits = Dictionary(
            uniqueKeysWithValues: wanted.map { ($0.type, $0.limit - (hasHeads ? share($0.limit) : 0)) })
        lanes =
            laneLimit > 0
            ? entered.map { (lane: $0.key, mark: marksApply ? $0.value : .start) }
                .sorted { ($0.lane.type, $0.lane.priority) < ($1.lane.type, $1.lane.priority) } : []
    }
}
