/// Parameters of one statement, in PostgreSQL's text format: scalars, and arrays as `{…}` literals built in one pass.
struct PostgresParameters {
    /// One text per parameter, each ending in 0; nil for NULL.
    private(set) var values: [[UInt8]?] = []

    init() {}

    mutating func append(_ text: String?) {
        values.append(text.map { Array($0.utf8.filter { $0 != 0 }) + [0] })
    }

    /// A text without NUL, as its bytes.
    mutating func append(raw bytes: [UInt8]) { values.append(bytes + [0]) }

    mutating func append(_ number: Int) { append(String(number)) }

    /// An array of integers.
    mutating func append(_ numbers: some Sequence<Int64>) {
        append(numbers.lazy.map { Optional($0) })
    }

    /// An array of integers, some NULL.
    mutating func append(_ numbers: some Sequence<Int64?>) {
        var literal: [UInt8] = [UInt8(ascii: "{")]
        for number in numbers {
            if literal.count > 1 { literal.append(UInt8(ascii: ",")) }
            if let number { Self.append(number, to: &literal) } else { literal.append(contentsOf: "NULL".utf8) }
        }
        literal.append(UInt8(ascii: "}"))
        literal.append(0)
        values.append(literal)
    }

    /// An array of texts, some NULL. NUL, which PostgreSQL's text cannot hold, is left out.
    mutating func append(_ texts: some Sequence<String?>) {
        var literal: [UInt8] = [UInt8(ascii: "{")]
        for text in texts {
            if literal.count > 1 { literal.append(UInt8(ascii: ",")) }
            guard let text else {
                literal.append(contentsOf: "NULL".utf8)
                continue
            }
            literal.append(UInt8(ascii: "\""))
            for byte in text.utf8 where byte != 0 {
                if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { literal.append(UInt8(ascii: "\\")) }
                literal.append(byte)
            }
            literal.append(UInt8(ascii: "\""))
        }
        literal.append(UInt8(ascii: "}"))
        literal.append(0)
        values.append(literal)
    }

    private static func append(_ number: Int64, to literal: inout [UInt8]) {
        if number < 0 { literal.append(UInt8(ascii: "-")) }
        var magnitude = number.magnitude
        let start = literal.count
        repeat {
            literal.append(UInt8(ascii: "0") + UInt8(magnitude % 10))
            magnitude /= 10
        } while magnitude > 0
        literal[start...].reverse()
    }

    /// Calls with the C array that libpq takes; valid during the call only.
    func withPointers<Result>(_ body: (Int32, UnsafePointer<UnsafePointer<CChar>?>?) -> Result) -> Result {
        // One flat copy, so that no pointer into a Swift array outlives its closure.
        var flat: [UInt8] = []
        var offsets: [Int?] = []
        flat.reserveCapacity(values.reduce(0) { $0 + ($1?.count ?? 0) })
        for value in values {
            offsets.append(value == nil ? nil : flat.count)
            if let value { flat.append(contentsOf: value) }
        }
        return unsafe flat.withUnsafeBytes { bytes in
            let pointers = unsafe offsets.map { offset in
                unsafe offset.flatMap { unsafe bytes.baseAddress?.advanced(by: $0).assumingMemoryBound(to: CChar.self) }
            }
            return unsafe pointers.withUnsafeBufferPointer { unsafe body(Int32(values.count), $0.baseAddress) }
        }
    }
}
