import TallypostReconciliation

/// Looks whether a report is what was made: hashes every file again, adds every sum up again, checks signatures and names, and stops at
/// the first thing that differs.
package struct ReportVerifier {
    /// The first thing that differs.
    package struct Difference: Error, Sendable, Equatable {
        /// The file's name.
        package var file: String
        /// What of it.
        package var what: String
        /// What the manifest, or the rule, says.
        package var expected: String
        /// What is there.
        package var found: String
    }

    /// What was looked at, when nothing differs.
    package struct Summary: Sendable, Equatable {
        /// The report's name.
        package var name: String
        /// Its verdict.
        package var status: String
        /// Files whose bytes agree.
        package var files = 0
        /// Sums that were added up again.
        package var sums = 0
        /// SHA-256 of the manifest.
        package var manifestSHA256: String
        /// The key's id; nil: the report is not signed.
        package var signedBy: String?
        /// Whether the key was given by the caller; else the signature shows that nothing was changed, not who made it.
        package var isKeyTrusted = false
        /// Names under it: role and who.
        package var signOffs: [(role: String, by: String)] = []
        /// The report before it; nil: there is none.
        package var previous: String?
        /// Whether that one's manifest was found, and agrees.
        package var isPreviousChecked = false

        /// Equal in everything.
        package static func == (a: Summary, b: Summary) -> Bool {
            a.name == b.name && a.status == b.status && a.files == b.files && a.sums == b.sums && a.signedBy == b.signedBy
                && a.manifestSHA256 == b.manifestSHA256 && a.isKeyTrusted == b.isKeyTrusted && a.previous == b.previous
                && a.isPreviousChecked == b.isPreviousChecked && a.signOffs.map(\.role) == b.signOffs.map(\.role)
                && a.signOffs.map(\.by) == b.signOffs.map(\.by)
        }
    }

    /// A file as its manifest describes it.
    struct Entry {
        var name: String
        var sha256: String
        var bytes: Int128
        var rows: Int128
        var group: String?
        var sums: ReportSums?
    }

    let directory: String
    private let manifestName: String
    private let keys: [ReportPublicKey]
    private let previousPath: String?

    /// - Parameters:
    ///   - manifest: the path of a `manifest.json`, or of its directory.
    ///   - keys: those that may have signed; none: whichever key the report names.
    ///   - previous: the manifest of the report before, where it does not lie beside this one.
    package init(manifest: String, keys: [ReportPublicKey] = [], previous: String? = nil) {
        let (above, own) = ReportDirectory.split(manifest)
        if own.hasSuffix(".json") {
            (directory, manifestName) = (above, own)
        } else {
            (directory, manifestName) = (manifest, ReportManifest.fileName)
        }
        self.keys = keys
        previousPath = previous
    }

    /// - Throws: a ``Difference``, or a ``ReportFailure`` when something cannot be read.
    package func verify() throws -> Summary {
        guard let bytes = try ReportDirectory.read("\(directory)/\(manifestName)") else {
            throw ReportFailure("there is no \(directory)/\(manifestName)", mend: "name a report's manifest.json")
        }
        let signature = try read(ReportManifest.signatureName).map { ($0, SignatureMembers($0)) }
        // The signature first: where it does not hold, what the manifest says is nobody's word.
        let signer = try SignatureCheck(manifest: bytes, manifestName: manifestName, keys: keys).verify(signature)
        let manifest = try parse(bytes)
        var summary = Summary(
            name: manifest["name"]?.text ?? "", status: manifest["status"]?.text ?? "",
            manifestSHA256: Digest.hex(Digest.sha256(bytes)), signedBy: signer?.id, isKeyTrusted: !keys.isEmpty && signer != nil)
        if let named = manifest["signedBy"]?.text, named != signer?.id {
            throw Difference(
                file: signer == nil ? ReportManifest.signatureName : manifestName, what: "signature", expected: "of key \(named)",
                found: signer.map { "of key \($0.id)" } ?? "no such file")
        }
        let entries = try entries(manifest)
        let names = try ReportDirectory.list(directory)
        summary.signOffs = try SignOffCheck(
            directory: directory, manifestSHA256: summary.manifestSHA256, signer: signer, keys: keys
        ).verify(names)
        try verifyPrevious(manifest, &summary)
        for entry in entries {
            summary.sums += try verify(entry, exponents(manifest))
            summary.files += 1
        }
        let known = Set(entries.map(\.name) + [manifestName, ReportManifest.signatureName])
        if let extra = names.first(where: { !known.contains($0) && !SignOffCheck.isSignOff($0) }) {
            throw Difference(file: extra, what: "file", expected: "not there", found: "a file that the manifest does not name")
        }
        return summary
    }

    func read(_ name: String) throws -> [UInt8]? { try ReportDirectory.read("\(directory)/\(name)") }

    private func parse(_ bytes: [UInt8]) throws -> JSONTree {
        guard let tree = JSONTree(parsing: bytes), tree["format"]?.text == ReportManifest.format else {
            throw Difference(
                file: manifestName, what: "format", expected: "a manifest of \(ReportManifest.format)", found: "something else")
        }
        guard tree.canonical == bytes else {
            throw Difference(
                file: manifestName, what: "spelling", expected: "members sorted, no white space", found: "the same told otherwise"
            )
        }
        return tree
    }

    private func entries(_ manifest: JSONTree) throws -> [Entry] {
        var seen: Set<String> = []
        return try (manifest["files"]?.elements ?? []).map { tree in
            guard let name = tree["name"]?.text, let sha256 = tree["sha256"]?.text, let bytes = tree["bytes"]?.integer,
                let rows = tree["rows"]?.integer
            else { throw malformed("a file's entry", "name, sha256, bytes, rows") }
            guard ReportDirectory.isPlain(name) else {
                throw malformed("the name “\(Wording.line(name))”", "a plain name in the report's own directory")
            }
            guard seen.insert(name).inserted else { throw malformed("the name “\(name)”", "each file once") }
            let sums = tree["sums"].map { ReportSums($0) }
            if case .some(.none) = sums { throw malformed("the sums of \(name)", "counts and amounts as strings") }
            return Entry(name: name, sha256: sha256, bytes: bytes, rows: rows, group: tree["groupedBy"]?.text, sums: sums ?? nil)
        }
    }

    private func malformed(_ what: String, _ expected: String) -> Difference {
        Difference(file: manifestName, what: what, expected: expected, found: "something else")
    }

    private func exponents(_ manifest: JSONTree) -> [String: Int] {
        (manifest["exponents"]?.members ?? [:]).compactMapValues { $0.integer.flatMap { Int(exactly: $0) } }
    }

    /// How many sums were added up.
    private func verify(_ entry: Entry, _ exponents: [String: Int]) throws -> Int {
        guard let bytes = try read(entry.name) else {
            throw Difference(file: entry.name, what: "file", expected: "there", found: "missing")
        }
        guard Int128(bytes.count) == entry.bytes else {
            throw Difference(file: entry.name, what: "size", expected: "\(entry.bytes) bytes", found: "\(bytes.count) bytes")
        }
        let sha256 = Digest.hex(Digest.sha256(bytes))
        guard sha256 == entry.sha256 else {
            throw Difference(file: entry.name, what: "SHA-256", expected: entry.sha256, found: sha256)
        }
        guard entry.name.hasSuffix(".csv") || entry.name.hasSuffix(".json") else { return 0 }
        let added = try FileAddition(entry: entry, exponents: exponents).add(bytes)
        guard Int128(added.rows) == entry.rows else {
            throw Difference(file: entry.name, what: "rows", expected: "\(entry.rows)", found: "\(added.rows)")
        }
        guard let sums = entry.sums else { return 0 }
        if let difference = sums.firstDifference(from: added.sums) {
            throw Difference(file: entry.name, what: difference.what, expected: difference.expected, found: difference.found)
        }
        return sums.byCurrency.values.map(\.count).reduce(0, +)
    }

    private func verifyPrevious(_ manifest: JSONTree, _ summary: inout Summary) throws {
        guard let link = manifest["previous"], let name = link["name"]?.text, let sha256 = link["manifestSHA256"]?.text else {
            if let previousPath {
                throw Difference(file: manifestName, what: "previous report", expected: previousPath, found: "none is named")
            }
            return
        }
        guard ReportDirectory.isPlain(name) else { throw malformed("the previous report's name", "a plain name") }
        summary.previous = name
        let beside = "\(directory)/../\(name)/\(ReportManifest.fileName)"
        guard let bytes = try ReportDirectory.read(previousPath ?? beside, follows: previousPath != nil) else {
            if let previousPath { throw ReportFailure("there is no \(previousPath)") }
            return
        }
        let found = Digest.hex(Digest.sha256(bytes))
        guard found == sha256 else {
            throw Difference(
                file: "\(name)/\(ReportManifest.fileName)", what: "SHA-256 of the previous manifest", expected: sha256,
                found: found)
        }
        summary.isPreviousChecked = true
    }
}
