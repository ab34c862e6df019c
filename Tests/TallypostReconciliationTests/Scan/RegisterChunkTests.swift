import TallypostCore
import Testing

@testable import TallypostReconciliation

struct RegisterChunkTests {
    private func rows(_ random: inout RandomSource, chunk: Int64, _ series: inout SeriesTable) -> [RowState] {
        var rows: [RowState] = []
        for offset in Int64(0)..<4_096 where random.next(upTo: 3) == 0 {
            var row = RowState(id: chunk << 12 | offset)
            row.series = series.index(
                of: Series(type: "t\(random.next(upTo: 5))", currency: ["EUR", "JPY", nil][Int(random.next(upTo: 2))]))
            row.status = RowClass(rawValue: UInt8(random.next(upTo: 5))) ?? .open
            row.hasAmount = random.next(upTo: 1) == 0
            if row.hasAmount { row.amount = [0, 1, -1, .max, .min, 12_345][Int(random.next(upTo: 5))] }
            row.created = [RowState.noTime, 0, 1_795_262_400_000, -5, .max][Int(random.next(upTo: 4))]
            row.finished = [RowState.noTime, 0, 1_795_262_400_001, .max][Int(random.next(upTo: 3))]
            row.hash = UInt32(truncatingIfNeeded: random.next())
            rows.append(row)
        }
        return rows
    }

    private func packed(_ rows: [RowState], _ series: SeriesTable) -> [UInt8] {
        var (places, bytes): ([Int32], [UInt8]) = ([], [])
        RegisterChunk.pack(rows, series, places: &places, into: &bytes)
        #expect(places.allSatisfy { $0 == -1 })
        return bytes
    }

    @Test(arguments: [Int64(0), 1, -1, Int64.max >> 12, Int64.min >> 12])
    func `what was packed is read again, to the last bit, in any chunk`(chunk: Int64) throws {
        let seed = UInt64.random(in: 0 ... .max)
        var (random, series) = (RandomSource(seed: seed), SeriesTable())
        let rows = rows(&random, chunk: chunk, &series)
        let bytes = packed(rows, series)
        #expect(try RegisterChunk.unpack(bytes, chunk: chunk, &series) == rows, "seed \(seed)")
        #expect(packed(rows, series) == bytes, "seed \(seed)")
    }

    @Test func `a chunk that is cut off anywhere is an error and never a crash`() throws {
        var (random, series) = (RandomSource(seed: 7), SeriesTable())
        let bytes = packed(Array(rows(&random, chunk: 3, &series).prefix(40)), series)
        for length in 0..<bytes.count {
            var table = series
            #expect(throws: RegisterError.self) { try RegisterChunk.unpack(Array(bytes[..<length]), chunk: 3, &table) }
        }
    }

    @Test func `garbage is read as something else or is an error, and never a crash`() {
        let seed = UInt64.random(in: 0 ... .max)
        var (random, series) = (RandomSource(seed: seed), SeriesTable())
        let bytes = packed(Array(rows(&random, chunk: 3, &series).prefix(60)), series)
        var errors = 0
        for _ in 0..<5_000 {
            var (spoilt, table) = (bytes, series)
            for _ in 0...random.next(upTo: 2) {
                spoilt[Int(random.next(upTo: UInt64(bytes.count - 1)))] = UInt8(truncatingIfNeeded: random.next())
            }
            do { _ = try RegisterChunk.unpack(spoilt, chunk: 3, &table) } catch { errors += 1 }
        }
        #expect(errors > 100, "seed \(seed)")
    }

    @Test func `an error names the chunk, its tasks and what is wrong`() {
        var series = SeriesTable()
        #expect(throws: RegisterError(chunk: 2, reason: "it ends too early")) { try RegisterChunk.unpack([1], chunk: 2, &series) }
        let newer = #expect(throws: RegisterError.self) { try RegisterChunk.unpack([9, 0, 0], chunk: 2, &series) }
        #expect(newer?.description.contains("(tasks 8192 to 12287)") == true)
        #expect(newer?.description.contains("format is 9") == true)
    }

    @Test func `names are told apart by their bytes, however many there are`() {
        var names = NameTable()
        func index(_ text: String) -> Int32 { unsafe Array(text.utf8).withUnsafeBytes { unsafe names.index(of: $0) } }
        for round in 0..<2 {
            for number in 0..<5_000 { #expect(index("type-\(number)") == Int32(number), "round \(round)") }
        }
        #expect(names.names.count == 5_000)
        #expect(index("") == 5_000)
        #expect(index("type-4999x") == 5_001)
    }
}
