/// A 64-bit hash of bytes, eight at a time: the folded product of wyhash (Wang Yi, public domain).
///
/// With a seed of one run's own it spreads rows over partitions; with ``stable`` it names a ledger's row across imports.
struct LedgerHash {
    private(set) var value: UInt64

    /// For what is kept in the database: never to be changed.
    static let stable: UInt64 = 0x7461_6C6C_7970_6F73

    init(seed: UInt64) { value = seed ^ 0x9E37_79B9_7F4A_7C15 }

    mutating func combine(_ word: UInt64) {
        let product = (value ^ word ^ 0xA076_1D64_78BD_642F).multipliedFullWidth(by: word &+ 0xE703_7ED1_A0B4_28DB | 1)
        value = value.multipliedFullWidth(by: 0x8EBC_6AF0_9C88_C6E3).low ^ product.high ^ product.low &* 0xD6E8_FEB8_6659_FD93
    }

    /// The bytes and how many they are.
    mutating func combine(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) {
        var position = start
        while position + 8 <= end {
            combine(unsafe bytes.bytes.unsafeLoadUnaligned(fromByteOffset: position, as: UInt64.self).littleEndian)
            position += 8
        }
        var word: UInt64 = 0
        while position < end {
            word = word << 8 | UInt64(bytes[position])
            position += 1
        }
        combine(word)
        combine(UInt64(truncatingIfNeeded: end - start))
    }

    /// Every bit of it depends on every bit that went in. Never 0, which stands for "none".
    func finish() -> UInt64 {
        var hash = value
        hash = (hash ^ hash >> 32) &* 0xD6E8_FEB8_6659_FD93
        hash = (hash ^ hash >> 32) &* 0xD6E8_FEB8_6659_FD93
        hash ^= hash >> 32
        return hash == 0 ? 1 : hash
    }
}
