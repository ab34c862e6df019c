package import TallypostCore

/// What an alert tells, and what `tallypost_alerts.value` keeps of it, so that it can be told again.
package struct Alert: Codable, Sendable, Equatable {
    /// Money in one currency.
    package struct Amount: Codable, Sendable, Equatable {
        /// ISO 4217.
        package var currency: String
        /// In minor units, as decimal text: a sum of 64-bit numbers needs more than 64 bits.
        package var amountMinor: String
    }

    /// What is wrong: `depth`, `failure_rate`, `stuck`, `oldest`, `missed_run`, `findings`.
    package var condition: String
    /// The rule, for findings.
    package var rule: String?
    /// A ``Severity``.
    package var severity: String
    /// Whose it is, for findings.
    package var owner: String?
    /// How many tasks, or breaks.
    package var count: Int64
    /// Sums of breaks, by currency.
    package var amounts: [Amount] = []
    /// One sentence with the figures.
    package var summary: String
    /// Which database, without its password.
    package var database: String
    /// Since when it fires, in ISO 8601.
    package var since = ""
    /// When it was last told.
    package var toldAt = ""

    /// Tells it from others of one receiver: the condition; for findings with rule and severity.
    package var key: String { [condition, rule, rule == nil ? nil : severity].compactMap { $0 }.joined(separator: ":") }

    /// Alertmanager's name of it.
    var title: String {
        switch condition {
        case "depth": "TallypostBacklog"
        case "failure_rate": "TallypostFailureRate"
        case "stuck": "TallypostStuckTasks"
        case "oldest": "TallypostOldestTask"
        case "missed_run": "TallypostReconciliationMissed"
        default: "TallypostBreaks"
        }
    }
}

/// A row of `tallypost_alerts`.
package struct AlertState: Sendable, Equatable {
    /// The receiver's name and the alert's key.
    package var name: String
    /// Whether it is firing.
    package var isFiring: Bool
    /// Since when it is, or is not.
    package var since: Timestamp
    /// How often anything was told of it.
    package var epoch: Int64
    /// What was told last; nil where that cannot be read.
    package var told: Alert?
}

/// Something to tell a receiver: a transition, or a reminder.
package struct AlertChange: Sendable, Equatable {
    /// Whom.
    package var settings: AlertSettings
    /// What.
    package var alert: Alert
    /// Whether it is firing now.
    package var isFiring: Bool
    /// The row as it was read; nil: there was none.
    package var before: AlertState?

    /// Of the row.
    package var name: String { "\(settings.name)/\(alert.key)" }
    /// What is told of it is numbered: the next.
    package var epoch: Int64 { (before?.epoch ?? 0) + 1 }

    /// The task that tells it. Tasks of one alert share an ordering key, so that its end is not told before its beginning.
    package func draft(now: Timestamp) -> TaskDraft {
        let isPlain = name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
        let word = isPlain && name.utf8.count <= 200 ? name : Digest.hex(Digest.sha256(Array(name.utf8)).prefix(16))
        return TaskDraft(
            type: settings.type, payload: AlertMessage(change: self, now: now).payload,
            idempotencyKey: "alert-\(word.replacing("/", with: "-"))-\(epoch)",
            others: ["subject": name, "ordering_key": RoutePolicy.alertPrefix + name])
    }
}
