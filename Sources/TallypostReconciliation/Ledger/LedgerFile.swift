import CCrypto
import Glibc
import TallypostCore

/// Reads a ledger once from its beginning to its end: bytes, digest, rows.
struct LedgerFile {
    let path: String
    let map: LedgerMap

    /// Bytes that are read at a time; a row is far shorter.
    private static let bufferLength = 4 << 20

    /// - Parameter progress: bytes read so far; says whether to go on.
    func read(into intake: inout LedgerIntake, progress: (Int64) -> Bool) throws(LedgerError) -> LedgerFileTotals {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw fault("cannot be opened") }
        defer { close(descriptor) }
        posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL)
        let digest = StreamingDigest()
        var buffer = [UInt8](repeating: 0, count: Self.bufferLength)
        var reader = RowReader(map: map, path: path)
        var (held, total): (Int, Int64) = (0, 0)
        while true {
            let count = try fill(&buffer, from: held, descriptor)
            digest.update(buffer, held, held + count)
            total += Int64(count)
            guard progress(total) else { throw LedgerError(.interrupted, "broken off while \(path) was read") }
            let end = held + count
            let done = try reader.take(buffer.span, end, isLast: count == 0, &intake)
            if count == 0 { break }
            held = end - done
            unsafe buffer.withUnsafeMutableBytes { bytes in
                guard let base = bytes.baseAddress else { return }
                unsafe memmove(base, base + done, held)
            }
        }
        var totals = intake.finish()
        totals.sha256 = digest.finish()
        totals.bytes = total
        guard totals.rows > 0 || totals.quarantine.count > 0 else {
            throw LedgerError(
                .data, "\(path) has no rows: an empty ledger proves nothing",
                mend: "look whether the export failed; a day without payments needs no import")
        }
        return totals
    }

    private func fill(_ buffer: inout [UInt8], from start: Int, _ descriptor: Int32) throws(LedgerError) -> Int {
        while true {
            let room = min(1 << 20, Self.bufferLength - start)
            let count = unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe Glibc.read(descriptor, bytes.baseAddress.map { unsafe $0 + start }, room)
            }
            if count >= 0 { return count }
            guard errno == EINTR else { throw fault("cannot be read") }
        }
    }

    private func fault(_ what: String) -> LedgerError {
        LedgerError(.data, "\(path) \(what): \(unsafe String(cString: strerror(errno)))")
    }
}

/// Rows out of bytes, line by line.
private struct RowReader {
    private let map: LedgerMap
    private let path: String
    private var csv: CSVSplitter?
    private var json: JSONLineSplitter?
    private var fields = LedgerFields()
    private var line: Int64 = 1

    init(map: LedgerMap, path: String) {
        self.map = map
        self.path = path
        if map.format == .jsonl { json = JSONLineSplitter(map.columns) }
    }

    /// Takes all whole rows; says how many bytes that were.
    mutating func take(_ bytes: Span<UInt8>, _ end: Int, isLast: Bool, _ intake: inout LedgerIntake) throws(LedgerError) -> Int {
        var position = 0
        if map.format == .csv, csv == nil {
            guard let next = try readHeading(bytes, end, isLast) else { return 0 }
            position = next
        }
        while position < end {
            fields.clear()
            let step: LedgerStep
            if json != nil {
                step = json?.step(bytes, from: position, to: end, isLast: isLast, into: &fields) ?? .incomplete
            } else {
                step = csv?.step(bytes, from: position, to: end, isLast: isLast, into: &fields) ?? .incomplete
            }
            let next: Int
            switch step {
            case .incomplete: return position
            case .blank(let after): next = after
            case .bad(let after, let reason):
                intake.reject(line, reason, bytes, position, after)
                next = after
            case .row(let after):
                let fault: String?
                if let row = json?.unescapedRow ?? csv?.unescapedRow {
                    fault = try intake.take(row.span, fields, line: line)
                } else {
                    fault = try intake.take(bytes, fields, line: line)
                }
                if let fault { intake.reject(line, fault, bytes, position, after) }
                next = after
            }
            line += lines(bytes, position, next)
            position = next
        }
        return position
    }

    /// Line ends within quotes count too.
    private func lines(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int64 {
        let row = bytes.extracting(start..<end)
        return unsafe row.withUnsafeBufferPointer { row in
            var count: Int64 = 0
            for index in 0..<row.count where unsafe row[index] == UInt8(ascii: "\n") { count += 1 }
            return count
        }
    }

    private mutating func readHeading(_ bytes: Span<UInt8>, _ end: Int, _ isLast: Bool) throws(LedgerError) -> Int? {
        guard let heading = CSVSplitter.heading(bytes, to: end, delimiter: map.delimiter, isLast: isLast) else {
            guard end < longestLedgerRow else { throw LedgerError(.data, "\(path) has no heading within its first 1 MiB") }
            return nil
        }
        guard end > 0 else {
            throw LedgerError(
                .data, "\(path) is empty: an empty ledger proves nothing", mend: "look whether the export failed")
        }
        var roles = [Int](repeating: -1, count: heading.names.count)
        for (column, name) in map.columns.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            let places = heading.names.indices.filter { heading.names[$0] == name }
            guard let place = places.first else {
                throw LedgerError(
                    .data,
                    "\(path) has no column “\(name)” (the map's \(column.name)); its heading is: "
                        + heading.names.map { "“\($0)”" }.joined(separator: ", "),
                    mend: "name the column in the map as the heading does, or the map's delimiter")
            }
            guard places.count == 1 else { throw LedgerError(.data, "\(path) has two columns “\(name)”; rename one of them") }
            guard roles[place] < 0 else {
                throw LedgerError(.data, "the map names the column “\(name)” twice; each means one thing")
            }
            roles[place] = column.rawValue
        }
        csv = CSVSplitter(delimiter: map.delimiter, roles: roles)
        line += lines(bytes, 0, heading.next)
        return heading.next
    }
}

/// SHA-256 of what comes in parts.
@safe private final class StreamingDigest {
    private let context: OpaquePointer

    init() {
        guard let made = unsafe EVP_MD_CTX_new() else { preconditionFailure("out of memory") }
        unsafe context = made
        unsafe EVP_DigestInit_ex(context, EVP_sha256(), nil)
    }

    deinit { unsafe EVP_MD_CTX_free(context) }

    func update(_ bytes: [UInt8], _ start: Int, _ end: Int) {
        guard start < end else { return }
        unsafe bytes[start..<end].withUnsafeBytes { _ = unsafe EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
    }

    func finish() -> String {
        var digest = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 0
        unsafe EVP_DigestFinal_ex(context, &digest, &length)
        return Digest.hex(digest)
    }
}
