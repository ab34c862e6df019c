import TallypostCore

/// A task in one epoch.
struct LeaseID: Hashable {
    let id: Int64
    let epoch: Int64
}

/// What the checks have written down, apart from the database and from every relay.
struct Ledger {
    /// A claim as the database made it.
    struct Lease {
        let process: Int
        let end: Timestamp
        /// The relay was told of it.
        var isKnown = false
        var sends = 0
        /// The relay has handed in an outcome for it.
        var isAnswered = false
    }

    var leases: [LeaseID: Lease] = [:]
    /// Leases for which a receiver answered 2xx.
    var acknowledged: Set<LeaseID> = []
    var ids: [Int64] = []
    var committed = 0
    /// Tasks that retention removed.
    var purged = 0
    /// When a row last changed.
    var changedAt: [Int64: Int64] = [:]
    /// How full the bucket of a route and destination is, over all relays: what a rate promises.
    var poured: [String: (level: Double, at: Int64)] = [:]
    var resumedAt: [String: Int64] = [:]
}
