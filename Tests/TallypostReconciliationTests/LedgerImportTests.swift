import Glibc
import TallypostCore
import Testing

@testable import TallypostReconciliation

struct LedgerImportTests {
    private func map(_ change: (inout LedgerMap) -> Void = { _ in }) -> LedgerMap {
        var map = LedgerMap(source: "s")
        map.columns = [
            .idempotencyKey: "key", .subject: "subject", .amount: "amount", .currency: "currency", .at: "at", .status: "status",
            .externalID: "id",
        ]
        map.timeFormat = .unix
        map.lag = .zero
        change(&map)
        return map
    }

    private func verdict(
        _ rows: [String], _ tasks: [LedgerBooksDouble.Task], map: LedgerMap, from: Int64? = nil, to: Int64? = nil
    ) throws -> LedgerVerdict {
        try verdict(rows, on: LedgerBooksDouble(tasks), map: map, from: from, to: to)
    }

    private func verdict(
        _ rows: [String], on books: LedgerBooksDouble, map: LedgerMap, from: Int64? = nil, to: Int64? = nil
    ) throws -> LedgerVerdict {
        var path = Array("/tmp/tallypost-ledger-XXXXXX".utf8CString)
        let descriptor = unsafe mkstemp(&path)
        try #require(descriptor >= 0)
        defer {
            close(descriptor)
            unsafe unlink(path)
        }
        let text = (["key,subject,amount,currency,at,status,id"] + rows).joined(separator: "\n") + "\n"
        _ = unsafe Array(text.utf8).withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
        let name = String(decoding: path.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        var request = LedgerRequest(map: map, path: name, name: "ledger.csv", by: "test", directory: "/tmp")
        request.from = from.map { Timestamp(microseconds: $0 * 1_000_000) }
        request.to = to.map { Timestamp(microseconds: $0 * 1_000_000) }
        return try LedgerImport(request) { _ in }.run(on: books) { elsewhere, here in
            elsewhere()
            here()
        }
    }

    private func task(_ id: Int64, _ key: String, at second: Int64, amount: Int64? = 1_000, status: String = "completed")
        -> LedgerBooksDouble.Task
    {
        LedgerBooksDouble.Task(id: id, key: key, subject: "o\(id)", amount: amount, status: status, finished: second * 1_000_000)
    }

    @Test func `yen and dinar are compared in their own minor units`() throws {
        var yen = task(1, "a", at: 5, amount: 1_200)
        yen.currency = "JPY"
        var dinar = task(2, "b", at: 6, amount: 1_234)
        dinar.currency = "KWD"
        let verdict = try verdict(["a,,1200,JPY,5,paid,1", "b,,1.234,kwd,6,paid,2"], [yen, dinar], map: map())
        #expect(verdict.status == .clean)
        #expect(verdict.matched == 2)
    }

    @Test func `a payment that failed first and then succeeded under its key is no fault`() throws {
        let verdict = try verdict(["a,,10,EUR,4,failed,1", "a,,10,EUR,5,paid,1"], [task(1, "a", at: 5)], map: map())
        #expect(verdict.status == .clean)
    }

    @Test func `a row without its key is matched by subject, amount and currency, and each task is used once`() throws {
        let rows = [",o1,10.00,EUR,5,paid,1", ",o1,10.00,EUR,6,paid,2", ",o2,10.01,EUR,7,paid,3"]
        let verdict = try verdict(rows, [task(1, "a", at: 5), task(2, "b", at: 7)], map: map(), to: 8)
        let kinds = verdict.findings.mapValues(\.count)
        #expect(kinds == [.theyHaveWeDont: 2, .weSayDoneTheyDont: 1])
        #expect(verdict.bridges.allSatisfy { $0.residual.isZero })
    }

    @Test func `the same line twice, by the receiver's own id, is the file's fault and nobody's payment`() throws {
        let verdict = try verdict(["a,,10,EUR,5,paid,1", "a,,10,EUR,5,paid,1"], [task(1, "a", at: 5)], map: map())
        #expect(verdict.status == .clean)
        #expect(verdict.repeatedLines == 1)
        #expect(verdict.bridges.first?.repeats.count == 1)
    }

    @Test func `what was matched once is known in the next file, and another id for it is done twice`() throws {
        let books = LedgerBooksDouble([task(1, "a", at: 5), task(5_000, "b", at: 6)])
        #expect(try verdict(["a,,10,EUR,5,paid,1", "b,,10,EUR,6,paid,2"], on: books, map: map()).status == .clean)
        let second = try verdict(["a,,10,EUR,5,paid,1", "b,,10,EUR,7,paid,3"], on: books, map: map())
        #expect(second.alreadyImported == 1)
        #expect(second.findings.mapValues(\.count) == [.doneTwice: 1])
        #expect(second.bridges.allSatisfy { $0.residual.isZero })
    }

    @Test(arguments: 0..<8) func `whatever is in both books, every row is on one line of the bridge`(round: Int) throws {
        let seed = UInt64(round) &* 7_919 &+ 1
        var random = SplitMix(state: seed)
        func pick(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }
        let states = ["completed", "completed", "completed", "pending", "failed", "cancelled"]
        let tasks = (1...400).map { number in
            var task = task(
                Int64(number) * 37, "k\(number)", at: Int64(pick(500)), amount: pick(20) == 0 ? nil : Int64(1_000 + pick(3)),
                status: states[pick(6)])
            task.currency = pick(10) == 0 ? "USD" : "EUR"
            return task
        }
        let rows = (1...600).map { number in
            let key = pick(12) == 0 ? "" : "k\(1 + pick(450))"
            let words = ["paid", "paid", "paid", "paid", "failed"]
            return
                "\(key),o\((1 + pick(450)) * 37),10.0\(pick(3)),\(pick(9) == 0 ? "USD" : "EUR"),\(pick(500)),\(words[pick(5)]),id\(pick(550))"
        }
        let verdict = try verdict(rows, tasks, map: map(), from: 100, to: 400)
        #expect(verdict.bridges.allSatisfy { $0.residual.isZero }, "seed \(seed): \(verdict.bridges)")
    }
}

/// Sebastiano Vigna's SplitMix64: a run can be repeated from its seed.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }
}
