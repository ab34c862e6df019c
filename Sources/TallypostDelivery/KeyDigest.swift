import CCrypto

/// SHA-256 with its algorithm looked up once: the look-up costs more than hashing a key does. Belongs to one thread.
@safe final class KeyDigest {
    private let algorithm: OpaquePointer
    private let context: OpaquePointer
    private var digest = [UInt8](repeating: 0, count: 32)

    init() {
        guard let algorithm = unsafe EVP_MD_fetch(nil, "SHA256", nil), let context = unsafe EVP_MD_CTX_new() else {
            preconditionFailure("libcrypto has no SHA-256")
        }
        unsafe self.algorithm = algorithm
        unsafe self.context = context
    }

    deinit {
        unsafe EVP_MD_CTX_free(context)
        unsafe EVP_MD_free(algorithm)
    }

    /// The 32 bytes of the text's SHA-256.
    func callAsFunction(_ text: String) -> [UInt8] {
        var text = text
        let hashed = text.withUTF8 { bytes in
            unsafe EVP_DigestInit_ex2(context, algorithm, nil) == 1
                && EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1
                && EVP_DigestFinal_ex(context, &digest, nil) == 1
        }
        precondition(hashed, "SHA-256 failed")
        return digest
    }
}
