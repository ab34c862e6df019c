public import TallypostCore

extension PostgresDesk {
    /// Two small tables.
    public func tide() throws(StoreError) -> Tide { try Tide(link.run([.init(name: "tide", binary: true)])[0]) }

    /// With its event, in one statement.
    public func setHold(_ hold: DispatchHold, by who: String, why: String) throws(StoreError) -> Bool {
        try run("set_hold") {
            $0.append(hold.name)
            $0.append(hold.reason)
            $0.append(hold.detail)
            $0.append(who)
            $0.append(why)
        }.affected > 0
    }

    /// With its event and the relays' wake-up, in one statement.
    public func liftHold(beyond mark: Int64, by who: String, why: String) throws(StoreError) -> Bool {
        let before = try tide()
        let result = try run("lift_holds") {
            $0.append(String(Tide.eraBeyond(max(before.mark, before.hold?.remembered ?? 0), mark)))
            $0.append(who)
            $0.append(why)
        }
        return (Int(result.text(0, 0) ?? "") ?? 0) > 0
    }

    /// Reads the whole table once.
    public func openTally(createdBefore time: Timestamp) throws(StoreError) -> [OpenTally] {
        var step = PostgresConnection.Step(name: "open_tally", binary: true)
        step.parameters.append(time.iso8601)
        let result = try link.run([step])[0]
        return (0..<result.rowCount).map { row in
            OpenTally(
                type: result.text(row, 0) ?? "", currency: result.text(row, 1), count: result.integer(row, 2) ?? 0,
                amount: Int128(result.integer(row, 3) ?? 0) * 1_000_000_000 + Int128(result.integer(row, 4) ?? 0))
        }
    }

    /// By `id`.
    public func openTasks(createdBefore time: Timestamp, after cursor: Int64?, limit: Int) throws(StoreError) -> [TaskRow] {
        rows(
            of: try run("open_tasks") {
                $0.append(time.iso8601)
                $0.append(String(cursor ?? .min))
                $0.append(max(limit, 0))
            })
    }

    /// From the index of open tasks.
    public func heldTasks() throws(StoreError) -> [(type: String, count: Int)] {
        let result = try link.run([.init(name: "held_tasks", binary: true)])[0]
        return (0..<result.rowCount).map { (type: result.text($0, 0) ?? "", count: Int(result.integer($0, 1) ?? 0)) }
    }
}
