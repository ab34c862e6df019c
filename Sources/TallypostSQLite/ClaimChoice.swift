import TallypostCore

/// A row that could be leased.
struct ClaimCandidate {
    let id: Int64
    let type: String
    /// `run_at` with the priority taken into account: smaller goes first.
    let rank: Int64
    /// The ordering key that it is the head of.
    let key: [UInt8]?

    init(id: Int64, type: String, runAt: Timestamp, priority: Int64, key: [UInt8]? = nil) {
        self.id = id
        self.type = type
        self.key = key
        // Waiting makes up for priority at one minute a step.
        rank = runAt.milliseconds &- min(max(priority, -Self.steepest), Self.steepest) * 60_000
    }

    /// Nobody waits nineteen centuries; beyond, steps of priority count no more.
    private static let steepest: Int64 = 1_000_000_000

    static func goesFirst(_ a: ClaimCandidate, _ b: ClaimCandidate) -> Bool { (a.rank, a.id) < (b.rank, b.id) }
}

/// Chooses which of the due rows to lease: within a type by rank; between types turn by turn, so that a long backlog of
/// one never keeps another waiting.
struct ClaimChoice {
    let demands: [String: ClaimRequest.Demand]
    let limit: Int
    private var offers: [String: [ClaimCandidate]] = [:]

    init(demands: [String: ClaimRequest.Demand], limit: Int) {
        self.demands = demands
        self.limit = limit
    }

    func wants(_ type: String) -> Bool { demands[type] != nil }

    /// How many of a type can be taken at most.
    func most(of type: String) -> Int { min(demands[type]?.limit ?? 0, limit) }

    mutating func offer(_ candidate: ClaimCandidate) { offers[candidate.type, default: []].append(candidate) }

    /// The rows to lease, in the order in which they should be sent, and whether any that were offered are left.
    mutating func take(startingAt turn: Int) -> (chosen: [ClaimCandidate], leftSome: Bool) {
        var queues: [[ClaimCandidate].SubSequence] = []
        var leftSome = false
        for (type, var offered) in offers.sorted(by: { $0.key < $1.key }) {
            offered.sort(by: ClaimCandidate.goesFirst)
            let most = most(of: type)
            if offered.count > most { leftSome = true }
            queues.append(offered.prefix(most))
        }
        var chosen: [ClaimCandidate] = []
        chosen.reserveCapacity(limit)
        if queues.count == 1 {
            chosen.append(contentsOf: queues[0])
            return (chosen, leftSome)
        }
        var index = queues.isEmpty ? 0 : Int(UInt(bitPattern: turn) % UInt(queues.count))
        var empty = 0
        while chosen.count < limit, empty < queues.count {
            if let next = queues[index].popFirst() {
                chosen.append(next)
                empty = 0
            } else {
                empty += 1
            }
            index = index + 1 == queues.count ? 0 : index + 1
        }
        if queues.contains(where: { !$0.isEmpty }) { leftSome = true }
        chosen.sort(by: ClaimCandidate.goesFirst)
        return (chosen, leftSome)
    }
}
