import Glibc
import Simulator
import Synchronization
import TallypostCore

/// Plays many seeds, or shows one: `tallypost-simulate --seed 17 --trace`.
@main struct Campaign {
    /// What was asked for on the command line.
    struct Order {
        var first: UInt64 = 1
        var count: UInt64 = 1_000
        var jobs = 2
        var traces = false
        /// Stop when so many seeds have failed.
        var mostFindings = 5
    }

    static func main() async {
        guard let order = parse(CommandLine.arguments.dropFirst()) else {
            print(
                """
                usage: tallypost-simulate --seed N [--trace]
                       tallypost-simulate [--from N] [--seeds COUNT] [--jobs N] [--findings N]
                """)
            exit(64)
        }
        let findings = order.count == 1 ? replay(order) : await play(order)
        exit(findings == 0 ? 0 : 1)
    }

    private static func parse(_ arguments: ArraySlice<String>) -> Order? {
        var order = Order()
        var rest = arguments
        while let option = rest.popFirst() {
            if option == "--trace" {
                order.traces = true
                continue
            }
            guard let number = rest.popFirst().flatMap({ UInt64($0) }) else { return nil }
            switch option {
            case "--seed": (order.first, order.count) = (number, 1)
            case "--from": order.first = number
            case "--seeds": order.count = number
            case "--jobs": order.jobs = max(1, min(Int(number), 256))
            case "--findings": order.mostFindings = max(1, Int(clamping: number))
            default: return nil
            }
        }
        return order
    }

    private static func replay(_ order: Order) -> Int {
        let show: @Sendable (String) -> Void = { print($0) }
        let report = Simulation.play(seed: order.first, show: order.traces ? show : nil)
        if let finding = report.finding { print(finding) }
        print(
            "seed \(report.seed): \(report.steps) steps, \(report.duration.seconds) virtual seconds, \(report.tasks) tasks, "
                + "\(report.sent) requests, trace hash \(String(report.traceHash, radix: 16))")
        return report.broken == nil ? 0 : 1
    }

    private static func play(_ order: Order) async -> Int {
        let tally = Tally(order)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<order.jobs {
                group.addTask { while let seed = tally.nextSeed() { tally.add(Simulation.play(seed: seed)) } }
            }
        }
        print(tally.counts)
        print(tally.summary)
        return tally.findings
    }
}

/// Hands out seeds and adds up what came of them.
final class Tally: Sendable {
    private struct Sums {
        var next: UInt64
        var done: UInt64 = 0
        var steps = 0
        var seconds = 0.0
        var tasks = 0
        var sent = 0
        var findings = 0
        var counts: [(name: String, count: Int)] = []
        /// Of all hashes: the same whatever the order of the seeds.
        var hash: UInt64 = 0
    }

    private let order: Campaign.Order
    private let sums: Mutex<Sums>
    private let started = ContinuousClock.now

    init(_ order: Campaign.Order) {
        self.order = order
        sums = Mutex(Sums(next: order.first))
    }

    var findings: Int { sums.withLock { $0.findings } }

    /// What happened how often.
    var counts: String { sums.withLock { sums in sums.counts.map { "\($0.name) \($0.count)" }.joined(separator: ", ") } }

    func nextSeed() -> UInt64? {
        sums.withLock { sums in
            guard sums.next - order.first < order.count, sums.findings < order.mostFindings else { return nil }
            sums.next += 1
            return sums.next - 1
        }
    }

    func add(_ report: SimulationReport) {
        let done = sums.withLock { sums in
            sums.done += 1
            sums.steps += report.steps
            sums.seconds += report.duration.seconds
            sums.tasks += report.tasks
            sums.sent += report.sent
            sums.hash &+= report.traceHash
            if sums.counts.isEmpty { sums.counts = report.counts.map { ($0.name, 0) } }
            for index in report.counts.indices { sums.counts[index].count += report.counts[index].count }
            if report.broken != nil { sums.findings += 1 }
            return sums.done
        }
        if let finding = report.finding { print(finding) }
        if done % max(1, order.count / 20) == 0 { print(summary) }
    }

    var summary: String {
        sums.withLock { sums in
            let took = (ContinuousClock.now - started).components.seconds
            let years = sums.seconds / (365.25 * 86_400)
            return "\(sums.done) seeds in \(took) s: \(Double(Int(years * 1_000)) / 1_000) virtual years, \(sums.steps) steps, "
                + "\(sums.tasks) tasks, \(sums.sent) requests, hash \(String(sums.hash, radix: 16)), \(sums.findings) findings"
        }
    }
}
