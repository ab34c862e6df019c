package import TallypostCore
import TallypostReconciliation

/// A name under a report, bound to its manifest: `signature-preparer.json`, `signature-reviewer.json`.
package struct SignOffFile: Sendable, Equatable {
    /// In front of the role, in the file's name.
    static let prefix = "signature-"

    /// `preparer` or `reviewer`.
    package var role: String
    /// Who.
    package var by: String
    /// When.
    package var at: Timestamp
    /// What was said.
    package var note: String?
    /// SHA-256 of the manifest that was seen, hex.
    package var manifestSHA256: String

    /// Memberwise.
    package init(role: String, by: String, at: Timestamp, note: String? = nil, manifestSHA256: String) {
        self.role = role
        self.by = by
        self.at = at
        self.note = note
        self.manifestSHA256 = manifestSHA256
    }

    /// How the file of a role is called.
    package static func name(role: String) -> String { prefix + ReportName.part(role) + ".json" }

    /// The file. A signed report wants signed names: give the same key.
    package func file(signer: ReportSigner?) throws(ReportFailure) -> ReportFile {
        var members: [String: JSONTree] = [
            "role": .string(role), "by": .string(by), "at": .string(at.iso8601), "note": .optional(note),
            "manifestSHA256": .string(manifestSHA256),
        ]
        if let signer {
            members["keyID"] = .string(signer.publicKey.id)
            members["publicKey"] = .string(Base64.encode(signer.publicKey.raw))
            members["signature"] = .string(Base64.encode(try signer.sign(JSONTree.object(members).canonical)))
        }
        return ReportFile(name: Self.name(role: role), bytes: JSONTree.object(members).canonical, rows: 1)
    }
}
