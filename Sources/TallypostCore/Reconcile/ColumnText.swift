/// Reads numbers and times from what a database holds as text; nil for what is none. Nothing is allocated: millions of cells pass here.
package enum ColumnText {
    /// A whole number of 64 bits in decimal: `-17`, `+4`, and `12.00`, which is whole too.
    package static func integer(_ text: UnsafeRawBufferPointer) -> Int64? {
        var position = 0
        var isNegative = false
        if position < text.count, unsafe text[position] == UInt8(ascii: "-") || text[position] == UInt8(ascii: "+") {
            isNegative = unsafe text[position] == UInt8(ascii: "-")
            position += 1
        }
        var value: Int64 = 0
        let start = position
        while position < text.count, let digit = unsafe digit(text[position]) {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, more) = isNegative ? product.subtractingReportingOverflow(digit) : product.addingReportingOverflow(digit)
            guard !overflow, !more else { return nil }
            value = sum
            position += 1
        }
        guard position > start else { return nil }
        if position < text.count {
            guard unsafe text[position] == UInt8(ascii: "."), position + 1 < text.count,
                unsafe text[(position + 1)...].allSatisfy({ $0 == UInt8(ascii: "0") })
            else { return nil }
        }
        return value
    }

    /// ISO 8601 in the forms that applications write and databases print: `2026-03-01`, `2026-03-01 09:30`, `2026-03-01T09:30:00.123456Z`,
    /// `…+02`, `…-03:30`, `infinity`. Without an offset it is UTC.
    package static func time(_ text: UnsafeRawBufferPointer) -> Timestamp? {
        guard text.count >= 10 else { return unsafe infinity(text) }
        guard let year = unsafe number(text, 0, 4), unsafe text[4] == UInt8(ascii: "-"), let month = unsafe number(text, 5, 2),
            unsafe text[7] == UInt8(ascii: "-"), let day = unsafe number(text, 8, 2), (1...12).contains(month),
            (1...31).contains(day)
        else { return nil }
        let date = CivilDay(year: year, month: month, day: day)
        guard day <= 28 || date.exists else { return nil }
        var seconds = date.daysSinceEpoch * 86_400
        guard text.count > 10 else { return Timestamp(microseconds: seconds * 1_000_000) }
        guard text.count >= 16,
            unsafe text[10] == UInt8(ascii: "T") || text[10] == UInt8(ascii: " ") || text[10] == UInt8(ascii: "t"),
            let hour = unsafe number(text, 11, 2), unsafe text[13] == UInt8(ascii: ":"), let minute = unsafe number(text, 14, 2),
            hour < 24, minute < 60
        else { return nil }
        seconds += hour * 3_600 + minute * 60
        var position = 16
        var micros: Int64 = 0
        if position < text.count, unsafe text[position] == UInt8(ascii: ":") {
            guard let second = unsafe number(text, 17, 2), second < 60 else { return nil }
            seconds += second
            position = 19
            if position < text.count, unsafe text[position] == UInt8(ascii: ".") {
                position += 1
                var unit: Int64 = 100_000
                let start = position
                while position < text.count, let digit = unsafe digit(text[position]) {
                    micros += digit * unit
                    unit /= 10
                    position += 1
                }
                guard position > start else { return nil }
            }
        }
        guard let offset = unsafe offset(text, position) else { return nil }
        return Timestamp(microseconds: (seconds - offset) * 1_000_000 + micros)
    }

    /// What stands behind the time of day, in seconds east of Greenwich.
    @unsafe private static func offset(_ text: UnsafeRawBufferPointer, _ start: Int) -> Int64? {
        let rest = text.count - start
        if rest == 0 { return 0 }
        let sign = unsafe text[start]
        if sign | 0x20 == UInt8(ascii: "z") { return rest == 1 ? 0 : nil }
        guard sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-"), let hours = unsafe number(text, start + 1, 2), hours < 24
        else {
            return nil
        }
        var seconds = hours * 3_600
        var position = start + 3
        for unit in [60, 1] as [Int64] where position < text.count {
            if unsafe text[position] == UInt8(ascii: ":") { position += 1 }
            guard let part = unsafe number(text, position, 2), part < 60 else { return nil }
            seconds += part * unit
            position += 2
        }
        guard position == text.count else { return nil }
        return sign == UInt8(ascii: "-") ? -seconds : seconds
    }

    @unsafe private static func infinity(_ text: UnsafeRawBufferPointer) -> Timestamp? {
        switch unsafe String(decoding: text, as: UTF8.self) {
        case "infinity": Timestamp(microseconds: .max)
        case "-infinity": Timestamp(microseconds: .min)
        default: nil
        }
    }

    @unsafe private static func number(_ text: UnsafeRawBufferPointer, _ start: Int, _ count: Int) -> Int64? {
        guard start + count <= text.count else { return nil }
        var value: Int64 = 0
        for position in start..<start + count {
            guard let digit = unsafe digit(text[position]) else { return nil }
            value = value * 10 + digit
        }
        return value
    }

    private static func digit(_ byte: UInt8) -> Int64? {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) ? Int64(byte - UInt8(ascii: "0")) : nil
    }
}
