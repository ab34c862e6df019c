import Glibc

/// Standard output for commands: buffered, streamed, and content with a reader that went away (`| head`).
final class OutputWriter {
    private var buffer: [UInt8] = []
    private let sink: ([UInt8]) -> Bool

    /// Whether the reader went away. A long listing may stop; nothing is an error.
    private(set) var isBroken = false

    /// Whether people read it as it comes.
    let isTerminal: Bool

    /// - Parameter sink: takes all bytes, or says false once nobody reads any more.
    init(isTerminal: Bool = false, sink: @escaping ([UInt8]) -> Bool) {
        self.isTerminal = isTerminal
        self.sink = sink
    }

    /// Writes to a descriptor. SIGPIPE must be ignored.
    convenience init(descriptor: Int32) {
        self.init(isTerminal: isatty(descriptor) == 1) { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
                if count >= 0 { rest = rest.dropFirst(count) } else if errno != EINTR { return false }
            }
            return true
        }
    }

    /// Adds text.
    func write(_ text: String) { write(bytes: text.utf8) }

    /// Adds text and ends the line.
    func line(_ text: String = "") {
        write(text)
        write("\n")
    }

    /// Adds bytes.
    func write(bytes: some Sequence<UInt8>) {
        guard !isBroken else { return }
        buffer.append(contentsOf: bytes)
        if buffer.count >= 65_536 { flush() }
    }

    /// Hands on what is held.
    func flush() {
        guard !isBroken, !buffer.isEmpty else { return }
        isBroken = !sink(buffer)
        buffer.removeAll(keepingCapacity: true)
    }
}
