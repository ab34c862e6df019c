import Glibc
import TallypostCore
import Testing

@testable import TallypostRelay

@Suite struct MetricsBoardTests {
    private struct NoParser: TargetParser {
        func origin(of text: String) throws(TargetError) -> Origin { throw TargetError(reason: "none") }
    }

    private func relay() -> Relay { Relay(name: "r", routes: [:], parser: NoParser(), seed: 1) }

    @Test func `a board with nothing on it answers all the same`() {
        let board = MetricsBoard(version: "1.2.3")
        #expect(board.text(.prometheus).contains("tallypost_build_info{version=\"1.2.3\"} 1\n"))
        #expect(!board.reachesStore && !board.isStopping && board.lastTurn == nil)
        #expect(!board.isTurning(at: Instant(nanoseconds: 0)))
    }

    @Test func `what others know stands on the same page, in the order of the names`() {
        let board = MetricsBoard(version: "1")
        board.publish(relay().snapshot(), at: Instant(nanoseconds: 1))
        let text = board.text(.openMetrics, adding: [MetricFamily("tallypost_database_up", .gauge, "Up.", 0)])
        let names = text.split(separator: "\n").filter { $0.hasPrefix("# TYPE") }.map { $0.split(separator: " ")[2] }
        #expect(names == names.sorted() && names.contains("tallypost_database_up") && Set(names).count == names.count)
        #expect(text.hasSuffix("# EOF\n"))
    }

    @Test func `a loop that has not turned for long is known from the board`() {
        let board = MetricsBoard(version: "1")
        board.turned(at: Instant(nanoseconds: 5_000_000_000))
        #expect(board.isTurning(at: Instant(nanoseconds: 34_000_000_000)))
        #expect(!board.isTurning(at: Instant(nanoseconds: 36_000_000_000)))
    }

    @Test func `a relay that was told to stop is not ready`() {
        let board = MetricsBoard(version: "1")
        var relay = relay()
        relay.handle(.storeOpened, at: Instant(nanoseconds: 1))
        board.publish(relay.snapshot(), at: Instant(nanoseconds: 1))
        #expect(board.reachesStore && !board.isStopping)
        relay.handle(.stopRequested(within: .seconds(1)), at: Instant(nanoseconds: 2))
        board.publish(relay.snapshot(), at: Instant(nanoseconds: 1))
        #expect(board.isStopping)
    }

    @Test func `a rush is a hundred requests a second, and is remembered for a while`() {
        func second(_ number: Int64) -> Instant { Instant(nanoseconds: number * 1_000_000_000) }
        var watch = RushWatch()
        watch.note(sent: 1_000, at: second(1))
        #expect(!watch.isRushed(at: second(1)), "what was sent before anybody looked is no rush")
        watch.note(sent: 1_099, at: second(2))
        #expect(!watch.isRushed(at: second(2)))
        watch.note(sent: 1_199, at: second(3))
        #expect(watch.isRushed(at: second(3)))
        watch.note(sent: 1_199, at: second(5))
        #expect(watch.isRushed(at: second(7)) && !watch.isRushed(at: second(8)))
    }

    private static let hasPromtool = unsafe access("/usr/bin/promtool", X_OK) == 0

    @Test(.enabled(if: hasPromtool, "Debian's package prometheus is not installed"))
    func `Prometheus' own checker finds nothing`() throws {
        let board = MetricsBoard(version: "1")
        board.publish(relay().snapshot(), at: Instant(nanoseconds: 1))
        let quoted = board.text(.prometheus).split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''")
        guard let checker = unsafe popen("printf %s '\(quoted)' | promtool check metrics 2>&1", "r") else {
            Issue.record("no shell to be had")
            return
        }
        var said: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while case let count = unsafe fread(&buffer, 1, buffer.count, checker), count > 0 { said += buffer.prefix(count) }
        unsafe #expect(pclose(checker) == 0)
        #expect(String(decoding: said, as: UTF8.self).isEmpty)
    }
}
