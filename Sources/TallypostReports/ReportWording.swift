import TallypostCore
import TallypostReconciliation

extension ReconciliationReport {
    /// Digits behind the point of a currency's amounts.
    func digits(_ currency: String?) -> Int { currency.map { min(max(exponents[$0] ?? 2, 0), 18) } ?? 0 }

    /// `1,234.50`; empty where there is no money.
    func grouped(_ amount: Int128, _ currency: String?) -> String {
        currency.map { AmountText.grouped(amount, digits: digits($0)) } ?? ""
    }

    /// `GBP 1,234.50`.
    func money(_ amount: Int128, _ currency: String) -> String {
        "\(currency) \(AmountText.grouped(amount, digits: digits(currency)))"
    }

    /// Breaks that count: open or acknowledged.
    var counting: [Break] { breaks.filter(\.counts) }

    /// The amounts of breaks by currency, each without its sign: a shortfall does not make up for an excess.
    func moneyInQuestion(_ breaks: some Sequence<Break>) -> [(currency: String, amount: Int128)] {
        var sums: [String: Int128] = [:]
        for item in breaks {
            guard let currency = item.finding.currency, let amount = item.finding.amountMinor else { continue }
            sums[currency, default: 0] += Int128(amount.magnitude)
        }
        return sums.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// `GBP 245.00 and JPY 12,400`; nil where no money is told.
    func moneyInWords(_ breaks: some Sequence<Break>) -> String? {
        let sums = moneyInQuestion(breaks).map { money($0.amount, $0.currency) }
        return sums.isEmpty ? nil : Wording.list(sums)
    }
}

/// Words that several documents share.
enum Wording {
    /// `a, b and c`.
    static func list(_ items: [String]) -> String {
        guard let last = items.last, items.count > 1 else { return items.first ?? "" }
        return items.dropLast().joined(separator: ", ") + " and " + last
    }

    /// `1 break`, `1,024 breaks`.
    static func count(_ number: some BinaryInteger, _ one: String, _ many: String? = nil) -> String {
        "\(AmountText.grouped(Int128(number), digits: 0)) \(number == 1 ? one : many ?? one + "s")"
    }

    /// `2026-11-20 00:15:00 UTC`, for people.
    static func time(_ time: Timestamp) -> String {
        let text = time.iso8601
        return "\(text.prefix(10)) \(text.dropFirst(11).prefix(8)) UTC"
    }

    /// `2026-11-20 00:15`, in a column whose heading says UTC.
    static func minute(_ time: Timestamp) -> String { "\(time.iso8601.prefix(10)) \(time.iso8601.dropFirst(11).prefix(5))" }

    /// `7 d 3 h`, `12 min`: the two greatest units.
    static func age(_ span: TimeSpan) -> String {
        let seconds = max(0, span.nanoseconds / 1_000_000_000)
        switch seconds {
        case ..<60: return "\(seconds) s"
        case ..<3_600: return "\(seconds / 60) min"
        case ..<86_400:
            let minutes = seconds % 3_600 / 60
            return "\(seconds / 3_600) h" + (minutes > 0 ? " \(minutes) min" : "")
        default:
            let hours = seconds % 86_400 / 3_600
            return "\(seconds / 86_400) d" + (hours > 0 ? " \(hours) h" : "")
        }
    }

    /// One line and no control or direction-changing character, whoever wrote the text.
    static func line(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { scalar in
                    switch scalar.value {
                    case 0..<0x20, 0x7F..<0xA0, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF: " "
                    default: scalar
                    }
                }))
    }
}

extension FindingClass {
    /// What is wrong, for a person who knows no code.
    var title: String {
        switch self {
        case .stalePending: "Waiting too long to be sent"
        case .stuckProcessing: "Being sent, outcome unknown"
        case .deadlinePassed: "Past its deadline"
        case .slaBreach: "Took longer than agreed"
        case .failed: "Failed for good"
        case .orphan: "Task without a business record"
        case .missing: "Business record without a task"
        case .duplicate: "More tasks than expected"
        case .amountMismatch: "Amounts differ"
        case .currencyMismatch: "Currencies differ"
        case .statusMismatch: "Not in the expected status"
        case .unknownType: "Type of task nobody configured"
        case .invalid: "Record that cannot be right"
        case .unexplainedChange: "Changed without an explanation"
        case .ruleBreach: "A rule of the business is broken"
        case .theyHaveWeDont: "The receiver did it, we have no record"
        case .weSayDoneTheyDont: "We say done, the receiver does not"
        case .doneTwice: "The receiver did it more than once"
        case .outcomeMismatch: "We and the receiver disagree on the outcome"
        }
    }

    /// What to do about it.
    var advice: String {
        switch self {
        case .stalePending:
            "See that a relay runs and that the route is not paused. The task is then sent, and this clears by itself."
        case .stuckProcessing:
            "Nobody knows whether the receiver did it. Ask the receiver by the key before you retry; a retry uses the same key."
        case .deadlinePassed: "Do not send it any more. Tell the owner of the business record, and decide there."
        case .slaBreach: "Nothing is lost. Look at why it was late: the receiver, the route's rate, a paused route."
        case .failed: "Read the last error, mend the cause, then retry the task or cancel it with a reason."
        case .orphan: "Find out who wrote the task. If money has moved, consider a refund; if not, cancel the task."
        case .missing:
            "Nobody was told to do this. Propose the missing tasks with: tallypost backfill --rule with this rule's name."
        case .duplicate:
            "Cancel the copies that are not sent yet. If two were completed, ask the receiver whether it was done twice."
        case .amountMismatch: "Do not settle. Compare the two records, and correct the one that is wrong at its source."
        case .currencyMismatch: "Do not settle. One of the two records names the wrong currency; correct it at its source."
        case .statusMismatch: "See why the task has not reached the expected status; retry it or cancel it with a reason."
        case .unknownType: "Configure a route for this type, or mend the program that writes it."
        case .invalid: "Correct the record; no relay can make sense of it."
        case .unexplainedChange:
            "Somebody changed or removed a row by hand. Find out who and why, put it right, then resolve this break with the reason."
        case .ruleBreach: "See the rule's text below for what it asks, and mend the record that it names."
        case .theyHaveWeDont:
            "Look the key up at the receiver. If it is ours, mark the task completed with that evidence; if not, tell the receiver."
        case .weSayDoneTheyDont: "Ask the receiver by the key. If it has no record, the payment or message did not happen."
        case .doneTwice: "Ask the receiver for a refund of the second one, and see why the key did not stop it."
        case .outcomeMismatch: "Ask the receiver which outcome is true, and correct the record that is wrong."
        }
    }
}

extension BreakState {
    /// For people.
    var title: String {
        switch self {
        case .unconfirmed: "not confirmed yet"
        case .open: "open"
        case .acknowledged: "acknowledged"
        case .resolved: "resolved"
        case .cleared: "cleared by itself"
        }
    }
}

extension BreakChange {
    /// For people.
    var title: String {
        switch self {
        case .new: "new"
        case .changed: "changed"
        case .persisting: "as before"
        case .cleared: "gone"
        case .reopened: "came back"
        }
    }
}
