import TallypostCore
import TallypostReconciliation

extension JSONBuilder {
    /// A break, with the members of `reconcile --json` and what has been done about it.
    mutating func finding(_ found: Break) {
        let finding = found.finding
        object { json in
            json.member("id", finding.id)
            json.member("class", finding.kind.rawValue)
            json.member("severity", finding.severity.rawValue)
            json.member("type", finding.type)
            json.member("subject", finding.subject)
            json.member("idempotencyKey", finding.idempotencyKey)
            json.name("taskId")
            if let id = finding.taskID { json.integer(id) } else { json.raw("null") }
            // Text, for readers whose numbers are doubles.
            json.member("amountMinor", finding.amountMinor.map { String($0) })
            json.member("currency", finding.currency)
            json.member("rule", finding.rule)
            json.member("owner", finding.owner)
            json.member("state", found.state.rawValue)
            json.member("change", found.change?.rawValue)
            json.member("since", finding.since?.iso8601)
            json.member("firstSeen", found.firstSeen.iso8601)
            json.member("lastSeen", found.lastSeen.iso8601)
            json.member("detail", finding.detail)
            json.member("by", found.by)
            json.member("reason", found.reason)
            json.member("until", found.until?.iso8601)
        }
    }

    /// A run.
    mutating func run(_ run: ConsoleRun) {
        object { json in
            json.name("run")
            json.integer(run.run)
            json.member("asOf", run.asOf.iso8601)
            json.member("finishedAt", run.finishedAt.iso8601)
            json.member("madeBy", run.madeBy)
            json.member("status", run.status.rawValue)
            json.name("breaks")
            json.object { json in
                for severity in Severity.allCases {
                    json.name(severity.rawValue)
                    json.integer(run.bySeverity[severity] ?? 0)
                }
            }
        }
    }

    /// A report, with what its folder holds.
    mutating func report(_ report: ConsoleReport) {
        object { json in
            json.member("label", report.label)
            json.member("zone", report.zone)
            json.member("from", report.from.iso8601)
            json.member("to", report.to.iso8601)
            json.name("revision")
            json.integer(report.revision)
            json.name("run")
            json.integer(report.run)
            json.member("asOf", report.asOf.iso8601)
            json.member("status", report.status.rawValue)
            json.member("directory", report.directory)
            json.member("manifestSha256", report.manifestSHA256)
            json.name("signatures")
            json.array { json in
                for signature in report.signatures {
                    json.object { json in
                        json.member("role", signature.role)
                        json.member("by", signature.by)
                        json.member("at", signature.at.iso8601)
                        json.member("note", signature.note)
                    }
                }
            }
            json.files(of: report)
        }
    }

    private mutating func files(of report: ConsoleReport) {
        var names: [String] = []
        var problem: String?
        do throws(ReportFolder.Fault) {
            let folder = try ReportFolder(report.directory, manifestSHA256: report.manifestSHA256)
            names = folder.entries.map(\.name) + [folder.manifestName]
        } catch {
            switch error {
            case .missing(let detail), .altered(let detail): problem = detail
            }
        }
        name("files")
        array { json in for name in names { json.string(name) } }
        // Said here too, so that nobody takes a report without files for one that never had any.
        member("problem", problem)
    }

    /// A member that is a string, or null.
    mutating func member(_ key: String, _ value: String?) {
        name(key)
        string(value)
    }
}
