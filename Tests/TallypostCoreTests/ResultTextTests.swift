import TallypostCore
import Testing

@Suite struct ResultTextTests {
    private func kept(_ body: String, wasCut: Bool = false) -> String? { ResultText.json(body: Array(body.utf8), wasCut: wasCut) }

    @Test func `a JSON answer is kept as it came, white space and all`() {
        for body in ["{}", " {\"a\": [1, 2.50, null]} \n", "\"x\"", "17", "true"] { #expect(kept(body) == body) }
    }

    @Test func `an empty answer keeps nothing`() {
        #expect(kept("") == nil)
        #expect(ResultText.start(of: []) == nil)
    }

    @Test func `what is no JSON becomes a marked JSON string`() {
        #expect(kept("ok") == "\"[not JSON] ok\"")
        #expect(kept("say \"hi\"\\\n\t\r\u{1}") == #""[not JSON] say \"hi\"\\\n\t\r\u0001""#)
        #expect(kept("{\"a\":1") == #""[not JSON] {\"a\":1""#)
    }

    @Test func `a cut answer is marked as cut, though what is there may be JSON`() {
        #expect(kept("[1,2]", wasCut: true) == "\"[cut] [1,2]\"")
        let long = "\"" + String(repeating: "x", count: ResultText.longest) + "\""
        let text = kept(long)
        #expect(text?.hasPrefix("\"[cut] ") ?? false)
        #expect((text?.utf8.count ?? 0) < ResultText.longest + 32)
    }

    @Test func `the longest JSON that is kept whole is 64 KiB`() {
        let whole = "\"" + String(repeating: "x", count: ResultText.longest - 2) + "\""
        #expect(kept(whole) == whole)
    }

    @Test func `whatever bytes come, what is kept is JSON`() {
        let seed: UInt64 = 77
        var random = RandomSource(seed: seed)
        for _ in 0..<2_000 {
            let body = (0..<random.next(upTo: 40)).map { _ in UInt8(random.next(upTo: 255)) }
            let wasCut = random.next(upTo: 1) == 0
            if let text = ResultText.json(body: body, wasCut: wasCut) {
                #expect(JSONSyntax.isValid(Array(text.utf8)), "seed \(seed), body \(body)")
            } else {
                #expect(body.isEmpty)
            }
        }
    }

    @Test func `an attempt keeps the first kibibyte as text without NUL`() {
        #expect(ResultText.start(of: Array("busy".utf8)) == "busy")
        #expect(ResultText.start(of: [0x61, 0, 0x62]) == "ab")
        #expect(ResultText.start(of: [0x61, 0xFF]) == "a\u{FFFD}")
        #expect(ResultText.start(of: [UInt8](repeating: 0x61, count: 5_000)) == String(repeating: "a", count: ResultText.start))
    }
}
