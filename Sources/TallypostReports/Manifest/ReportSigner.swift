import CCrypto
import TallypostReconciliation

/// Signs manifests and sign-offs with an Ed25519 key (RFC 8032) as `openssl genpkey -algorithm ed25519` makes it.
package struct ReportSigner: Sendable {
    private let seed: [UInt8]
    /// What belongs to it, for everybody.
    package let publicKey: ReportPublicKey

    /// - Parameter pem: PKCS#8 without a passphrase.
    package init(pem: String) throws(ReportFailure) {
        if pem.contains("ENCRYPTED PRIVATE KEY") {
            throw ReportFailure("the signing key has a passphrase", mend: "give one without: openssl pkey -in KEY -out PLAIN")
        }
        guard let der = PEMText.body(of: pem, "PRIVATE KEY") else {
            throw ReportFailure("the signing key is no PEM text", mend: "make one: openssl genpkey -algorithm ed25519 -out KEY")
        }
        // OneAsymmetricKey (RFC 8410, section 7): version, algorithm 1.3.101.112, and 32 bytes in two octet strings.
        let mark: [UInt8] = [0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20]
        guard der.count >= 48, der[0] == 0x30, Int(der[1]) == der.count - 2,
            Array(der[2..<16]) == mark || (Array(der[2..<16]) == [0x02, 0x01, 0x01] + mark.dropFirst(3))
        else {
            throw ReportFailure(
                "the signing key is no Ed25519 key", mend: "make one: openssl genpkey -algorithm ed25519 -out KEY")
        }
        seed = Array(der[16..<48])
        guard let raw = Self.publicKey(of: seed), let key = ReportPublicKey(raw: raw) else {
            throw ReportFailure("the signing key is refused by libcrypto")
        }
        publicKey = key
    }

    /// 64 bytes over the message; the same each time.
    package func sign(_ message: [UInt8]) throws(ReportFailure) -> [UInt8] {
        var signature = [UInt8](repeating: 0, count: 64)
        var length = signature.count
        let key = unsafe EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, seed, seed.count)
        defer { unsafe EVP_PKEY_free(key) }
        let context = unsafe EVP_MD_CTX_new()
        defer { unsafe EVP_MD_CTX_free(context) }
        guard unsafe EVP_DigestSignInit(context, nil, nil, nil, key) == 1,
            unsafe EVP_DigestSign(context, &signature, &length, message, message.count) == 1, length == 64
        else { throw ReportFailure("libcrypto does not sign") }
        return signature
    }

    private static func publicKey(of seed: [UInt8]) -> [UInt8]? {
        var raw = [UInt8](repeating: 0, count: 32)
        var length = raw.count
        let key = unsafe EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, seed, seed.count)
        defer { unsafe EVP_PKEY_free(key) }
        guard unsafe EVP_PKEY_get_raw_public_key(key, &raw, &length) == 1, length == 32 else { return nil }
        return raw
    }
}

/// Checks what a ``ReportSigner`` signed.
package struct ReportPublicKey: Sendable, Equatable {
    /// 32 bytes.
    package let raw: [UInt8]

    /// - Returns: nil unless these are 32 bytes.
    package init?(raw: [UInt8]) {
        guard raw.count == 32 else { return nil }
        self.raw = raw
    }

    /// - Parameter pem: as `openssl pkey -pubout` writes it.
    package init(pem: String) throws(ReportFailure) {
        let mark: [UInt8] = [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00]
        guard let der = PEMText.body(of: pem, "PUBLIC KEY"), der.count == 44, Array(der[..<12]) == mark else {
            throw ReportFailure("no Ed25519 public key in PEM", mend: "write one: openssl pkey -in KEY -pubout -out KEY.pub")
        }
        raw = Array(der[12...])
    }

    /// - Parameter file: the path of such a file.
    package init(file: String) throws(ReportFailure) {
        guard let bytes = try ReportDirectory.read(file, follows: true) else { throw ReportFailure("there is no \(file)") }
        do throws(ReportFailure) { try self.init(pem: String(decoding: bytes, as: UTF8.self)) } catch {
            throw ReportFailure("\(file): \(error.message)", mend: error.mend)
        }
    }

    /// The first 16 hex digits of its SHA-256: how people tell keys apart.
    package var id: String { String(Digest.hex(Digest.sha256(raw)).prefix(16)) }

    /// Whether the signature is the key's over the message.
    package func verifies(_ signature: [UInt8], of message: [UInt8]) -> Bool {
        guard signature.count == 64 else { return false }
        let key = unsafe EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, raw, raw.count)
        defer { unsafe EVP_PKEY_free(key) }
        let context = unsafe EVP_MD_CTX_new()
        defer { unsafe EVP_MD_CTX_free(context) }
        guard unsafe EVP_DigestVerifyInit(context, nil, nil, nil, key) == 1 else { return false }
        return unsafe EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
    }
}

/// RFC 7468, what is between the lines.
enum PEMText {
    static func body(of text: String, _ label: String) -> [UInt8]? {
        var body: String?
        for line in text.split(whereSeparator: \.isNewline) {
            let line = line.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            if line == "-----BEGIN \(label)-----" {
                body = ""
            } else if line == "-----END \(label)-----" {
                return body.flatMap(Base64.decode)
            } else if let open = body {
                body = open + line
            }
        }
        return nil
    }
}
