import TallypostCore
import Testing

@testable import TallypostDelivery

@Suite struct RetryAfterTests {
    /// Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110's examples.
    private static let example: Int64 = 784_111_777
    private static let now: Int64 = 1_767_323_045

    @Test(arguments: [
        "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sun Nov 06 08:49:37 1994",
    ])
    func `all three forms of a date are read`(text: String) {
        #expect(HTTPDate(parsing: Substring(text), now: Self.now)?.seconds == Self.example)
    }

    @Test func `a leap second and a leap day are dates`() {
        #expect(HTTPDate(parsing: "Sat, 31 Dec 2016 23:59:60 GMT", now: Self.now)?.seconds == 1_483_228_800)
        #expect(HTTPDate(parsing: "Thu, 29 Feb 2024 00:00:00 GMT", now: Self.now)?.seconds == 1_709_164_800)
    }

    @Test func `a year of two digits is never more than fifty years ahead`() {
        #expect(HTTPDate(parsing: "Monday, 01-Jan-76 00:00:00 GMT", now: Self.now)?.seconds == 3_345_062_400)
        #expect(HTTPDate(parsing: "Saturday, 01-Jan-77 00:00:00 GMT", now: Self.now)?.seconds == 220_924_800)
    }

    @Test(arguments: [
        "", " ", "soon", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 2023 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 06 Now 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT", "Son, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 94 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT", "Sunday, 06-Nov 08:49:37 GMT", "Sun Nov 6 08:49 1994", "1994-11-06T08:49:37Z",
        "Sun, 06 Nov -199 08:49:37 GMT", "Sun, +6 Nov 1994 08:49:37 GMT", ", , , , , GMT",
        "Sun, 99999999999999999999 Nov 1994 08:49:37 GMT",
    ])
    func `what is no date is none`(text: String) {
        #expect(HTTPDate(parsing: Substring(text), now: Self.now) == nil)
        #expect(RetryAfter.span(text, date: nil, now: Self.now) == nil)
    }

    @Test(arguments: ["-5", "1.5", "5s", "0x10", "1e3", "５", "5, 6", "+7"])
    func `what is no number of seconds is ignored`(text: String) {
        #expect(RetryAfter.span(text, date: nil, now: Self.now) == nil)
    }

    @Test func `seconds are seconds, and too many are as many as there can be`() {
        #expect(RetryAfter.span("120", date: nil, now: Self.now) == .seconds(120))
        #expect(RetryAfter.span("\t0 ", date: nil, now: Self.now) == .zero)
        #expect(RetryAfter.span("99999999999999999999999", date: nil, now: Self.now) == TimeSpan(nanoseconds: .max))
    }

    @Test func `a date is measured by the receiver's own clock`() {
        let later = "Sun, 06 Nov 1994 08:50:37 GMT"
        #expect(RetryAfter.span(later, date: "Sun, 06 Nov 1994 08:49:37 GMT", now: Self.now) == .seconds(60))
        #expect(RetryAfter.span(later, date: "nonsense", now: Self.example) == .seconds(60))
        #expect(RetryAfter.span(later, date: nil, now: Self.example + 30) == .seconds(30))
    }

    @Test func `a date that is past is no wait`() {
        #expect(RetryAfter.span("Sun, 06 Nov 1994 08:49:37 GMT", date: nil, now: Self.now) == .zero)
    }

    @Test func `no text of dates' letters traps`() {
        let seed = UInt64.random(in: .min ... .max)
        var random = RandomSource(seed: seed)
        let alphabet = Array("SunMonNov, -:0123456789GMT ")
        var read = 0
        for _ in 0..<20_000 {
            let text = String(
                (0..<Int(random.next(upTo: 34))).map { _ in alphabet[Int(random.next(upTo: UInt64(alphabet.count - 1)))] })
            if RetryAfter.span(text, date: text, now: Self.now) != nil { read += 1 }
        }
        #expect(read < 20_000, "seed \(seed)")
    }
}
