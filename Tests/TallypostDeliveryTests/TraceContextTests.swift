import Testing

@testable import TallypostDelivery

@Suite struct TraceContextTests {
    private func written(_ trace: TraceContext, span: UInt64) -> String {
        var head: [UInt8] = []
        trace.append(span: span, to: &head)
        return String(decoding: head, as: UTF8.self)
    }

    @Test(arguments: ["00", "01", "ff"])
    func `a valid one goes on with its trace and flags, in a new span`(flags: String) throws {
        let trace = try #require(TraceContext(parsing: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-\(flags)"))
        #expect(written(trace, span: 0x0123_4567_89AB_CDEF) == "00-0af7651916cd43dd8448eb211c80319c-0123456789abcdef-\(flags)")
    }

    @Test func `a later version is read as far as it is known`() throws {
        let trace = try #require(TraceContext(parsing: "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03-what-comes"))
        #expect(written(trace, span: 1) == "00-0af7651916cd43dd8448eb211c80319c-0000000000000001-01")
    }

    @Test(arguments: [
        "", "00", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x", "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
        "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01x", "00-0af7651916cd43dd8448eb211c80319é-b7ad6b7169203331-01",
    ])
    func `an invalid one is none`(text: String) {
        #expect(TraceContext(parsing: text) == nil)
    }

    @Test func `without one all attempts of a task share a trace made of its key`() {
        let digest = KeyDigest()
        let first = written(TraceContext(keyDigest: digest("payment-o_1")), span: 1)
        // The start of sha256("payment-o_1"), computed with Python's hashlib.
        #expect(first == "00-30e8e0266a7d2ab8a6d934854bdfa24e-0000000000000001-01")
        #expect(written(TraceContext(keyDigest: digest("payment-o_2")), span: 1) != first)
        #expect(written(TraceContext(keyDigest: digest("payment-o_1")), span: 1) == first)
    }

    @Test func `span ids differ and are never zero`() {
        var source = SpanSource()
        var seen: Set<UInt64> = [0]
        for _ in 0..<2_000 { #expect(seen.insert(source.next()).inserted) }
    }
}
