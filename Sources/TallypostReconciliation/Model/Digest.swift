import CCrypto

/// SHA-256 (FIPS 180-4), by libcrypto.
package enum Digest {
    /// The 32 bytes.
    package static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        _ = unsafe SHA256(bytes, bytes.count, &digest)
        return digest
    }

    /// Lower-case hex.
    package static func hex(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef")
        return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }

    /// A finding's stable name. The parts are joined by a byte that none of them holds.
    static func findingID(rule: String, kind: String, type: String, key: String) -> String {
        "F-" + hex(sha256(Array([rule, kind, type, key].joined(separator: "\u{1F}").utf8)).prefix(8))
    }
}
