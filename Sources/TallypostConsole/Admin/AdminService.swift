import TallypostCore

/// The admin listener: the JSON API, metrics and health.
final class AdminService: HTTPService {
    private let access: AdminAccess
    private let health: Health
    private let metrics: @Sendable (MetricsText, [MetricFamily]) -> String
    private let worker: AdminWorker
    /// Bulk changes may take minutes: they have a thread and a connection of their own.
    private let bulkWorker: AdminWorker
    private let gauges: GaugeReader
    private let overview: OverviewReader
    /// Nil: there is no reconciliation to ask.
    private let findings: FindingsWorker?
    private let tickets = TicketBook()

    init(_ settings: ConsoleSettings, access: AdminAccess) {
        self.access = access
        health = settings.health
        metrics = settings.metrics
        worker = AdminWorker(
            name: "tp-admin", openDesk: settings.openDesk, routes: settings.routes, notice: settings.notice)
        bulkWorker = AdminWorker(
            name: "tp-admin-bulk", openDesk: settings.openDesk, routes: settings.routes, notice: settings.notice)
        gauges = GaugeReader(openDesk: settings.openDesk)
        findings = settings.openFindings.map { FindingsWorker(openDesk: $0, notice: settings.notice) }
        let health = settings.health
        overview = OverviewReader(settings) { reading in
            OverviewDocument(
                families: settings.families(), isLive: health.live().status == 200, isDraining: health.isDraining(),
                hasFindings: settings.openFindings != nil, reconcilesEvery: settings.reconcilesEvery()
            ).answer(reading)
        }
    }

    /// Answers what waits, and ends.
    func stop() {
        worker.stop()
        bulkWorker.stop()
        gauges.stop()
        overview.stop()
        findings?.stop()
    }

    func respond(to request: HTTPRequest) -> HTTPResponse {
        let path = request.head.segments
        let page = path.count == 1 ? Page(rawValue: path[0]) : path.count == 2 && path[0] == "dashboard" ? .file : nil
        if let refusal = access.refusal(request.head, needsToken: (page?.needsToken ?? true) && !hasTicket(request)) {
            return .now(refusal)
        }
        do throws(AdminFault) {
            if let page { return try respond(to: request, page) }
            if let ticket = try ticket(request) { return .now(ticket) }
            if let response = try reconciliation(request) { return response }
            return later(try AdminRouter.operation(request))
        } catch {
            let answer = HTTPAnswer.problem(error.problem, error.detail, instance: request.head.path)
            return .now(error.allowed.map { answer.adding("Allow", $0) } ?? answer)
        }
    }

    // MARK: The dashboard's requests

    private func reconciliation(_ request: HTTPRequest) throws(AdminFault) -> HTTPResponse? {
        if request.head.segments == ["v1", "overview"] {
            try AdminRouter.expect(request, ["GET", "HEAD"])
            _ = try AdminRouter.query(request, known: [])
            return .later { [overview] exchange in if !overview.post(exchange) { exchange.finish(Self.crowded) } }
        }
        guard let operation = try FindingsRouter.operation(request) else { return nil }
        guard let findings else {
            return .now(.problem(.unavailable, "this relay does not reconcile", instance: request.head.path))
        }
        return .later { exchange in
            if !findings.post(FindingsWorker.Job(operation: operation, exchange: exchange)) { exchange.finish(Self.crowded) }
        }
    }

    /// `POST /v1/reports/{label}/{file}/ticket`.
    private func ticket(_ request: HTTPRequest) throws(AdminFault) -> HTTPAnswer? {
        let path = request.head.segments
        guard path.count == 5, path[0] == "v1", path[1] == "reports", path[4] == "ticket" else { return nil }
        try AdminRouter.expect(request, ["POST"])
        try AdminRouter.expectJSON(request)
        if !request.body.isEmpty {
            guard let source = JSONSource(request.body) else { throw AdminFault(detail: "the body is no JSON text") }
            _ = try AdminRouter.object(source, "the body", known: [])
        }
        let query = try AdminRouter.query(request, known: ["zone", "revision"])
        let name = try FindingsRouter.reportName(Array(path[2...3]), query)
        guard let ticket = tickets.issue(name) else { return .problem(.unavailable, "there are no random bytes; ask again") }
        return .json(201) { json in
            json.member("ticket", ticket)
            json.name("expiresInSeconds")
            json.integer(TicketBook.lifetime.milliseconds / 1_000)
        }
    }

    /// Whether it brings a ticket for the file that it names, which then is used up.
    private func hasTicket(_ request: HTTPRequest) -> Bool {
        let path = request.head.segments
        guard path.count == 4, path[0] == "v1", path[1] == "reports", request.head.method == "GET",
            let query = try? AdminRouter.query(request, known: ["zone", "revision", "ticket"]), let text = query["ticket"],
            let name = try? FindingsRouter.reportName(Array(path[2...]), query)
        else { return false }
        return tickets.redeem(text, for: name)
    }

    private static let crowded = HTTPAnswer.problem(.unavailable, "too many requests wait; ask again").adding("Retry-After", "1")

    /// Pages outside `/v1`.
    private enum Page: String {
        case livez, readyz, healthz, metrics
        case openAPI = "openapi.json"
        case dashboard = ""
        /// Of the dashboard.
        case file = "dashboard"

        /// Whoever watches whether we live has no token.
        var needsToken: Bool {
            switch self {
            // The dashboard comes without data, and asks for the token itself.
            case .livez, .readyz, .healthz, .dashboard, .file: false
            case .metrics, .openAPI: true
            }
        }
    }

    private func respond(to request: HTTPRequest, _ page: Page) throws(AdminFault) -> HTTPResponse {
        guard ["GET", "HEAD"].contains(request.head.method) else {
            throw AdminFault(problem: .methodNotAllowed, detail: "only GET, HEAD is allowed here", allowed: "GET, HEAD")
        }
        switch page {
        case .livez: return .now(health.live())
        case .readyz, .healthz:
            let live = health.live()
            if live.status != 200 { return .now(live) }
            if health.isDraining() {
                return .now(.problem(.unavailable, "the relay is stopping", instance: request.head.path))
            }
            return later(.probe)
        case .metrics:
            let format = MetricsText(accept: request.head.headers["accept"])
            let text = metrics(format, gauges.scrape().families)
            return .now(HTTPAnswer(status: 200, contentType: format.contentType, body: Array(text.utf8)))
        case .dashboard: return .now(Dashboard.page)
        case .file:
            guard request.head.segments.count == 2, let file = Dashboard.file(request.head.segments[1]) else {
                throw AdminRouter.notFound
            }
            return .now(file)
        case .openAPI:
            return .now(HTTPAnswer(status: 200, contentType: "application/json", body: PackageResources.openapi_json))
        }
    }

    private func later(_ operation: AdminOperation) -> HTTPResponse {
        let worker =
            if case .retryAll = operation { bulkWorker } else { self.worker }
        return .later { exchange in
            if !worker.post(AdminJob(operation: operation, exchange: exchange)) {
                exchange.finish(Self.crowded)
            }
        }
    }
}
