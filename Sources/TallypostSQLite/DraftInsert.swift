import TallypostCore

/// A draft as SQLite shall hold it. SQLite's columns take anything, so what is written is looked at here.
struct DraftInsert {
    private var columns: [(name: String, value: Value)] = []
    private let key: String?

    private enum Value {
        case text(String)
        case integer(Int64)
        /// In any form that SQLite can read.
        case time(String)
    }

    private static let numbers: Set<String> = [
        "amount_minor", "priority", "max_attempts", "timeout_seconds", "max_wait_seconds", "run_after",
    ]
    private static let times: Set<String> = ["run_at", "deadline_at"]

    /// Throws `.data` for a value that its column cannot mean.
    init(_ draft: TaskDraft) throws(StoreError) {
        key = draft.idempotencyKey
        columns.append(("type", .text(draft.type)))
        if let payload = draft.payload { columns.append(("payload", .text(payload))) }
        if let key = draft.idempotencyKey { columns.append(("idempotency_key", .text(key))) }
        for (name, text) in draft.others.sorted(by: { $0.key < $1.key }) {
            guard TaskDraft.columns.contains(name) else { throw Self.refusal("no application writes the column \(name)") }
            if Self.numbers.contains(name) {
                guard let number = Int64(text) else { throw Self.refusal("\(name) is no integer: \(text.prefix(200))") }
                columns.append((name, .integer(number)))
            } else if name == "wait_for_signal" {
                guard text == "true" || text == "false" else { throw Self.refusal("\(name) is neither true nor false") }
                columns.append((name, .integer(text == "true" ? 1 : 0)))
            } else if Self.times.contains(name) {
                columns.append((name, .time(text)))
            } else {
                columns.append((name, .text(text)))
            }
        }
    }

    private static func refusal(_ message: String) -> StoreError {
        StoreError(kind: .data, code: "", operation: "insert_task", message: message)
    }

    /// Inside a write transaction.
    func run(on connection: SQLiteConnection) throws(StoreError) -> InsertedTask {
        let names = columns.map(\.name).joined(separator: ", ")
        let places = columns.indices.map { "?\($0 + 1)" }.joined(separator: ", ")
        let insert = try connection.prepare(
            """
            INSERT INTO pending_tasks (\(names)) VALUES (\(places)) ON CONFLICT (idempotency_key) DO NOTHING
            RETURNING id, CASE WHEN wait_for_signal THEN signal_token END
            """, operation: "insert_task")
        for (index, column) in columns.enumerated() {
            switch column.value {
            case .text(let text): try insert.bind(Int32(index + 1), text)
            case .integer(let number): try insert.bind(Int32(index + 1), number)
            case .time(let text):
                let read = try connection.prepare("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', ?1)", operation: "insert_task")
                try read.bind(1, text)
                guard let time = try read.firstRow({ $0.text(0) }), let time else {
                    throw Self.refusal("\(column.name) is no time: \(text.prefix(200))")
                }
                try insert.bind(Int32(index + 1), time)
            }
        }
        if let made = try insert.rows({ InsertedTask(id: $0.integer(0), isNew: true, signalToken: $0.text(1)) }).first {
            return made
        }
        let look = try connection.prepare("SELECT id FROM pending_tasks WHERE idempotency_key = ?1", operation: "insert_task")
        try look.bind(1, key)
        guard let id = try look.firstRow({ $0.integer(0) }) else {
            throw StoreError(kind: .defect, code: "", operation: "insert_task", message: "no id came back")
        }
        return InsertedTask(id: id, isNew: false, signalToken: nil)
    }
}
