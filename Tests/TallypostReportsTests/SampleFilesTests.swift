import Glibc
import TallypostCore
import TallypostReconciliation
import Testing

@testable import TallypostReports

/// Writes the samples for Tests/EndToEnd/look, where TALLYPOST_SAMPLES names a directory; else into one that goes away again.
struct SampleFilesTests {
    @Test func `all documents of the samples can be written, and each report verifies`() throws {
        let kept = unsafe getenv("TALLYPOST_SAMPLES").map { unsafe String(cString: $0) }
        let directory = try kept ?? TemporaryReports.make()
        defer { if kept == nil { TemporaryReports.remove(directory) } }
        for (name, report) in [
            ("clean", SampleReport.clean()), ("breaks", SampleReport.breaks()), ("incomplete", SampleReport.incomplete()),
            ("empty", SampleReport.empty()), ("hostile", SampleReport.hostile()),
        ] {
            let documents = ReportDocuments(report, environment: name, revision: 1)
            let files = try documents.files()
            let manifest = try ReportManifest(documents, files: files)
            let path = "\(directory)/\(name)"
            try ReportDirectory.write(files + [manifest.file], into: path)
            let summary = try ReportVerifier(manifest: "\(path)/manifest.json").verify()
            #expect(summary.files == files.count)
            #expect(summary.status == report.status.rawValue)
        }
    }
}
