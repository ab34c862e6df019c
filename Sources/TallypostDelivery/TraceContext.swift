/// The W3C trace context of an attempt: the trace goes on, every attempt is a new span in it.
struct TraceContext: Equatable {
    var traceHigh: UInt64
    var traceLow: UInt64
    var flags: UInt8

    /// Continues a valid `traceparent`. Anything else (all-zero ids, version ff, upper case, wrong lengths) is nil, and the trace
    /// starts anew, as the recommendation says (Trace Context Level 1, section 3.2.4).
    init?(parsing text: String) {
        let bytes = text.utf8.span
        guard bytes.count >= 55, bytes[2] == Self.dash, bytes[35] == Self.dash, bytes[52] == Self.dash,
            let version = Self.hex(bytes, 0, 2), version != 0xFF,
            let high = Self.hex(bytes, 3, 16), let low = Self.hex(bytes, 19, 16), high | low != 0,
            let parent = Self.hex(bytes, 36, 16), parent != 0,
            let flags = Self.hex(bytes, 53, 2)
        else { return nil }
        // Version 00 ends here; a later one may go on after another dash, and only its flags that we know are kept.
        guard bytes.count == 55 || (version > 0 && bytes[55] == Self.dash) else { return nil }
        traceHigh = high
        traceLow = low
        self.flags = UInt8(version == 0 ? flags : flags & 1)
    }

    /// A new trace that all attempts of a task share: its id is the start of a SHA-256 of the idempotency key.
    ///
    /// It is marked as sampled. Not sampled would tell receivers that sample as their parent does to record nothing, where
    /// without the header they would have recorded.
    init(keyDigest: [UInt8]) {
        var words: (UInt64, UInt64) = (0, 0)
        for byte in keyDigest.prefix(8) { words.0 = words.0 << 8 | UInt64(byte) }
        for byte in keyDigest.dropFirst(8).prefix(8) { words.1 = words.1 << 8 | UInt64(byte) }
        traceHigh = words.0
        traceLow = words.0 | words.1 == 0 ? 1 : words.1
        flags = 1
    }

    /// The header's value, with `span` as the parent of whatever the receiver does.
    func append(span: UInt64, to head: inout [UInt8]) {
        head.append(contentsOf: "00-".utf8)
        head.append(hex: traceHigh)
        head.append(hex: traceLow)
        head.append(Self.dash)
        head.append(hex: span)
        head.append(Self.dash)
        head.append(hexByte: flags)
    }

    private static let dash = UInt8(ascii: "-")

    /// Lower-case digits only.
    private static func hex(_ bytes: borrowing Span<UInt8>, _ start: Int, _ count: Int) -> UInt64? {
        var value: UInt64 = 0
        for index in start..<start + count {
            switch bytes[index] {
            case let digit where digit &- UInt8(ascii: "0") < 10: value = value << 4 | UInt64(digit &- UInt8(ascii: "0"))
            case let digit where digit &- UInt8(ascii: "a") < 6: value = value << 4 | UInt64(digit &- UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return value
    }
}
