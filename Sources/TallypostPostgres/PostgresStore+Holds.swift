public import TallypostCore

extension PostgresStore {
    /// One round trip. A mark that is raised is committed when this returns.
    public func tide(raising: Bool) throws(StoreError) -> Tide {
        let results = try run((raising ? [[step("raise_mark")]] : []) + [[step("tide")]])
        for result in results.dropLast() { _ = try result.get() }
        return try Tide(results[results.count - 1].get()[0])
    }

    /// With its event, in one statement.
    public func hold(_ hold: DispatchHold) throws(StoreError) {
        _ = try run("set_hold") {
            $0.append(hold.name)
            $0.append(hold.reason)
            $0.append(hold.detail)
            $0.append("tallypost")
            $0.append(hold.reason)
        }
    }

    /// One read-only transaction of at most a few seconds.
    public func unbacked(among ids: [Int64], by rule: HoldRule) throws(StoreError) -> Set<Int64> {
        do throws(StoreError) {
            var look = PostgresConnection.Step(name: "hold_rule", binary: true)
            look.sql = rule.sql(try keyType(of: rule))
            look.parameters.append(ids)
            let result = try run([[step("rule_patience"), look]])[0].get()[1]
            return Set((0..<result.rowCount).compactMap { result.integer($0, 0) })
        } catch {
            // The table may have been altered.
            keyTypes = [:]
            throw error
        }
    }

    private func keyType(of rule: HoldRule) throws(StoreError) -> String? {
        guard let sql = rule.keyTypeSQL else { return nil }
        if let known = keyTypes[sql] { return known }
        var look = PostgresConnection.Step(name: "hold_rule_key", binary: false)
        look.sql = sql
        let result = try run([[step("rule_patience"), look]])[0].get()[1]
        let type = result.rowCount > 0 ? result.text(0, 0) : nil
        keyTypes[sql] = type
        return type
    }
}

extension Tide {
    /// The one row of `tide`, in binary.
    init(_ result: PostgresResult) throws(StoreError) {
        guard result.rowCount > 0 else {
            throw StoreError(
                kind: .schema, code: "", operation: "tide",
                message: "tallypost_mark has lost its row: INSERT INTO tallypost_mark (id, mark, at) VALUES (1, 0, now())")
        }
        var hold: DispatchHold?
        if let name = result.text(0, 3) {
            hold = DispatchHold(name: name, since: result.time(0, 4), reason: result.text(0, 5) ?? "")
            hold?.read(detail: result.text(0, 6) ?? "")
        }
        self.init(
            identity: result.text(0, 0) ?? "", mark: result.integer(0, 1) ?? 0,
            at: result.time(0, 2) ?? Timestamp(microseconds: 0),
            hold: hold)
    }
}
