import TallypostCore

/// Adds up a scan's movements. With numbers for keys: hashing a key with its texts for every row would cost more than the rest of the scan.
struct MovementSums {
    /// A key in numbers: quick to compare.
    private struct Slot: Hashable {
        var recorded: Int64
        var effective: Int64
        var series: Int32
        var kind: UInt8
    }

    /// Quarters have numbers too; none lies so far back.
    private static let noQuarter = Int64.min
    private static let quarterLength: Int64 = 900_000_000

    /// The series that it knows, by number.
    private(set) var series = SeriesTable()
    private var slots: [Slot] = []
    private var tallies: [Tally] = []
    private var index: [Slot: Int] = [:]
    /// The slot last used of each kind: rows of one time come together.
    private var last = [Int](repeating: -1, count: MovementKind.allCases.count)

    /// All that moved; what added up to nothing is left out.
    var book: MovementBook {
        var book: MovementBook = [:]
        for (place, slot) in slots.enumerated() where !tallies[place].isZero { book[key(of: slot)] = tallies[place] }
        return book
    }

    mutating func number(of series: Series) -> Int32 { self.series.index(of: series) }

    /// Sees to it that a chunk's unpacking knows the series by the same numbers.
    mutating func withSeries<Result>(
        _ body: (inout SeriesTable) throws(RegisterError) -> Result
    ) throws(RegisterError) -> Result { try body(&series) }

    /// What happened to one series: recorded when the books could see it first, never before the last run, never after this one.
    mutating func add(
        _ kind: MovementKind, series: Int32, at time: Timestamp, previousAsOf: Timestamp?, asOf: Timestamp, _ tally: Tally
    ) {
        let seen = min(max(time, previousAsOf ?? time), asOf)
        let (recorded, own) = (Self.number(of: seen), Self.number(of: time))
        add(kind, series: series, recorded: recorded, effective: own < recorded ? own : Self.noQuarter, tally)
    }

    private mutating func add(_ kind: MovementKind, series: Int32, recorded: Int64, effective: Int64, _ tally: Tally) {
        let slot = Slot(recorded: recorded, effective: effective, series: series, kind: Self.number(of: kind))
        let recent = last[Int(slot.kind)]
        if recent >= 0, slots[recent] == slot {
            tallies[recent] += tally
            return
        }
        let place: Int
        if let found = index[slot] {
            place = found
        } else {
            place = slots.count
            index[slot] = place
            slots.append(slot)
            tallies.append(.zero)
        }
        tallies[place] += tally
        last[Int(slot.kind)] = place
    }

    private func key(of slot: Slot) -> MovementKey {
        MovementKey(
            recorded: Self.quarter(slot.recorded),
            effective: slot.effective == Self.noQuarter ? nil : Self.quarter(slot.effective),
            series: series[slot.series], kind: MovementKind.allCases[Int(slot.kind)])
    }

    private static func quarter(_ number: Int64) -> Timestamp { Timestamp(microseconds: number * quarterLength) }

    private static func number(of time: Timestamp) -> Int64 {
        let (whole, rest) = time.microseconds.quotientAndRemainder(dividingBy: quarterLength)
        return rest < 0 ? whole - 1 : whole
    }

    private static func number(of kind: MovementKind) -> UInt8 {
        switch kind {
        case .created: 0
        case .reopened: 1
        case .completed: 2
        case .cancelled: 3
        case .purgedOpen: 4
        case .purgedSettled: 5
        case .unexplainedOpen: 6
        case .unexplained: 7
        }
    }
}
