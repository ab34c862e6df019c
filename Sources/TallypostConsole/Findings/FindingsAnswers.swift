import Glibc
import TallypostCore
import TallypostReconciliation

/// Carries out what requests ask of reconciliation, on one connection.
struct FindingsAnswers {
    let desk: any FindingsDesk
    /// The wall clock.
    var now: () -> Timestamp = {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000)
    }

    /// Reports of one label that are looked through for a file: revisions, and zones.
    static let mostRevisions = 100

    func answer(_ operation: FindingsOperation) throws(StoreError) -> HTTPAnswer {
        switch operation {
        case .list(let filter, let cursor, let limit): return try list(filter, cursor, limit)
        case .show(let id):
            guard let found = try desk.finding(id: id) else { return Self.noFinding(id) }
            return Self.one(found)
        case .acknowledge(let id, let actor, let until): return try acknowledge(id, actor, until)
        case .resolve(let id, let actor):
            guard let before = try desk.finding(id: id) else { return Self.noFinding(id) }
            let isDone = try desk.resolve(id: id, by: actor.who, reason: actor.reason)
            return try changed(id, isDone, before, "resolve takes only one that is: open, acknowledged")
        case .runs(let limit):
            let runs = try desk.runs(limit: limit)
            return .json { json in
                json.name("runs")
                json.array { json in for run in runs { json.run(run) } }
            }
        case .reports(let limit):
            let reports = try desk.reports(label: nil, limit: limit)
            return .json { json in
                json.name("reports")
                json.array { json in for report in reports { json.report(report) } }
            }
        case .file(let name): return try file(name)
        }
    }

    private func list(_ filter: FindingFilter, _ cursor: String?, _ limit: Int) throws(StoreError) -> HTTPAnswer {
        // One more than asked tells whether another page follows.
        let found = try desk.findings(filter, after: cursor, limit: limit + 1)
        return .json { json in
            json.name("findings")
            json.array { json in for one in found.prefix(limit) { json.finding(one) } }
            json.name("next")
            json.string(found.count > limit ? found.prefix(limit).last?.finding.id : nil)
        }
    }

    private func acknowledge(
        _ id: String, _ actor: FindingsOperation.Actor, _ until: Timestamp?
    ) throws(StoreError) -> HTTPAnswer {
        guard let before = try desk.finding(id: id) else { return Self.noFinding(id) }
        if let until, until <= now() {
            return .problem(
                .unprocessable, "until is \(until.iso8601), which is over; give a time to come", instance: Self.path(id))
        }
        let isDone = try desk.acknowledge(id: id, by: actor.who, reason: actor.reason, until: until)
        return try changed(id, isDone, before, "ack takes only one that is: open, acknowledged")
    }

    private func changed(_ id: String, _ isDone: Bool, _ before: Break, _ rule: String) throws(StoreError) -> HTTPAnswer {
        guard isDone else {
            let state = try desk.finding(id: id)?.state ?? before.state
            return .problem(.conflict, "finding \(id) is \(state.rawValue); \(rule)", instance: Self.path(id))
        }
        return Self.one(try desk.finding(id: id) ?? before)
    }

    private static func one(_ found: Break) -> HTTPAnswer {
        .json { json in
            json.name("finding")
            json.finding(found)
        }
    }

    private static func noFinding(_ id: String) -> HTTPAnswer {
        .problem(.notFound, "there is no finding \(id)", instance: path(id))
    }

    private static func path(_ id: String) -> String { "/v1/findings/\(id)" }

    // MARK: Files of reports

    private func file(_ name: FindingsOperation.ReportName) throws(StoreError) -> HTTPAnswer {
        let reports = try desk.reports(label: name.label, limit: Self.mostRevisions).filter { report in
            report.label == name.label && (name.zone == nil || report.zone == name.zone)
                && (name.revision == nil || report.revision == name.revision)
        }.sorted { $0.revision > $1.revision }
        guard !reports.isEmpty else {
            return .problem(.notFound, "there is no such report; GET /v1/reports lists them", instance: "/v1/reports")
        }
        var fault = ReportFolder.Fault.missing("")
        for report in reports {
            do throws(ReportFolder.Fault) {
                let folder = try ReportFolder(report.directory, manifestSHA256: report.manifestSHA256)
                return ReportMedia(name.file).answer(try folder.open(name.file))
            } catch {
                // What was altered is worth more words than what is not in another revision.
                if case .altered = fault { continue }
                fault = error
            }
        }
        switch fault {
        case .missing(let detail): return .problem(.notFound, detail, instance: "/v1/reports")
        case .altered(let detail): return .problem(.conflict, detail, instance: "/v1/reports")
        }
    }
}

/// How a file of a report is served, by its name's ending.
struct ReportMedia {
    private let name: String

    init(_ name: String) { self.name = name }

    /// The page may style itself and show pictures that it holds; it runs no script, reaches nothing and is of no origin, so that
    /// whatever a row's text did to it, it could not use the API.
    static let pagePolicy =
        "sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; "
        + "form-action 'none'; frame-ancestors 'none'"

    func answer(_ file: OpenFile) -> HTTPAnswer {
        var answer = HTTPAnswer(status: 200, contentType: type.text, body: [])
        answer.file = file
        // The name came from the manifest, and is ours; quotes and controls are left out all the same.
        let plain = String(
            name.unicodeScalars.filter { $0.isASCII && $0.value >= 0x20 && $0 != "\"" && $0 != "\\" && $0.value != 0x7F })
        answer = answer.adding("Content-Disposition", "\(type.isShown ? "inline" : "attachment"); filename=\"\(plain)\"")
        return type.isPage ? answer.adding("Content-Security-Policy", Self.pagePolicy) : answer
    }

    private var type: (text: String, isShown: Bool, isPage: Bool) {
        switch name.split(separator: ".").last.map({ $0.lowercased() }) {
        case "html": ("text/html; charset=utf-8", true, true)
        case "json": ("application/json", true, false)
        case "txt", "sig", "pem": ("text/plain; charset=utf-8", true, false)
        case "csv": ("text/csv; charset=utf-8", false, false)
        case "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", false, false)
        case "pdf": ("application/pdf", false, false)
        default: ("application/octet-stream", false, false)
        }
    }
}
