package import TallypostCore

/// A rule of a file: what must hold between the application's rows and the tasks.
package struct Rule: Sendable, Equatable {
    /// What is asked.
    package enum Body: Sendable, Equatable {
        /// `-- expect: …`: so many tasks for each business row.
        case expectation(Expectation)
        /// A query whose rows are the breaks.
        case query(String)
    }

    /// `rule`, and the file's name without `.sql`.
    package var name: String
    /// The file, as it was named when it was read.
    package var file: String
    /// The file's text, byte for byte.
    package var text: String
    /// SHA-256 of ``text``, hex.
    package var hash: String
    /// `severity`.
    package var severity = Severity.high
    /// `owner`; empty: nobody is named.
    package var owner = ""
    /// `grace`: how old a row is before its other half is missed.
    package var grace = Rule.defaultGrace
    /// `confirm_runs`.
    package var confirmRuns = 1
    /// `critical_over`: beyond these amounts a finding is critical.
    package var criticalOver: [Limit] = []
    /// `type` of the tasks: of the expectation, or of the header `type`; empty: none is named.
    package var type = ""
    /// `hold`: orphans are held before dispatch.
    package var holdsOrphans = false
    /// `until`: from then on the rule is not run, and says so.
    package var until: Timestamp?
    /// `payload`: what `backfill` gives a task, with `{key}` for the business row's key as a JSON string.
    package var payload = "{\"subject\":{key}}"
    /// What is asked.
    package var body: Body

    /// When the header names none.
    package static let defaultGrace = TimeSpan.minutes(15)

    /// An amount of one currency, as it is written.
    package struct Limit: Sendable, Equatable {
        /// ISO 4217.
        package var currency: String
        /// Its digits without the point.
        package var digits: Int64
        /// Digits after the point.
        package var scale: Int

        /// Whether an amount in minor units is beyond it.
        package func isPassed(by amount: Int64, exponent: Int) -> Bool {
            func power(_ n: Int) -> Int128 { (0..<max(0, n)).reduce(1) { value, _ in value * 10 } }
            return Int128(amount.magnitude) * power(scale) > Int128(digits) * power(exponent)
        }
    }

    /// The declarative form, if it is one.
    package var expectation: Expectation? {
        if case .expectation(let expectation) = body { expectation } else { nil }
    }
}

/// `one completed send-receipt per orders.id where state = 'paid' amount total_minor currency currency at paid_at`.
package struct Expectation: Sendable, Equatable {
    /// How many tasks for each row.
    package enum Count: Sendable, Equatable {
        case exactly(Int64)
        case atLeastOne
        case atMostOne

        /// Tasks that a row is worth in the bridge.
        var slots: Int64 { if case .exactly(let count) = self { count } else { 1 } }
        /// Whether a row without a task is a break.
        var wantsAll: Bool { self != .atMostOne }
        /// Whether more tasks than ``slots`` are a break.
        var refusesMore: Bool { self != .atLeastOne }

        /// As a person says it.
        var spoken: String {
            switch self {
            case .exactly(1): "one"
            case .exactly(let count): "\(count)"
            case .atLeastOne: "at least one"
            case .atMostOne: "at most one"
            }
        }
    }

    /// Where a row's currency comes from.
    package enum Currency: Sendable, Equatable {
        /// A column, as it is written in SQL.
        case column(String)
        /// Every row has this one.
        case fixed(String)
    }

    /// How many tasks.
    package var count: Count
    /// Which status they must reach; nil: any.
    package var status: TaskStatus?
    /// `type` of the tasks.
    package var type: String
    /// The business table, as it is written in SQL: may be qualified and quoted.
    package var table: String
    /// The column that tasks' `subject` holds, as it is written in SQL.
    package var key: String
    /// Which rows; nil: all.
    package var condition: String?
    /// Whole minor units.
    package var amount: String?
    /// Goes with ``amount``.
    package var currency: Currency?
    /// The row's own time, from which grace and retention count.
    package var at: String?
}
