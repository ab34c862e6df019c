package import TallypostCore

/// How an alert's receiver wants to be told.
package enum AlertFormat: String, Sendable, CaseIterable {
    /// Our own JSON, signed as every callback is.
    case webhook
    /// What Slack's incoming webhooks take, and whoever speaks their language.
    case slack
    /// The alerts that Alertmanager's API v2 takes.
    case alertmanager
}

/// Whom to tell what: an entry of `alerts` in the configuration.
package struct AlertSettings: Sendable, Equatable {
    /// Tells it from the others; part of its tasks' type.
    package var name: String
    /// How.
    package var format = AlertFormat.webhook
    /// More tasks than this are due.
    package var depthOver: Int?
    /// A greater share than this of what ended in the last five minutes failed.
    package var failureRateOver: Double?
    /// More tasks than this are in processing with a lease that ran out.
    package var stuckOver: Int?
    /// The first due task has been due for longer.
    package var oldestOver: TimeSpan?
    /// The last reconciliation is too long ago.
    package var missedRun = false
    /// Breaks of at least this severity; nil: none.
    package var findings: Severity? = .high
    /// What goes on is told again after so long; nil: not.
    package var remindEvery: TimeSpan?

    /// With the defaults of the configuration.
    package init(name: String) { self.name = name }

    /// The type of the tasks that tell it.
    package var type: String { RoutePolicy.alertPrefix + name }

    /// Alertmanager forgets what it is not told again.
    package static let usualAlertmanagerReminder = TimeSpan.minutes(15)

    /// When what is firing is told again; nil: never.
    package var reminder: TimeSpan? { remindEvery ?? (format == .alertmanager ? Self.usualAlertmanagerReminder : nil) }

    /// So long after it was told, Alertmanager takes a firing alert for resolved: four reminders, so that one that comes late does no harm.
    package var life: TimeSpan { TimeSpan(nanoseconds: (reminder ?? Self.usualAlertmanagerReminder).nanoseconds * 4) }
}
