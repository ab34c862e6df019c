import TallypostCore
import Testing

@testable import TallypostReconciliation

struct LedgerAmountTests {
    private func read(_ text: String, digits: Int = 2, mark: Character = ".", group: Character? = nil, minor: Bool = false)
        -> LedgerAmount.Reading
    {
        var map = LedgerMap(source: "s")
        map.decimalMark = mark.asciiValue ?? 0
        map.groupMark = group?.asciiValue
        map.amountUnit = minor ? .minor : .decimal
        let bytes = Array(text.utf8)
        return LedgerAmount.read(bytes.span, 0, bytes.count, style: LedgerAmount.Style(map), digits: digits)
    }

    @Test func `amounts become minor units by the currency's digits`() {
        #expect(read("12.34") == .minor(1_234))
        #expect(read("12") == .minor(1_200))
        #expect(read("-0.05") == .minor(-5))
        #expect(read("12.3400") == .minor(1_234))
        #expect(read("1200", digits: 0) == .minor(1_200))
        #expect(read("1.234", digits: 3) == .minor(1_234))
        #expect(read("1234", minor: true) == .minor(1_234))
        #expect(read("1.234,56", mark: ",", group: ".") == .minor(123_456))
        #expect(read("92233720368547758.07") == .minor(.max))
        #expect(read("-92233720368547758.08") == .minor(.min))
    }

    @Test(arguments: ["", "-", ".5", "5.", "1e3", "12,34", "EUR 5", "1 2", "(5)", "5-", "0x1F", "NaN", "1.2.3", "--1", "١"])
    func `what is no amount is never taken for one`(text: String) { #expect(read(text) == .unreadable) }

    @Test func `digits beyond the currency's and beyond 64 bits are told apart`() {
        #expect(read("1.001") == .tooFine)
        #expect(read("1.5", digits: 0) == .tooFine)
        #expect(read("92233720368547758.08") == .tooLarge)
        #expect(read("1.001x") == .unreadable)
    }

    @Test(arguments: ["12.34,5", "1234.567", "1.23.456", "1..234", ".123"])
    func `groups are of three digits`(text: String) { #expect(read(text, mark: ",", group: ".") == .unreadable) }

    @Test func `currencies have the digits of ISO 4217 unless the map says otherwise`() {
        var map = LedgerMap(source: "s")
        #expect([map.digits(of: "JPY"), map.digits(of: "KWD"), map.digits(of: "EUR")] == [0, 3, 2])
        map.exponents = ["JPY": 2]
        #expect(map.digits(of: "JPY") == 2)
    }

    @Test func `sums are printed whole`() {
        #expect(LedgerAmount.text(-5, digits: 2) == "-0.05")
        #expect(LedgerAmount.text(Int128(Int64.max) * 10, digits: 3) == "92233720368547758.070")
    }
}

struct LedgerClockTests {
    /// Berlin in 2026: summer time from 29 March 01:00 UTC to 25 October 01:00 UTC.
    private func berlin() throws -> Zone { try Zone(tzif: Self.tzif) }

    private static var tzif: [UInt8] {
        func big(_ value: Int64, _ size: Int) -> [UInt8] {
            (0..<size).reversed().map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
        }
        func header(_ times: Int64, _ types: Int64) -> [UInt8] {
            Array("TZif2".utf8) + [UInt8](repeating: 0, count: 15) + big(0, 4) + big(0, 4) + big(0, 4) + big(times, 4)
                + big(types, 4)
                + big(4, 4)
        }
        let types = big(3_600, 4) + [0, 0] + big(7_200, 4) + [1, 0]
        let first = header(0, 2) + types + [0, 0, 0, 0]
        let second = header(2, 2) + big(1_774_746_000, 8) + big(1_792_890_000, 8) + [1, 0] + types + [0, 0, 0, 0]
        return first + second + Array("\nCET-1\n".utf8)
    }

    private func read(_ text: String, _ format: LedgerTimeFormat = .iso, zone: Zone = .utc) -> LedgerClock.Reading {
        var clock = LedgerClock(format, zone: zone)
        let bytes = Array(text.utf8)
        return clock.read(bytes.span, 0, bytes.count)
    }

    @Test func `ISO times are read with and without an offset`() {
        let second: Int64 = 1_795_219_200_000_000
        #expect(read("2026-11-21") == .time(second))
        #expect(read("2026-11-21T00:00:00Z") == .time(second))
        #expect(read("2026-11-21 00:00:00") == .time(second))
        #expect(read("2026-11-21T01:00+01:00") == .time(second))
        #expect(read("2026-11-20T19:30:00-0430") == .time(second))
        #expect(read("2026-11-21T00:00:00.1234567Z") == .time(second + 123_456))
        #expect(read("2026-11-21 00:00:00 UTC") == .time(second))
    }

    @Test(arguments: [
        "", "2026-02-29", "2026-13-01", "2026-11-21T24:00:00", "2026-11-21T", "21.11.2026", "2026-11-21T00:00:00+25:00",
        "2026-11-21T00:00:00Zx", "2026-11-21T00:00:00.", "yesterday", "2026-11-2!",
    ])
    func `what is no time is never taken for one`(text: String) { #expect(read(text) == .unreadable) }

    @Test func `a time that clocks skipped is set aside, and of one that comes twice the first is meant`() throws {
        let zone = try berlin()
        #expect(read("2026-03-29 02:30:00", zone: zone) == .skipped)
        #expect(read("2026-03-29 03:00:00", zone: zone) == .time(1_774_746_000_000_000))
        #expect(read("2026-03-29 01:59:59", zone: zone) == .time(1_774_745_999_000_000))
        // 02:30 summer time is 00:30 UTC; an hour later it is 02:30 again.
        #expect(read("2026-10-25 02:30:00", zone: zone) == .time((1_792_890_000 - 1_800) * 1_000_000))
        #expect(read("2026-10-25 03:00:00", zone: zone) == .time((1_792_890_000 + 3_600) * 1_000_000))
    }

    @Test func `Unix times and patterns are read`() throws {
        #expect(read("1795219200", .unix) == .time(1_795_219_200_000_000))
        #expect(read("1795219200.5", .unix) == .time(1_795_219_200_500_000))
        #expect(read("1795219200500", .unixMilliseconds) == .time(1_795_219_200_500_000))
        #expect(read("12x", .unix) == .unreadable)
        let pattern = try #require(LedgerTimeFormat(configured: "DD.MM.YYYY HH:mm"))
        #expect(read("21.11.2026 08:05", pattern) == .time(1_795_219_200_000_000 + 29_100_000_000))
        #expect(read("21/11/2026 08:05", pattern) == .unreadable)
        #expect(LedgerTimeFormat(configured: "HH:mm") == nil)
    }
}

struct LedgerSplitterTests {
    /// Two columns, `key` and `amount`, of three.
    private func rows(_ text: String, isLast: Bool = true) -> [String] {
        var splitter = CSVSplitter(delimiter: UInt8(ascii: ","), roles: [0, -1, 2])
        return steps(text) { bytes, start, fields in
            let step = splitter.step(bytes.span, from: start, to: bytes.count, isLast: isLast, into: &fields)
            return (step, splitter.unescapedRow)
        }
    }

    private func lines(_ text: String) -> [String] {
        var splitter = JSONLineSplitter([.idempotencyKey: "key", .amount: "amount"])
        return steps(text) { bytes, start, fields in
            let step = splitter.step(bytes.span, from: start, to: bytes.count, isLast: true, into: &fields)
            return (step, splitter.unescapedRow)
        }
    }

    private func steps(_ text: String, _ step: ([UInt8], Int, inout LedgerFields) -> (LedgerStep, [UInt8]?)) -> [String] {
        let bytes = Array(text.utf8)
        var (found, position): ([String], Int) = ([], 0)
        while position < bytes.count {
            var fields = LedgerFields()
            let (result, unescaped) = step(bytes, position, &fields)
            let source = unescaped ?? bytes
            func field(_ column: LedgerColumn) -> String {
                fields.range(column, in: source.span).map { String(decoding: source[$0.start..<$0.end], as: UTF8.self) } ?? "-"
            }
            switch result {
            case .row(let next):
                found.append("\(field(.idempotencyKey))|\(field(.amount))")
                position = next
            case .blank(let next): position = next
            case .bad(let next, _):
                found.append("bad")
                position = next
            case .incomplete: return found + ["incomplete"]
            }
        }
        return found
    }

    @Test func `quotes, doubled quotes, line ends within quotes, CR LF and a last line without an end`() {
        #expect(rows("a,x,1\r\nb,y,2\n\r\n\nc,z,3") == ["a|1", "b|2", "c|3"])
        #expect(rows("\"a,1\",\"x\ny\",\"2\"\r\n\"say \"\"hi\"\"\",\"\",3\n") == ["a,1|2", "say \"hi\"|3"])
        #expect(rows("\"\"\"\",,\"\"\n") == ["\"|-"])
    }

    @Test func `faulty rows cost themselves alone`() {
        #expect(rows("a,1\nb,y,2\n") == ["bad", "b|2"])
        #expect(rows("a,x,1,4\nb,y,2\n") == ["bad", "b|2"])
        #expect(rows("\"a\"x,y,1\nb,y,2\n") == ["bad", "b|2"])
        #expect(rows("\"a,y,1\nb,y,2\n") == ["bad", "b|2"])
    }

    @Test func `a row that goes on in what is not read yet is waited for`() {
        for text in ["a,x,1", "a,x,\"1", "a,x,\"1\"", "a,\"x\n", "a"] { #expect(rows(text, isLast: false) == ["incomplete"]) }
    }

    @Test func `JSON lines: escapes, nulls, numbers, nested values`() {
        #expect(
            lines(#"{"key":"a","amount":12.5,"x":{"key":"no","l":[1,"}"]}}"# + "\n" + #"{"amount":"7","key":null}"#) == [
                "a|12.5", "-|7",
            ])
        #expect(lines(#"{"key":"\u00e9\ud83d\ude00\n\"","amount":1}"#) == ["é😀\n\"|1"])
        #expect(lines("{}\n\n{ }\r\n") == ["-|-", "-|-"])
    }

    @Test(arguments: [
        "[1]", "{", #"{"key"}"#, #"{"key":}"#, #"{"key":"a",}"#, #"{"key":"a"} x"#, #"{"key":"\x"}"#, #"{"key":"\ud800"}"#,
        #"{"amount":1..2e}"#,
        #"{"x":{"y":}}"#, "key",
    ])
    func `what is no JSON object is set aside`(text: String) {
        // A number's own form is judged when the amount is read.
        #expect(lines(text) == [text.contains("1..2e") ? "-|1..2e" : "bad"])
    }
}

struct LedgerMatchesTests {
    @Test func `chunks keep what was matched, and later matches stand for earlier ones`() {
        let first = LedgerMatches.pack([(4_096, 7), (8_191, .max)][...], onto: nil)
        let second = LedgerMatches.pack([(4_097, 9), (4_096, 8)][...], onto: first)
        let hashes = LedgerMatches.unpack(second)
        #expect((hashes[0], hashes[1], hashes[4_095], hashes[2]) == (8, 9, .max, 0))
        #expect(LedgerMatches.chunk(of: -1) == -1)
        #expect(LedgerMatches.chunk(of: 4_095) == 0)
    }
}
