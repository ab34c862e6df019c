import Glibc

/// Rows in 64 partitions, in one temporary file that has no name: whatever ends this process, nothing stays behind.
///
/// One thread writes it; when it is finished any number may read.
@safe final class SpillWriter {
    static let partitions = 64
    private static let blockLength = 1 << 16

    private let file: SpillFile
    private let slab: UnsafeMutableRawPointer
    // Behind fixed addresses: an array of a class is asked for exclusive access each time, and every row comes here.
    private let filled: UnsafeMutablePointer<Int>
    private let records: UnsafeMutablePointer<Int>
    private var blocks = [[SpillBlock]](repeating: [], count: partitions)
    private var end: Int64 = 0

    /// - Parameter directory: where temporary files are kept.
    init(in directory: String) throws(LedgerError) {
        file = try SpillFile(in: directory)
        unsafe slab = UnsafeMutableRawPointer.allocate(byteCount: Self.partitions * Self.blockLength, alignment: 64)
        unsafe filled = UnsafeMutablePointer.allocate(capacity: Self.partitions)
        unsafe filled.initialize(repeating: 0, count: Self.partitions)
        unsafe records = UnsafeMutablePointer.allocate(capacity: Self.partitions)
        unsafe records.initialize(repeating: 0, count: Self.partitions)
    }

    deinit {
        unsafe slab.deallocate()
        unsafe filled.deallocate()
        unsafe records.deallocate()
    }

    /// Adds a record whose texts stand in `bytes`, in the order of ``LedgerRecord/Text``.
    func append(_ record: LedgerRecord, texts: (Range<Int>, Range<Int>, Range<Int>, Range<Int>), of bytes: RawSpan, hash: UInt64)
        throws(LedgerError)
    {
        let partition = Int(hash >> 58)
        let length = record.length
        if unsafe filled[partition] + length > Self.blockLength { try flush(partition) }
        unsafe bytes.withUnsafeBytes { bytes in
            var target = unsafe slab + partition * Self.blockLength + filled[partition]
            let head = record.head
            for index in 0..<8 { unsafe target.storeBytes(of: head[index], toByteOffset: index * 8, as: UInt64.self) }
            unsafe target += LedgerRecord.headLength
            unsafe Self.copy(bytes, texts.0, &target)
            unsafe Self.copy(bytes, texts.1, &target)
            unsafe Self.copy(bytes, texts.2, &target)
            unsafe Self.copy(bytes, texts.3, &target)
        }
        unsafe filled[partition] += length
        unsafe records[partition] += 1
    }

    /// Adds a record as it was read, with its head as it is now.
    func append(_ record: LedgerRecord, of bytes: RawSpan, hash: UInt64) throws(LedgerError) {
        try append(
            record,
            texts: (record.range(of: .key), record.range(of: .subject), record.range(of: .reference), record.range(of: .group)),
            of: bytes, hash: hash)
    }

    @unsafe private static func copy(
        _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, _ target: inout UnsafeMutableRawPointer
    ) {
        guard !range.isEmpty, let base = bytes.baseAddress else { return }
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count)
        unsafe target.copyMemory(from: base + range.lowerBound, byteCount: range.count)
        unsafe target += range.count
    }

    private func flush(_ partition: Int) throws(LedgerError) {
        let length = unsafe filled[partition]
        guard length > 0 else { return }
        try unsafe file.write(UnsafeRawBufferPointer(start: slab + partition * Self.blockLength, count: length), at: end)
        blocks[partition].append(SpillBlock(offset: end, length: length))
        end += Int64(length)
        unsafe filled[partition] = 0
    }

    /// Writes what is held, and gives what can be read.
    func finish() throws(LedgerError) -> Spill {
        for partition in 0..<Self.partitions { try flush(partition) }
        let counts = (0..<Self.partitions).map { unsafe records[$0] }
        return Spill(file: file, blocks: blocks, records: counts)
    }
}

/// Where a stretch of a partition stands.
struct SpillBlock: Sendable {
    let offset: Int64
    let length: Int
}

/// A finished file of partitions.
struct Spill: Sendable {
    fileprivate let file: SpillFile
    fileprivate let blocks: [[SpillBlock]]
    /// Records of each partition.
    let records: [Int]

    /// Records in all.
    var count: Int { records.reduce(0, +) }

    /// A partition's length in bytes.
    func length(_ partition: Int) -> Int { blocks[partition].reduce(0) { $0 + $1.length } }

    /// Adds the whole partition to `bytes`.
    func load(_ partition: Int, into bytes: inout [UInt8]) throws(LedgerError) {
        for block in blocks[partition] { try file.read(block, into: &bytes) }
    }

    /// Calls `body` with every record of a partition and the bytes that it stands in.
    func forEach(_ partition: Int, _ body: (LedgerRecord, Span<UInt8>) throws(LedgerError) -> Void) throws(LedgerError) {
        var bytes: [UInt8] = []
        for block in blocks[partition] {
            bytes.removeAll(keepingCapacity: true)
            try file.read(block, into: &bytes)
            let span = bytes.span
            var position = 0
            while position < span.count {
                let record = unsafe LedgerRecord(span.bytes, at: position)
                try body(record, span)
                position += record.length
            }
        }
    }
}

/// The nameless file itself.
final class SpillFile: Sendable {
    private let descriptor: Int32

    /// `O_TMPFILE` of Linux, a macro that Swift does not import (asm-generic/fcntl.h).
    private static let temporary = 0o20_000_000 | O_DIRECTORY

    init(in directory: String) throws(LedgerError) {
        // It never has a name; on a file system that cannot do that it has one for a moment.
        let nameless = unsafe open(directory, Self.temporary | O_RDWR | O_CLOEXEC, 0o600)
        if nameless >= 0 {
            descriptor = nameless
            return
        }
        var path = Array("\(directory)/tallypost-import-XXXXXX".utf8CString)
        let opened = unsafe mkstemp(&path)
        guard opened >= 0 else { throw Self.fault("made", in: directory) }
        descriptor = opened
        unsafe unlink(path)
    }

    deinit { close(descriptor) }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(LedgerError) {
        var done = 0
        while done < bytes.count {
            guard let base = bytes.baseAddress else { return }
            let count = unsafe pwrite(descriptor, base + done, bytes.count - done, off_t(offset) + done)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Self.fault("written", in: nil) }
            done += count
        }
    }

    func write(_ bytes: [UInt8], at offset: Int64) throws(LedgerError) {
        let result = unsafe bytes.withUnsafeBytes { bytes in
            Result { () throws(LedgerError) in try unsafe write(bytes, at: offset) }
        }
        try result.get()
    }

    func read(_ block: SpillBlock, into bytes: inout [UInt8]) throws(LedgerError) {
        let start = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: block.length))
        var done = 0
        while done < block.length {
            let count = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe pread(
                    descriptor, buffer.baseAddress.map { unsafe $0 + start + done }, block.length - done,
                    off_t(block.offset) + done)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Self.fault("read", in: nil) }
            done += count
        }
    }

    private static func fault(_ what: String, in directory: String?) -> LedgerError {
        let reason = unsafe String(cString: strerror(errno))
        return LedgerError(
            .space, "a temporary file cannot be \(what)\(directory.map { " in \($0)" } ?? ""): \(reason)",
            mend: "set TMPDIR to a directory with room for twice the ledger and as much for our side")
    }
}
