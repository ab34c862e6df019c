import TallypostCore
import TallypostReconciliation

/// The list of a report's files with their hashes and sums, what the figures were made of, and the report before: what is signed.
package struct ReportManifest: Sendable {
    /// Its file's name.
    package static let fileName = "manifest.json"
    /// Its signature's.
    package static let signatureName = "manifest.json.sig"
    /// What a reader must know to read it.
    static let format = "tallypost-report/1"

    /// The report that this one follows: the chain's link.
    package struct Previous: Sendable, Equatable {
        /// Its directory's name, which lies beside this one's.
        package var name: String
        /// SHA-256 of its manifest, hex.
        package var sha256: String

        /// Memberwise.
        package init(name: String, sha256: String) {
            self.name = name
            self.sha256 = sha256
        }
    }

    /// `manifest.json`.
    package let file: ReportFile
    /// `manifest.json.sig`; nil without a key.
    package let signature: ReportFile?

    /// SHA-256 of its bytes, hex: what sign-offs bind.
    package var sha256: String { Digest.hex(Digest.sha256(file.bytes)) }

    /// - Parameters:
    ///   - files: of `documents`, as they will be written.
    ///   - previous: the last report of the series.
    ///   - signer: nil: the manifest stays without a signature, and says so.
    package init(_ documents: ReportDocuments, files: [ReportFile], previous: Previous? = nil, signer: ReportSigner? = nil)
        throws(ReportFailure)
    {
        let report = documents.report
        let members: [String: JSONTree] = [
            "format": .string(Self.format), "name": .string(documents.name.stem), "environment": .string(documents.environment),
            "database": .string(report.database), "status": .string(report.status.rawValue), "asOf": .string(report.asOf.iso8601),
            "period": .object([
                "label": .string(report.period.label), "zone": .string(report.period.zone),
                "from": .string(report.period.from.iso8601), "to": .string(report.period.to.iso8601),
                "provisional": .truth(report.isProvisional),
            ]),
            "run": .integer(report.run), "revision": .integer(documents.revision), "version": .string(report.version),
            "supersedes": .optional(documents.name.superseded),
            "previous": previous.map { .object(["name": .string($0.name), "manifestSHA256": .string($0.sha256)]) } ?? .null,
            "parameters": .array(report.parameters.map { .object(["name": .string($0.name), "value": .string($0.value)]) }),
            "rules": .array(
                report.rules.map { rule in
                    .object([
                        "name": .string(rule.name), "sha256": .string(rule.hash), "owner": .string(rule.owner),
                        "text": .string(rule.text), "sql": .string(rule.sql),
                    ])
                }),
            "sources": .array(
                report.sources.map {
                    .object(["name": .string($0.name), "logic": .string($0.logic), "rows": .integer($0.rows)])
                }),
            "exponents": .object(Self.exponents(report)),
            "signedBy": .optional(signer?.publicKey.id),
            "files": .array(Self.entries(documents, files)),
        ]
        file = ReportFile(name: Self.fileName, bytes: JSONTree.object(members).canonical, rows: files.count)
        signature = if let signer { try ManifestSignature.file(over: file.bytes, signer) } else { nil }
    }

    /// Digits of every currency that any file has, whether the report tells them or not.
    private static func exponents(_ report: ReconciliationReport) -> [String: JSONTree] {
        var currencies = Set(report.exponents.keys)
        currencies.formUnion(report.rollForward.compactMap(\.series.currency))
        currencies.formUnion(report.ageing.compactMap(\.series.currency))
        currencies.formUnion(report.businessBridges.compactMap(\.currency))
        currencies.formUnion(report.receiverBridges.compactMap(\.currency))
        currencies.formUnion(report.breaks.compactMap(\.finding.currency))
        return Dictionary(uniqueKeysWithValues: currencies.map { ($0, .integer(report.digits($0))) })
    }

    private static func entries(_ documents: ReportDocuments, _ files: [ReportFile]) -> [JSONTree] {
        let tables = ReportTable.all(of: documents.report)
        var all = ReportSums()
        var sums: [String: (table: ReportTable, sums: ReportSums)] = [:]
        for table in tables {
            guard let added = ReportSums(table) else { continue }
            all.add(added, prefix: table.name + ".")
            sums["\(documents.name.stem)_\(table.name).csv"] = (table, added)
        }
        return files.map { file in
            var entry: [String: JSONTree] = [
                "name": .string(file.name), "sha256": .string(Digest.hex(Digest.sha256(file.bytes))),
                "bytes": .integer(file.bytes.count), "rows": .integer(file.rows),
            ]
            if let (table, sums) = sums[file.name] {
                entry["groupedBy"] = .optional(table.group)
                entry["sums"] = sums.tree
            } else if file.name == documents.name.stem + ".json" {
                entry["sums"] = all.tree
            }
            return .object(entry)
        }
    }
}

/// The file beside a manifest that holds its signature and the key's public half.
enum ManifestSignature {
    static func file(over manifest: [UInt8], _ signer: ReportSigner) throws(ReportFailure) -> ReportFile {
        let members: [String: JSONTree] = [
            "algorithm": .string("Ed25519"), "keyID": .string(signer.publicKey.id),
            "publicKey": .string(Base64.encode(signer.publicKey.raw)),
            "manifestSHA256": .string(Digest.hex(Digest.sha256(manifest))),
            "signature": .string(Base64.encode(try signer.sign(manifest))),
        ]
        return ReportFile(name: ReportManifest.signatureName, bytes: JSONTree.object(members).canonical, rows: 1)
    }
}
