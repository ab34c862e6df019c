package import TallypostCore

/// A report that was written.
package struct ReportRecord: Sendable, Equatable {
    /// 0 until it is stored.
    package var id: Int64 = 0
    /// The period.
    package var period: Period
    /// 1 for the first of a period; a later one supersedes those before it.
    package var revision: Int
    /// The run that it tells of.
    package var run: Int64
    /// When its snapshot was taken.
    package var asOf: Timestamp
    /// The verdict.
    package var status: ReportStatus
    /// Where its files are.
    package var directory: String
    /// SHA-256 of its manifest, hex: what signatures bind.
    package var manifestSHA256: String
    /// When it was written; set by the database.
    package var madeAt: Timestamp?
    /// By whom.
    package var madeBy: String
    /// The breaks that it told as open or acknowledged. Not read back with lists.
    package var told: [SignedDiff.Told] = []
    /// Names under it.
    package var signOffs: [ReconciliationReport.SignOff] = []

    /// What its writer knows.
    package init(
        period: Period, revision: Int, run: Int64, asOf: Timestamp, status: ReportStatus, directory: String,
        manifestSHA256: String,
        madeBy: String, told: [SignedDiff.Told] = []
    ) {
        self.period = period
        self.revision = revision
        self.run = run
        self.asOf = asOf
        self.status = status
        self.directory = directory
        self.manifestSHA256 = manifestSHA256
        self.madeBy = madeBy
        self.told = told
    }
}

/// A ledger that was imported, as it is told later.
package struct ImportSummary: Sendable, Equatable {
    /// Its number.
    package var id: Int64
    /// The map's `source`.
    package var source: String
    /// The file.
    package var file: String
    /// Of the file, hex.
    package var sha256: String
    /// Good rows.
    package var rows: Int64
    /// Bad ones.
    package var quarantined: Int64
    /// Its window's first moment.
    package var from: Timestamp?
    /// The first moment after it.
    package var to: Timestamp?
    /// When ours was read.
    package var asOf: Timestamp
    /// When it was imported.
    package var madeAt: Timestamp
    /// By whom.
    package var madeBy: String
    /// JSON, a member for each currency.
    package var bridges: String
    /// JSON: control totals, quarantined lines.
    package var summary: String

    /// Whether this is a later and no smaller file of the same receiver over the same window: then what could not be read of the
    /// earlier one is read, or set aside, here.
    func corrects(_ earlier: ImportSummary) -> Bool {
        guard id > earlier.id, source == earlier.source, rows + quarantined >= earlier.rows + earlier.quarantined
        else { return false }
        guard let from, let to, let first = earlier.from, let last = earlier.to else { return earlier.from == nil }
        return from <= first && to >= last
    }
}

/// Why a name could not be put under a report.
package enum SignOutcome: Sendable, Equatable {
    /// It stands there.
    case signed
    /// There is no such report.
    case unknownReport
    /// The other role's name is the same person's.
    case samePerson(role: String)
    /// The role has signed already.
    case alreadySigned(by: String)
    /// The manifest is not the one that the report was stored with.
    case manifestDiffers(stored: String)
}

extension ReconcileStore {
    /// The number that the next report of this period gets.
    package func nextRevision(label: String, zone: String) throws(StoreError) -> Int {
        Int(try rows(.nextRevision, [.text(label), .text(zone)], from: writing) { $0.integer(0) }.first ?? 1)
    }

    /// Stores a report whose files are written; its id. Nil, and nothing stored, when somebody has stored that revision meanwhile: then
    /// its files are to be written again under the next.
    package func addReport(_ report: ReportRecord) throws(StoreError) -> Int64? {
        let told = report.told.map { told in
            JSONText.object([("id", .text(told.id)), ("amount", .text(told.amountMinor.map { "\($0)" }))])
        }
        let values: [SQLValue] = [
            .text(report.period.label), .text(report.period.zone), .time(report.period.from), .time(report.period.to),
            .integer(Int64(report.revision)), .integer(report.run), .time(report.asOf), .text(report.status.rawValue),
            .text(report.directory), .text(report.manifestSHA256), .text(report.madeBy), .json(told),
        ]
        return try writing.write { () throws(StoreError) in
            try rows(.insertReport, values, from: writing) { $0.integer(0) }.first
        }
    }

    /// The last so many, the newest first, with the names under them.
    package func reports(limit: Int) throws(StoreError) -> [ReportRecord] {
        var reports: [ReportRecord] = try rows(.listReports, [.integer(Int64(max(0, limit)))]) { row in
            guard let id = row.integer(0), let from = row.time(3), let to = row.time(4), let asOf = row.time(7),
                let status = row.text(8).flatMap({ ReportStatus(rawValue: $0) })
            else { return nil }
            var report = ReportRecord(
                period: Period(from: from, to: to, zone: row.text(2) ?? "", label: row.text(1) ?? ""),
                revision: Int(row.integer(5) ?? 0), run: row.integer(6) ?? 0, asOf: asOf, status: status,
                directory: row.text(9) ?? "",
                manifestSHA256: row.text(10) ?? "", madeBy: row.text(12) ?? "")
            report.id = id
            report.madeAt = row.time(11)
            return report
        }
        var names: [Int64: [ReconciliationReport.SignOff]] = [:]
        try reading.run(.listSignatures, [.integer(Int64(max(0, limit)))]) { row in
            if let id = row.integer(0), let at = row.time(3) {
                names[id, default: []].append(.init(role: row.text(1) ?? "", by: row.text(2) ?? "", at: at, note: row.text(4)))
            }
            return true
        }
        for place in reports.indices { reports[place].signOffs = names[reports[place].id] ?? [] }
        return reports
    }

    /// Puts a name under a report. Preparer and reviewer are two people; each signs once; a signature is never taken back.
    package func sign(
        report id: Int64, role: String, by who: String, note: String?, manifest: String
    ) throws(StoreError) -> SignOutcome {
        try writing.write { () throws(StoreError) in
            guard let stored = try rows(.reportManifest, [.integer(id)], from: writing, { $0.text(0) }).first else {
                return .unknownReport
            }
            guard stored == manifest else { return .manifestDiffers(stored: stored) }
            let names = try rows(.signaturesOf, [.integer(id)], from: writing) { (role: $0.text(0) ?? "", by: $0.text(1) ?? "") }
            if let own = names.first(where: { $0.role == role }) { return .alreadySigned(by: own.by) }
            if let same = names.first(where: { Self.isSame($0.by, who) }) { return .samePerson(role: same.role) }
            try writing.run(.insertSignature, [.integer(id), .text(role), .text(who), .optional(note), .text(manifest)])
            return .signed
        }
    }

    /// "Ada " and "ada" are one person.
    private static func isSame(_ a: String, _ b: String) -> Bool {
        func plain(_ name: String) -> String { name.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: " ") }
        return plain(a) == plain(b)
    }

    /// The end of the latest period whose report both have signed; nil: none is. What lies before it is never restated.
    package func sealedThrough() throws(StoreError) -> Timestamp? {
        try rows(.sealedThrough) { $0.time(0) }.first
    }

    /// What the last signed report told, to compare with; nil: none is signed.
    package func lastSigned() throws(StoreError) -> SignedDiff? {
        let found = try rows(.lastSigned) { row in row.integer(0).flatMap { id in row.time(1).map { (id: id, asOf: $0) } } }
        guard let report = found.first else { return nil }
        let told = try rows(.reportBreaks, [.integer(report.id)]) { row in
            row.text(0).map { SignedDiff.Told(id: $0, amountMinor: row.integer(1)) }
        }
        return SignedDiff(told: told, asOf: report.asOf)
    }

    /// All ledgers, the oldest first.
    package func imports() throws(StoreError) -> [ImportSummary] {
        try rows(.listImports) { row in
            guard let id = row.integer(0), let asOf = row.time(8), let madeAt = row.time(9) else { return nil }
            return ImportSummary(
                id: id, source: row.text(1) ?? "", file: row.text(2) ?? "", sha256: row.text(3) ?? "", rows: row.integer(4) ?? 0,
                quarantined: row.integer(5) ?? 0, from: row.time(6), to: row.time(7), asOf: asOf, madeAt: madeAt,
                madeBy: row.text(10) ?? "",
                bridges: row.text(11) ?? "[]", summary: row.text(12) ?? "{}")
        }
    }
}
