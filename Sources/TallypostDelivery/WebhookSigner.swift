import CCrypto

/// Signs as Standard Webhooks does: HMAC-SHA256 over `id.timestamp.body`, one `v1,` entry for every secret.
///
/// Each secret's keyed state is made once and used again. Belongs to one thread.
@safe final class WebhookSigner {
    /// EVP_MAC_CTX each.
    private let contexts: [OpaquePointer]
    private var digest = [UInt8](repeating: 0, count: 32)
    private var text = [UInt8](repeating: 0, count: 45)

    /// - Parameter secrets: newest first; none: ``isSilent``.
    init(secrets: [WebhookSecret]) {
        var contexts: [OpaquePointer] = unsafe []
        for secret in secrets { unsafe contexts.append(Self.makeContext(key: secret.key)) }
        unsafe self.contexts = contexts
    }

    deinit {
        for unsafecontext in unsafe contexts { unsafe EVP_MAC_CTX_free(context) }
    }

    /// Whether there is no secret, and so no signature.
    var isSilent: Bool { unsafe contexts.isEmpty }

    /// Appends `v1,<base64>` for every secret, separated by spaces.
    ///
    /// - Parameter prefix: `id.timestamp.`
    func appendSignatures(prefix: [UInt8], body: [UInt8], to head: inout [UInt8]) {
        for index in unsafe contexts.indices {
            if index > 0 { head.append(UInt8(ascii: " ")) }
            let context = unsafe contexts[index]
            var length = 0
            // With no key given, the keyed state is taken up again from its start.
            let signed =
                unsafe EVP_MAC_init(context, nil, 0, nil) == 1 && EVP_MAC_update(context, prefix, prefix.count) == 1
                && EVP_MAC_update(context, body, body.count) == 1 && EVP_MAC_final(context, &digest, &length, digest.count) == 1
            precondition(signed && length == 32, "HMAC-SHA256 failed")
            let written = unsafe EVP_EncodeBlock(&text, digest, 32)
            head.append(contentsOf: "v1,".utf8)
            head.append(contentsOf: text.prefix(Int(written)))
        }
    }

    private static func makeContext(key: [UInt8]) -> OpaquePointer {
        guard let mac = unsafe EVP_MAC_fetch(nil, "HMAC", nil), let context = unsafe EVP_MAC_CTX_new(mac) else {
            preconditionFailure("libcrypto has no HMAC")
        }
        // The context holds on to the algorithm.
        unsafe EVP_MAC_free(mac)
        var name: [7 of CChar] = [0x53, 0x48, 0x41, 0x32, 0x35, 0x36, 0]  // "SHA256"
        var span = name.mutableSpan
        let keyed = unsafe span.withUnsafeMutableBufferPointer { characters in
            let parameters = unsafe [
                OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, characters.baseAddress, 0), OSSL_PARAM_construct_end(),
            ]
            return unsafe EVP_MAC_init(context, key, key.count, parameters)
        }
        precondition(keyed == 1, "libcrypto takes no key for HMAC-SHA256")
        return unsafe context
    }
}
