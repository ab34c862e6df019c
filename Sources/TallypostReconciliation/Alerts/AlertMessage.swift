import FoundationEssentials
import TallypostCore

/// The body that tells of an alert, in the receiver's language.
struct AlertMessage {
    let change: AlertChange
    let now: Timestamp

    /// One JSON text.
    var payload: String {
        switch change.settings.format {
        case .webhook: Self.json(webhook)
        case .slack: Self.json(slack)
        case .alertmanager: Self.json([alertmanager])
        }
    }

    static func json(_ value: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Only strings and numbers are in it: it cannot fail.
        guard let data = try? encoder.encode(value) else { preconditionFailure("an alert is always JSON") }
        return String(decoding: data, as: UTF8.self)
    }

    private struct Webhook: Encodable {
        struct Body: Encodable {
            var name: String
            var condition: String
            var rule: String?
            var severity: String
            var owner: String?
            var count: Int64
            var amounts: [Alert.Amount]
            var since: String
            var endedAt: String?
            var summary: String
            var database: String
        }
        var event: String
        var at: String
        var alert: Body
    }

    private var webhook: Webhook {
        let alert = change.alert
        return Webhook(
            event: change.isFiring ? "alert.firing" : "alert.resolved", at: now.iso8601,
            alert: .init(
                name: change.settings.name, condition: alert.condition, rule: alert.rule, severity: alert.severity,
                owner: alert.owner, count: alert.count, amounts: alert.amounts, since: alert.since,
                endedAt: change.isFiring ? nil : now.iso8601, summary: alert.summary, database: alert.database))
    }

    private struct Slack: Encodable {
        struct Text: Encodable {
            var type: String
            var text: String
        }
        struct Block: Encodable {
            var type: String
            var text: Text?
            var elements: [Text]?
        }
        var text: String
        var blocks: [Block]
    }

    private var slack: Slack {
        let alert = change.alert
        let head = "\(change.isFiring ? "FIRING" : "resolved"): \(alert.summary)"
        let money = alert.amounts.map { "\($0.currency) \($0.amountMinor) minor units" }.joined(separator: ", ")
        let facts = [
            "severity \(alert.severity)", alert.rule.map { "rule \($0)" }, alert.owner.map { "owner \($0)" },
            money.isEmpty ? nil : money, "since \(alert.since)", alert.database,
        ].compactMap { $0 }.joined(separator: " | ")
        return Slack(
            text: head,
            blocks: [
                .init(
                    type: "section",
                    text: .init(
                        type: "mrkdwn", text: "*\(change.isFiring ? "FIRING" : "resolved")* \(Self.slackText(alert.summary))")),
                .init(type: "context", text: nil, elements: [.init(type: "mrkdwn", text: Self.slackText(facts))]),
            ])
    }

    /// What would be a link or a mention in Slack is not.
    private static func slackText(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    }

    private struct Alertmanager: Encodable {
        var labels: [String: String]
        var annotations: [String: String]
        var startsAt: String
        var endsAt: String
    }

    private var alertmanager: Alertmanager {
        let alert = change.alert
        var labels = [
            "alertname": alert.title, "severity": alert.severity, "condition": alert.condition, "database": alert.database,
        ]
        labels["rule"] = alert.rule
        if let owner = alert.owner, !owner.isEmpty { labels["owner"] = owner }
        var annotations = ["summary": alert.summary, "count": String(alert.count)]
        annotations["description"] =
            alert.amounts.isEmpty
            ? alert.summary
            : "\(alert.summary); in minor units: "
                + alert.amounts.map { "\($0.currency) \($0.amountMinor)" }.joined(separator: ", ")
        return Alertmanager(
            labels: labels, annotations: annotations, startsAt: alert.since,
            endsAt: (change.isFiring ? now + change.settings.life : now).iso8601)
    }
}
