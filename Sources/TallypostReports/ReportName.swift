import TallypostReconciliation

/// How the files of a report are called: `tallypost-recon_prod_charge_2026-11-19_Europe-London_r1`.
package struct ReportName: Sendable, Equatable {
    /// The name without an ending: also that of the report's directory.
    package let stem: String
    /// The same of the revision before this one; nil for the first.
    package let superseded: String?

    /// - Parameter types: of the tasks in the report; several are called `all`.
    package init(environment: String, types: Set<String>, label: String, zone: String, revision: Int) {
        let kind = types.count == 1 ? types.first ?? "all" : "all"
        let common = ["tallypost-recon", environment, kind, label, zone].map(Self.part).joined(separator: "_")
        stem = "\(common)_r\(revision)"
        superseded = revision > 1 ? "\(common)_r\(revision - 1)" : nil
    }

    /// A part of a file name that every file system and shell takes: letters, digits, `.`, `-`; the underscore parts the parts.
    static func part(_ text: String) -> String {
        let kept = text.unicodeScalars.prefix(60).map { scalar -> Character in
            let isKept =
                ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || ("0"..."9").contains(scalar) || scalar == "."
                || scalar == "-"
            return isKept ? Character(scalar) : "-"
        }
        return kept.isEmpty ? "none" : String(kept)
    }
}
