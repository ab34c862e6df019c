public import TallypostCore

/// A value of a column, the same for every engine. What an engine's driver makes of it is the fixture's business.
public enum ColumnValue: Sendable, Equatable {
    /// SQL NULL.
    case null
    /// An integer of any width.
    case integer(Int64)
    /// Text; in a time column of SQLite it is written as it stands, so that a test may write garbage.
    case text(String)
    /// A boolean; 0 or 1 in SQLite.
    case boolean(Bool)
    /// A moment; `timestamptz`, or ISO 8601 UTC text with milliseconds.
    case time(Timestamp)
    /// Written only: the database's clock when the statement runs, and this much more.
    case fromNow(TimeSpan)

    /// Columns that a fixture reads back as ``time(_:)``.
    public static let timeColumns: Set<String> = [
        "run_at", "deadline_at", "lease_expires_at", "created_at", "started_at", "finished_at", "ended_at", "at", "paused_at",
    ]
    /// Columns that a fixture reads back as ``boolean(_:)``.
    public static let booleanColumns: Set<String> = ["wait_for_signal", "blocks_key"]
}

extension ColumnValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByNilLiteral
{
    /// As `.text`.
    public init(stringLiteral value: String) { self = .text(value) }
    /// As `.integer`.
    public init(integerLiteral value: Int64) { self = .integer(value) }
    /// As `.boolean`.
    public init(booleanLiteral value: Bool) { self = .boolean(value) }
    /// As `.null`.
    public init(nilLiteral: ()) { self = .null }
}

/// Column to value: what a test inserts, and what it reads back.
public typealias ColumnValues = [String: ColumnValue]
