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

    init(_ settings: ConsoleSettings, access: AdminAccess) {
        self.access = access
        health = settings.health
        metrics = settings.metrics
        worker = AdminWorker(
            name: "tp-admin", openDesk: settings.openDesk, routes: settings.routes, notice: settings.notice)
        bulkWorker = AdminWorker(
            name: "tp-admin-bulk", openDesk: settings.openDesk, routes: settings.routes, notice: settings.notice)
        gauges = GaugeReader(openDesk: settings.openDesk)
    }

    /// Answers what waits, and ends.
    func stop() {
        worker.stop()
        bulkWorker.stop()
        gauges.stop()
    }

    func respond(to request: HTTPRequest) -> HTTPResponse {
        let page = request.head.segments.count == 1 ? Page(rawValue: request.head.segments[0]) : nil
        if let refusal = access.refusal(request.head, needsToken: page?.needsToken ?? true) { return .now(refusal) }
        do throws(AdminFault) {
            if let page { return try respond(to: request, page) }
            return later(try AdminRouter.operation(request))
        } catch {
            let answer = HTTPAnswer.problem(error.problem, error.detail, instance: request.head.path)
            return .now(error.allowed.map { answer.adding("Allow", $0) } ?? answer)
        }
    }

    /// Pages outside `/v1`.
    private enum Page: String {
        case livez, readyz, healthz, metrics
        case openAPI = "openapi.json"

        /// Whoever watches whether we live has no token.
        var needsToken: Bool {
            switch self {
            case .livez, .readyz, .healthz: false
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
        case .openAPI:
            return .now(HTTPAnswer(status: 200, contentType: "application/json", body: PackageResources.openapi_json))
        }
    }

    private func later(_ operation: AdminOperation) -> HTTPResponse {
        let worker =
            if case .retryAll = operation { bulkWorker } else { self.worker }
        return .later { exchange in
            if !worker.post(AdminJob(operation: operation, exchange: exchange)) {
                exchange.finish(.problem(.unavailable, "too many requests wait; ask again").adding("Retry-After", "1"))
            }
        }
    }
}
