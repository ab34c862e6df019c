import TallypostCore
import TallypostReconciliation
import Testing

@testable import TallypostReports

struct DocumentTests {
    @Test func `the page escapes what others wrote, and needs nothing from elsewhere`() {
        let page = ReportDocuments(SampleReport.hostile(), environment: "<b>", revision: 1).html()
        for forbidden in [
            "<script", "<img", "<b>", "onerror=alert(1)>", "\u{202E}", "\u{0}", "\u{7}", " style=\"", "<link", "url(",
        ] {
            #expect(!page.contains(forbidden), "\(forbidden.debugDescription)")
        }
        #expect(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"))
        #expect(page.contains("default-src &#39;none&#39;") || page.contains("default-src 'none'"))
    }

    @Test func `every anchor that is linked to is there once`() {
        for report in [SampleReport.clean(), SampleReport.breaks(), SampleReport.incomplete(), SampleReport.empty()] {
            let page = ReportDocuments(report, environment: "prod", revision: 1).html()
            let ids = page.split(separator: " id=\"").dropFirst().compactMap { $0.split(separator: "\"").first.map(String.init) }
            #expect(Set(ids).count == ids.count)
            for link in page.split(separator: "href=\"#").dropFirst() {
                let target = String(link.split(separator: "\"").first ?? "")
                #expect(ids.contains(target), "\(target)")
            }
        }
    }

    @Test func `an empty report says so in words, and charts take no point, one and sixty`() {
        let page = ReportDocuments(SampleReport.empty(), environment: "prod", revision: 1).html()
        for sentence in [
            "No task was open, came or went", "No rule compares", "No ledger", "No task is open.", "There is no break",
        ] {
            #expect(page.contains(sentence), "\(sentence)")
        }
        for count in [0, 1, 60] {
            var report = SampleReport.clean()
            report.flow = Array(repeating: .init(day: "2026-11-19", created: 0, completed: 3, cancelled: 0), count: count)
            report.history = Array(SampleReport.clean().history.prefix(count))
            let page = ReportDocuments(report, environment: "prod", revision: 1).html()
            #expect(page.contains("There is no day with movements") == (count == 0))
            #expect(!page.contains("nan\"") && !page.contains("inf\""))
        }
    }

    @Test func `more breaks than a page has room for are counted and found elsewhere`() {
        var report = SampleReport.breaks()
        let sample = report.breaks[0]
        report.breaks = (0..<2_500).map { index in
            var item = sample
            item.finding.id = "F-\(index)"
            return item
        }
        let page = ReportDocuments(report, environment: "prod", revision: 1).html()
        #expect(page.contains("This page lists the first 2,000 of 2,500 breaks."))
        #expect(page.contains("F-1999") && !page.contains("F-2000<"))
    }

    @Test func `JSON has the contract's members, amounts as strings and null where there is none`() throws {
        let text = ReportDocuments(SampleReport.incomplete(), environment: "prod", revision: 1).json()
        let tree = try #require(JSONTree(parsing: Array(text.utf8)))
        #expect(tree["status"] == .string("incomplete"))
        let findings = try #require(tree["findings"]?.elements)
        #expect(findings.count == 9)
        #expect(findings[0]["amountMinor"] == .string("-4500"))
        #expect(findings.last?["amountMinor"] == .null)
        let line = try #require(tree["rollForward"]?.elements?.first)
        #expect(line["opening"] == .object(["count": .number("41"), "amountMinor": .string("390250")]))
        #expect(tree["rollForward"]?.elements?.last?["closing"]?["amountMinor"] == .null)
    }

    @Test func `the terminal's page stays in 120 columns, puts many currencies below each other and shows no control character`()
    {
        var report = SampleReport.clean()
        let line = report.rollForward[0]
        report.rollForward = ["AUD", "CAD", "CHF", "EUR", "GBP", "USD"].map { currency in
            var copy = line
            copy.series.currency = currency
            return copy
        }
        let text = ReportDocuments(report, environment: "prod", revision: 1).text()
        let statement = text.split(separator: "\n").filter { $0.contains("Open at the start") }
        #expect(statement.count == 2)
        #expect(statement.allSatisfy { $0.count <= 120 })
        let hostile = ReportDocuments(SampleReport.hostile(), environment: "prod", revision: 1).text()
        #expect(!hostile.unicodeScalars.contains { ($0.value < 0x20 && $0 != "\n") || $0.value == 0x7F || $0.value == 0x202E })
    }

    @Test func `the verdict says what, how much, since when and whose`() {
        let text = VerdictText(SampleReport.breaks()).sentences.joined(separator: " ")
        for part in ["8 things are wrong", "GBP 348.00", "JPY 12,400", "2026-11-12", "payments (4)", "1 has no owner"] {
            #expect(text.contains(part), "\(part)")
        }
    }

    @Test func `a workbook splits what one sheet cannot hold`() throws {
        let documents = ReportDocuments(SampleReport.breaks(), environment: "prod", revision: 1)
        let tables = ReportTable.all(of: documents.report)
        let bytes = try ReportWorkbook(documents, tables, rowsPerSheet: 4).bytes()
        #expect(bytes.starts(with: Array("PK".utf8)))
        #expect(bytes.count > (try ReportWorkbook(documents, tables).bytes().count))
    }
}
