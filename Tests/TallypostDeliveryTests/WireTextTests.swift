import TallypostCore
import Testing

@testable import TallypostDelivery

@Suite struct WireTextTests {
    private func written(_ write: (inout [UInt8]) -> Void) -> String {
        var bytes: [UInt8] = []
        write(&bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test(arguments: [0, 7, -1, 10, 1_234_567_890, Int64.max, Int64.min])
    func `a number is written as Swift writes it`(number: Int64) {
        #expect(written { $0.append(decimal: number) } == String(number))
    }

    @Test(arguments: [
        (Int64(0), "1970-01-01T00:00:00.000Z"),
        (1_767_323_045_678_999, "2026-01-02T03:04:05.678Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (951_782_400_000_000, "2000-02-29T00:00:00.000Z"),
        (4_107_542_399_000_000, "2100-02-28T23:59:59.000Z"),
        (-62_135_596_800_000_000, "0001-01-01T00:00:00.000Z"),
    ])
    func `a time is written in ISO 8601, UTC, with milliseconds`(microseconds: Int64, text: String) {
        #expect(written { $0.append(iso8601: Timestamp(microseconds: microseconds)) } == text)
    }

    @Test func `what a header cannot carry is percent-encoded as CloudEvents says`() {
        #expect(
            written { $0.append(headerEncoded: "Euro € 😀 \"100%\"\r\n") }
                == "Euro%20%E2%82%AC%20%F0%9F%98%80%20%22100%25%22%0D%0A")
    }

    @Test func `a JSON string escapes quotes, backslashes and control characters, and nothing else`() {
        #expect(written { $0.append(jsonString: "a\"b\\c\n\u{1}é") } == #""a\"b\\c\u000a\u0001é""#)
    }

    @Test func `JSON becomes one compact line of ASCII, with surrogate pairs`() {
        #expect(written { $0.append(asciiJSON: "{\n\t\"é\": \"😀\u{7F}\"}") } == #"{"\u00e9":"\ud83d\ude00\u007f"}"#)
        let strings = #"{ "a \" b" : [ "c \\" , "d \\\" e" ] }"#
        #expect(written { $0.append(asciiJSON: strings) } == #"{"a \" b":["c \\","d \\\" e"]}"#)
        #expect(written { $0.append(asciiJSON: "\"a\r\nX-Injected: b\"") } == #""a  X-Injected: b""#)
    }

    @Test func `every day of four centuries comes back from its number`() {
        var previous = CivilDay(daysSinceEpoch: -60_000)
        for day in Int64(-59_999)...86_098 {
            let date = CivilDay(daysSinceEpoch: day)
            let follows =
                (date.year == previous.year && date.month == previous.month && date.day == previous.day + 1)
                || (date.year == previous.year && date.month == previous.month + 1 && date.day == 1 && previous.day >= 28)
                || (date.year == previous.year + 1 && date.month == 1 && date.day == 1 && previous.month == 12
                    && previous.day == 31)
            guard date.daysSinceEpoch == day, follows else {
                Issue.record("day \(day) is \(date) after \(previous)")
                return
            }
            previous = date
        }
        #expect(previous.year == 2205)
    }
}
