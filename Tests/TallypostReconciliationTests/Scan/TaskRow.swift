import TallypostCore

@testable import TallypostReconciliation

/// A row of pending_tasks as a test sets it up: right, unless it says otherwise.
struct TaskRow: Equatable {
    var id: Int64
    var type: String? = "charge"
    var status: String? = "pending"
    var subject: String?
    var key: String?
    var amount: Int64? = 500
    var currency: String? = "EUR"
    var createdAt: Timestamp?
    var runAt: Timestamp?
    var deadlineAt: Timestamp?
    var startedAt: Timestamp?
    var finishedAt: Timestamp?
    var leaseExpiresAt: Timestamp?
    var attempts: Int64 = 0
    var maxAttempts: Int64?
    var waitForSignal = false
    var signalStatus: String?
    var hasDependents = false
    var waitsUntil: Timestamp?
    var lastError: String?
    /// What stands in a column that a value of its kind cannot say.
    var written: [Int: String] = [:]

    init(_ id: Int64, at created: Timestamp, _ change: (inout TaskRow) -> Void = { _ in }) {
        self.id = id
        subject = "o_\(id)"
        key = "charge-o_\(id)"
        createdAt = created
        runAt = created
        change(&self)
    }

    /// Ended like that.
    mutating func end(_ status: String, at time: Timestamp) {
        self.status = status
        finishedAt = time
        attempts = max(attempts, 1)
    }
}

/// The row that a scan is handed.
final class FakeRow: SQLRow {
    enum Value {
        case null
        case integer(Int64)
        case text([UInt8])
        case time(Timestamp)
    }

    var values: [Value] = []

    init() {}

    init(_ row: TaskRow) { set(row) }

    func set(_ row: TaskRow) {
        values = [
            .integer(row.id), text(row.type), text(row.status), text(row.subject), text(row.key), number(row.amount),
            text(row.currency),
            time(row.createdAt), time(row.runAt), time(row.deadlineAt), time(row.startedAt), time(row.finishedAt),
            time(row.leaseExpiresAt), .integer(row.attempts), number(row.maxAttempts), .null, .integer(row.waitForSignal ? 1 : 0),
            text(row.signalStatus), .integer(row.hasDependents ? 1 : 0), time(row.waitsUntil), text(row.lastError),
        ]
        for (column, written) in row.written { values[column] = text(written) }
    }

    private func text(_ text: String?) -> Value { text.map { .text(Array($0.utf8)) } ?? .null }
    private func number(_ number: Int64?) -> Value { number.map { .integer($0) } ?? .null }
    private func time(_ time: Timestamp?) -> Value { time.map { .time($0) } ?? .null }

    var columnCount: Int { values.count }
    func name(_ column: Int) -> String { "\(column)" }
    func isNull(_ column: Int) -> Bool { if case .null = values[column] { true } else { false } }
    func integer(_ column: Int) -> Int64? { if case .integer(let number) = values[column] { number } else { nil } }
    func time(_ column: Int) -> Timestamp? { if case .time(let time) = values[column] { time } else { nil } }
    func bytes(_ column: Int) -> [UInt8]? { if case .text(let bytes) = values[column] { bytes } else { nil } }

    func text(_ column: Int) -> String? {
        switch values[column] {
        case .null: nil
        case .integer(let number): String(number)
        case .text(let bytes): String(decoding: bytes, as: UTF8.self)
        case .time(let time): time.iso8601
        }
    }

    func withBytes<Result>(_ column: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        guard case .text(let bytes) = values[column] else { return unsafe body(UnsafeRawBufferPointer(start: nil, count: 0)) }
        return unsafe bytes.withUnsafeBytes { unsafe body($0) }
    }
}

/// A table and its register, reconciled again and again.
struct ScanWorld {
    var rows: [Int64: TaskRow] = [:]
    var register: [Int64: [UInt8]] = [:]
    var previousAsOf: Timestamp?
    /// All movements that were ever recorded.
    var book: MovementBook = [:]

    /// One run as the driver makes it: the table's chunks and the register's, merged.
    mutating func run(asOf: Timestamp, _ change: (inout ScanSettings) -> Void = { _ in }) throws -> ScanResult {
        var settings = ScanSettings(asOf: asOf, previousAsOf: previousAsOf)
        change(&settings)
        let scan = TableScan(settings)
        let row = FakeRow()
        let chunks = Dictionary(grouping: rows.values.sorted { $0.id < $1.id }) { TableScan.chunk(of: $0.id) }
        for chunk in Set(chunks.keys).union(register.keys).sorted() {
            guard let members = chunks[chunk] else {
                try scan.vanished(chunk: chunk, previous: register[chunk] ?? [])
                register[chunk] = nil
                continue
            }
            for member in members {
                row.set(member)
                scan.take(row)
            }
            if let data = try scan.closeChunk(previous: register[chunk]) { register[chunk] = data }
        }
        let result = scan.finish()
        book.merge(result.movements) { $0 + $1 }
        previousAsOf = asOf
        return result
    }

    /// What is open by the movements recorded before a moment.
    func balances(before time: Timestamp) -> [Series: Tally] {
        RollForward.balances(of: book.filter { $0.key.recorded < time })
    }
}

/// 2026-11-21T12:00:00Z, and so many minutes on.
func moment(_ minutes: Int64) -> Timestamp { Timestamp(microseconds: 1_795_262_400_000_000) + .minutes(minutes) }
