import TallypostCore

/// What a request asks of the database.
enum AdminOperation: Sendable, Equatable {
    case list(TaskFilter, after: Int64?, limit: Int)
    /// With a span: not before the task has ended, or the span is over.
    case show(Int64, wait: TimeSpan?)
    case insert(TaskDraft, hasHeaderKey: Bool)
    case change(TaskAction, Int64, Actor)
    case retryAll(TaskFilter, dryRun: Bool, Actor)
    case listRoutes
    case setPaused(Bool, type: String, Actor)
    case group(String, after: Int64?, limit: Int)
    case probe

    /// Who does it and why.
    struct Actor: Sendable, Equatable {
        var who: String
        var why: String
        /// The second person who agrees.
        var approvedBy: String?
    }

    /// Whether it changes nothing, so that it may be asked again when a connection broke.
    var isReading: Bool {
        switch self {
        case .list, .show, .listRoutes, .group, .probe: true
        case .retryAll(_, let dryRun, _): dryRun
        case .insert, .change, .setPaused: false
        }
    }
}

/// Why a request is refused before anybody asks the database.
struct AdminFault: Error, Equatable {
    var problem = Problem.badRequest
    var detail: String
    /// Methods for `Allow`.
    var allowed: String?
}

/// Reads requests of the admin listener.
enum AdminRouter {
    /// Tasks on a page.
    static let mostOnPage = 500
    static let usualOnPage = 50
    /// Seconds that `wait` may ask for.
    static let longestWait: Int64 = 60

    static func operation(_ request: HTTPRequest) throws(AdminFault) -> AdminOperation {
        let path = request.head.segments
        guard path.count >= 2, path[0] == "v1" else { throw notFound }
        let rest = Array(path.dropFirst(2))
        switch (path[1], rest.count) {
        case ("tasks", 0):
            if request.head.method == "POST" {
                try expectJSON(request)
                return .insert(
                    try TaskDraftReader.draft(request), hasHeaderKey: request.head.headers["idempotency-key"] != nil)
            }
            try expect(request, ["GET", "HEAD", "POST"])
            return try list(request)
        case ("tasks", 1) where rest[0] == "retry":
            try expect(request, ["POST"])
            return try retryAll(request)
        case ("tasks", 1):
            try expect(request, ["GET", "HEAD"])
            let query = try self.query(request, known: ["wait"])
            let wait = try query["wait"].map { text throws(AdminFault) in
                try number(text, "wait", 0...longestWait, "seconds")
            }
            return .show(try taskID(rest[0]), wait: wait.flatMap { $0 > 0 ? .seconds($0) : nil })
        case ("tasks", 2):
            guard let action = TaskAction(rawValue: rest[1]) else { throw notFound }
            try expect(request, ["POST"])
            return .change(
                action, try taskID(rest[0]),
                try actor(
                    try members(request, known: action == .retry ? ["why", "by", "approvedBy"] : ["why", "by"])))
        case ("routes", 0):
            try expect(request, ["GET", "HEAD"])
            _ = try query(request, known: [])
            return .listRoutes
        case ("routes", 2) where rest[1] == "pause" || rest[1] == "resume":
            try expect(request, ["POST"])
            guard !rest[0].isEmpty else { throw notFound }
            return .setPaused(rest[1] == "pause", type: rest[0], try actor(try members(request, known: ["why", "by"])))
        case ("groups", 1):
            try expect(request, ["GET", "HEAD"])
            let query = try self.query(request, known: ["cursor", "limit"])
            return .group(rest[0], after: try cursor(query), limit: try limit(query))
        default: throw notFound
        }
    }

    static let notFound = AdminFault(problem: .notFound, detail: "there is nothing here; /openapi.json lists what there is")

    // MARK: Requests with a body

    private static func retryAll(_ request: HTTPRequest) throws(AdminFault) -> AdminOperation {
        let members = try members(request, known: ["filter", "dryRun", "why", "by", "approvedBy"])
        guard let filterSource = members["filter"] else {
            throw AdminFault(detail: "filter is missing; name a status, a type or a subject")
        }
        let parts = try object(filterSource, "filter", known: ["status", "type", "subject"])
        var filter = TaskFilter()
        filter.status = try parts["status"].map { source throws(AdminFault) in try status(try text(source, "filter.status")) }
        filter.type = try parts["type"].map { source throws(AdminFault) in try text(source, "filter.type") }
        filter.subject = try parts["subject"].map { source throws(AdminFault) in try text(source, "filter.subject") }
        guard filter != TaskFilter() else { throw AdminFault(detail: "filter is empty; name a status, a type or a subject") }
        if let status = filter.status, !TaskAction.retry.statuses.contains(status) {
            let words = TaskAction.retry.statuses.map(\.rawValue).joined(separator: ", ")
            throw AdminFault(detail: "a task that is \(status.rawValue) cannot be retried; only: \(words)")
        }
        var isTrial = false
        if let source = members["dryRun"] {
            guard let flag = source.truth else { throw AdminFault(detail: "dryRun must be true or false") }
            isTrial = flag
        }
        return .retryAll(filter, dryRun: isTrial, try actor(members))
    }

    private static func actor(_ members: [String: JSONSource]) throws(AdminFault) -> AdminOperation.Actor {
        let who = try members["by"].map { source throws(AdminFault) in try text(source, "by", longest: 256) }
        let why = try members["why"].map { source throws(AdminFault) in try text(source, "why", longest: 4_096) }
        let other = try members["approvedBy"].map { source throws(AdminFault) in try text(source, "approvedBy", longest: 256) }
        // One person twice is one, and somebody without a name is nobody: nothing is approved then.
        let approval = other.flatMap { other in
            who.flatMap { KeyMemory.isSamePerson($0, other) || other.isEmpty ? nil : other }
        }
        return AdminOperation.Actor(who: who ?? "api", why: why ?? "", approvedBy: approval)
    }

    /// The members of the body, which may be missing, but is said to be JSON in any case: a page of another site cannot say so.
    static func members(_ request: HTTPRequest, known: [String]) throws(AdminFault) -> [String: JSONSource] {
        try expectJSON(request)
        _ = try query(request, known: [])
        guard !request.body.isEmpty else { return [:] }
        guard let source = JSONSource(request.body) else { throw AdminFault(detail: "the body is no JSON text") }
        return try object(source, "the body", known: known)
    }

    /// The members of an object: each known, none twice.
    static func object(_ source: JSONSource, _ what: String, known: [String]) throws(AdminFault) -> [String: JSONSource] {
        guard let members = source.members else { throw AdminFault(detail: "\(what) must be a JSON object") }
        var found: [String: JSONSource] = [:]
        for (name, value) in members {
            guard known.contains(name) else {
                throw AdminFault(
                    detail: "there is no member “\(name.prefix(64))”; known are \(known.sorted().joined(separator: ", "))")
            }
            guard found.updateValue(value, forKey: name) == nil else { throw AdminFault(detail: "\(name) stands twice") }
        }
        return found
    }

    /// A string of at most so many characters; no NUL, which no database keeps in a text.
    static func text(_ source: JSONSource, _ name: String, longest: Int = .max) throws(AdminFault) -> String {
        guard let text = source.string else { throw AdminFault(detail: "\(name) must be a string") }
        guard !text.utf8.contains(0) else { throw AdminFault(detail: "\(name) holds a NUL, which no database keeps") }
        guard text.unicodeScalars.count <= longest else {
            throw AdminFault(detail: "\(name) may have \(longest) characters")
        }
        return text
    }

    static func expectJSON(_ request: HTTPRequest) throws(AdminFault) {
        guard request.head.isJSON else {
            throw AdminFault(problem: .unsupportedMediaType, detail: "send Content-Type: application/json")
        }
    }

    static func expect(_ request: HTTPRequest, _ methods: [String]) throws(AdminFault) {
        guard !methods.contains(request.head.method) else { return }
        let allowed = methods.joined(separator: ", ")
        throw AdminFault(problem: .methodNotAllowed, detail: "only \(allowed) is allowed here", allowed: allowed)
    }

    // MARK: Paths and queries

    private static func list(_ request: HTTPRequest) throws(AdminFault) -> AdminOperation {
        let query = try self.query(request, known: ["status", "type", "subject", "limit", "cursor"])
        var filter = TaskFilter()
        filter.status = try query["status"].map { word throws(AdminFault) in try status(word) }
        filter.type = query["type"]
        filter.subject = query["subject"]
        return .list(filter, after: try cursor(query), limit: try limit(query))
    }

    static func query(_ request: HTTPRequest, known: [String]) throws(AdminFault) -> [String: String] {
        var found: [String: String] = [:]
        for (name, value) in request.head.query {
            guard known.contains(name) else {
                let names = known.isEmpty ? "none is known here" : "known are \(known.joined(separator: ", "))"
                throw AdminFault(detail: "there is no query parameter “\(name.prefix(64))”; \(names)")
            }
            guard found.updateValue(value, forKey: name) == nil else { throw AdminFault(detail: "\(name) stands twice") }
        }
        return found
    }

    private static func status(_ word: String) throws(AdminFault) -> TaskStatus {
        guard let status = TaskStatus(rawValue: word) else {
            let words = TaskStatus.allCases.map(\.rawValue).joined(separator: ", ")
            throw AdminFault(detail: "“\(word.prefix(64))” is no status; one of: \(words)")
        }
        return status
    }

    private static func cursor(_ query: [String: String]) throws(AdminFault) -> Int64? {
        guard let text = query["cursor"] else { return nil }
        guard let cursor = canonical(text) else {
            throw AdminFault(detail: "cursor must be what next was; leave it out for the first page")
        }
        return cursor
    }

    static func limit(_ query: [String: String]) throws(AdminFault) -> Int {
        guard let text = query["limit"] else { return usualOnPage }
        return Int(try number(text, "limit", 1...Int64(mostOnPage), "tasks"))
    }

    static func number(
        _ text: String, _ name: String, _ range: ClosedRange<Int64>, _ unit: String
    ) throws(AdminFault) -> Int64 {
        guard let number = canonical(text), range.contains(number) else {
            throw AdminFault(detail: "\(name) must be \(range.lowerBound) to \(range.upperBound) \(unit)")
        }
        return number
    }

    private static func taskID(_ text: String) throws(AdminFault) -> Int64 {
        guard let id = canonical(text) else {
            throw AdminFault(problem: .notFound, detail: "a task's id is a whole number")
        }
        return id
    }

    /// A whole number in the one way to write it: no sign but a minus, no leading zero.
    private static func canonical(_ text: String) -> Int64? {
        guard let number = Int64(text), String(number) == text else { return nil }
        return number
    }
}
