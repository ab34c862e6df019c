import TallypostCore
import Testing

@testable import tallypost

struct SceneTests {
    private static func busyScene() -> Scene {
        var scene = Scene()
        scene.snapshot.orders = 412
        scene.snapshot.rolledBack = 45
        scene.snapshot.depth = ["pending": 12, "processing": 8, "completed": 512, "failed": 9]
        scene.snapshot.lines = [.sendReceipt: .init(open: 20, completed: 512), .sendFax: .init(dead: 9)]
        scene.snapshot.retries = 44
        scene.elapsed = .seconds(67)
        scene.act = "the shop sells, the relay delivers"
        scene.relay = "process 4711, running"
        scene.rates = [10, 20, 98, 100]
        scene.footer = "/tmp/somewhere"
        return scene
    }

    @Test(arguments: [1, 20, 40, 60, 80, 200])
    func `no line of the picture is wider than the terminal`(width: Int) {
        for blocks in [true, false] {
            for line in Self.busyScene().picture(width: width, blocks: blocks) { #expect(line.count <= max(1, width - 1)) }
        }
    }

    @Test func `the picture shows depth, rate, retries and dead letters`() {
        let text = Self.busyScene().picture(width: 120, blocks: true).joined(separator: "\n")
        for part in ["01:07", "412 orders committed, 45 rolled back", "retries 44", "dead letters 9", "512", " 99 "] {
            #expect(text.contains(part), "\(part) in\n\(text)")
        }
    }

    @Test func `without block characters the picture is ASCII`() {
        let text = Self.busyScene().picture(width: 120, blocks: false).joined()
        #expect(text.utf8.allSatisfy { $0 < 0x80 })
    }

    @Test func `what is not nothing has a bar, and the whole has a full one`() {
        let bar = Bar(hasBlocks: true)
        #expect(bar.line(0, of: 10, width: 8) == "")
        #expect(bar.line(1, of: 1_000_000, width: 8) == "▏")
        #expect(bar.line(10, of: 10, width: 8) == "████████")
        #expect(bar.line(20, of: 10, width: 8) == "████████")
        #expect(Bar(hasBlocks: false).line(1, of: 1_000_000, width: 8) == "#")
    }

    @Test func `a curve has its largest value at full height`() {
        let bar = Bar(hasBlocks: true)
        #expect(bar.curve([0.0, 50, 100]) == "▁▄█")
        #expect(bar.curve([0.0, 0]) == "▁▁")
        #expect(bar.curve([Double]()) == "")
    }

    @Test func `the pulse is the growth of a count per second, over half a second at least`() {
        var pulse = Pulse()
        let start = Instant(nanoseconds: 0)
        pulse.note(completed: 10, at: start)
        pulse.note(completed: 30, at: start + .milliseconds(200))
        #expect(pulse.rates == [])
        pulse.note(completed: 60, at: start + .milliseconds(500))
        pulse.note(completed: 60, at: start + .milliseconds(1_500))
        #expect(pulse.rates == [100, 0])
    }
}
