import TallypostCore
import TallypostDelivery
import TallypostReconciliation

/// All that a configuration says, checked and typed. Made only by ``Configuration/load(_:)``, so one that exists is good.
struct Configuration: Sendable {
    /// How changes in the database are noticed.
    enum WakeUp: String, Sendable, CaseIterable {
        /// By the engine's own means, and by polling where those fail.
        case auto
        /// By polling alone: no session state, so that a pooler in transaction mode may stand between.
        case poll
    }

    /// Where the listeners are to be.
    struct Listen: Sendable, Equatable {
        var admin: ListenAddress?
        var `public`: ListenAddress?
    }

    /// As written, password included; nil when neither file nor command line names one.
    var database: DatabaseURL?
    var listen = Listen()
    var adminToken: AdminToken?
    var signalBaseURL: String?
    var allow = AllowList.empty
    var wakeUp = WakeUp.auto
    /// By task type.
    var routes: [String: RouteConfiguration] = [:]
    /// By name.
    var schedules: [String: Schedule] = [:]
    var reconcile: ReconcileConfiguration?
    var alerts: [AlertConfiguration] = []
    /// How long final rows are kept.
    var retention = RetentionPolicy()
    /// Keys that do nothing where they stand, with their paths.
    var idleKeys: [ConfigurationProblem] = []

    /// The routes, those of their subscribers and of the alerts, and that of the notices, by task type.
    var allRoutes: [String: RouteConfiguration] {
        var all = [RoutePolicy.noticeType: RouteConfiguration(type: RoutePolicy.noticeType)]
        for (type, route) in routes {
            all[type] = route
            for (name, subscriber) in route.subscribers { all[RoutePolicy.subscription(of: type, to: name)] = subscriber }
        }
        for alert in alerts { all[alert.settings.type] = alert.route }
        return all
    }

    /// What the relay's mind needs to know, by task type.
    var policies: [String: RoutePolicy] { allRoutes.mapValues(\.policy) }

    /// How long receivers remember idempotency keys, by task type, where they forget.
    var keyRetention: [String: TimeSpan] {
        var retention = allRoutes.compactMapValues(\.keyRetention)
        // A subscriber is sent the route's tasks: opened again they are sent again.
        for (type, route) in routes {
            let spans = [route.keyRetention].compactMap { $0 } + route.subscribers.values.compactMap(\.keyRetention)
            retention[type] = spans.min()
        }
        return retention
    }

    /// Schedules whose tasks nobody would send.
    func schedulesWithoutRoute(file: String?) -> [ConfigurationProblem] {
        schedules.values.sorted { $0.name < $1.name }.filter { routes[$0.task.type] == nil }.map { schedule in
            let type = schedule.task.type
            let hint = NearestName.of(type, among: routes.keys).map { "; did you mean \"\($0)\"?" } ?? ""
            return ConfigurationProblem(
                file: file, line: nil, path: "schedules.\(schedule.name).type",
                message: "no route is named \"\(type)\": its tasks will be set aside as failed\(hint)")
        }
    }

    /// What the courier needs to know.
    func courierSettings(version: String) -> CourierSettings {
        CourierSettings(
            routes: allRoutes.filter { $0.value.subscribers.isEmpty }.mapValues(\.wire), allow: allow,
            ownListeners: [listen.admin, listen.public].compactMap { $0?.listener },
            version: version, signalBaseURL: signalBaseURL)
    }
}

/// The bearer token of the admin listener.
enum AdminToken: Sendable, Equatable {
    /// "none": for trying things out on loopback.
    case none
    /// The token itself, never printed.
    case token(String)
}
