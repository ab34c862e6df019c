import Simulator
import TallypostCore
import Testing

@Suite struct SimulationTests {
    @Test func `every rule holds in a thousand seeds`() async {
        let findings = await withTaskGroup(of: [String].self) { group in
            for part in UInt64(0)..<2 {
                group.addTask { stride(from: 1 + part, through: 1_000, by: 2).compactMap { Simulation.play(seed: $0).finding } }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
        #expect(findings.isEmpty, "\(findings.joined(separator: "\n\n"))")
    }

    /// Swift hashes with another seed in every process: an order of sets or dictionaries that shows would show here.
    @Test func `the same seeds take the same course in another process`() async throws {
        let other = try await #require(processExitsWith: .success, observing: [\.standardOutputContent]) {
            print("courses: \(SimulationTests.courses())")
        }
        let printed = String(decoding: other.standardOutputContent, as: UTF8.self)
        #expect(printed.contains("courses: \(Self.courses())"))
    }

    private static func courses() -> [UInt64] { (2_001...2_060).map { Simulation.play(seed: $0).traceHash } }

    @Test func `different seeds take different courses`() {
        #expect(Set((1...50).map { Simulation.play(seed: $0).traceHash }).count == 50)
    }

    @Test func `a finding names its seed, the step, the last events and the command that shows it again`() throws {
        let report = SimulationReport(
            seed: 17, steps: 23, duration: .seconds(1), sent: 0, tasks: 0, counts: [], traceHash: 1, broken: "task 3 is lost",
            lastEvents: ["one", "two"])
        let finding = try #require(report.finding)
        #expect(finding.contains("seed 17, step 23: task 3 is lost"))
        #expect(finding.contains("one\ntwo"))
        #expect(finding.contains("swift run tallypost-simulate --seed 17 --trace"))
    }
}
