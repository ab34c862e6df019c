/// How `Idempotency-Key` is written.
public enum IdempotencyKeyFormat: String, Sendable, CaseIterable {
    /// As a String of RFC 8941, which the IETF draft demands: `"payment-o_1"`, with `"` and `\` escaped.
    case structured
    /// As it is, for receivers older than the draft: `payment-o_1`.
    case bare

    static let longestKey = 4_096

    /// Writes the key. A key that a header cannot carry unchanged is refused: a changed one could be another task's.
    func append(_ key: String, to head: inout [UInt8]) throws(Refusal) {
        let bytes = key.utf8
        guard !bytes.isEmpty else { throw Refusal("idempotency_key is empty") }
        guard bytes.count <= Self.longestKey else { throw Refusal("idempotency_key is longer than \(Self.longestKey) bytes") }
        if let stranger = key.unicodeScalars.first(where: { !(0x20...0x7E).contains($0.value) }) {
            throw Refusal("idempotency_key holds U+\(Self.code(of: stranger)): a header can carry printable ASCII only")
        }
        switch self {
        case .structured:
            head.append(UInt8(ascii: "\""))
            for byte in bytes {
                if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { head.append(UInt8(ascii: "\\")) }
                head.append(byte)
            }
            head.append(UInt8(ascii: "\""))
        case .bare:
            guard bytes.first != 0x20, bytes.last != 0x20 else {
                throw Refusal("idempotency_key begins or ends with a space, which a bare header value cannot keep")
            }
            head.append(contentsOf: bytes)
        }
    }

    private static func code(of scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
    }
}
