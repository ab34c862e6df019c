public import TallypostCore

extension SQLiteStore {
    /// Types and due times without an ordering key are exact; those of heads of keys come from a stretch of the keys at a time.
    public func survey(_ sign: RelaySign?) throws(StoreError) -> Survey {
        let session = try opened(for: "open_lanes")
        let statements = session.statements
        let now = Timestamp.machineNow
        var types: Set<String> = []
        var nextDue: Timestamp?
        // Read to the end before the next statement: one short snapshot each.
        let lanes = try statements.openLanes.rows { (type: $0.bytes(0) ?? [], priority: $0.integer(1)) }
        for lane in lanes {
            types.insert(String(decoding: lane.type, as: UTF8.self))
            let look = statements.nextDue
            try look.bind(1, text: lane.type)
            try look.bind(2, lane.priority)
            try look.bind(3, now.milliseconds)
            if let due = try look.firstRow({ Timestamp(milliseconds: $0.integer(0)) }) { nextDue = min(nextDue ?? due, due) }
        }
        _ = try surveyWalk.advance(statements.keyHeads, now: now) { _ in true }
        types.formUnion(surveyWalk.types)
        if let due = surveyWalk.nextDue(after: now) { nextDue = min(nextDue ?? due, due) }
        let paused = try statements.pausedRoutes.rows { $0.text(0) ?? "" }
        let relays = try sign.map { sign throws(StoreError) in try write(sign, session) }
        return Survey(types: types.sorted(), paused: paused, nextDue: nextDue, now: now, liveRelays: relays)
    }

    /// Says how many relays are alive.
    private func write(_ sign: RelaySign, _ session: Session) throws(StoreError) -> Int {
        let statements = session.statements
        let (forget, write, count) = (statements.forgetRelays, statements.signRelay, statements.countRelays)
        return try session.connection.write { () throws(StoreError) in
            let now = Timestamp.machineNow
            try forget.bind(1, (now + TimeSpan(nanoseconds: -sign.life.nanoseconds)).iso8601)
            try forget.run()
            try write.bind(1, sign.relay)
            try write.bind(2, now.iso8601)
            try write.bind(3, sign.state)
            try write.run()
            return try count.firstRow { Int($0.integer(0)) } ?? 1
        }
    }
}
