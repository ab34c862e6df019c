import CCrypto

/// Random span ids, taken from the operating system's generator in blocks.
struct SpanSource {
    private var block: [UInt64] = []
    private static let blockCount = 512

    /// Never zero, which is no span.
    mutating func next() -> UInt64 {
        while true {
            if block.isEmpty { refill() }
            let word = block.removeLast()
            if word != 0 { return word }
        }
    }

    private mutating func refill() {
        block = [UInt64](repeating: 0, count: Self.blockCount)
        let filled = unsafe block.withUnsafeMutableBytes { bytes in
            unsafe RAND_bytes(bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), Int32(bytes.count))
        }
        precondition(filled == 1, "libcrypto has no random bytes")
    }
}
