/// Why a store could not do what it was asked. Nothing is thrown half done: the transaction was rolled back, or, for
/// ``Kind/connection`` during a commit, its fate is unknown and the epoch fence decides when it is asked again.
public struct StoreError: Error, Sendable, CustomStringConvertible {
    /// What to do about it.
    public enum Kind: Sendable, Equatable {
        /// The database is away, or went away: connect again, later.
        case connection
        /// Somebody else holds a lock; try again soon.
        case busy
        /// The database takes no writes now (disk full, read-only standby, I/O error): pause, try again, say so.
        case unwritable
        /// The tables are missing, too old or too new: a person must run `init` or upgrade.
        case schema
        /// A role lacks a right.
        case permission
        /// The file is no database or is damaged: stop, and alert.
        case corrupt
        /// One of the values sent was refused (a text the encoding cannot hold, say).
        case data
        /// A fault of ours: a statement that does not parse, a result of the wrong shape.
        case defect
    }

    /// What to do about it.
    public var kind: Kind
    /// The engine's own code: an SQLSTATE, or an extended result code of SQLite.
    public var code: String
    /// What was being done: the named statement, or "connect".
    public var operation: String
    /// The engine's message, without secrets.
    public var message: String

    /// Memberwise.
    public init(kind: Kind, code: String, operation: String, message: String) {
        self.kind = kind
        self.code = code
        self.operation = operation
        self.message = message
    }

    /// Whether the same call can succeed later with nothing mended by a person.
    public var isTransient: Bool {
        switch kind {
        case .connection, .busy, .unwritable: true
        case .schema, .permission, .corrupt, .data, .defect: false
        }
    }

    /// Whether it ails the connection or the whole database, so that other calls would fail like this one.
    public var ailsTheWhole: Bool { isTransient || kind == .corrupt }

    /// One line for a log: what was done, what happened, the engine's code.
    public var description: String { "\(operation): \(message) [\(code)]" }
}
