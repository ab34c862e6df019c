import TallypostCore

extension Timestamp {
    /// Reads a timestamptz as PostgreSQL prints it in DateStyle ISO: `2026-11-21 04:05:06.789+00`, `…+05:30`. Nil for any other form.
    init?(postgresText text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count >= 22, bytes[4] == UInt8(ascii: "-"), bytes[10] == UInt8(ascii: " ") else { return nil }
        func number(_ range: Range<Int>) -> Int64? { Int64(String(decoding: bytes[range], as: UTF8.self)) }
        guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10), let hour = number(11..<13),
            let minute = number(14..<16), let second = number(17..<19),
            let zone = bytes.lastIndex(where: { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "-") }), zone >= 19
        else { return nil }
        var fraction: Int64 = 0
        if zone > 20 {
            let digits = String(decoding: bytes[20..<zone], as: UTF8.self)
            guard let value = Int64(digits), digits.count <= 6 else { return nil }
            fraction = value
            for _ in digits.count..<6 { fraction *= 10 }
        }
        let parts = String(decoding: bytes[(zone + 1)...], as: UTF8.self).split(separator: ":").compactMap { Int64($0) }
        guard let hours = parts.first else { return nil }
        var offset = hours * 3_600 + (parts.count > 1 ? parts[1] * 60 : 0) + (parts.count > 2 ? parts[2] : 0)
        if bytes[zone] == UInt8(ascii: "-") { offset = -offset }
        let days = CivilDay(year: year, month: month, day: day).daysSinceEpoch
        self.init(microseconds: (days * 86_400 + hour * 3_600 + minute * 60 + second - offset) * 1_000_000 + fraction)
    }
}
