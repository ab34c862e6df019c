import CCrypto

/// Why a text is no signing secret. Holds nothing of the text.
public struct WebhookSecretError: Error, Sendable, Equatable {
    /// For a person.
    public let reason: String
}

/// A key of Standard Webhooks' symmetric scheme. It never prints itself.
public struct WebhookSecret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The raw key.
    let key: [UInt8]

    /// Fewer are guessable. (The specification asks for 24 when a key is made; its own examples are shorter.)
    static let fewestBytes = 16
    static let mostBytes = 512

    /// Reads `whsec_` and base64, or the base64 alone, with or without padding; white space around it is ignored.
    public init(parsing text: String) throws(WebhookSecretError) {
        let space: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0D]
        var bytes = Array(text.utf8.drop { space.contains($0) })
        while let last = bytes.last, space.contains(last) { bytes.removeLast() }
        guard !bytes.isEmpty else { throw WebhookSecretError(reason: "the secret is empty") }
        if bytes.starts(with: "whsk_".utf8) || bytes.starts(with: "whpk_".utf8) {
            throw WebhookSecretError(reason: "this is an Ed25519 key (whsk_, whpk_); signing takes a symmetric secret (whsec_)")
        }
        if bytes.starts(with: "whsec_".utf8) { bytes.removeFirst(6) }
        guard let key = Self.decode(base64: bytes) else {
            throw WebhookSecretError(reason: "not base64: a secret is “whsec_” and the base64 of its random bytes")
        }
        try self.init(key: key)
    }

    /// A key as raw bytes.
    public init(key: [UInt8]) throws(WebhookSecretError) {
        guard key.count >= Self.fewestBytes else {
            throw WebhookSecretError(reason: "only \(key.count) bytes long; at least \(Self.fewestBytes), better 32")
        }
        guard key.count <= Self.mostBytes else {
            throw WebhookSecretError(reason: "\(key.count) bytes long; at most \(Self.mostBytes)")
        }
        self.key = key
    }

    /// Strict, but for the padding, which may be missing.
    private static func decode(base64 text: [UInt8]) -> [UInt8]? {
        var padded = text
        while padded.last == UInt8(ascii: "=") { padded.removeLast() }
        guard text.count - padded.count <= 2, padded.count % 4 != 1 else { return nil }
        guard padded.allSatisfy({ isBase64($0) }) else { return nil }
        let length = padded.count * 3 / 4
        while padded.count % 4 != 0 { padded.append(UInt8(ascii: "=")) }
        var decoded = [UInt8](repeating: 0, count: padded.count / 4 * 3)
        guard unsafe EVP_DecodeBlock(&decoded, padded, Int32(padded.count)) == Int32(decoded.count) else { return nil }
        return Array(decoded.prefix(length))
    }

    private static func isBase64(_ byte: UInt8) -> Bool {
        byte &- UInt8(ascii: "0") < 10 || (byte | 0x20) &- UInt8(ascii: "a") < 26 || byte == UInt8(ascii: "+")
            || byte == UInt8(ascii: "/")
    }

    /// As people write it, without anything secret.
    public var description: String { "WebhookSecret(…)" }
    /// The same: nothing secret.
    public var debugDescription: String { description }
    /// Shows nothing.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
