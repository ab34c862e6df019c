import TallypostReconciliation

/// The members of a signature file, as far as they are well formed.
struct SignatureMembers {
    var key: ReportPublicKey
    var keyID: String
    var signature: [UInt8]
    var tree: JSONTree

    /// - Returns: nil where a byte is not as it is written by us.
    init?(_ bytes: [UInt8]) {
        guard let tree = JSONTree(parsing: bytes), tree.canonical == bytes, let id = tree["keyID"]?.text,
            let key = tree["publicKey"]?.text.flatMap(Base64.decode).flatMap(ReportPublicKey.init(raw:)), key.id == id,
            let signature = tree["signature"]?.text.flatMap(Base64.decode)
        else { return nil }
        (self.key, keyID, self.signature, self.tree) = (key, id, signature, tree)
    }
}

/// Whether a manifest's signature holds; and if not, which of the two files was changed.
struct SignatureCheck {
    let manifest: [UInt8]
    let manifestName: String
    let keys: [ReportPublicKey]

    /// The key that signed; nil where there is no signature and none is wanted.
    func verify(_ file: (bytes: [UInt8], members: SignatureMembers?)?) throws -> ReportPublicKey? {
        guard let file else {
            guard keys.isEmpty else { throw difference("file", "there", "missing") }
            return nil
        }
        let known: Set<String> = ["algorithm", "keyID", "publicKey", "manifestSHA256", "signature"]
        guard let members = file.members, members.tree["algorithm"]?.text == "Ed25519",
            Set(members.tree.members?.keys.map { $0 } ?? []) == known
        else { throw difference("content", "an Ed25519 signature with its key", "something else") }
        let found = Digest.hex(Digest.sha256(manifest))
        let named = members.tree["manifestSHA256"]?.text ?? ""
        // Told by which of the two still agrees: the signature over the manifest's bytes, or the hash beside it.
        guard members.key.verifies(members.signature, of: manifest) else {
            if named == found { throw difference("signature", "one that holds", "one that does not") }
            throw ReportVerifier.Difference(file: manifestName, what: "SHA-256", expected: named, found: found)
        }
        guard named == found else { throw difference("manifestSHA256", found, named) }
        guard keys.isEmpty || keys.contains(members.key) else {
            throw difference("key", keys.map(\.id).joined(separator: " or "), members.key.id)
        }
        return members.key
    }

    private func difference(_ what: String, _ expected: String, _ found: String) -> ReportVerifier.Difference {
        ReportVerifier.Difference(file: ReportManifest.signatureName, what: what, expected: expected, found: found)
    }
}

/// Whether the names under a report are bound to this very manifest.
struct SignOffCheck {
    let directory: String
    let manifestSHA256: String
    let signer: ReportPublicKey?
    let keys: [ReportPublicKey]

    static func isSignOff(_ name: String) -> Bool { name.hasPrefix(SignOffFile.prefix) && name.hasSuffix(".json") }

    func verify(_ names: [String]) throws -> [(role: String, by: String)] {
        var signOffs: [(role: String, by: String)] = []
        for name in names where Self.isSignOff(name) {
            let signOff = try verify(name)
            if let same = signOffs.first(where: { Self.folded($0.by) == Self.folded(signOff.by) }) {
                throw difference(name, "by", "somebody else than the \(same.role)", signOff.by)
            }
            signOffs.append(signOff)
        }
        return signOffs
    }

    private static func folded(_ name: String) -> String {
        name.split(whereSeparator: \.isWhitespace).joined(separator: " ").lowercased()
    }

    private func verify(_ name: String) throws -> (role: String, by: String) {
        let bytes = try ReportDirectory.read("\(directory)/\(name)") ?? []
        guard let tree = JSONTree(parsing: bytes), tree.canonical == bytes, let role = tree["role"]?.text,
            let by = tree["by"]?.text,
            tree["at"]?.text != nil, SignOffFile.name(role: role) == name, tree["note"] != nil
        else { throw difference(name, "content", "role, by, at, note, manifestSHA256", "something else") }
        let plain: Set<String> = ["role", "by", "at", "note", "manifestSHA256"]
        let present = Set(tree.members?.keys.map { $0 } ?? [])
        if present != plain || signer != nil {
            guard present == plain.union(["keyID", "publicKey", "signature"]), let members = SignatureMembers(bytes) else {
                throw difference(name, "signature", "of key \(signer?.id ?? "that it names")", "none, or one that is malformed")
            }
            var unsigned = tree.members ?? [:]
            unsigned["signature"] = nil
            guard members.key.verifies(members.signature, of: JSONTree.object(unsigned).canonical) else {
                throw difference(name, "signature", "one that holds", "one that does not")
            }
            let allowed = keys + (signer.map { [$0] } ?? [])
            guard allowed.isEmpty || allowed.contains(members.key) else {
                throw difference(name, "key", allowed.map(\.id).joined(separator: " or "), members.key.id)
            }
        }
        guard tree["manifestSHA256"]?.text == manifestSHA256 else {
            throw difference(name, "manifestSHA256", manifestSHA256, tree["manifestSHA256"]?.text ?? "none")
        }
        return (role, by)
    }

    private func difference(_ name: String, _ what: String, _ expected: String, _ found: String) -> ReportVerifier.Difference {
        ReportVerifier.Difference(file: name, what: what, expected: expected, found: found)
    }
}
