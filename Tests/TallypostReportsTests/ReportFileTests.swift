import TallypostReports
import Testing

struct ReportFileTests {
    @Test func `a file is what it was made of`() {
        #expect(ReportFile(name: "a", bytes: [1], rows: 1) != ReportFile(name: "a", bytes: [2], rows: 1))
    }
}
