import TallypostCore

@testable import TallypostReconciliation

/// Tasks in memory for an import: what it asks of a database, answered without one. What is recorded is only counted.
final class LedgerBooksDouble: ReconcileDatabase {
    /// A task as an import sees it.
    struct Task {
        var id: Int64
        var key: String
        var subject = ""
        var amount: Int64? = 1_000
        var currency = "EUR"
        var status = "completed"
        var finished: Int64 = 0
        var group: String?
    }

    var tasks: [Task]
    private(set) var imports = 0
    private(set) var matches: [Int64: [UInt8]] = [:]

    init(_ tasks: [Task]) { self.tasks = tasks }

    let dialect = SQLDialect.sqlite
    func beginReading(statementTimeout: TimeSpan) throws(StoreError) -> Timestamp { Timestamp(microseconds: 1 << 50) }
    func endReading() {}
    func write<Result>(_ body: () throws(StoreError) -> Result) throws(StoreError) -> Result { try body() }
    func interrupt() {}

    func insert(_ draft: TaskDraft) throws(StoreError) -> InsertedTask {
        throw StoreError(kind: .defect, code: "", operation: "insert", message: "an import adds no task")
    }

    func run(
        sql: String, operation: String, _ parameters: [SQLValue], _ each: (any SQLRow) -> Bool
    ) throws(StoreError) -> Int { 0 }

    func run(
        _ statement: ReconcileStatement, _ parameters: [SQLValue], _ each: (any SQLRow) -> Bool
    ) throws(StoreError) -> Int {
        switch statement {
        case .ledgerImportAdd:
            imports += 1
            _ = each(RowDouble([.integer(Int64(imports))]))
        case .ledgerMatchPut:
            if case .integer(let chunk) = parameters[1], case .blob(let data) = parameters[2] { matches[chunk] = data }
        case .ledgerOurs:
            guard case .time(let from) = parameters[1], case .time(let to) = parameters[2] else { return 0 }
            var sums: [String: (Int64, Int64)] = [:]
            for task in tasks where task.status == "completed" && (from.microseconds..<to.microseconds).contains(task.finished) {
                let sum = sums[task.amount == nil ? "" : task.currency, default: (0, 0)]
                sums[task.amount == nil ? "" : task.currency] = (sum.0 + 1, sum.1 + (task.amount ?? 0))
            }
            for (currency, sum) in sums { _ = each(RowDouble([.text(currency), .integer(sum.0), .integer(0), .integer(sum.1)])) }
        default: break
        }
        return 0
    }

    func export(
        _ statement: ReconcileStatement, _ parameters: [SQLValue], _ each: (any SQLRow) -> Bool
    ) throws(StoreError) {
        let cursor = try cursor(statement, parameters)
        while let row = try cursor.next(), each(row) {}
    }

    func cursor(_ statement: ReconcileStatement, _ parameters: [SQLValue]) throws(StoreError) -> any SQLCursor {
        guard statement == .ledgerTasks else {
            return CursorDouble(matches.sorted { $0.key < $1.key }.map { [.integer($0.key), .blob($0.value)] })
        }
        return CursorDouble(
            tasks.map { task in
                [
                    .integer(task.id), .text("charge"), .text(task.key), .text(task.subject), .optional(task.amount),
                    .optional(task.amount == nil ? nil : task.currency), .text(task.status),
                    .time(Timestamp(microseconds: task.finished)), .optional(task.group),
                ]
            })
    }
}

private final class CursorDouble: SQLCursor {
    private var rows: ArraySlice<[SQLValue]>
    init(_ rows: [[SQLValue]]) { self.rows = rows[...] }
    func next() throws(StoreError) -> (any SQLRow)? { rows.popFirst().map(RowDouble.init) }
    func close() { rows = [] }
}

private final class RowDouble: SQLRow {
    private let values: [SQLValue]
    init(_ values: [SQLValue]) { self.values = values }

    var columnCount: Int { values.count }
    func name(_ column: Int) -> String { "" }
    func isNull(_ column: Int) -> Bool { values[column] == .null }
    func integer(_ column: Int) -> Int64? { if case .integer(let value) = values[column] { value } else { nil } }
    func text(_ column: Int) -> String? { if case .text(let value) = values[column] { value } else { nil } }
    func time(_ column: Int) -> Timestamp? { if case .time(let value) = values[column] { value } else { nil } }

    func bytes(_ column: Int) -> [UInt8]? {
        switch values[column] {
        case .text(let text): Array(text.utf8)
        case .blob(let bytes): bytes
        default: nil
        }
    }

    func withBytes<Result>(_ column: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        unsafe (bytes(column) ?? []).withUnsafeBytes { unsafe body($0) }
    }
}
