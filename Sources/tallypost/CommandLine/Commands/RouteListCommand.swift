import TallypostCore
import TallypostDelivery
import TallypostRelay

/// `tallypost route list`.
struct RouteListCommand: Command {
    static let specification = CommandSpecification(
        name: "route list", summary: "List routes, and which are paused.",
        details: [
            "The routes of the configuration, where one is named, and every type that is paused or has tasks in the database."
        ],
        options: [.config, .database, .json],
        examples: [.init(line: "tallypost route list --config tallypost.json5", meaning: "All routes.")],
        exits: [.badData, .unavailable, .configuration])

    let sources: Configuration.Sources
    let printsJSON: Bool

    init(_ arguments: ParsedArguments) throws(CommandFailure) {
        sources = try arguments.sources()
        printsJSON = arguments.has("--json")
    }

    private struct Line {
        var type: String
        var route: RouteConfiguration?
        var pending: Int
        var paused: PausedRoute?
    }

    func run(in context: CommandContext) throws(CommandFailure) -> ExitCode {
        let (desk, configuration) = try context.openDesk(sources)
        let paused = try asking { () throws(StoreError) in try desk.pausedRoutes() }
        let overview = try asking { () throws(StoreError) in try desk.overview() }
        let routes = configuration.allRoutes.filter { $0.key != RoutePolicy.noticeType || configuration.routes[$0.key] != nil }
        let types = Set(routes.keys + paused.map(\.type) + overview.lines.map(\.type))
        let lines = types.sorted().map { type in
            Line(
                type: type, route: configuration.allRoutes[type],
                pending: overview.lines.filter { $0.type == type && $0.status == TaskStatus.pending.rawValue }.map(\.count)
                    .reduce(0, +),
                paused: paused.first { $0.type == type })
        }
        if printsJSON { printJSON(lines, context.output) } else { printTable(lines, context.output) }
        return .good
    }

    private func printTable(_ lines: [Line], _ output: OutputWriter) {
        guard !lines.isEmpty else { return output.line("no routes") }
        var table = TextTable([
            .init(heading: "type", longest: 30), .init(heading: "url", longest: 50), .init(heading: "signed"),
            .init(heading: "attempts", isNumber: true), .init(heading: "timeout", isNumber: true),
            .init(heading: "at once", isNumber: true),
            .init(heading: "pending", isNumber: true), .init(heading: "paused", longest: 70),
        ])
        for line in lines {
            let route = line.route
            table.add([
                line.type, route.map(Self.target) ?? (sources.file == nil ? "-" : "(no route)"),
                route.map { $0.isSigned ? "yes" : "no" } ?? "-",
                route.map { $0.policy.maxAttempts == 0 ? "for ever" : "\($0.policy.maxAttempts)" } ?? "-",
                route.map(\.policy.timeout.spoken) ?? "-", route.map { "\($0.policy.concurrency)" } ?? "-", "\(line.pending)",
                line.paused.map { "by \($0.by): \($0.reason)" } ?? "-",
            ])
        }
        output.write(table.text)
    }

    private static func target(of route: RouteConfiguration) -> String {
        guard route.subscribers.isEmpty else {
            return "(subscribers: \(route.subscribers.keys.sorted().joined(separator: ", ")))"
        }
        return route.wire.url.map(Redaction.masking) ?? "(where rows say)"
    }

    private func printJSON(_ lines: [Line], _ output: OutputWriter) {
        var json = JSONWriter(output)
        json.object { json in
            json.name("routes")
            json.array { json in
                for line in lines {
                    json.object { json in
                        json.name("type")
                        json.string(line.type)
                        json.name("url")
                        json.string(line.route?.wire.url.map(Redaction.masking))
                        json.name("pending")
                        json.integer(line.pending)
                        json.name("paused")
                        if let paused = line.paused { json.pausedRoute(paused) } else { json.raw("null") }
                        guard let route = line.route else { return }
                        json.name("signed")
                        json.truth(route.isSigned)
                        json.name("maxAttempts")
                        json.integer(route.policy.maxAttempts)
                        json.name("timeoutSeconds")
                        json.raw("\(route.policy.timeout.seconds)")
                        json.name("concurrency")
                        json.integer(route.policy.concurrency)
                    }
                }
            }
        }
        json.finish()
    }
}
