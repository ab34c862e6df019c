package import TallypostCore

/// Days as a zone's clocks on the wall have them; a day is its number after 1970-01-01.
package struct LocalDays: Sendable {
    private let zone: Zone

    /// - Parameter zone: whose clocks.
    package init(zone: Zone) { self.zone = zone }

    /// The day that a moment lies in.
    package func day(of time: Timestamp) -> Int64 { Self.down(local(Self.down(time.microseconds, 1_000_000)), 86_400) }

    /// The day's first moment: the first from which on no clock shows an earlier day.
    ///
    /// Where midnight is skipped, that is the first moment after the gap; where clocks are put back over midnight, the second midnight;
    /// where they are put back to it, the first. A day that the zone left out begins, and ends, with the next.
    package func start(of day: Int64) -> Timestamp {
        let midnight = day * 86_400
        // The last moment that a clock shows the day before, found in steps no longer than any zone keeps an offset.
        var low = midnight + 26 * 3_600
        while local(low) >= midnight { low -= 900 }
        var high = low + 900
        while high - low > 1 {
            let middle = low + (high - low) / 2
            if local(middle) < midnight { low = middle } else { high = middle }
        }
        return Timestamp(microseconds: high * 1_000_000)
    }

    /// `2026-11-19`.
    package static func name(of day: Int64) -> String { String(Timestamp(microseconds: day * 86_400_000_000).iso8601.prefix(10)) }

    private func local(_ moment: Int64) -> Int64 { moment + zone.offset(at: moment) }

    private static func down(_ number: Int64, _ divisor: Int64) -> Int64 {
        let (whole, rest) = number.quotientAndRemainder(dividingBy: divisor)
        return rest < 0 ? whole - 1 : whole
    }
}
