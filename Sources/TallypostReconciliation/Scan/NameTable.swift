/// Numbers for texts that come again and again (types, currencies, statuses), found by their bytes: no string is made for a row.
struct NameTable {
    /// The texts, by their numbers.
    private(set) var names: [String] = []
    private var bytes: [[UInt8]] = []
    /// A hash table with open places, a power of two long; −1: free.
    private var places = [Int32](repeating: -1, count: 64)
    private var last: Int32 = -1

    /// The number of the text with these bytes.
    mutating func index(of text: UnsafeRawBufferPointer) -> Int32 {
        if last >= 0, unsafe isEqual(last, text) { return last }
        let hash = unsafe StableHash.of(text)
        var place = Int(truncatingIfNeeded: hash) & (places.count - 1)
        while places[place] >= 0 {
            if unsafe isEqual(places[place], text) {
                last = places[place]
                return last
            }
            place = (place + 1) & (places.count - 1)
        }
        unsafe bytes.append(Array(text))
        unsafe names.append(String(decoding: text, as: UTF8.self))
        last = Int32(names.count - 1)
        places[place] = last
        if names.count * 2 > places.count { grow() }
        return last
    }

    private func isEqual(_ index: Int32, _ text: UnsafeRawBufferPointer) -> Bool {
        let own = bytes[Int(index)]
        guard own.count == text.count else { return false }
        for place in 0..<own.count where unsafe own[place] != text[place] { return false }
        return true
    }

    private mutating func grow() {
        places = [Int32](repeating: -1, count: places.count * 2)
        for (index, own) in bytes.enumerated() {
            var place = unsafe own.withUnsafeBytes { unsafe Int(truncatingIfNeeded: StableHash.of($0)) } & (places.count - 1)
            while places[place] >= 0 { place = (place + 1) & (places.count - 1) }
            places[place] = Int32(index)
        }
    }
}

/// A quick 64-bit hash that is the same on every machine and in every run: the register keeps half of it. Not for secrets.
enum StableHash {
    static let seed: UInt64 = 0x9E37_79B9_7F4A_7C15

    static func of(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = seed) -> UInt64 {
        var hash = seed ^ UInt64(bytes.count)
        var place = 0
        while place + 8 <= bytes.count {
            let word = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
            hash = mixed(hash ^ word)
            place += 8
        }
        var rest: UInt64 = 0
        while place < bytes.count {
            unsafe rest = rest << 8 | UInt64(bytes[place])
            place += 1
        }
        return mixed(hash ^ rest)
    }

    /// SplitMix64's finish: each bit of the word reaches every bit of the hash.
    static func mixed(_ word: UInt64) -> UInt64 {
        var z = word &+ seed
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// Numbers for series.
struct SeriesTable: Sendable {
    /// The series, by their numbers.
    private(set) var all: [Series] = []
    private var numbers: [Series: Int32] = [:]

    mutating func index(of series: Series) -> Int32 {
        if let number = numbers[series] { return number }
        let number = Int32(all.count)
        all.append(series)
        numbers[series] = number
        return number
    }

    subscript(number: Int32) -> Series { all[Int(number)] }
}
