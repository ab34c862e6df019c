import TallypostCore

/// Reads the body of `POST /v1/tasks`: column names and their values.
enum TaskDraftReader {
    private static let integers: [String: ClosedRange<Int64>] = [
        "amount_minor": Int64.min...Int64.max, "priority": Int64(Int32.min)...Int64(Int32.max),
        "max_attempts": 0...Int64(Int32.max), "timeout_seconds": 1...86_400, "max_wait_seconds": 1...Int64(Int32.max),
        "run_after": 1...Int64.max,
    ]
    private static let times: Set<String> = ["run_at", "deadline_at"]
    private static let urls: Set<String> = ["target_url", "on_complete_url", "on_failure_url"]
    private static let members = Array(TaskDraft.columns) + ["type", "payload", "idempotency_key"]

    static func draft(_ request: HTTPRequest) throws(AdminFault) -> TaskDraft {
        _ = try AdminRouter.query(request, known: [])
        guard let source = JSONSource(request.body) else { throw AdminFault(detail: "the body is no JSON text") }
        let members = try AdminRouter.object(source, "the body", known: members)
        guard let type = members["type"] else { throw AdminFault(detail: "type is missing; it names the route") }
        var draft = TaskDraft(type: try AdminRouter.text(type, "type", longest: 255))
        guard !draft.type.isEmpty else { throw AdminFault(detail: "type is empty; it names the route") }
        draft.payload = members["payload"]?.verbatim
        draft.idempotencyKey = try key(request.head, members["idempotency_key"])
        for (name, value) in members where TaskDraft.columns.contains(name) && value.kind != .null {
            draft.others[name] = try column(name, value)
        }
        guard (draft.others["amount_minor"] == nil) == (draft.others["currency"] == nil) else {
            throw AdminFault(detail: "amount_minor and currency belong together; give both or neither")
        }
        return draft
    }

    /// The header's key, and the body's where there is one: they must not differ.
    private static func key(_ head: RequestHead, _ member: JSONSource?) throws(AdminFault) -> String? {
        var key: String?
        if let member, member.kind != .null {
            key = try AdminRouter.text(member, "idempotency_key", longest: 255)
            guard key?.isEmpty == false else { throw AdminFault(detail: "idempotency_key is empty") }
        }
        guard let header = head.headers["idempotency-key"] else { return key }
        guard let fromHeader = IdempotencyKeyHeader.key(header) else {
            throw AdminFault(
                detail:
                    "Idempotency-Key must be a quoted string of printable ASCII, or such text without quotes; at most 255 characters"
            )
        }
        guard key == nil || key == fromHeader else {
            throw AdminFault(problem: .conflict, detail: "Idempotency-Key and idempotency_key differ; give one of them")
        }
        return fromHeader
    }

    private static func column(_ name: String, _ value: JSONSource) throws(AdminFault) -> String {
        if let range = integers[name] {
            guard let number = value.integer, range.contains(number) else {
                throw AdminFault(detail: "\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            return String(number)
        }
        if name == "wait_for_signal" {
            guard let flag = value.truth else { throw AdminFault(detail: "\(name) must be true or false") }
            return flag ? "true" : "false"
        }
        if name == "headers" { return try headers(value) }
        let text = try AdminRouter.text(value, name)
        if times.contains(name) {
            guard let time = Timestamp(iso8601: text) else {
                throw AdminFault(detail: "\(name) must be a time such as 2026-03-01T09:30:00Z")
            }
            // In UTC: engines differ in the offsets that they take.
            return time.iso8601
        }
        if urls.contains(name), !text.lowercased().hasPrefix("http://"), !text.lowercased().hasPrefix("https://") {
            throw AdminFault(detail: "\(name) must be an http or https URL")
        }
        if name == "currency", text.utf8.count != 3 || !text.utf8.allSatisfy({ (0x41...0x5A).contains($0) }) {
            throw AdminFault(detail: "currency must be three capital letters (ISO 4217)")
        }
        if name == "run_if", !["completed", "failed", "finished"].contains(text) {
            throw AdminFault(detail: "run_if must be completed, failed or finished")
        }
        return text
    }

    private static func headers(_ value: JSONSource) throws(AdminFault) -> String {
        let members = try { () throws(AdminFault) in
            guard let members = value.members else { throw AdminFault(detail: "headers must be an object of strings") }
            return members
        }()
        for (name, header) in members where header.string == nil {
            throw AdminFault(detail: "headers: the value of “\(name.prefix(64))” must be a string")
        }
        return value.compact
    }
}

/// The value of an `Idempotency-Key` header.
enum IdempotencyKeyHeader {
    /// A structured-field string (RFC 8941, section 3.3.3) without its quotes, or the bare text; nil when it is neither, or too long.
    static func key(_ header: String) -> String? {
        guard header.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else { return nil }
        let key = header.hasPrefix("\"") ? unquoted(header) : header.contains("\"") ? nil : header
        guard let key, (1...255).contains(key.utf8.count) else { return nil }
        return key
    }

    private static func unquoted(_ header: String) -> String? {
        guard header.utf8.count >= 2, header.last == "\"" else { return nil }
        var key = ""
        var isEscaped = false
        for character in header.dropFirst().dropLast() {
            if isEscaped {
                guard character == "\"" || character == "\\" else { return nil }
                key.append(character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else if character == "\"" {
                return nil
            } else {
                key.append(character)
            }
        }
        return isEscaped ? nil : key
    }
}
