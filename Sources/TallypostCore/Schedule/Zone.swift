/// A time zone: what is added to UTC, and from when to when.
///
/// Made from the system's tzdata, in the format of RFC 8536. Changes that the file only states as a rule for the future are
/// reckoned out for as long as the calendar needs to repeat itself.
public struct Zone: Sendable, Equatable {
    /// A stretch of time with one offset.
    struct Segment: Sendable, Equatable {
        /// Its first second; `Int64.min` for the first of all.
        var start: Int64
        /// The second after its last; `Int64.max` for the last of all.
        var end: Int64
        /// Added to UTC: seconds.
        var offset: Int64
        /// The offset before it; its own for the first of all.
        var offsetBefore: Int64
    }

    /// When the offset changes, ascending, and to what: neighbours always differ.
    private let changes: [(at: Int64, offset: Int64)]
    /// Before the first change.
    private let firstOffset: Int64

    /// Coordinated Universal Time.
    public static let utc = Zone(firstOffset: 0, changes: [])

    /// Changes that change nothing (another abbreviation, a war-time label) are left out.
    init(firstOffset: Int64, changes all: [(at: Int64, offset: Int64)]) {
        var changes: [(at: Int64, offset: Int64)] = []
        for change in all {
            // Two rules that meet in one second, as those of a zone that is always on summer time: the later one counts.
            if changes.last?.at == change.at { changes.removeLast() }
            if (changes.last?.offset ?? firstOffset) != change.offset { changes.append(change) }
        }
        self.firstOffset = firstOffset
        self.changes = changes
    }

    /// Seconds east of Greenwich at a moment: seconds since 1970, UTC.
    public func offset(at moment: Int64) -> Int64 { segment(at: moment).offset }

    /// The stretch that a moment lies in.
    func segment(at moment: Int64) -> Segment {
        var (low, high) = (0, changes.count)
        while low < high {
            let middle = (low + high) / 2
            if changes[middle].at <= moment { low = middle + 1 } else { high = middle }
        }
        // Changes before `low` have happened.
        let end = low < changes.count ? changes[low].at : .max
        guard low > 0 else { return Segment(start: .min, end: end, offset: firstOffset, offsetBefore: firstOffset) }
        let before = low > 1 ? changes[low - 2].offset : firstOffset
        return Segment(start: changes[low - 1].at, end: end, offset: changes[low - 1].offset, offsetBefore: before)
    }

    /// Whether all moments have the same offsets.
    public static func == (a: Zone, b: Zone) -> Bool {
        a.firstOffset == b.firstOffset && a.changes.elementsEqual(b.changes) { $0 == $1 }
    }
}
