/// A chunk of the register of rows cannot be read.
package struct RegisterError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Which chunk.
    package var chunk: Int64
    /// What is wrong with it.
    package var reason: String

    /// One sentence: which chunk, what is wrong.
    package var description: String {
        "chunk \(chunk) of tallypost_register (tasks \(chunk << 12) to \(chunk << 12 | 4_095)) cannot be read: \(reason)"
    }
}

/// A row's status as the register tells it apart. Pending, processing, blocked and waiting are one, so that ordinary work changes nothing.
enum RowClass: UInt8 {
    case open, failed, timeout, completed, cancelled
    /// A status that there is not.
    case other

    /// Settled rows are not in the balance.
    var isSettled: Bool { self == .completed || self == .cancelled }
    /// Retention removes only such.
    var isFinal: Bool { self != .open && self != .other }
    /// For sentences.
    var name: String {
        switch self {
        case .open: "open"
        case .failed: "failed"
        case .timeout: "timeout"
        case .completed: "completed"
        case .cancelled: "cancelled"
        case .other: "of unknown status"
        }
    }

    init(_ status: String) {
        switch status {
        case "failed": self = .failed
        case "timeout": self = .timeout
        case "completed": self = .completed
        case "cancelled": self = .cancelled
        case "pending", "processing", "blocked", "waiting": self = .open
        default: self = .other
        }
    }
}

/// What the register keeps of a row.
struct RowState: Equatable {
    /// Stands for a time that is not there.
    static let noTime = Int64.min

    var id: Int64
    var created = noTime
    /// Milliseconds, as ``created``.
    var finished = noTime
    var amount: Int64 = 0
    var series: Int32 = 0
    /// Half a hash of subject and idempotency key.
    var hash: UInt32 = 0
    var status = RowClass.open
    var hasAmount = false
    /// Completed or cancelled, and something shows for it: an attempt, a signal, deliveries, an event. Of the table's rows alone; the register does not keep it.
    var isEvident = true

    /// The row as a part of a sum.
    var tally: Tally { Tally(one: hasAmount ? amount : nil) }
}

/// The register's packed form of 4,096 ids.
///
/// A version; how many series, each as type and currency (length + 1 and UTF-8; 0: none); how many rows; each row: how many ids were
/// passed over, a byte of flags, and what has changed against the row before. All numbers are varints, signed ones zigzag.
/// The same rows give the same bytes.
enum RegisterChunk {
    private static let version: UInt8 = 1
    /// Flags beside the status in the lower 3 bits.
    private static let amountFlag: UInt8 = 8
    private static let createdFlag: UInt8 = 16
    private static let finishedFlag: UInt8 = 32
    private static let seriesFlag: UInt8 = 64

    /// - Parameters:
    ///   - rows: of one chunk, by ascending id.
    ///   - places: scratch space, −1 throughout before and after: where each series stands in this chunk's list.
    static func pack(_ rows: [RowState], _ series: SeriesTable, places: inout [Int32], into bytes: inout [UInt8]) {
        bytes.removeAll(keepingCapacity: true)
        if places.count < series.all.count {
            places.append(contentsOf: repeatElement(-1, count: series.all.count * 2 - places.count))
        }
        var local: [Int32] = []
        for row in rows where places[Int(row.series)] < 0 {
            places[Int(row.series)] = Int32(local.count)
            local.append(row.series)
        }
        defer { for number in local { places[Int(number)] = -1 } }
        bytes.append(version)
        append(UInt64(local.count), &bytes)
        for number in local {
            append(series[number].type, &bytes)
            append(series[number].currency, &bytes)
        }
        append(UInt64(rows.count), &bytes)
        var before = RowState(id: ((rows.first?.id ?? 0) & ~4_095) &- 1, created: 0, series: -1)
        for row in rows {
            append(UInt64(bitPattern: row.id &- before.id &- 1), &bytes)
            var flags = row.status.rawValue
            if row.hasAmount { flags |= amountFlag }
            if row.created != RowState.noTime { flags |= createdFlag }
            if row.finished != RowState.noTime { flags |= finishedFlag }
            if row.series != before.series { flags |= seriesFlag }
            bytes.append(flags)
            if row.series != before.series { append(UInt64(places[Int(row.series)]), &bytes) }
            if row.hasAmount { append(zigzag(row.amount), &bytes) }
            let created = row.created == RowState.noTime ? before.created : row.created
            if row.created != RowState.noTime { append(zigzag(row.created &- before.created), &bytes) }
            if row.finished != RowState.noTime { append(zigzag(row.finished &- created), &bytes) }
            for shift in stride(from: UInt32(0), to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: row.hash >> shift)) }
            before = row
            before.created = created
        }
    }

    /// The rows of a chunk, by ascending id.
    static func unpack(_ bytes: [UInt8], chunk: Int64, _ series: inout SeriesTable) throws(RegisterError) -> [RowState] {
        var reader = Reader(bytes: bytes, chunk: chunk)
        guard try reader.byte() == version else {
            throw reader.failure(
                "its format is \(bytes[0]), this program reads \(version); run a program as new as the one that wrote it")
        }
        let seriesCount = try reader.count(atMost: 4_096)
        var local: [Int32] = []
        for _ in 0..<seriesCount {
            let type = try reader.text()
            local.append(series.index(of: Series(type: type ?? "", currency: try reader.text())))
        }
        let rowCount = try reader.count(atMost: 4_096)
        var rows: [RowState] = []
        rows.reserveCapacity(rowCount)
        var (offset, created, number) = (Int64(-1), Int64(0), Int32(-1))
        for _ in 0..<rowCount {
            let skipped = try reader.count(atMost: 4_095)
            offset += Int64(skipped) + 1
            guard offset <= 4_095 else { throw reader.failure("a row lies beyond its end") }
            let flags = try reader.byte()
            guard flags < 128, let status = RowClass(rawValue: flags & 7) else {
                throw reader.failure("a row's flags make no sense")
            }
            var row = RowState(id: chunk << 12 | offset, status: status)
            if flags & seriesFlag != 0 {
                let place = try reader.count(atMost: 4_095)
                guard place < local.count else { throw reader.failure("a row's series is not in its list") }
                number = local[place]
            }
            guard number >= 0 else { throw reader.failure("a row has no series") }
            row.series = number
            row.hasAmount = flags & amountFlag != 0
            if row.hasAmount { row.amount = unzigzag(try reader.varint()) }
            if flags & createdFlag != 0 {
                created = created &+ unzigzag(try reader.varint())
                row.created = created
            }
            if flags & finishedFlag != 0 { row.finished = created &+ unzigzag(try reader.varint()) }
            for shift in stride(from: UInt32(0), to: 32, by: 8) { row.hash |= UInt32(try reader.byte()) << shift }
            rows.append(row)
        }
        guard reader.isAtEnd else { throw reader.failure("it goes on after its last row") }
        return rows
    }

    private static func append(_ number: UInt64, _ bytes: inout [UInt8]) {
        var rest = number
        while rest >= 128 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 128)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    private static func append(_ text: String?, _ bytes: inout [UInt8]) {
        guard let text else { return append(0 as UInt64, &bytes) }
        append(UInt64(text.utf8.count) + 1, &bytes)
        bytes.append(contentsOf: text.utf8)
    }

    private static func zigzag(_ number: Int64) -> UInt64 { UInt64(bitPattern: number << 1 ^ number >> 63) }
    private static func unzigzag(_ number: UInt64) -> Int64 { Int64(bitPattern: number >> 1) ^ -Int64(bitPattern: number & 1) }

    /// Reads what may be anything.
    private struct Reader {
        let bytes: [UInt8]
        let chunk: Int64
        var place = 0

        init(bytes: [UInt8], chunk: Int64) {
            self.bytes = bytes
            self.chunk = chunk
        }

        var isAtEnd: Bool { place == bytes.count }

        func failure(_ reason: String) -> RegisterError { RegisterError(chunk: chunk, reason: reason) }

        mutating func byte() throws(RegisterError) -> UInt8 {
            guard place < bytes.count else { throw failure("it ends too early") }
            defer { place += 1 }
            return bytes[place]
        }

        mutating func varint() throws(RegisterError) -> UInt64 {
            var (number, shift) = (UInt64(0), UInt64(0))
            while true {
                let byte = try byte()
                guard shift < 63 || byte <= 1 else { throw failure("a number in it is too large") }
                number |= UInt64(byte & 127) << shift
                if byte < 128 { return number }
                shift += 7
            }
        }

        mutating func count(atMost most: UInt64) throws(RegisterError) -> Int {
            let number = try varint()
            guard number <= most else { throw failure("a count in it is too large") }
            return Int(number)
        }

        mutating func text() throws(RegisterError) -> String? {
            let length = try count(atMost: UInt64(bytes.count) + 1) - 1
            guard length >= 0 else { return nil }
            guard place + length <= bytes.count else { throw failure("it ends too early") }
            defer { place += length }
            return String(decoding: bytes[place..<(place + length)], as: UTF8.self)
        }
    }
}
