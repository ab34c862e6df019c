import CCrypto
import Glibc
import Synchronization
import TallypostCore
import TallypostReconciliation
import Testing

@testable import TallypostConsole

/// A folder with a report in it, which goes when the test is over.
private final class Folder {
    let path: String

    init() throws {
        var template = Array("/tmp/tallypost-report-XXXXXX".utf8CString)
        path = try #require(unsafe mkdtemp(&template).map { unsafe String(cString: $0) })
    }

    deinit {
        for name in ["page.html", "breaks.csv", "manifest.json", "secret.txt", "link.html"] {
            _ = unsafe unlink("\(path)/\(name)")
        }
        _ = unsafe rmdir(path)
    }

    func write(_ name: String, _ text: String) {
        let file = unsafe open("\(path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        let bytes = Array(text.utf8)
        _ = unsafe Glibc.write(file, bytes, bytes.count)
        close(file)
    }

    /// Writes the manifest; its digest.
    func manifest(_ files: [(name: String, text: String)]) -> String {
        let entries = files.map {
            #"{"name":"\#($0.name)","sha256":"\#(Digest.hex(Digest.sha256(Array($0.text.utf8))))","rows":1}"#
        }
        let text = #"{"files":[\#(entries.joined(separator: ", "))]}"#
        write("manifest.json", text)
        return Digest.hex(Digest.sha256(Array(text.utf8)))
    }
}

@Suite struct `Files of reports` {
    private let folder: Folder
    private let page = "<!doctype html><title>Report</title>"

    init() throws { folder = try Folder() }

    private func bench(token: String? = nil, revision: Int = 1) throws -> Bench {
        let bench = try Bench(token: token)
        folder.write("page.html", page)
        folder.write("breaks.csv", "id\r\nF-1\r\n")
        folder.write("secret.txt", "not listed")
        _ = unsafe symlink("/etc/passwd", "\(folder.path)/link.html")
        let digest = folder.manifest([
            ("page.html", page), ("breaks.csv", "id\r\nF-1\r\n"), ("link.html", ""), ("../../etc/passwd", ""),
        ])
        let report = ConsoleReport(
            label: "2026-11", zone: "Europe/London", from: Timestamp(microseconds: 0), to: Timestamp(microseconds: 1),
            revision: revision, run: 1, asOf: Timestamp(microseconds: 1), status: .clean, directory: folder.path,
            manifestSHA256: digest,
            signatures: [.init(role: "preparer", by: "ana", at: Timestamp(microseconds: 0), note: nil)])
        bench.findings.state.withLock { $0.reports = [report] }
        return bench
    }

    @Test func `a report is listed with its files and the names under it`() throws {
        let bench = try bench()
        let body = try bench.admin().ask("GET", "/v1/reports").body
        #expect(body.hasPrefix(#"{"reports":[{"label":"2026-11","zone":"Europe/London","#))
        #expect(body.contains(#""signatures":[{"role":"preparer","by":"ana","at":"1970-01-01T00:00:00.000Z","note":null}]"#))
        #expect(
            body.contains(#""files":["page.html","breaks.csv","link.html","../../etc/passwd","manifest.json"],"problem":null"#))
    }

    @Test func `a page is served as it was written, and can do nothing`() throws {
        let bench = try bench()
        let reply = try bench.admin().ask("GET", "/v1/reports/2026-11/page.html")
        #expect(reply.status == 200 && reply.body == page && reply.headers["content-type"] == "text/html; charset=utf-8")
        let policy = reply.headers["content-security-policy"] ?? ""
        #expect(policy.hasPrefix("sandbox") && policy.contains("default-src 'none'") && !policy.contains("script"))
        #expect(reply.headers["x-content-type-options"] == "nosniff")
        let table = try bench.admin().ask("GET", "/v1/reports/2026-11/breaks.csv")
        #expect(table.body == "id\r\nF-1\r\n" && table.headers["content-disposition"] == #"attachment; filename="breaks.csv""#)
        #expect(
            try bench.admin().ask("HEAD", "/v1/reports/2026-11/page.html").headers["content-length"] == "\(page.utf8.count)")
    }

    @Test(arguments: [
        "secret.txt", "nope.csv", "..%2F..%2Fetc%2Fpasswd", "..", ".", "link.html", "%2Fetc%2Fpasswd",
        "page.html%2F..%2Fsecret.txt",
    ]) func `what is not a file of the report is not served`(name: String) throws {
        let bench = try bench()
        let reply = try bench.admin().ask("GET", "/v1/reports/2026-11/\(name)")
        #expect(reply.status == 404 && !reply.body.contains("root:") && !reply.body.contains("not listed"))
    }

    @Test func `what was altered is not served, and the answer says which`() throws {
        let bench = try bench()
        folder.write("page.html", page + " ")
        let reply = try bench.admin().ask("GET", "/v1/reports/2026-11/page.html")
        #expect(reply.status == 409 && reply.body.contains("page.html is not what was written"))
        folder.write("manifest.json", "{}")
        #expect(try bench.admin().ask("GET", "/v1/reports/2026-11/breaks.csv").status == 409)
        #expect(try bench.admin().ask("GET", "/v1/reports").body.contains(#""files":[],"problem":"the manifest in"#))
    }

    @Test func `a label, zone or revision that is not there is not found`() throws {
        let bench = try bench(revision: 3)
        for (query, status) in [
            ("2026-11/page.html?revision=3", 200), ("2026-11/page.html?zone=Europe/London", 200),
            ("2026-11/page.html?revision=2", 404),
            ("2026-11/page.html?zone=UTC", 404), ("2026-12/page.html", 404), ("2026-11/page.html?revision=x", 400),
        ] { #expect(try bench.admin().ask("GET", "/v1/reports/\(query)").status == status, "\(query)") }
    }

    @Test func `a ticket opens its own file, once, and nothing else`() throws {
        let bench = try bench(token: "sesame")
        let path = "/v1/reports/2026-11/page.html"
        #expect(try bench.admin().ask("GET", path).status == 401)
        #expect(try bench.admin().ask("POST", "\(path)/ticket", "").status == 401)
        func ticket() throws -> String {
            let reply = try bench.admin().ask("POST", "\(path)/ticket", "{}", headers: ["Authorization: Bearer sesame"])
            #expect(reply.status == 201)
            return String(reply.body.dropFirst(#"{"ticket":""#.count).prefix(43))
        }
        let one = try ticket()
        #expect(try bench.admin().ask("GET", "\(path)?ticket=\(one)").body == page)
        #expect(try bench.admin().ask("GET", "\(path)?ticket=\(one)").status == 401)
        #expect(try bench.admin().ask("GET", "/v1/reports/2026-11/breaks.csv?ticket=\(try ticket())").status == 401)
        #expect(try bench.admin().ask("GET", "/v1/tasks?ticket=\(try ticket())").status == 401)
    }

    @Test func `a ticket is good for a minute`() {
        let book = TicketBook()
        let name = FindingsOperation.ReportName(label: "a", file: "b")
        let start = Instant(nanoseconds: 0)
        for (later, isGood) in [(TimeSpan.seconds(59), true), (.seconds(60), false)] {
            let ticket = book.issue(name, at: start) ?? ""
            #expect(ticket.utf8.count == 43 && book.redeem(ticket, for: name, at: start + later) == isGood)
        }
        let first = book.issue(name, at: start) ?? ""
        for second in 1...TicketBook.most { _ = book.issue(name, at: start + .milliseconds(Int64(second))) }
        #expect(!book.redeem(first, for: name, at: start + .seconds(1)), "the oldest makes room")
    }
}
