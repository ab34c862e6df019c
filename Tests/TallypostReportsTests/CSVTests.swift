import TallypostCore
import TallypostReconciliation
import Testing

@testable import TallypostReports

struct CSVTests {
    @Test(
        arguments: [
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"), ("+1", "'+1"), ("-1", "'-1"), ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("\rx", "'\rx"), ("'x", "''x"), ("12345678901234567890", "'12345678901234567890"), ("00123", "'00123"),
            ("1E5", "'1E5"),
            ("2026-11-19", "'2026-11-19"), ("1/2", "'1/2"), ("o_1", "o_1"), ("123", "123"), ("", ""), ("a=b", "a=b"),
        ])
    func `text that a spreadsheet would take for something else gets an apostrophe`(text: String, field: String) {
        #expect(CSVWriter.field(.text(text)) == field)
    }

    @Test func `numbers get no apostrophe and no separators`() {
        #expect(CSVWriter.field(.amount(-123_450, digits: 2)) == "-1234.50")
        #expect(CSVWriter.field(.amount(12_400, digits: 0)) == "12400")
        #expect(CSVWriter.field(.amount(-5, digits: 3)) == "-0.005")
        #expect(CSVWriter.field(.count(-7)) == "-7")
    }

    @Test func `amounts are exact at any size, and come back`() {
        let huge = Int128(Int64.max) * 1_000_000
        #expect(AmountText.plain(huge, digits: 2) == "92233720368547758070000.00")
        #expect(AmountText.grouped(-123_456_789, digits: 2) == "-1,234,567.89")
        #expect(AmountText.grouped(999, digits: 0) == "999")
        for digits in 0...4 {
            for amount in [0, 1, -1, 99, 100, -100, huge, -huge, Int128.max, Int128.min + 1] {
                #expect(AmountText.parse(AmountText.plain(amount, digits: digits), digits: digits) == amount)
            }
        }
        for wrong in ["1", "1.2", "1.234", "1,00.00", " 1.00", "+1.00", "01.00", "1e2.00", ""] {
            #expect(AmountText.parse(wrong, digits: 2) == nil, "\(wrong)")
        }
    }

    @Test func `a file begins with its mark, has CRLF, and hostile text comes back whole`() throws {
        let table = ReportTable.breaks(SampleReport.hostile())
        let bytes = CSVWriter.bytes(table)
        #expect(bytes.starts(with: [0xEF, 0xBB, 0xBF]))
        #expect(bytes.suffix(2) == [0x0D, 0x0A])
        var reader = try #require(CSVReader(bytes))
        let heading = try #require(try reader.next())
        #expect(heading == table.columns.map(\.name))
        let subject = try #require(heading.firstIndex(of: "subject"))
        for text in SampleReport.hostileTexts {
            let fields = try #require(try reader.next())
            let field = fields[subject]
            #expect((field.hasPrefix("'") ? String(field.dropFirst()) : field) == text)
        }
        #expect(try reader.next() == nil)
    }

    @Test func `a task's id has a letter, and a name of a file no path in it`() throws {
        let table = ReportTable.breaks(SampleReport.breaks())
        let task = try #require(table.index("task"))
        #expect(table.row(0)[task] == .text("T-40033"))
        let name = ReportName(
            environment: "../prod", types: ["a/b\n"], label: "2026-11-01..2026-11-15", zone: "Europe/London", revision: 2)
        #expect(name.stem == "tallypost-recon_..-prod_a-b-_2026-11-01..2026-11-15_Europe-London_r2")
        #expect(name.superseded?.hasSuffix("_r1") == true)
    }
}
