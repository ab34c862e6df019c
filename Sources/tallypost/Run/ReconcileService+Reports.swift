import TallypostCore
import TallypostReconciliation
import TallypostReports

/// Why a report could not be made.
enum ReportWriting: Error {
    /// The database.
    case store(StoreError)
    /// The files, or the key.
    case files(ReportFailure)
}

extension ReconcileService {
    /// Writes a report's files into a directory of their own below `folder`, under the next revision of its period, and records it.
    func write(
        _ report: ReconciliationReport, into folder: String, by who: String, environment: [String: String]
    ) throws(ReportWriting) -> ReportRecord {
        let signer = try signer(environment)
        let former = try asked { () throws(StoreError) in try store.reports(limit: 1).first }
        var revision = try asked { () throws(StoreError) in
            try store.nextRevision(label: report.period.label, zone: report.period.zone)
        }
        var documents = ReportDocuments(report, environment: self.environment, revision: revision)
        // A database that was restored has forgotten reports that are in the folder: their revisions stay theirs.
        while FileCheck.isThere(folder + "/" + documents.name.stem) {
            revision += 1
            documents = ReportDocuments(report, environment: self.environment, revision: revision)
        }
        let directory = folder + "/" + documents.name.stem
        let manifest = try files(documents, after: former, into: directory, signer)
        var record = ReportRecord(
            period: report.period, revision: revision, run: report.run, asOf: report.asOf, status: report.status,
            directory: directory,
            manifestSHA256: manifest.sha256, madeBy: who)
        record.told = report.breaks.filter(\.counts).map { .init(id: $0.finding.id, amountMinor: $0.finding.amountMinor) }
        guard let id = try asked({ () throws(StoreError) in try store.addReport(record) }) else {
            // The files stay: nothing that was written is taken away. The next try gets the next revision.
            throw .files(
                ReportFailure(
                    "somebody else wrote revision \(revision) of \(report.period.label) at the same time", mend: "try again"))
        }
        record.id = id
        return record
    }

    private func files(
        _ documents: ReportDocuments, after former: ReportRecord?, into directory: String, _ signer: ReportSigner?
    ) throws(ReportWriting) -> ReportManifest {
        do throws(ReportFailure) {
            var files = try documents.files()
            let previous = former.map {
                ReportManifest.Previous(
                    name: $0.directory.split(separator: "/").last.map(String.init) ?? "", sha256: $0.manifestSHA256)
            }
            let manifest = try ReportManifest(documents, files: files, previous: previous, signer: signer)
            files.append(manifest.file)
            if let signature = manifest.signature { files.append(signature) }
            try ReportDirectory.write(files, into: directory)
            return manifest
        } catch { throw .files(error) }
    }

    /// The key that signs; nil: none is configured.
    func signer(_ environment: [String: String]) throws(ReportWriting) -> ReportSigner? {
        guard let source = settings.signingKey else { return nil }
        let pem: String
        do throws(SecretSource.Failure) { pem = try source.resolve(environment: environment) } catch {
            throw .files(ReportFailure("reconcile.signingKey: \(error.reason)"))
        }
        do throws(ReportFailure) { return try ReportSigner(pem: pem) } catch {
            throw .files(ReportFailure("reconcile.signingKey: \(error.message)", mend: error.mend))
        }
    }

    /// The day and the month that have ended last, if they have no report yet and the books reach back into them.
    func writeDueReports(
        after run: ReconcilerRun, by who: String, environment: [String: String]
    ) throws(ReportWriting) -> [ReportRecord] {
        guard let folder = settings.reports else { return [] }
        var written: [ReportRecord] = []
        for name in ["yesterday", "last-month"] {
            guard let period = try? Period(parsing: name, zone: settings.zone, zoneName: settings.zoneName, now: run.asOf) else {
                continue
            }
            let isDue = try asked { () throws(StoreError) in
                guard try store.nextRevision(label: period.label, zone: period.zone) == 1 else { return false }
                return try !store.movementSums(before: period.to).isEmpty
            }
            guard isDue else { continue }
            let report = try asked { () throws(StoreError) in try self.report(of: period, zone: settings.zone, after: run) }
            written.append(try write(report, into: folder, by: who, environment: environment))
        }
        return written
    }

    private func asked<Result>(_ body: () throws(StoreError) -> Result) throws(ReportWriting) -> Result {
        do throws(StoreError) { return try body() } catch { throw .store(error) }
    }
}
