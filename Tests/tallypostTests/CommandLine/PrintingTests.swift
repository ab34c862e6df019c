import Glibc
import TallypostCore
import TallypostRelay
import Testing

@testable import tallypost

@Suite struct PrintingTests {
    @Test func `a table lines its columns up and cuts long cells`() {
        var table = TextTable([.init(heading: "id", isNumber: true), .init(heading: "text", longest: 6), .init(heading: "end")])
        table.add(["7", "short", "x"])
        table.add(["1234", "far too long", "line\nbreak"])
        #expect(table.text == "  id  text    end\n   7  short   x\n1234  far t…  line break\n")
    }

    @Test(arguments: [
        (TimeSpan.milliseconds(850), "850 ms"), (.seconds(42), "42 s"), (.seconds(303), "5 min 3 s"), (.hours(2), "2 h"),
        (.hours(97), "4 d 1 h"), (.seconds(-5), "-5 s"), (TimeSpan(nanoseconds: .min), "-106751 d 23 h"),
    ])
    func `a span is spoken in its two largest units`(span: TimeSpan, text: String) {
        #expect(span.spoken == text)
    }

    @Test func `output survives a reader that goes away`() throws {
        ignoreBrokenPipes()
        var ends: [Int32] = [0, 0]
        try #require(unsafe pipe(&ends) == 0)
        let output = OutputWriter(descriptor: ends[1])
        close(ends[0])
        for _ in 0..<10_000 { output.line("a line that nobody reads") }
        output.flush()
        #expect(output.isBroken)
        close(ends[1])
    }

    @Test func `a long output is handed on as it grows`() {
        var pieces = 0
        let output = OutputWriter { _ in
            pieces += 1
            return true
        }
        for _ in 0..<10_000 { output.line("0123456789012345678901234567890123456789") }
        #expect(pieces > 3)
    }

    @Test func `JSON is nested with its commas`() {
        var text = ""
        let output = OutputWriter {
            text += String(decoding: $0, as: UTF8.self)
            return true
        }
        var json = JSONWriter(output)
        json.object { json in
            json.name("a\"")
            json.array { json in
                json.integer(1)
                json.string(nil as String?)
                json.object { _ in }
            }
            json.name("b")
            json.truth(false)
        }
        json.finish()
        output.flush()
        #expect(text == #"{"a\"":[1,null,{}],"b":false}"# + "\n")
    }
}
