/// Pairs of a task's id and its ledger row's hash, waiting to be written: 16 bytes each, in 64 partitions by chunk of ids.
@safe final class PairSpill {
    static let partitions = 64
    /// Words of each partition that are held.
    private static let most = 4_096
    private let file: SpillFile
    private let slab: UnsafeMutablePointer<UInt64>
    private let filled: UnsafeMutablePointer<Int>
    private var blocks = [[SpillBlock]](repeating: [], count: partitions)
    private var end: Int64 = 0

    init(in directory: String) throws(LedgerError) {
        file = try SpillFile(in: directory)
        unsafe slab = UnsafeMutablePointer.allocate(capacity: Self.partitions * Self.most)
        unsafe filled = UnsafeMutablePointer.allocate(capacity: Self.partitions)
        unsafe filled.initialize(repeating: 0, count: Self.partitions)
    }

    deinit {
        unsafe slab.deallocate()
        unsafe filled.deallocate()
    }

    func append(id: Int64, hash: UInt64) throws(LedgerError) {
        let partition = Int(UInt64(bitPattern: LedgerMatches.chunk(of: id)) % UInt64(Self.partitions))
        let place = unsafe filled[partition]
        unsafe slab[partition * Self.most + place] = UInt64(bitPattern: id)
        unsafe slab[partition * Self.most + place + 1] = hash
        unsafe filled[partition] = place + 2
        if place + 2 == Self.most { try flush(partition) }
    }

    private func flush(_ partition: Int) throws(LedgerError) {
        let length = unsafe filled[partition] * 8
        guard length > 0 else { return }
        try unsafe file.write(UnsafeRawBufferPointer(start: slab + partition * Self.most, count: length), at: end)
        blocks[partition].append(SpillBlock(offset: end, length: length))
        end += Int64(length)
        unsafe filled[partition] = 0
    }

    func finish() throws(LedgerError) -> Pairs {
        for partition in 0..<Self.partitions { try flush(partition) }
        return Pairs(file: file, blocks: blocks)
    }
}

/// Finished pairs.
struct Pairs: Sendable {
    fileprivate let file: SpillFile
    fileprivate let blocks: [[SpillBlock]]

    /// A partition's pairs are added to `pairs`.
    func load(_ partition: Int, into pairs: inout [(id: Int64, hash: UInt64)]) throws(LedgerError) {
        var bytes: [UInt8] = []
        for block in blocks[partition] {
            bytes.removeAll(keepingCapacity: true)
            try file.read(block, into: &bytes)
            unsafe bytes.withUnsafeBytes { bytes in
                for index in stride(from: 0, to: bytes.count, by: 16) {
                    let id = unsafe Int64(bitPattern: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
                    pairs.append((id, unsafe bytes.loadUnaligned(fromByteOffset: index + 8, as: UInt64.self)))
                }
            }
        }
    }
}

/// How `tallypost_ledger_matches` packs 4,096 ids: for each that was matched its place (two bytes, little-endian) and the hash of the
/// ledger's row (eight), by place.
enum LedgerMatches {
    static let idsPerChunk: Int64 = 4_096
    private static let entryLength = 10

    static func chunk(of id: Int64) -> Int64 { id >> 12 }

    /// Pairs in any order; later ones stand for earlier ones of the same id.
    static func pack(_ pairs: ArraySlice<(id: Int64, hash: UInt64)>, onto old: [UInt8]?) -> [UInt8] {
        // No row's hash is 0.
        var byPlace = old.map(unpack) ?? [UInt64](repeating: 0, count: Int(idsPerChunk))
        for pair in pairs { byPlace[Int(pair.id & (idsPerChunk - 1))] = pair.hash }
        let length = byPlace.reduce(0) { $1 == 0 ? $0 : $0 + entryLength }
        return unsafe [UInt8](unsafeUninitializedCapacity: length) { bytes, count in
            for place in byPlace.indices where byPlace[place] != 0 {
                let target = UnsafeMutableRawBufferPointer(bytes)
                unsafe target.storeBytes(of: UInt16(place).littleEndian, toByteOffset: count, as: UInt16.self)
                unsafe target.storeBytes(of: byPlace[place].littleEndian, toByteOffset: count + 2, as: UInt64.self)
                count += entryLength
            }
        }
    }

    /// Those of one chunk together, chunks in order. A partition has one chunk in 64, and few of them: they are counted, not compared.
    static func groupByChunk(_ pairs: inout [(id: Int64, hash: UInt64)]) {
        var (first, last) = (Int64.max, Int64.min)
        for pair in pairs {
            first = min(first, pair.id)
            last = max(last, pair.id)
        }
        guard first < last else { return }
        let base = chunk(of: first) >> 6
        let count = (chunk(of: last) >> 6) - base + 1
        // Ids that lie far apart: a chunk has hardly more than one.
        guard count <= Int64(pairs.count) else { return pairs.sort { $0.id < $1.id } }
        var places = [Int](repeating: 0, count: Int(count) + 1)
        for pair in pairs { places[Int((chunk(of: pair.id) >> 6) - base) + 1] += 1 }
        for index in 1..<places.count { places[index] += places[index - 1] }
        var grouped = [(id: Int64, hash: UInt64)](repeating: (0, 0), count: pairs.count)
        for pair in pairs {
            let index = Int((chunk(of: pair.id) >> 6) - base)
            grouped[places[index]] = pair
            places[index] += 1
        }
        pairs = grouped
    }

    static func forEach(_ bytes: [UInt8], _ body: (UInt16, UInt64) -> Void) {
        for start in stride(from: 0, to: bytes.count - entryLength + 1, by: entryLength) {
            var hash: UInt64 = 0
            for index in (2..<10).reversed() { hash = hash << 8 | UInt64(bytes[start + index]) }
            body(UInt16(bytes[start]) | UInt16(bytes[start + 1]) << 8, hash)
        }
    }

    /// All places of a chunk at once; 0: not matched.
    static func unpack(_ bytes: [UInt8]) -> [UInt64] {
        var hashes = [UInt64](repeating: 0, count: Int(idsPerChunk))
        forEach(bytes) { place, hash in if place < 4_096 { hashes[Int(place)] = hash } }
        return hashes
    }
}
