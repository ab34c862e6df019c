/// Reads a TZif file (RFC 8536) as tzdata has one for each zone. Pure: the bytes are somebody else's to fetch.
struct ZoneFile {
    private let bytes: [UInt8]

    /// How far a zone's rule for the future is reckoned out: the calendar repeats itself after 400 years, and nobody plans beyond.
    private static let lastYear: Int64 = 2_400

    private struct Header {
        let version: UInt8
        let leapCount: Int
        let timeCount: Int
        let typeCount: Int
        let characterCount: Int
        let standardCount: Int
        let universalCount: Int

        func bodyLength(timeSize: Int) -> Int {
            timeCount * (timeSize + 1) + typeCount * 6 + characterCount + leapCount * (timeSize + 4) + standardCount
                + universalCount
        }
    }

    private static let headerLength = 44

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func zone() throws(ScheduleError) -> Zone {
        let first = try header(at: 0)
        guard first.version > 0 else { return try zone(first, at: Self.headerLength, timeSize: 4, footer: nil) }
        // The first block is for readers that know only 32 bits.
        let start = Self.headerLength + first.bodyLength(timeSize: 4)
        let second = try header(at: start)
        let body = start + Self.headerLength
        let end = body + second.bodyLength(timeSize: 8)
        guard end < bytes.count, bytes[end] == 0x0A, let stop = bytes[(end + 1)...].firstIndex(of: 0x0A) else {
            throw ScheduleError("its file has no end: not as RFC 8536 says")
        }
        let footer = String(decoding: bytes[(end + 1)..<stop], as: UTF8.self)
        return try zone(second, at: body, timeSize: 8, footer: footer.isEmpty ? nil : footer)
    }

    private func header(at start: Int) throws(ScheduleError) -> Header {
        guard start + Self.headerLength <= bytes.count, bytes[start..<(start + 4)].elementsEqual("TZif".utf8) else {
            throw ScheduleError("its file is no time zone as RFC 8536 says")
        }
        func count(_ index: Int) -> Int { Int(number(at: start + 20 + index * 4, size: 4) & 0xFFFF_FFFF) }
        let header = Header(
            version: bytes[start + 4], leapCount: count(2), timeCount: count(3), typeCount: count(4), characterCount: count(5),
            standardCount: count(1), universalCount: count(0))
        let most = 1 << 20
        guard header.typeCount > 0, header.bodyLength(timeSize: 8) < most else {
            throw ScheduleError("its file has no types of time, or too many")
        }
        return header
    }

    private func zone(_ header: Header, at start: Int, timeSize: Int, footer: String?) throws(ScheduleError) -> Zone {
        guard start + header.bodyLength(timeSize: timeSize) <= bytes.count else { throw ScheduleError("its file is cut off") }
        guard header.leapCount == 0 else {
            throw ScheduleError("it counts leap seconds, which no database's clock does; leave out \"right/\"")
        }
        let indices = start + header.timeCount * timeSize
        let types = indices + header.timeCount
        func offset(ofType type: Int) -> Int64 { number(at: types + type * 6, size: 4) }
        var changes: [(at: Int64, offset: Int64)] = []
        for index in 0..<header.timeCount {
            let type = Int(bytes[indices + index])
            let moment = number(at: start + index * timeSize, size: timeSize)
            guard type < header.typeCount, changes.last.map({ $0.at < moment }) ?? true else {
                throw ScheduleError("its file contradicts itself")
            }
            changes.append((moment, offset(ofType: type)))
        }
        if let footer { changes += try future(footer, after: changes.last?.at) }
        return Zone(firstOffset: offset(ofType: 0), changes: changes)
    }

    /// Changes by the rule of the file's last line.
    private func future(_ footer: String, after last: Int64?) throws(ScheduleError) -> [(at: Int64, offset: Int64)] {
        let rule = try ZoneRule(parsing: footer)
        guard let summer = rule.summer else {
            // The same for ever: it says what the last change said, or what holds when there was none.
            return last == nil ? [(.min, rule.standardOffset)] : []
        }
        let after = last ?? .min
        let firstYear = last.map { CivilDay(daysSinceEpoch: $0.dividedDown(by: 86_400)).year } ?? 1_970
        var changes: [(at: Int64, offset: Int64)] = []
        for year in firstYear...max(firstYear, Self.lastYear) {
            let start = (at: summer.start.moment(in: year) - rule.standardOffset, offset: summer.offset)
            let end = (at: summer.end.moment(in: year) - summer.offset, offset: rule.standardOffset)
            for change in start.at <= end.at ? [start, end] : [end, start] where change.at > after { changes.append(change) }
        }
        return changes
    }

    /// Big-endian, two's complement.
    private func number(at start: Int, size: Int) -> Int64 {
        var value: Int64 = Int64(Int8(bitPattern: bytes[start]))
        for index in 1..<size { value = value << 8 | Int64(bytes[start + index]) }
        return value
    }
}

extension Zone {
    /// Reads a zone's file of tzdata.
    public init(tzif bytes: [UInt8]) throws(ScheduleError) { self = try ZoneFile(bytes).zone() }
}
