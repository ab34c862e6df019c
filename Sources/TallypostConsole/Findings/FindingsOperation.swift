import TallypostCore
import TallypostReconciliation

/// What a request asks of reconciliation.
enum FindingsOperation: Sendable, Equatable {
    case list(FindingFilter, after: String?, limit: Int)
    case show(String)
    case acknowledge(String, Actor, until: Timestamp?)
    case resolve(String, Actor)
    case runs(limit: Int)
    case reports(limit: Int)
    case file(ReportName)

    /// Who does it and why: both are wanted, for finance asks later.
    struct Actor: Sendable, Equatable {
        var who: String
        var reason: String
    }

    /// Names a file of a report.
    struct ReportName: Sendable, Equatable, Hashable {
        var label: String
        var file: String
        /// Nil: any.
        var zone: String?
        /// Nil: the newest that has such a file.
        var revision: Int?
    }

    /// Whether it changes nothing, so that it may be asked again when a connection broke.
    var isReading: Bool {
        switch self {
        case .list, .show, .runs, .reports, .file: true
        case .acknowledge, .resolve: false
        }
    }
}

/// Reads requests under `/v1/findings`, `/v1/runs` and `/v1/reports`.
enum FindingsRouter {
    /// Nil: the request is for somebody else.
    static func operation(_ request: HTTPRequest) throws(AdminFault) -> FindingsOperation? {
        let path = request.head.segments
        guard path.count >= 2, path[0] == "v1" else { return nil }
        let rest = Array(path.dropFirst(2))
        switch (path[1], rest.count) {
        case ("findings", 0):
            try AdminRouter.expect(request, ["GET", "HEAD"])
            return try list(request)
        case ("findings", 1):
            try AdminRouter.expect(request, ["GET", "HEAD"])
            _ = try AdminRouter.query(request, known: [])
            return .show(try findingID(rest[0]))
        case ("findings", 2) where rest[1] == "ack" || rest[1] == "resolve":
            try AdminRouter.expect(request, ["POST"])
            return try change(request, try findingID(rest[0]), isResolved: rest[1] == "resolve")
        case ("runs", 0):
            try AdminRouter.expect(request, ["GET", "HEAD"])
            return .runs(limit: try AdminRouter.limit(try AdminRouter.query(request, known: ["limit"])))
        case ("reports", 0):
            try AdminRouter.expect(request, ["GET", "HEAD"])
            return .reports(limit: try AdminRouter.limit(try AdminRouter.query(request, known: ["limit"])))
        case ("reports", 2):
            try AdminRouter.expect(request, ["GET", "HEAD"])
            let query = try AdminRouter.query(request, known: ["zone", "revision", "ticket"])
            return .file(try reportName(rest, query))
        default: return nil
        }
    }

    /// The file that `/v1/reports/{label}/{file}` names.
    static func reportName(_ rest: [String], _ query: [String: String]) throws(AdminFault) -> FindingsOperation.ReportName {
        guard rest.count >= 2, !rest[0].isEmpty, !rest[1].isEmpty else { throw AdminRouter.notFound }
        let revision = try query["revision"].map { text throws(AdminFault) in
            Int(try AdminRouter.number(text, "revision", 1...Int64(Int32.max), "or nothing"))
        }
        return FindingsOperation.ReportName(label: rest[0], file: rest[1], zone: query["zone"], revision: revision)
    }

    private static func list(_ request: HTTPRequest) throws(AdminFault) -> FindingsOperation {
        let query = try AdminRouter.query(
            request, known: ["state", "severity", "class", "type", "owner", "rule", "limit", "cursor"])
        var filter = FindingFilter()
        if let word = query["state"] {
            // What is a break today has two states: `state=open,acknowledged`.
            for part in word.split(separator: ",", omittingEmptySubsequences: false) {
                let state: BreakState = try self.word(String(part), "state")
                if !filter.states.contains(state) { filter.states.append(state) }
            }
        }
        filter.severity = try query["severity"].map { text throws(AdminFault) in try word(text, "severity") }
        filter.kind = try query["class"].map { text throws(AdminFault) in try word(text, "class") }
        filter.type = query["type"]
        filter.owner = query["owner"]
        filter.rule = query["rule"]
        let cursor = try query["cursor"].map { text throws(AdminFault) in
            guard isID(text) else {
                throw AdminFault(detail: "cursor must be what next was; leave it out for the first page")
            }
            return text
        }
        return .list(filter, after: cursor, limit: try AdminRouter.limit(query))
    }

    private static func word<Word: RawRepresentable<String> & CaseIterable>(
        _ text: String, _ name: String
    ) throws(AdminFault) -> Word {
        guard let word = Word(rawValue: text) else {
            let words = Word.allCases.map(\.rawValue).joined(separator: ", ")
            throw AdminFault(detail: "“\(text.prefix(64))” is no \(name); one of: \(words)")
        }
        return word
    }

    private static func change(
        _ request: HTTPRequest, _ id: String, isResolved: Bool
    ) throws(AdminFault) -> FindingsOperation {
        let members = try AdminRouter.members(request, known: isResolved ? ["by", "reason"] : ["by", "reason", "until"])
        let actor = FindingsOperation.Actor(
            who: try required(members, "by", "who does it", longest: 256),
            reason: try required(members, "reason", "why", longest: 4_096))
        if isResolved { return .resolve(id, actor) }
        guard let source = members["until"], source.kind != .null else { return .acknowledge(id, actor, until: nil) }
        guard let until = Timestamp(iso8601: try AdminRouter.text(source, "until")) else {
            throw AdminFault(detail: "until must be a time such as 2026-03-01T09:30:00Z")
        }
        return .acknowledge(id, actor, until: until)
    }

    private static func required(
        _ members: [String: JSONSource], _ name: String, _ meaning: String, longest: Int
    ) throws(AdminFault) -> String {
        guard let source = members[name] else { throw AdminFault(detail: "\(name) is missing; it says \(meaning)") }
        let text = try AdminRouter.text(source, name, longest: longest)
        guard text.utf8.contains(where: { $0 != 0x20 }) else { throw AdminFault(detail: "\(name) is empty; it says \(meaning)") }
        return text
    }

    private static func findingID(_ text: String) throws(AdminFault) -> String {
        guard isID(text) else {
            throw AdminFault(problem: .notFound, detail: "a finding's id is F- and 16 hexadecimal digits, in lower case")
        }
        return text
    }

    private static func isID(_ text: String) -> Bool {
        text.hasPrefix("F-") && text.utf8.count == 18
            && text.utf8.dropFirst(2).allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}
