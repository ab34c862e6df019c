import TallypostCore

extension Timestamp {
    /// Reads `2026-03-01T09:30:00Z`, with a fraction and an offset (`+02:00`) where there are; RFC 3339, section 5.6.
    init?(iso8601 text: String) {
        let bytes = Array(text.utf8)
        func number(_ start: Int, _ count: Int) -> Int64? {
            guard start + count <= bytes.count, bytes[start..<start + count].allSatisfy({ (0x30...0x39).contains($0) }) else {
                return nil
            }
            return bytes[start..<start + count].reduce(0) { $0 * 10 + Int64($1 - 0x30) }
        }
        func isThere(_ mark: Character, _ position: Int) -> Bool {
            position < bytes.count && bytes[position] | 0x20 == (mark.asciiValue ?? 0) | 0x20
        }
        guard let year = number(0, 4), isThere("-", 4), let month = number(5, 2), isThere("-", 7), let day = number(8, 2),
            isThere("T", 10) || isThere(" ", 10), let hour = number(11, 2), isThere(":", 13), let minute = number(14, 2),
            isThere(":", 16), let second = number(17, 2), hour < 24, minute < 60, second < 60
        else { return nil }
        let date = CivilDay(year: year, month: month, day: day)
        guard date.exists else { return nil }
        var position = 19
        var micros: Int64 = 0
        if isThere(".", position) {
            let digits = bytes[(position + 1)...].prefix { (0x30...0x39).contains($0) }
            guard !digits.isEmpty else { return nil }
            for index in 0..<6 {
                micros = micros * 10 + (index < digits.count ? Int64(digits[digits.startIndex + index] - 0x30) : 0)
            }
            position += 1 + digits.count
        }
        var offset: Int64 = 0
        if isThere("Z", position), bytes.count == position + 1 {
            offset = 0
        } else {
            guard bytes.count == position + 6, bytes[position] == 0x2B || bytes[position] == 0x2D,
                let hours = number(position + 1, 2), isThere(":", position + 3), let minutes = number(position + 4, 2),
                hours < 24, minutes < 60
            else { return nil }
            offset = (hours * 3_600 + minutes * 60) * (bytes[position] == 0x2D ? -1 : 1)
        }
        let seconds = date.daysSinceEpoch * 86_400 + hour * 3_600 + minute * 60 + second - offset
        self.init(microseconds: seconds * 1_000_000 + micros)
    }
}
