public import TallypostCore

extension SQLiteStore {
    /// One small table, read in microseconds.
    public var tideIsCheap: Bool { true }

    /// A mark that is raised is on the disk when this returns.
    public func tide(raising: Bool) throws(StoreError) -> Tide {
        let session = try opened(for: "tide")
        let statements = try session.guardStatements()
        if raising {
            _ = try session.connection.write { () throws(StoreError) in
                try statements.raise.bind(1, Timestamp.machineNow.iso8601)
                return try statements.raise.run()
            }
        }
        return try Tide.read(with: statements.tide)
    }

    /// With its event, in one transaction.
    public func hold(_ hold: DispatchHold) throws(StoreError) {
        let session = try opened(for: "set_hold")
        let statements = try session.guardStatements()
        try session.connection.write { () throws(StoreError) in
            let now = Timestamp.machineNow.iso8601
            guard try statements.set(hold, at: now) else { return }
            let event = session.statements.recordEvent
            try event.bindNull(1)
            try event.bind(2, now)
            try event.bind(3, "hold")
            try event.bind(4, "tallypost")
            try event.bind(5, hold.reason)
            try event.bind(6, hold.detail)
            try event.run()
        }
    }

    /// One statement, prepared anew: rules are few, and may change.
    public func unbacked(among ids: [Int64], by rule: HoldRule) throws(StoreError) -> Set<Int64> {
        let session = try opened(for: "hold_rule")
        let look = try session.connection.prepare(rule.sql(nil), operation: "hold_rule")
        try look.bind(1, text: ClaimReader.list(ids))
        return Set(try look.rows { $0.integer(0) })
    }
}

/// Made when a mark or a hold is first asked for.
final class GuardStatements {
    let tide: SQLiteStatement
    let raise: SQLiteStatement
    private let setHold: SQLiteStatement

    /// `sql/sqlite/guards.sql`.
    static let file = StatementFile(PackageResources.guards_sql)

    init(_ connection: SQLiteConnection) throws(StoreError) {
        func prepare(_ name: String) throws(StoreError) -> SQLiteStatement {
            try connection.prepare(Self.file[name], operation: name)
        }
        tide = try prepare("tide")
        raise = try prepare("raise_mark")
        setHold = try prepare("set_hold")
    }

    /// In a transaction; false when there is one of that name.
    func set(_ hold: DispatchHold, at now: String) throws(StoreError) -> Bool {
        try setHold.bind(1, hold.name)
        try setHold.bind(2, now)
        try setHold.bind(3, hold.reason)
        try setHold.bind(4, hold.detail)
        return try setHold.run() > 0
    }
}

extension Tide {
    /// The one row of `tide`.
    static func read(with statement: SQLiteStatement) throws(StoreError) -> Tide {
        let tide = try statement.firstRow { row in
            var hold: DispatchHold?
            if let name = row.text(3) {
                hold = DispatchHold(name: name, since: row.time(4), reason: row.text(5) ?? "")
                hold?.read(detail: row.text(6) ?? "")
            }
            return Tide(
                identity: row.text(0) ?? "", mark: row.integer(1), at: row.time(2) ?? Timestamp(microseconds: 0), hold: hold)
        }
        guard let tide else { throw Tide.isMissing }
        return tide
    }

    private static let isMissing = StoreError(
        kind: .schema, code: "", operation: "tide",
        message: "tallypost_mark has lost its row: INSERT INTO tallypost_mark (id, mark, at) "
            + "VALUES (1, 0, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))")
}
