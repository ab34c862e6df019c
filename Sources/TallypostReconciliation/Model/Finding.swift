package import TallypostCore

/// What can be wrong with a row, in the words of the contract.
package enum FindingClass: String, Sendable, CaseIterable, Comparable {
    /// Pending, and due for longer than `staleAfter`: nobody sends it.
    case stalePending = "stale_pending"
    /// Processing, and its lease ran out some time ago: its outcome is unknown.
    case stuckProcessing = "stuck_processing"
    /// Open, and past its deadline.
    case deadlinePassed = "deadline_passed"
    /// Took, or takes, longer than the route's `sla`.
    case slaBreach = "sla_breach"
    /// A dead letter, or timed out.
    case failed
    /// A task without its business row.
    case orphan
    /// A business row without its task.
    case missing
    /// More tasks than the rule expects for one business row.
    case duplicate
    /// A task and its business row, or its ledger row, say different amounts.
    case amountMismatch = "amount_mismatch"
    /// The same for the currency.
    case currencyMismatch = "currency_mismatch"
    /// A task is there, but not in the status that the rule expects.
    case statusMismatch = "status_mismatch"
    /// A type that no route is configured for.
    case unknownType = "unknown_type"
    /// A row that cannot be: unknown status, impossible times, amount without currency, ended without an end.
    case invalid
    /// A row changed or vanished, and neither a relay nor a person's event says so.
    case unexplainedChange = "unexplained_change"
    /// A row that a rule's own query returned.
    case ruleBreach = "rule_breach"
    /// The receiver did it, and no completed task says so.
    case theyHaveWeDont = "they_have_we_dont"
    /// A task is completed, and the receiver's ledger does not have it.
    case weSayDoneTheyDont = "we_say_done_they_dont"
    /// The receiver did it more than once.
    case doneTwice = "done_twice"
    /// Both have it, and disagree on how it ended.
    case outcomeMismatch = "outcome_mismatch"

    /// Once found it stays until a person resolves it: another look at the table would not find it again.
    package var isSticky: Bool { self == .unexplainedChange }

    /// It comes of comparing with a receiver's ledger: found anew with each import, not with each run.
    package var isOfLedger: Bool {
        switch self {
        case .theyHaveWeDont, .weSayDoneTheyDont, .doneTwice, .outcomeMismatch: true
        default: false
        }
    }

    /// In the order of their declaration.
    package static func < (a: FindingClass, b: FindingClass) -> Bool {
        (allCases.firstIndex(of: a) ?? 0) < (allCases.firstIndex(of: b) ?? 0)
    }
}

/// How bad it is.
package enum Severity: String, Sendable, CaseIterable, Comparable {
    /// For the record.
    case low
    /// Should be looked at this week.
    case medium
    /// Should be looked at today.
    case high
    /// Money is wrong, or may be.
    case critical

    /// The worse one is greater.
    package static func < (a: Severity, b: Severity) -> Bool {
        (allCases.firstIndex(of: a) ?? 0) < (allCases.firstIndex(of: b) ?? 0)
    }
}

/// One thing that is wrong, as one run sees it.
package struct Finding: Sendable, Equatable {
    /// `F-` and 16 hex digits of the SHA-256 over rule, class, type and key: the same in every run.
    package var id: String
    /// What is wrong.
    package var kind: FindingClass
    /// How bad it is.
    package var severity: Severity
    /// The rule that found it; for what needs no rule, the class's name.
    package var rule: String
    /// Whose it is; empty: nobody is named.
    package var owner: String
    /// The task's type; empty when there is none.
    package var type: String
    /// The business row's key: `subject`, or what the rule's query calls `key`.
    package var subject: String?
    /// Of the task, or of the ledger's row.
    package var idempotencyKey: String?
    /// The task's `id`, if there is a task.
    package var taskID: Int64?
    /// How much money it is about, in minor units: for a mismatch the difference (task less business row, or theirs less ours).
    package var amountMinor: Int64?
    /// ISO 4217.
    package var currency: String?
    /// Since when: the row's own time, such as when it fell due.
    package var since: Timestamp?
    /// One sentence with the figures, for a person.
    package var detail: String
    /// It counts only after so many runs in a row have seen it; 1: at once.
    package var confirmRuns: Int

    /// Memberwise, with its id made of what identifies it.
    ///
    /// - Parameter key: what tells it from others of its rule, class and type: a task's `id` in decimal (`"17"`), a business row's key, an
    ///   idempotency key.
    package init(
        kind: FindingClass, severity: Severity, rule: String? = nil, owner: String = "", type: String, key: String,
        subject: String? = nil,
        idempotencyKey: String? = nil, taskID: Int64? = nil, amountMinor: Int64? = nil, currency: String? = nil,
        since: Timestamp? = nil,
        detail: String, confirmRuns: Int = 1
    ) {
        self.rule = rule ?? kind.rawValue
        id = Digest.findingID(rule: self.rule, kind: kind.rawValue, type: type, key: key)
        self.kind = kind
        self.severity = severity
        self.owner = owner
        self.type = type
        self.subject = subject
        self.idempotencyKey = idempotencyKey
        self.taskID = taskID
        self.amountMinor = amountMinor
        self.currency = currency
        self.since = since
        self.detail = detail
        self.confirmRuns = confirmRuns
    }
}
