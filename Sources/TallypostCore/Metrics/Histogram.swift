/// How long things took, in fixed steps: a row of counters without any memory of its own, so that counting costs a few comparisons.
public struct Histogram: Sendable {
    /// Upper bounds, in seconds as people read them.
    static let bounds: [(label: String, nanoseconds: Int64)] = [
        ("0.001", 1_000_000), ("0.0025", 2_500_000), ("0.005", 5_000_000), ("0.01", 10_000_000), ("0.025", 25_000_000),
        ("0.05", 50_000_000), ("0.1", 100_000_000), ("0.25", 250_000_000), ("0.5", 500_000_000), ("1.0", 1_000_000_000),
        ("2.5", 2_500_000_000), ("5.0", 5_000_000_000), ("10.0", 10_000_000_000), ("30.0", 30_000_000_000),
        ("60.0", 60_000_000_000), ("300.0", 300_000_000_000), ("900.0", 900_000_000_000), ("3600.0", 3_600_000_000_000),
    ]

    /// Those found between two bounds, the last being beyond all of them.
    private(set) var counts: [19 of UInt64] = .init(repeating: 0)
    /// Microseconds in all: nanoseconds would be full after 292 years of waiting tasks, which a backlog of a million reaches in hours.
    private(set) var sum: UInt64 = 0

    /// Counts one; a negative time, by two clocks that disagree, counts as none.
    mutating func add(_ span: TimeSpan) {
        let nanoseconds = max(0, span.nanoseconds)
        counts[Self.step(of: nanoseconds)] += 1
        sum &+= UInt64(nanoseconds / 1_000)
    }

    /// By halves, and in numbers instead of a table: this is done for every answer.
    private static func step(of nanoseconds: Int64) -> Int {
        if nanoseconds <= 250_000_000 {
            if nanoseconds <= 10_000_000 {
                if nanoseconds <= 2_500_000 { return nanoseconds <= 1_000_000 ? 0 : 1 }
                return nanoseconds <= 5_000_000 ? 2 : 3
            }
            if nanoseconds <= 50_000_000 { return nanoseconds <= 25_000_000 ? 4 : 5 }
            return nanoseconds <= 100_000_000 ? 6 : 7
        }
        if nanoseconds <= 10_000_000_000 {
            if nanoseconds <= 1_000_000_000 { return nanoseconds <= 500_000_000 ? 8 : 9 }
            if nanoseconds <= 2_500_000_000 { return 10 }
            return nanoseconds <= 5_000_000_000 ? 11 : 12
        }
        if nanoseconds <= 60_000_000_000 { return nanoseconds <= 30_000_000_000 ? 13 : 14 }
        if nanoseconds <= 300_000_000_000 { return 15 }
        if nanoseconds <= 900_000_000_000 { return 16 }
        return nanoseconds <= 3_600_000_000_000 ? 17 : 18
    }
}
