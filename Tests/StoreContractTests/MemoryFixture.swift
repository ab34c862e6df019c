import Foundation
import Simulator
import StoreContract
import TallypostCore

/// The simulator's database, on the machine's clock.
final class MemoryFixture: StoreFixture {
    private let database = MemoryDatabase(clock: {
        Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000))
    })

    func makeStore() throws -> any TaskStore {
        let store = MemoryStore(database)
        try store.open()
        return store
    }

    @discardableResult func insert(_ rows: [ColumnValues]) throws -> [Int64] {
        guard !rows.isEmpty else { return [] }
        let ids = database.takeIDs(rows.count)
        database.commit(try drawn(rows, ids))
        return Array(ids)
    }

    func insertAndRollBack(_ rows: [ColumnValues]) throws { _ = try drawn(rows, database.takeIDs(rows.count)) }

    private func drawn(_ rows: [ColumnValues], _ ids: ClosedRange<Int64>) throws -> [MemoryRow] {
        try zip(ids, rows).map { id, columns in
            var row = MemoryRow(id: id, type: nil, now: database.now)
            row.idempotencyKey = UUID().uuidString
            row.signalToken = UUID().uuidString + UUID().uuidString
            for (column, value) in columns { try row.set(column, value, now: database.now) }
            return row
        }
    }

    func update(_ ids: [Int64], _ columns: ColumnValues) throws {
        for id in ids {
            guard var row = database.row(id) else { continue }
            for (column, value) in columns { try row.set(column, value, now: database.now) }
            let changed = row
            database.edit(id) { $0 = changed }
        }
    }

    func row(_ id: Int64) throws -> ColumnValues { database.row(id)?.columns ?? [:] }

    func attempts(of id: Int64) throws -> [ColumnValues] {
        database.attempts(of: id).map { attempt in
            [
                "task_id": .integer(attempt.task), "attempt": .integer(Int64(attempt.record.number)),
                "lease_epoch": .integer(attempt.epoch), "relay": .init(attempt.relay), "ended_at": .time(attempt.endedAt),
                "duration_ms": .integer(attempt.record.duration.milliseconds),
                "response_status": .init(attempt.record.responseStatus),
                "error": .text(attempt.record.error), "response_start": .init(attempt.record.responseStart),
            ]
        }
    }
}

extension ColumnValue {
    fileprivate init(_ text: String?) { self = text.map { .text($0) } ?? .null }
    fileprivate init(_ number: Int?) { self = number.map { .integer(Int64($0)) } ?? .null }
    fileprivate init(_ time: Timestamp?) { self = time.map { .time($0) } ?? .null }

    fileprivate var text: String? { if case .text(let text) = self { text } else { nil } }
    fileprivate var number: Int? { if case .integer(let number) = self { Int(number) } else { nil } }
    fileprivate var flag: Bool { self == .boolean(true) }

    fileprivate func time(_ now: Timestamp) -> Timestamp? {
        switch self {
        case .time(let time): time
        case .fromNow(let span): now + span
        default: nil
        }
    }
}

extension MemoryRow {
    fileprivate var columns: ColumnValues {
        [
            "id": .integer(id), "type": .init(type), "payload": .init(payload.map { String(decoding: $0, as: UTF8.self) }),
            "idempotency_key": .init(idempotencyKey), "subject": .init(subject), "target_url": .init(targetURL),
            "headers": .init(headers), "run_at": .time(image.runAt), "deadline_at": .init(deadlineAt),
            "priority": .integer(Int64(priority)), "ordering_key": .init(orderingKey), "max_attempts": .init(maxAttempts),
            "timeout_seconds": .init(timeoutSeconds), "wait_for_signal": .boolean(waitsForSignal),
            "signal_token": .init(signalToken), "group_key": .init(groupKey), "run_after": .init(runAfter.map { Int($0) }),
            "traceparent": .init(traceparent), "status": .init(image.status.word), "attempts": .integer(Int64(image.attempts)),
            "lease_epoch": .integer(image.epoch), "lease_expires_at": .init(image.leaseEnd), "leased_by": .init(image.relay),
            "response_status": .init(responseStatus), "start_result": .init(startResult), "result": .init(result),
            "last_error": .init(lastError), "checkpoint": .init(checkpoint), "created_at": .init(createdAt),
            "started_at": .init(startedAt), "finished_at": .init(finishedAt), "blocks_key": .boolean(image.blocksKey),
        ]
    }

    fileprivate mutating func set(_ column: String, _ value: ColumnValue, now: Timestamp) throws {
        switch column {
        case "type": type = value.text
        case "payload": payload = value.text.map { Array($0.utf8) }
        case "idempotency_key": idempotencyKey = value.text
        case "subject": subject = value.text
        case "target_url": targetURL = value.text
        case "headers": headers = value.text
        case "run_at": image.runAt = value.time(now) ?? now
        case "deadline_at": deadlineAt = value.time(now)
        case "priority": priority = value.number ?? 0
        case "ordering_key": orderingKey = value.text
        case "max_attempts": maxAttempts = value.number
        case "timeout_seconds": timeoutSeconds = value.number
        case "wait_for_signal": waitsForSignal = value.flag
        case "signal_token": signalToken = value.text
        case "traceparent": traceparent = value.text
        case "status": image.status = StatusWord(value.text)
        case "attempts": image.attempts = value.number ?? 0
        case "lease_epoch": image.epoch = Int64(value.number ?? 0)
        case "lease_expires_at": image.leaseEnd = value.time(now)
        case "leased_by": image.relay = value.text
        case "response_status": responseStatus = value.number
        case "last_error": lastError = value.text
        case "checkpoint": checkpoint = value.text
        case "created_at": createdAt = value.time(now)
        case "finished_at": finishedAt = value.time(now)
        case "group_key": groupKey = value.text
        case "run_after": runAfter = value.number.map { Int64($0) }
        case "blocks_key": image.blocksKey = value.flag
        default: throw FixtureError("the memory store lets no test write \(column)")
        }
    }
}
