import TallypostCore

extension JSONBuilder {
    /// A row as an object: column names as keys, numbers and truths as such, JSON as JSON, all else as text.
    mutating func row(_ row: TaskRow) { columns(row.columns) }

    /// The same of columns alone.
    mutating func columns(_ columns: [(name: String, value: String?)]) {
        object { json in
            // The token is as good as a password. The desk leaves it out already.
            for (name, value) in columns where name != "signal_token" {
                json.name(name)
                json.column(name, value)
            }
        }
    }

    private mutating func column(_ name: String, _ value: String?) {
        guard let value else { return raw("null") }
        if Self.numbers.contains(name), let number = Int64(value) { return integer(number) }
        if Self.truths.contains(name) { return truth(["1", "t", "true"].contains(value)) }
        if Self.documents.contains(name), let source = JSONSource(Array(value.utf8)) {
            return name == "headers" ? headers(source) : raw(source.verbatim)
        }
        string(value)
    }

    /// What an application sends along may be its receiver's password.
    private mutating func headers(_ source: JSONSource) {
        guard let members = source.members else { return raw(source.verbatim) }
        object { json in
            for (name, value) in members {
                json.name(name)
                if Self.isSecret(name) { json.string("***") } else { json.raw(value.verbatim) }
            }
        }
    }

    private static func isSecret(_ header: String) -> Bool {
        let name = header.lowercased()
        if name == "idempotency-key" { return false }
        return ["auth", "cookie", "token", "secret", "key", "password", "signature", "session"].contains { name.contains($0) }
    }

    private static let numbers: Set<String> = [
        "id", "task_id", "attempt", "attempts", "number", "lease_epoch", "epoch", "priority", "amount_minor", "max_attempts",
        "timeout_seconds", "max_wait_seconds", "response_status", "run_after", "duration_ms", "delivery_of",
    ]
    private static let truths: Set<String> = ["wait_for_signal", "blocks_key", "fail_fast", "cancel_requested"]
    private static let documents: Set<String> = ["payload", "headers", "result", "start_result", "progress", "checkpoint"]
}

/// Whether a task that has a draft's idempotency key is what the draft asks for.
enum DraftComparison {
    /// Values of columns that a draft leaves out. The time to run is now, and a retry moves it, so it is left out here too.
    private static let defaults = ["priority": "0", "wait_for_signal": "false", "run_if": "completed"]

    static func isSame(_ draft: TaskDraft, _ row: TaskRow) -> Bool {
        guard row["type"] == draft.type, compact(row["payload"]) == compact(draft.payload ?? "{}") else { return false }
        return TaskDraft.columns.allSatisfy { name in
            if name == "run_at" {
                guard let wanted = draft.others[name], row["attempts"] == "0" else { return true }
                return instant(wanted) == instant(row[name])
            }
            let wanted = normal(name, draft.others[name] ?? defaults[name])
            return wanted == normal(name, row[name] ?? defaults[name])
        }
    }

    private static func normal(_ name: String, _ value: String?) -> String? {
        guard let value else { return nil }
        switch name {
        case "wait_for_signal": return ["1", "t", "true"].contains(value) ? "true" : "false"
        case "deadline_at": return instant(value)
        case "headers": return compact(value)
        default: return value
        }
    }

    /// To the millisecond, which is what rows are read with.
    private static func instant(_ text: String?) -> String? { text.map { Timestamp(iso8601: $0)?.iso8601 ?? $0 } }

    private static func compact(_ text: String?) -> String? { text.map { JSONSource(Array($0.utf8))?.compact ?? $0 } }
}
