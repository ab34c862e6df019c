public import TallypostCore

extension SQLiteDesk {
    /// Three small tables.
    public func tide() throws(StoreError) -> Tide { try Tide.read(with: GuardStatements(connection).tide) }

    /// With its event, in one transaction.
    public func setHold(_ hold: DispatchHold, by who: String, why: String) throws(StoreError) -> Bool {
        let statements = try GuardStatements(connection)
        let event = try prepare("record_event")
        return try connection.write { () throws(StoreError) in
            let now = Timestamp.machineNow.iso8601
            guard try statements.set(hold, at: now) else { return false }
            try Self.record(event, task: nil, at: now, "hold", by: who, why: why, detail: hold.detail)
            return true
        }
    }

    /// With its event, in one transaction; the relays see it at their next look.
    public func liftHold(beyond mark: Int64, by who: String, why: String) throws(StoreError) -> Bool {
        let tide = try GuardStatements(connection).tide
        let lift = try connection.prepareAll(GuardStatements.file["lift_holds"], operation: "lift_holds")
        precondition(lift.count == 2, "lift_holds is two steps")
        let event = try prepare("record_event")
        return try connection.write { () throws(StoreError) in
            let before = try Tide.read(with: tide)
            guard let hold = before.hold else { return false }
            let now = Timestamp.machineNow.iso8601
            try lift[0].run()
            try lift[1].bind(1, Tide.eraBeyond(max(before.mark, hold.remembered ?? 0), mark))
            try lift[1].bind(2, now)
            try lift[1].run()
            try Self.record(event, task: nil, at: now, "release", by: who, why: why, detail: hold.reason)
            return true
        }
    }

    /// Reads the whole table once.
    public func openTally(createdBefore time: Timestamp) throws(StoreError) -> [OpenTally] {
        let look = try prepare("open_tally", from: GuardStatements.file)
        try look.bind(1, time.iso8601)
        return try look.rows { row in
            OpenTally(
                type: row.text(0) ?? "", currency: row.text(1), count: row.integer(2),
                amount: Int128(row.integer(3)) * 1_000_000_000 + Int128(row.integer(4)))
        }
    }

    /// By `id`.
    public func openTasks(createdBefore time: Timestamp, after cursor: Int64?, limit: Int) throws(StoreError) -> [TaskRow] {
        let look = try prepare("open_tasks", from: GuardStatements.file)
        try look.bind(1, time.iso8601)
        try look.bind(2, cursor ?? .min)
        try look.bind(3, max(limit, 0))
        return try look.rows(TaskRow.init)
    }

    /// From the indexes of open tasks.
    public func heldTasks() throws(StoreError) -> [(type: String, count: Int)] {
        let rows = try prepare("held_tasks", from: GuardStatements.file).rows { ($0.text(0) ?? "", Int($0.integer(1))) }
        return Dictionary(rows, uniquingKeysWith: +).sorted { $0.key < $1.key }.map { (type: $0.key, count: $0.value) }
    }
}
