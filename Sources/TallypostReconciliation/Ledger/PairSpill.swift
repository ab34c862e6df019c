/// Pairs of a task's id and its ledger row's hash, waiting to be written: 16 bytes each, in 64 partitions by chunk of ids.
@safe final class PairSpill {
    static let partitions = 64
    private static let most = 4_096
    private let file: SpillFile
    private var held = [[UInt64]](repeating: [], count: partitions)
    private var blocks = [[SpillBlock]](repeating: [], count: partitions)
    private var end: Int64 = 0
    private(set) var count = 0

    init(in directory: String) throws(LedgerError) { file = try SpillFile(in: directory) }

    func append(id: Int64, hash: UInt64) throws(LedgerError) {
        let partition = Int(UInt64(bitPattern: LedgerMatches.chunk(of: id)) % UInt64(Self.partitions))
        held[partition].append(UInt64(bitPattern: id))
        held[partition].append(hash)
        count += 1
        if held[partition].count >= Self.most { try flush(partition) }
    }

    private func flush(_ partition: Int) throws(LedgerError) {
        let length = held[partition].count * 8
        guard length > 0 else { return }
        try file.write(words: held[partition], at: end)
        blocks[partition].append(SpillBlock(offset: end, length: length))
        end += Int64(length)
        held[partition].removeAll(keepingCapacity: true)
    }

    func finish() throws(LedgerError) -> Pairs {
        for partition in 0..<Self.partitions { try flush(partition) }
        held = []
        return Pairs(file: file, blocks: blocks, count: count)
    }
}

/// Finished pairs.
struct Pairs: Sendable {
    fileprivate let file: SpillFile
    fileprivate let blocks: [[SpillBlock]]
    let count: Int

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

    /// Later ones stand for earlier ones of the same id.
    static func pack(_ pairs: ArraySlice<(id: Int64, hash: UInt64)>, onto old: [UInt8]?) -> [UInt8] {
        var byPlace: [UInt16: UInt64] = [:]
        if let old { forEach(old) { byPlace[$0] = $1 } }
        for pair in pairs { byPlace[UInt16(pair.id & 4_095)] = pair.hash }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(byPlace.count * entryLength)
        for place in byPlace.keys.sorted() {
            bytes.append(UInt8(truncatingIfNeeded: place))
            bytes.append(UInt8(truncatingIfNeeded: place >> 8))
            var hash = byPlace[place] ?? 0
            for _ in 0..<8 {
                bytes.append(UInt8(truncatingIfNeeded: hash))
                hash >>= 8
            }
        }
        return bytes
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
