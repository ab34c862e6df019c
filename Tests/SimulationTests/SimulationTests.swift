import Simulator
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
}
