import FoundationEssentials
import Glibc
import Synchronization
import TallypostCore
import TallypostThreads
import Testing

@testable import TallypostRelay

/// Keeps what a log writes, and stands for the clock.
private final class Paper: Sendable {
    private let written = Mutex<[[UInt8]]>([])
    private let instant = Mutex(Instant(nanoseconds: 0))

    var lines: [String] { written.withLock { $0.map { String(decoding: $0, as: UTF8.self) } } }

    func advance(_ span: TimeSpan) { instant.withLock { $0 = $0 + span } }

    func log(_ format: Log.Format = .json, level: Log.Level = .info) -> Log {
        Log(
            level: level, format: format, now: { self.instant.withLock { $0 } },
            timeOfDay: { Timestamp(microseconds: 1_772_357_400_123_456) },
            write: { line in self.written.withLock { $0.append(line) } })
    }
}

private struct Line: Decodable {
    var ts: String
    var level: String
    var msg: String
    var suppressed: Int?
    var cut: Bool?
    var text: String?
    var count: Int?
}

private func decode(_ line: String) throws -> Line { try JSONDecoder().decode(Line.self, from: Data(line.utf8)) }

@Suite struct LogTests {
    @Test func `a line is one JSON object with its fields in order`() {
        let paper = Paper()
        paper.log().warning("odd", ["task": 7, "share": 0.5, "late": true, "type": "send-receipt"])
        #expect(
            paper.lines == [
                #"{"ts":"2026-03-01T09:30:00.123Z","level":"warning","msg":"odd","task":7,"share":0.5,"late":true,"type":"send-receipt"}"#
                    + "\n"
            ])
    }

    @Test(arguments: [
        "\"", "\\", "\n", "\r\n", "\t", "\u{0}", "\u{1B}[31m", "\u{7F}", "é€😀", "\u{2028}", "\u{85}", "\u{9B}31m", "</script>",
    ])
    func `any text comes back from a line as it went in`(text: String) throws {
        let paper = Paper()
        paper.log().info(text, ["text": text])
        let line = try #require(paper.lines.first)
        #expect(line.utf8.filter { $0 == 0x0A }.count == 1)
        let read = try decode(line)
        #expect(read.msg == text)
        #expect(read.text == text)
    }

    @Test func `nothing in a line steers a terminal or ends the line for somebody`() {
        let paper = Paper()
        paper.log().info("m", ["text": "a\u{85}b\u{9B}c\u{2028}d\u{7F}e"])
        #expect(paper.lines.count == 1)
        #expect(paper.lines[0].contains(#"a\u0085b\u009bc\u2028d\u007fe"#))
    }

    @Test func `under journald a line begins with its priority`() {
        let paper = Paper()
        let log = paper.log(.journal)
        log.critical("a", [:])
        log.error("b", [:])
        log.info("c", [:])
        #expect(paper.lines.map { $0.prefix(4) } == ["<2>{", "<3>{", "<6>{"])
    }

    @Test func `on a terminal a line is for eyes and cannot steer it`() {
        let paper = Paper()
        paper.log(.terminal).error("task \u{1B}[2Jfailed", ["reason": "HTTP 500\r\nnext", "task": 7])
        #expect(
            paper.lines == ["09:30:00.123 error    task \u{FFFD}[2Jfailed  reason=\"HTTP 500\u{FFFD}\u{FFFD}next\"  task=7\n"])
    }

    @Test func `what matters less than the level is not written`() {
        let paper = Paper()
        let log = paper.log(level: .warning)
        log.info("no", [:])
        log.debug("no", [:])
        log.warning("yes", [:])
        #expect(paper.lines.count == 1)
    }

    @Test func `a line is bounded and says that it was cut`() throws {
        let paper = Paper()
        let long = String(repeating: "é", count: 100_000)
        paper.log().info(long, ["a": long, "b": long, "c": long, "d": long, "count": 1])
        let line = try #require(paper.lines.first)
        #expect(line.utf8.count <= LogLine.longest)
        let read = try decode(line)
        #expect(read.msg.hasSuffix("é…"))
        #expect(read.cut == true)
        #expect(read.count == 1)
    }

    @Test func `a message that repeats is held back and counted`() throws {
        let paper = Paper()
        let log = paper.log()
        for number in 1...(LogLimit.perMinute + 30) { log.error("task failed", ["task": number]) }
        #expect(paper.lines.count == LogLimit.perMinute)
        log.info("another", [:])
        #expect(paper.lines.count == LogLimit.perMinute + 1)
        paper.advance(.seconds(61))
        log.reportSuppressed()
        let line = try decode(try #require(paper.lines.last))
        #expect(line.msg == "task failed")
        #expect(line.level == "error")
        #expect(line.suppressed == 30)
        log.error("task failed", ["task": 99])
        #expect(paper.lines.count == LogLimit.perMinute + 3)
    }

    @Test func `countless different messages cost no memory`() {
        let paper = Paper()
        let log = paper.log()
        for number in 0..<10_000 { log.info("message \(number)", [:]) }
        #expect(paper.lines.count <= LogLimit.mostMessages + LogLimit.perMinute)
    }

    @Test(arguments: [
        (
            "postgres://shop:hunter2@db/shop?password=hunter2&sslmode=require",
            "postgres://shop:***@db/shop?password=***&sslmode=require"
        ),
        ("postgresql://shop@db/shop", "postgresql://shop@db/shop"),
        ("calling https://ghp_token@host/path?key=hunter2 failed", "calling https://***@host/path?*** failed"),
        ("http://u:p@h", "http://***@h"),
        ("Authorization: Bearer hunter2", "Authorization: Bearer ***"),
        ("the key whsec_aHVudGVyMg== is", "the key whsec_*** is"),
        ("host=db password=hunter2 user=shop", "host=db password=*** user=shop"),
        ("a = b and 1 = 1", "a = b and 1 = 1"),
        ("nothing to hide", "nothing to hide"),
    ])
    func `secrets are masked wherever they stand`(text: String, masked: String) throws {
        #expect(Redaction.masking(text) == masked)
        let paper = Paper()
        paper.log().error(text, ["text": text, "adminToken": "hunter2"])
        let line = try #require(paper.lines.first)
        #expect(!line.contains("hunter2"))
        #expect(try decode(line).text == masked)
    }

    @Test func `lines of several threads come out whole`() throws {
        var ends: [Int32] = [0, 0]
        try #require(unsafe pipe(&ends) == 0)
        let (reading, writing) = (ends[0], ends[1])
        let log = Log(format: .json, descriptor: writing)
        let threads = (0..<4).map { number in
            WorkerThread(name: "log") {
                for line in 0..<20 { log.info("thread \(number) line \(line)", ["text": String(repeating: "x", count: 200)]) }
            }
        }
        for thread in threads { thread.join() }
        close(writing)
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = unsafe read(reading, &chunk, chunk.count)
            guard count > 0 else { break }
            bytes += chunk[..<count]
        }
        close(reading)
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
        #expect(lines.count == 80)
        for line in lines { #expect(try decode(line).level == "info") }
    }

    @Test func `journald's format is chosen by device and inode of the descriptor`() throws {
        var ends: [Int32] = [0, 0]
        try #require(unsafe pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        var status = stat()
        try #require(unsafe fstat(ends[1], &status) == 0)
        #expect(Log.Format.suiting(ends[1], journalStream: "\(status.st_dev):\(status.st_ino)") == .journal)
        #expect(Log.Format.suiting(ends[1], journalStream: "\(status.st_dev):1") == .json)
        #expect(Log.Format.suiting(ends[1], journalStream: nil) == .json)
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"), (951_827_696_789_000, "2000-02-29T12:34:56.789Z"),
        (4_107_542_399_999_999, "2100-02-28T23:59:59.999Z"), (1_709_164_800_000_000, "2024-02-29T00:00:00.000Z"),
    ])
    func `times are written in UTC`(microseconds: Int64, text: String) {
        #expect(Timestamp(microseconds: microseconds).iso8601 == text)
    }
}
