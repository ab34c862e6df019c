import TallypostCore

extension JSONWriter {
    /// A row as an object: its column names, numbers and JSON as such, everything else as text.
    mutating func row(_ row: TaskRow) {
        object { writer in
            for (name, value) in row.columns {
                writer.name(name)
                writer.column(name, value)
            }
        }
    }

    private mutating func column(_ name: String, _ value: String?) {
        guard let value else { return raw("null") }
        switch name {
        case _ where Self.numbers.contains(name) && Int64(value) != nil: raw(value)
        case _ where Self.documents.contains(name) && JSONSyntax.isValid(Array(value.utf8)): raw(value)
        case "wait_for_signal", "blocks_key": truth(["1", "t", "true"].contains(value))
        default: string(value)
        }
    }

    private static let numbers: Set<String> = [
        "id", "task_id", "attempt", "attempts", "number", "lease_epoch", "epoch", "priority", "amount_minor", "max_attempts",
        "timeout_seconds", "max_wait_seconds", "response_status", "run_after", "duration_ms",
    ]
    private static let documents: Set<String> = ["payload", "headers", "result", "start_result", "progress", "checkpoint"]
}
