import TallypostCore

/// Writes what follows from the end of tasks: notices, the release or the end of successors, the end of groups and of tasks that wait
/// for their deliveries. Called inside the write transaction that ends the tasks, with exactly those that it ended.
final class Following {
    private let scan: SQLiteStatement
    private let notify: SQLiteStatement
    private let successors: SQLiteStatement
    private let release: SQLiteStatement
    private let callOff: SQLiteStatement
    private let callOffDeliveries: SQLiteStatement
    private let openGroup: SQLiteStatement
    private let callOffGroup: SQLiteStatement
    private let hasOpenMember: SQLiteStatement
    private let memberCounts: SQLiteStatement
    private let members: SQLiteStatement
    private let endGroup: SQLiteStatement
    private let notifyOfGroup: SQLiteStatement
    private let endParent: SQLiteStatement
    private let recordEvent: SQLiteStatement
    private let wait: SQLiteStatement
    private let noteReopened: SQLiteStatement
    private let deliver: SQLiteStatement

    /// `sql/sqlite/follow.sql`.
    static let statements = StatementFile(PackageResources.follow_sql)

    /// A notice lists results up to so many bytes: it should pass where a body may have a megabyte.
    private static let bytesOfResults = 1_000_000

    init(_ connection: SQLiteConnection) throws(StoreError) {
        func prepare(_ name: String) throws(StoreError) -> SQLiteStatement {
            try connection.prepare(Self.statements[name], operation: name)
        }
        scan = try prepare("ended")
        notify = try prepare("notify")
        successors = try prepare("successors")
        release = try prepare("release")
        callOff = try prepare("call_off")
        callOffDeliveries = try prepare("call_off_deliveries")
        openGroup = try prepare("open_group")
        callOffGroup = try prepare("call_off_group")
        hasOpenMember = try prepare("has_open_member")
        memberCounts = try prepare("member_counts")
        members = try prepare("members")
        endGroup = try prepare("end_group")
        notifyOfGroup = try prepare("notify_of_group")
        endParent = try prepare("end_parent")
        recordEvent = try connection.prepare(StoreStatements.desk["record_event"], operation: "record_event")
        let fanOut = try connection.prepareAll(Self.statements["fan_out"], operation: "fan_out")
        precondition(fanOut.count == 3, "fan_out is three steps")
        (wait, noteReopened, deliver) = (fanOut[0], fanOut[1], fanOut[2])
    }

    /// What hangs on one task.
    private struct Ended {
        var id: Int64
        var status: TaskStatus
        var isTold: Bool
        var hasDependents: Bool
        var group: String?
        var parent: Int64?

        init(_ row: SQLiteStatement) {
            id = row.integer(0)
            status = row.text(1).flatMap { TaskStatus(rawValue: $0) } ?? .failed
            isTold = row.integer(2) != 0
            hasDependents = row.integer(3) != 0
            group = row.text(4)
            parent = row.optionalInteger(5)
        }
    }

    /// Whether something fell due by it.
    @discardableResult
    func follow(_ ended: [Int64], at now: Timestamp) throws(StoreError) -> Bool {
        var batch = ended
        var madeDue = false
        while !batch.isEmpty {
            try scan.bind(1, text: ClaimReader.list(batch))
            let tasks = try scan.rows { Ended($0) }
            var more: [Int64] = []

            let told = tasks.filter(\.isTold).map(\.id)
            if !told.isEmpty {
                try notify.bind(1, text: ClaimReader.list(told))
                if try notify.run() > 0 { madeDue = true }
            }
            let heads = tasks.filter(\.hasDependents)
            if !heads.isEmpty {
                if try runSuccessors(of: heads.map(\.id), at: now, calledOff: &more) { madeDue = true }
                let calledOff = heads.filter { $0.status == .cancelled || $0.status == .timeout }.map(\.id)
                if !calledOff.isEmpty {
                    try callOffDeliveries.bind(1, text: ClaimReader.list(calledOff))
                    try callOffDeliveries.bind(2, now.iso8601)
                    more += try callOffDeliveries.rows { $0.integer(0) }
                }
            }
            let teams = Set(tasks.compactMap(\.group))
            for key in teams.sorted() {
                let hasFailed = tasks.contains { $0.group == key && ($0.status == .failed || $0.status == .timeout) }
                if try settle(group: key, hasFailed: hasFailed, at: now, calledOff: &more) { madeDue = true }
            }
            for parent in Set(tasks.compactMap(\.parent)).sorted() where try end(parent: parent, at: now) { more.append(parent) }
            batch = more
        }
        return madeDue
    }

    private func runSuccessors(of ids: [Int64], at now: Timestamp, calledOff: inout [Int64]) throws(StoreError) -> Bool {
        try successors.bind(1, text: ClaimReader.list(ids))
        let found = try successors.rows { (id: $0.integer(0), runs: $0.integer(1) != 0) }
        let (running, over) = (found.filter(\.runs).map(\.id), found.filter { !$0.runs }.map(\.id))
        if !running.isEmpty {
            try release.bind(1, text: ClaimReader.list(running))
            try release.bind(2, now.iso8601)
            try release.bind(3, now.milliseconds)
            try release.run()
        }
        if !over.isEmpty {
            try callOff.bind(1, text: ClaimReader.list(over))
            try callOff.bind(2, now.iso8601)
            try callOff.run()
            calledOff += over
        }
        return !running.isEmpty
    }

    /// Whether it has ended.
    private func settle(group key: String, hasFailed: Bool, at now: Timestamp, calledOff: inout [Int64]) throws(StoreError)
        -> Bool
    {
        try openGroup.bind(1, key)
        guard let failsFast = try openGroup.firstRow({ $0.integer(0) != 0 }) else { return false }
        if failsFast, hasFailed {
            try callOffGroup.bind(1, key)
            try callOffGroup.bind(2, now.iso8601)
            calledOff += try callOffGroup.rows { $0.integer(0) }
        }
        return try endIfDone(group: key, at: now)
    }

    /// Ends a group without an open member, with its notice.
    func endIfDone(group key: String, at now: Timestamp) throws(StoreError) -> Bool {
        try hasOpenMember.bind(1, key)
        guard try hasOpenMember.firstRow({ $0.integer(0) }) == 0 else { return false }
        try memberCounts.bind(1, key)
        let counts = try memberCounts.rows { (status: $0.text(0) ?? "", count: $0.integer(1)) }
        func has(_ statuses: TaskStatus...) -> Bool {
            counts.contains { pair in statuses.contains { $0.rawValue == pair.status } }
        }
        let ending = has(.failed, .timeout) ? "failed" : has(.cancelled) ? "cancelled" : "completed"
        try endGroup.bind(1, key)
        try endGroup.bind(2, ending)
        try endGroup.bind(3, now.iso8601)
        guard let group = try endGroup.firstRow({ (url: $0.text(0), created: $0.text(1) ?? "") }) else { return false }
        guard let url = group.url else { return true }
        let words = counts.map { "\(ResultText.quoted($0.status)):\($0.count)" }.joined(separator: ",")
        let (list, next) = try results(of: key)
        let body =
            "{\"event\":\"group.\(ending)\",\"group\":{\"key\":\(ResultText.quoted(key)),\"status\":\"\(ending)\",\"counts\":{\(words)},"
            + "\"created_at\":\(ResultText.quoted(group.created)),\"ended_at\":\"\(now.iso8601)\"},\"results\":[\(list)],\"next\":\(next)}"
        try notifyOfGroup.bind(1, body)
        try notifyOfGroup.bind(2, "notice-group-\(key)-\(now.milliseconds)")
        try notifyOfGroup.bind(3, key)
        try notifyOfGroup.bind(4, url)
        try notifyOfGroup.run()
        return true
    }

    /// The members' results in their order, as far as a notice has room, and the cursor beyond which the others are.
    private func results(of key: String) throws(StoreError) -> (list: String, next: String) {
        var list = ""
        var shown: Int64 = 0
        var isCut = false
        try members.bind(1, key)
        try members.eachRow { row in
            let entry = row.text(1) ?? "null"
            guard list.utf8.count + entry.utf8.count < Self.bytesOfResults else {
                isCut = true
                return false
            }
            if !list.isEmpty { list += "," }
            list += entry
            shown = row.integer(0)
            return true
        }
        return (list, isCut ? "\"\(shown)\"" : "null")
    }

    /// A task that waits for its deliveries ends with the last of them; one that had failed because of one that was retried since and has
    /// succeeded, is completed after all.
    private func end(parent: Int64, at now: Timestamp) throws(StoreError) -> Bool {
        try endParent.bind(1, parent)
        try endParent.bind(2, now.iso8601)
        return try endParent.run() > 0
    }

    /// A claimed task becomes one delivery for each subscriber. Nil: its lease was lost. Else the tasks that ended by it, which is the
    /// task itself when all deliveries had succeeded before.
    func fanOut(_ id: Int64, epoch: Int64, to subscribers: [String], at now: Timestamp) throws(StoreError) -> [Int64]? {
        try wait.bind(1, id)
        try wait.bind(2, epoch)
        guard try wait.run() > 0 else { return nil }
        for subscriber in subscribers {
            for step in [noteReopened, deliver] {
                try step.bind(1, id)
                try step.bind(2, subscriber)
                try step.bind(3, now.iso8601)
                try step.run()
            }
        }
        return try end(parent: id, at: now) ? [id] : []
    }
}
