/// A rule that holds tasks before they are sent while their business row is not there.
public struct HoldRule: Sendable {
    /// The rule's name.
    public var name: String
    /// The type of the tasks that it holds.
    public var type: String
    /// A query that gives the type of the business row's key, where the engine must know it; nil: it need not.
    public var keyTypeSQL: String?
    /// For this engine, and that type: one parameter, the tasks' ids (`bigint[]`; a JSON array on SQLite); its rows are the ids of those
    /// to hold.
    public var sql: @Sendable (_ keyType: String?) -> String
    /// What is looked for, around the task's subject: “no row of orders with id ” …
    public var lacking: String
    /// … “ where state = 'paid'”; may be empty.
    public var condition: String

    /// Memberwise.
    public init(
        name: String, type: String, keyTypeSQL: String? = nil, lacking: String, condition: String = "",
        sql: @escaping @Sendable (_ keyType: String?) -> String
    ) {
        self.keyTypeSQL = keyTypeSQL
        self.name = name
        self.type = type
        self.sql = sql
        self.lacking = lacking
        self.condition = condition
    }

    /// How `last_error` of a held task begins.
    public static let mark = "held: "

    /// What `last_error` says of a task that it holds.
    public func reason(subject: String?) -> String {
        guard let subject else { return "\(Self.mark)the task has no subject, so it has \(lacking.trimmed) (rule \(name))" }
        return "\(Self.mark)\(lacking)\(subject)\(condition) (rule \(name))"
    }

    /// What it says when nobody knows, because the look failed.
    public func reason(failure: StoreError) -> String {
        "\(Self.mark)rule \(name) cannot be asked: \(failure.message) [\(failure.code)]"
    }

    /// How long a task is held before it is looked at again, when it was held so many times before: from a minute, doubling, to ten.
    public static func delay(afterHolds count: Int) -> TimeSpan { min(.minutes(10), .minutes(1 << Int64(min(max(count, 0), 4)))) }
}

extension String {
    fileprivate var trimmed: String {
        var text = self[...]
        while text.last == " " { text = text.dropLast() }
        return String(text)
    }
}
